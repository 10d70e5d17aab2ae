//! Identities. A serial is a row's integer, given out by the store in order and never reused; what the
//! outside world may hold is a UUID.

use serde::{Deserialize, Serialize};

macro_rules! serials {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

serials! {
    /// A project: what GitHub calls `owner/repo`.
    ProjectSerial;
    /// An app.
    AppSerial;
    /// An environment of an app: the unit of serialisation.
    EnvironmentSerial;
    /// A deployment.
    DeploymentSerial;
    /// A release of an environment.
    ReleaseSerial;
    /// An operation; its order is the queue's order.
    OperationSerial;
    /// A container row.
    ContainerSerial;
    /// A connection of two environments.
    ConnectionSerial;
    /// Something that is still to be undone.
    SettlementSerial;
    /// A status of a deployment.
    StatusSerial;
    /// A status of a commit.
    CommitStatusSerial;
    /// A run of a job.
    RunSerial;
    /// Whoever asked for something.
    PrincipalSerial;
}
