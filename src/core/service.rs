//! An environment as somebody follows it who asked for something to be done there: how what was asked for last stands,
//! what is live, and what happened before.

use super::action::{ChangeView, DeploymentView, RunView};
use super::environment::{EnvironmentDetail, EnvironmentRef};
use super::id::OperationSerial;
use super::job::JobSpec;
use super::name::EnvironmentName;
use super::release::ReleaseContent;

/// Which environments to list: of each app and name the one that [`ServiceView`] stands for. One that was removed is
/// listed as long as the configuration names it: it can be deployed again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListServices {
    /// Only those of this name.
    pub environment: Option<EnvironmentName>,
}

/// What was done in an environment, the newest first, those that had its name before it was removed included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceHistory {
    /// Which environment; one that was removed stands for the one that has its name now.
    pub environment: EnvironmentRef,
    /// How many at most.
    pub limit: u32,
}

/// An environment with the newest of everything that was asked for there, all as of one moment. Of those that had its app
/// and name one after another it is the newest for which anything was ever asked.
#[derive(Clone, Debug)]
pub struct ServiceView {
    /// The environment.
    pub environment: EnvironmentDetail,
    /// Whether it was removed.
    pub removed: bool,
    /// What is live.
    pub live: Option<LiveVersion>,
    /// Whether a deployment would change what is live, by what the configuration says now.
    pub drifted: bool,
    /// Its newest deployment that was executed here.
    pub deployment: Option<Asked<DeploymentView>>,
    /// Its newest change.
    pub change: Option<Asked<ChangeView>>,
    /// How many operations wait in its queue, the one at work not among them.
    pub waiting: u64,
}

/// What is live.
#[derive(Clone, Debug)]
pub struct LiveVersion {
    /// The release's number.
    pub release: i64,
    /// What it is.
    pub content: ReleaseContent,
}

/// Something that was asked for, with what became of it.
#[derive(Clone, Debug)]
pub struct Asked<T> {
    /// Its place in the environment's queue.
    pub operation: OperationSerial,
    /// What was asked for.
    pub view: T,
    /// The newest run that belongs to it.
    pub run: Option<RunView>,
    /// Whether it has ended and nothing of it is left to be undone.
    pub settled: bool,
}

/// What was asked for last.
#[derive(Clone, Copy, Debug)]
pub enum Newest<'a> {
    /// Nothing was.
    Nothing,
    /// A deployment.
    Deployment(&'a Asked<DeploymentView>),
    /// A change.
    Change(&'a Asked<ChangeView>),
}

impl ServiceView {
    /// What was asked for last, in the queue's order.
    #[must_use]
    pub fn newest(&self) -> Newest<'_> {
        match (&self.deployment, &self.change) {
            (None, None) => Newest::Nothing,
            (Some(deployment), Some(change)) if change.operation > deployment.operation => {
                Newest::Change(change)
            }
            (Some(deployment), _) => Newest::Deployment(deployment),
            (None, Some(change)) => Newest::Change(change),
        }
    }

    /// What the job runs and when: as the configuration says, or as what is live was made where it no longer says
    /// anything. `None`: it is no job.
    #[must_use]
    pub fn job(&self) -> Option<&JobSpec> {
        match (&self.environment.spec, &self.live) {
            (Some(spec), _) => spec.job.as_ref(),
            (None, Some(live)) => live.content.job.as_ref(),
            (None, None) => None,
        }
    }
}

/// Something of an environment's history.
#[derive(Clone, Debug)]
pub struct Past {
    /// What was done.
    pub what: PastKind,
    /// What the job was then; `None` where nobody knows.
    pub job: Option<JobSpec>,
}

/// What was done.
#[derive(Clone, Debug)]
pub enum PastKind {
    /// A deployment, with the run that belongs to it.
    Deployment(Box<DeploymentView>, Option<Box<RunView>>),
    /// A run that belongs to no deployment.
    Run(Box<RunView>),
}
