//! Watching a deployment to its end: log and document in turn, through restarts of the daemon, until it ends or the
//! user has seen enough.

use super::client::{Client, ClientError, Document};
use super::display::Display;
use super::document::{Deployment, LogPage};
use super::exit::Error;
use super::follow::{self, Follow};
use super::output::Output;
use super::patience::patiently;
use super::question::{self, Choice};
use std::time::Duration;
use tokio::signal::unix::Signal;

/// How watching ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With the deployment.
    Over,
    /// Before it.
    Stopped,
}

/// Watches one deployment.
pub struct Watch<'a> {
    /// Asks.
    pub client: &'a Client,
    /// Shows.
    pub display: &'a Display,
    /// Asks the user.
    pub output: Output,
    /// How long the daemon may be away.
    pub patience: Duration,
    /// The newest document.
    pub last: Document<Deployment>,
}

/// One look: a part of the log, and a document that is at least as new unless the daemon went away in between.
struct Look {
    page: LogPage,
    document: Option<Document<Deployment>>,
}

impl Watch<'_> {
    /// Watches until the deployment ends or the user stops.
    pub async fn run(&mut self, interrupts: &mut Signal) -> Result<End, Error> {
        let mut follow = Follow::default();
        let mut from = 0;
        self.display.doing(follow::doing(&self.last.value));
        loop {
            let look = tokio::select! {
                // An interrupted look is thrown away whole and its part of the log asked for again.
                look = self.look(from) => Some(look?),
                _ = interrupts.recv() => None,
            };
            let Some(look) = look else {
                match self.interrupted(interrupts).await {
                    End::Over => continue,
                    End::Stopped => return Ok(End::Stopped),
                }
            };
            from = look.page.next;
            let seen = look.document.is_some();
            if let Some(document) = look.document {
                self.last = document;
            }
            let complete = look.page.complete && seen;
            let deployment = &self.last.value;
            self.display
                .tell(&follow.advance(&look.page.text, deployment, complete));
            self.display.doing(follow::doing(deployment));
            if complete && deployment.status.is_end() {
                return Ok(End::Over);
            }
        }
    }

    async fn look(&self, from: u64) -> Result<Look, ClientError> {
        let id = &self.last.value.id;
        let page = patiently(self.patience, self.display, async || {
            self.client.log(id, from, true).await
        })
        .await?;
        let document = match self.client.deployment(id).await {
            Ok(document) => Some(document),
            // The lines we have are shown first; the next look waits for the daemon.
            Err(error) if error.may_pass() => None,
            Err(error) => return Err(error),
        };
        let ended = document
            .as_ref()
            .is_some_and(|document| document.value.status.is_end());
        if page.text.is_empty() && !(page.complete && ended) {
            tokio::time::sleep(follow::PAUSE).await;
        }
        Ok(Look { page, document })
    }

    /// Asks what Ctrl-C means. [`End::Over`] is: go on to the deployment's end.
    async fn interrupted(&self, interrupts: &mut Signal) -> End {
        self.display.clear();
        let id = &self.last.value.id;
        match question::ask(self.output, interrupts).await {
            Choice::Watch => {}
            Choice::Stop => {
                self.output.say(&format!(
                    "no longer watching; the deployment goes on. Follow it with `longshore logs {id} -f`, \
                     cancel it with `longshore cancel {id}`"
                ));
                return End::Stopped;
            }
            Choice::Cancel => match self.client.cancel(id).await {
                Ok(_) => self.output.say("cancelled; waiting for it to end"),
                Err(error) => self.output.say(&error.to_string()),
            },
        }
        self.display.doing(follow::doing(&self.last.value));
        End::Over
    }
}
