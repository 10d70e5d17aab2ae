//! An environment as somebody follows it who asked for something to be done there: how what was asked for last stands,
//! what is live, and what happened before.

use super::action::{ChangeView, DeploymentView, RunView};
use super::change::ChangePhase;
use super::deployment::Phase;
use super::environment::{EnvironmentDetail, EnvironmentRef};
use super::id::OperationSerial;
use super::job::{JobCommand, JobEvent, JobSpec};
use super::name::EnvironmentName;
use super::release::ReleaseContent;
use super::spec::{RunSpec, Spec};
use uuid::Uuid;

/// Which environments to list: of each app and name the one that [`ServiceView`] stands for. One that was removed is
/// listed as long as the configuration names it, for it can be deployed again, and until nothing of it is left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListServices {
    /// All of them.
    #[default]
    All,
    /// Only those of this name.
    Named(EnvironmentName),
    /// Only those of the name with this id, by [`id_of_name`].
    OfName(Uuid),
}

/// The id of a name of environments within an installation: all apps' environments of that name have it together.
#[must_use]
pub fn id_of_name(instance: Uuid, name: &EnvironmentName) -> Uuid {
    Uuid::new_v5(&instance, name.as_str().as_bytes())
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
    /// Its newest deployment that was executed here, by [`newest_deployment`].
    pub deployment: Option<Asked<DeploymentView>>,
    /// What the configuration said of it when that began, or when what is live was made.
    pub before: Option<Spec>,
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
    /// When it was asked for, by the order of everything that happened: clocks can be set back.
    pub asked: i64,
    /// When something was written down of it last, by the same order.
    pub told: i64,
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

    /// What the job runs and when: as the configuration says; where it no longer says anything, as what is live was made,
    /// or as it said when something was deployed last. `None`: it is no job, or nobody knows.
    #[must_use]
    pub fn job(&self) -> Option<&JobSpec> {
        match (&self.environment.spec, &self.live, &self.before) {
            (Some(spec), _, _) => spec.job.as_ref(),
            (None, Some(live), _) => live.content.job.as_ref(),
            (None, None, before) => before.as_ref()?.job.as_ref(),
        }
    }
}

/// Which deployment is an environment's newest to who follows what was asked for there. What was taken back while it waited
/// changed nothing: it stands behind what was at work then, or ended only after it. `begun`: the newest of the others.
#[must_use]
pub fn newest_deployment(
    newest: Option<Asked<DeploymentView>>,
    begun: Option<Asked<DeploymentView>>,
    change: Option<&Asked<ChangeView>>,
) -> Option<Asked<DeploymentView>> {
    let was_taken_back = |asked: &Asked<DeploymentView>| match asked.view.deployment.phase {
        Phase::Cancelled { was_waiting, .. } => was_waiting,
        Phase::Superseded { .. } => true,
        Phase::Queued
        | Phase::Running(_)
        | Phase::Committed(_)
        | Phase::Succeeded { .. }
        | Phase::Failed { .. } => false,
    };
    let Some(taken_back) = newest.as_ref().filter(|newest| was_taken_back(newest)) else {
        return newest;
    };
    let outlived = |operation: OperationSerial, ended: bool, told: i64| {
        operation < taken_back.operation && (!ended || told > taken_back.told)
    };
    let by_deployment = begun.as_ref().is_some_and(|begun| {
        let ended = begun.view.deployment.phase.ended_at().is_some();
        outlived(begun.operation, ended, begun.told)
    });
    let by_change = change.is_some_and(|change| {
        let ended = match change.view.change.phase {
            ChangePhase::Queued | ChangePhase::Running => false,
            ChangePhase::Done | ChangePhase::Failed(_) | ChangePhase::Cancelled => true,
        };
        outlived(change.operation, ended, change.told)
    });
    match by_deployment || by_change {
        true => begun,
        false => newest,
    }
}

/// Something of an environment's history.
#[derive(Clone, Debug)]
pub struct Past {
    /// What was done.
    pub what: PastKind,
    /// What the job was then; `None` where nobody knows.
    pub job: Option<JobThen>,
}

/// What a job was for something that was done.
#[derive(Clone, Debug)]
pub struct JobThen {
    /// The job.
    pub job: JobSpec,
    /// How its containers were run.
    pub run: RunSpec,
}

impl JobThen {
    /// What an event ran; `None` if the job had no such event.
    #[must_use]
    pub fn command(&self, event: JobEvent) -> Option<JobCommand> {
        Some(self.job.command(event)?.or_of(&self.run))
    }
}

impl JobCommand {
    /// With the app's own where it says nothing.
    #[must_use]
    pub fn or_of(self, run: &RunSpec) -> Self {
        let or = |own: Vec<String>, app: &[String]| match own.is_empty() {
            true => app.to_vec(),
            false => own,
        };
        Self {
            entrypoint: or(self.entrypoint, &run.entrypoint),
            command: or(self.command, &run.command),
        }
    }
}

/// What was done.
#[derive(Clone, Debug)]
pub enum PastKind {
    /// A deployment, with the run that belongs to it.
    Deployment(Box<DeploymentView>, Option<Box<RunView>>),
    /// A run that belongs to no deployment, with the one whose image it ran.
    Run(Box<RunView>, Box<DeploymentView>),
}
