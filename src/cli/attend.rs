//! From the question for a deployment to its end: asked for once however often the daemon goes away, watched, and
//! turned into an exit status.

use super::client::{ClientError, Document};
use super::display::Display;
use super::document::{Apps, Deployment, Status};
use super::echo::SilentInterrupt;
use super::exit::{Error, Exit};
use super::output::Side;
use super::patience::patiently;
use super::table::clean;
use super::watch::{End, Watch};
use super::{Session, list, summary};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Where a deployment is watched: standard output is kept free for the document of `--json`.
pub fn display(session: &Session) -> Display {
    let side = if session.json {
        Side::Stderr
    } else {
        Side::Stdout
    };
    Display::new(session.output, side)
}

/// Asks for a deployment, or a run. When the answer is lost on the way, asking again with the same key gets it, and no
/// second one.
pub async fn create<T: DeserializeOwned>(
    session: &Session,
    display: &Display,
    path: &str,
    body: &serde_json::Value,
    patience: Duration,
) -> Result<Document<T>, ClientError> {
    let key = key();
    let ask = async || session.client.post(path, body, Some(&key)).await;
    match ask().await {
        Err(ClientError::Lost { .. }) => patiently(patience, display, ask).await,
        answer => answer,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line is a client of its own and makes its own keys"
)]
pub fn key() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Watches a deployment to its end, or only says its id.
pub async fn attend(
    session: &Session,
    display: &Display,
    created: Document<Deployment>,
    no_wait: bool,
    patience: Duration,
) -> Result<Exit, Error> {
    let output = session.output;
    if no_wait {
        let text = if session.json {
            created.text
        } else {
            clean(&created.value.id)
        };
        output.print(&text)?;
        return Ok(Exit::Success);
    }
    // From here on Ctrl-C is a question, before the first line invites it.
    let mut interrupts = signal(SignalKind::interrupt())
        .map_err(|error| Error::failed(format!("cannot listen for Ctrl-C: {error}")))?;
    let silent = SilentInterrupt::begin(output);
    if !output.is_quiet() {
        display.print(&opening(&created.value));
    }
    let mut watch = Watch {
        client: &session.client,
        display,
        output,
        patience,
        last: created,
    };
    let end = watch.run(&mut interrupts).await;
    display.clear();
    drop(silent);
    if end == Ok(End::Over) {
        conclude(session, display, &watch.last.value).await;
    }
    if session.json {
        match output.print(&watch.last.text) {
            // How it ended matters more than who reads it.
            Ok(()) | Err(Error::PipeClosed) => {}
            Err(error) => return Err(error),
        }
    }
    if matches!(
        &end,
        Err(Error::Ended {
            exit: Exit::Unreachable,
            ..
        })
    ) {
        let id = clean(&watch.last.value.id);
        output.say(&format!(
            "{id} goes on as soon as the daemon runs; `longshore logs {id} -f` follows it then"
        ));
    }
    Ok(match end? {
        End::Stopped => Exit::Interrupted,
        End::Over => match watch.last.value.status {
            Status::Success => Exit::Success,
            Status::Cancelled => Exit::Cancelled,
            Status::Failed | Status::Queued | Status::Building | Status::Deploying => Exit::Failed,
        },
    })
}

fn opening(deployment: &Deployment) -> String {
    let version = match list::version(deployment) {
        version if version.is_empty() => String::new(),
        version => format!(" of {}", clean(&version)),
    };
    format!(
        "{}: deployment{version} to {} of {}",
        clean(&deployment.id),
        clean(&deployment.environment),
        clean(&deployment.app),
    )
}

/// Says how it ended: a success where the lines went, anything else on standard error.
async fn conclude(session: &Session, display: &Display, deployment: &Deployment) {
    match deployment.status {
        Status::Success => {
            let address = address(session, deployment).await;
            let side = if session.json {
                Side::Stderr
            } else {
                Side::Stdout
            };
            let paint = session.output.paint(side);
            display.print(&summary::of(deployment, address.as_deref(), paint));
        }
        Status::Failed
        | Status::Cancelled
        | Status::Queued
        | Status::Building
        | Status::Deploying => {
            let paint = session.output.stderr_paint();
            session.output.say(&summary::of(deployment, None, paint));
        }
    }
}

/// Where the environment's container listens; a nicety, so any error is the same as not knowing.
async fn address(session: &Session, deployment: &Deployment) -> Option<String> {
    let apps = session.client.get::<Apps>("/v1/apps").await.ok()?.value;
    let app = apps
        .data
        .into_iter()
        .find(|app| app.name == deployment.app)?;
    let mut environments = app.environments.into_iter();
    environments
        .find(|environment| environment.name == deployment.environment)?
        .address
}
