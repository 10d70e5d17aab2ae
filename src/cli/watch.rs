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
use std::pin::Pin;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::time::Sleep;

/// How long after a deployment's end its clean-up is watched: time for a container to stop and the old one to start.
/// An engine that is gone would take it longer, and the user waits for the cause.
const CLEANING_UP: Duration = Duration::from_secs(20);

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

/// What comes first.
enum Event {
    Look(Box<Look>),
    Interrupt,
    /// The clean-up has been watched long enough.
    Enough,
}

impl Watch<'_> {
    /// Watches until the deployment ends or the user stops.
    pub async fn run(&mut self, interrupts: &mut Signal) -> Result<End, Error> {
        let mut follow = Follow::default();
        let mut from = 0;
        self.display.doing(follow::doing(&self.last.value));
        let mut enough = None;
        loop {
            let event = tokio::select! {
                // An interrupted look is thrown away whole and its part of the log asked for again.
                look = self.look(from) => Event::Look(Box::new(look?)),
                _ = interrupts.recv() => Event::Interrupt,
                () = until(&mut enough) => Event::Enough,
            };
            let look = match event {
                Event::Look(look) => look,
                Event::Interrupt => match self.interrupted(interrupts).await {
                    End::Over => continue,
                    End::Stopped => return Ok(End::Stopped),
                },
                Event::Enough => {
                    self.display
                        .tell(&follow.advance("", &self.last.value, true));
                    return Ok(End::Over);
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
            if deployment.status.is_end() {
                if complete {
                    return Ok(End::Over);
                }
                enough.get_or_insert_with(|| Box::pin(tokio::time::sleep(CLEANING_UP)));
            }
        }
    }

    async fn look(&self, from: u64) -> Result<Look, ClientError> {
        let id = &self.last.value.id;
        if from > 0 {
            tokio::time::sleep(self.client.pace(2)).await;
        }
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

/// Returns when that time is over, if it has begun.
async fn until(time: &mut Option<Pin<Box<Sleep>>>) {
    match time {
        Some(time) => time.await,
        None => std::future::pending().await,
    }
}
