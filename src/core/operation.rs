//! What waits in an environment's queue. The serial is the queue's order; an operation is done when its work ended
//! and everything it left to be undone is settled.

use super::container::ContainerRow;
use super::id::{
    ContainerSerial, DeploymentSerial, EnvironmentSerial, OperationSerial, SettlementSerial,
};
use super::time::Timestamp;

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
}

/// Something an operation left to be undone, written in the transaction that decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The row's serial; lower ones are settled first, and retiring always before restoring.
    pub serial: SettlementSerial,
    /// The environment it belongs to.
    pub environment: EnvironmentSerial,
    /// The deployment whose outcome wrote it.
    pub deployment: DeploymentSerial,
    /// What is to be undone.
    pub undo: Undo,
}

/// What is to be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// Stop a container, read its output to the end, remove it.
    RetireContainer(ContainerSerial),
    /// Take our tag off an image; the engine removes the image when nothing else holds it.
    RetireImage(String),
    /// Remove a scratch tree.
    RetireTree(uuid::Uuid),
    /// Start a container again that was stopped to make room.
    Restore(ContainerSerial),
}

/// What a failed or cancelled deployment leaves behind it, as rows.
#[must_use]
pub fn leftovers(
    containers: &[ContainerRow],
    displaced: Option<ContainerSerial>,
    image: Option<String>,
    tree: Option<uuid::Uuid>,
) -> Vec<Undo> {
    let retire = containers
        .iter()
        .map(|row| Undo::RetireContainer(row.serial));
    retire
        .chain(displaced.map(Undo::Restore))
        .chain(image.map(Undo::RetireImage))
        .chain(tree.map(Undo::RetireTree))
        .collect()
}
