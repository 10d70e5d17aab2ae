//! What the engine tells by itself of this instance's objects.

use super::connection::Docker;
use super::labels;
use super::work::Out;
use crate::core::ports::{EngineError, EngineEvent};
use bollard::models::{EventMessage, EventMessageTypeEnum as Kind};
use bollard::query_parameters::{EventsOptions, EventsOptionsBuilder};
use std::collections::HashMap;

/// Tells until the engine is lost.
///
/// The engine begins to keep events for a reader a moment after it took the request, and does not say when. Asked for
/// all events since the beginning of time it gives those it still remembers (256) first, so that nothing falls between
/// `Listening` and that moment. What is told twice is looked at twice.
pub async fn tell(docker: &Docker, out: Out<EngineEvent>) -> Result<(), EngineError> {
    docker.ping().await?;
    let client = docker.client().await?;
    let mut stream = Box::pin(client.events(Some(options(docker))));
    out.say(EngineEvent::Listening).await;
    while let Some(item) = docker.next(&mut stream).await? {
        let message = item.map_err(|error| docker.explain(&error))?;
        if let Some(event) = event(message) {
            out.say(event).await;
        }
    }
    Err(EngineError::Unavailable(
        "it stopped telling its events".to_owned(),
    ))
}

fn options(docker: &Docker) -> EventsOptions {
    let label = format!("{}={}", labels::INSTANCE, docker.instance());
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let filters: HashMap<&str, Vec<String>> = HashMap::from([
        ("label", vec![label]),
        ("type", words(&["container", "image"])),
        ("event", words(&["create", "die", "destroy", "tag"])),
    ]);
    EventsOptionsBuilder::new()
        .since("1")
        .filters(&filters)
        .build()
}

fn event(message: EventMessage) -> Option<EngineEvent> {
    let name = message.actor?.attributes?.remove("name");
    match (message.typ?, message.action?.as_str()) {
        (Kind::CONTAINER, "create") | (Kind::IMAGE, "tag") => Some(EngineEvent::Made),
        (Kind::CONTAINER, "die") => name.map(EngineEvent::Ended),
        (Kind::CONTAINER, "destroy") => name.map(EngineEvent::Removed),
        _ => None,
    }
}
