//! What waits in an environment's queue. The serial is the queue's order; an operation is done when its work ended
//! and everything it left to be undone is settled.

use super::change::Change;
use super::deployment::{Deployment, Wanted};
use super::id::{
    ConnectionSerial, ContainerSerial, DeploymentSerial, EnvironmentSerial, OperationSerial,
    SettlementSerial,
};
use super::release::candidate_tag;
use super::time::Timestamp;
use uuid::Uuid;

/// One entry of an environment's queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its place in the queue.
    pub serial: OperationSerial,
    /// The environment whose queue it is in.
    pub environment: EnvironmentSerial,
    /// What is to be done.
    pub kind: OperationKind,
    /// When it was accepted.
    pub created_at: Timestamp,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// Walk a deployment to its end.
    Deploy(DeploymentSerial),
    /// Change what the environment is meant to be doing.
    Change(Change),
}

/// Something an operation left to be undone, written in the transaction that decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The row's serial; lower ones are settled first, and retiring always before restoring.
    pub serial: SettlementSerial,
    /// The environment it belongs to.
    pub environment: EnvironmentSerial,
    /// The deployment whose outcome wrote it; `None` for what a removal clears away.
    pub deployment: Option<DeploymentSerial>,
    /// What is to be undone.
    pub undo: Undo,
    /// For a container to which requests may have been sent: the generation of the route table that no longer leads there.
    pub unrouted: Option<i64>,
}

/// What is to be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// Stop a container, read its output to the end, remove it.
    RetireContainer(ContainerSerial),
    /// Take our tag off an image; the engine removes the image when nothing else holds it.
    RetireImage(String),
    /// Remove a scratch tree.
    RetireTree(Uuid),
    /// Start a container again that was stopped to make room.
    Restore(ContainerSerial),
    /// Remove the environment's network, by its name.
    RetireNetwork(String),
    /// Take everybody out of a connection's network and remove it.
    RetireConnection(ConnectionSerial),
    /// Remove a volume with what is in it, by its full name.
    RetireVolume(String),
}

/// What a deployment that ended before its commit leaves behind it: its candidates, the container it stopped to make
/// room, the image it built, the tree it built it from.
#[must_use]
pub fn leftovers(
    deployment: &Deployment,
    slug: &str,
    candidates: &[ContainerSerial],
    displaced: &[ContainerSerial],
) -> Vec<Undo> {
    let candidates = candidates.iter().copied().map(Undo::RetireContainer);
    let displaced = displaced.iter().copied().map(Undo::Restore);
    candidates
        .chain(displaced)
        .chain(scaffolding(deployment, slug))
        .collect()
}

/// What no deployment needs once it has ended or committed: the candidate's tag and the scratch tree of a build.
#[must_use]
pub fn scaffolding(deployment: &Deployment, slug: &str) -> Vec<Undo> {
    match deployment.request.wanted {
        Wanted::Commit { .. } => {
            vec![
                Undo::RetireImage(candidate_tag(slug, deployment.serial)),
                Undo::RetireTree(deployment.id),
            ]
        }
        Wanted::Image(_) | Wanted::Release(_) | Wanted::Restart => Vec::new(),
    }
}

/// What a removed environment leaves: its containers, the tags of its releases' images, its network and, if they are
/// to go, its volumes.
#[must_use]
pub fn cleared_away(
    slug: &str,
    containers: &[ContainerSerial],
    tags: impl IntoIterator<Item = String>,
    volumes: impl IntoIterator<Item = String>,
) -> Vec<Undo> {
    let containers = containers.iter().copied().map(Undo::RetireContainer);
    containers
        .chain(tags.into_iter().map(Undo::RetireImage))
        .chain([Undo::RetireNetwork(slug.to_owned())])
        .chain(volumes.into_iter().map(Undo::RetireVolume))
        .collect()
}
