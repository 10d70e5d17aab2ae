//! Everything that can be asked of longshore, and every answer. Dialects translate to and from these and know
//! nothing else.

use super::access::Scope;
use super::admission::IgnoredReason;
use super::adoption::Adopted;
use super::change::Change;
use super::commit::CommitView;
use super::commit_status::{Combined, CommitStatusView, ListCommitStatuses, PostCommitStatus};
use super::deployment::Trigger;
use super::environment::{CreateEnvironment, Notes};
pub use super::environment::{EnvironmentDetail, EnvironmentRef, ListEnvironments};
use super::event::{After, EventPage};
use super::hook::{HookRequest, HookView};
use super::id::{OperationSerial, StatusSerial};
use super::job::JobEvent;
pub use super::listing::{DeploymentRef, ListDeployments, Order, StateFilter};
use super::measure::Measurements;
use super::name::{AppName, Branch, EnvironmentName, ImageReference, RefName, VariableName};
use super::particulars::{Conditions, Particulars};
use super::planned::Planned;
use super::process::ProcessView;
use super::project::{ListProjects, ProjectRef, ProjectView};
use super::rate::RatePlan;
use super::recorded::{Record, RecordedView, ReportedState};
use super::reference::Reference;
use super::reload::Reloaded;
use super::retention::Collection;
use super::route::TakenOver;
pub use super::run::{ListRuns, RunJob, RunView};
use super::runtime::{ReadRuntimeLog, RuntimePage};
use super::secret::Secret;
pub use super::service::{ListServices, Past, PastKind, ServiceHistory, ServiceView};
use super::status::{PostStatus, StatusView};
use super::time::Timestamp;
pub use super::view::{
    AppView, ChangeView, DeploymentView, EnvironmentView, Introduced, LastSet, Listed, LogPage,
    Origin, SecretView, SecretsView, StepView, TokenView, Version,
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A request, whoever's dialect it came in.
#[derive(Clone, Debug)]
pub enum Action {
    /// Ask for a deployment. Needs `deploy:write`. Branch and commit are resolved against the remote before the
    /// answer; the answer comes after the row is on disk.
    CreateDeployment(CreateDeployment),
    /// Ask for several deployments at once: all of them are taken in, or none. Needs `deploy:write`. None has a key, a merge or a
    /// preview of its own.
    CreateTogether(Vec<CreateDeployment>),
    /// Look at one deployment, executed or recorded. Needs `deploy:read`.
    GetDeployment(DeploymentRef),
    /// Look at many. Needs `deploy:read`.
    ListDeployments(ListDeployments),
    /// Cancel one. Needs `deploy:write`; possible at any point before the commit, and again after it was cancelled.
    CancelDeployment(DeploymentRef),
    /// Write down a deployment that somebody else executes. Needs `deploy:write`.
    Record(Record),
    /// Write down what became of such a deployment. Needs `deploy:write`.
    Report(DeploymentRef, ReportedState),
    /// Delete one that has ended: no API shows it any more. Needs `deploy:admin`, as a mere record `deploy:write`.
    DeleteDeployment {
        /// Which one.
        which: DeploymentRef,
        /// What of it may go with it.
        how: Deletion,
    },
    /// The statuses of a deployment, the newest first. Needs `deploy:read`.
    ListStatuses {
        /// Of which deployment.
        which: DeploymentRef,
        /// How many at most.
        limit: u32,
        /// How many to skip.
        offset: u64,
    },
    /// One status of a deployment. Needs `deploy:read`.
    GetStatus(DeploymentRef, StatusSerial),
    /// Write a status of a deployment down. Needs `deploy:write`. Nothing that runs here is moved by it.
    PostStatus(PostStatus),
    /// Write down what a check says of a commit. Needs `deploy:write`.
    PostCommitStatus(PostCommitStatus),
    /// What checks said of a commit. Needs `deploy:read`.
    ListCommitStatuses(ListCommitStatuses),
    /// What checks say of a commit together. Needs `deploy:read`.
    CombineCommitStatuses(ListCommitStatuses),
    /// A commit of a project's repository, as it is there now. Needs `deploy:read`.
    GetCommit {
        /// In which project.
        project: ProjectRef,
        /// What names it.
        name: RefName,
    },
    /// Read its log. Needs `deploy:read`.
    ReadLog(ReadLog),
    /// All apps and environments the caller can see. Needs `deploy:read`.
    ListApps,
    /// One of them. Needs `deploy:read`.
    GetApp(AppRef),
    /// What happened, in order, within what the caller can see. Needs `deploy:read`.
    ListEvents(ListEvents),
    /// What a request for a deployment would do, without doing it. Needs `deploy:read`.
    PlanDeployment(CreateDeployment),
    /// Figures of the daemon as a whole. Needs `deploy:read` and a reach over everything.
    Measure,
    /// Make a token that can do no more than the caller. Needs `deploy:admin`.
    CreateToken(CreateToken),
    /// The tokens within the caller's reach. Needs `deploy:admin`.
    ListTokens {
        /// Those that no longer hold, too.
        all: bool,
    },
    /// Revoke a token within the caller's reach, at once and for ever. Needs `deploy:admin`.
    RevokeToken(Uuid),
    /// The database was restored from a backup: make what runs live. Needs `deploy:admin` without a limit to an app.
    Adopt {
        /// Make live what the database says instead, and remove what it does not know.
        discard: bool,
    },
    /// The ingress holds the table of another instance: make it hold this one's. Needs `deploy:admin` without a limit to
    /// an app. Nothing happens if it is this one's already.
    Takeover,
    /// Read the configuration again. Needs `deploy:admin` without a limit to an app.
    Reload,
    /// Keep a secret of an environment, in place of an earlier value. Needs `deploy:admin`. Changes nothing that runs:
    /// it is read when a container is made.
    SetSecret(SecretRequest, Secret),
    /// Forget a secret of an environment. Needs `deploy:admin`.
    RemoveSecret(SecretRequest),
    /// The secrets of an environment, without their values. Needs `deploy:read`.
    ListSecrets(AppRef, Option<EnvironmentName>),
    /// Give back what is no longer needed, or (`explain`) only say what that would be. Needs `deploy:admin` and a
    /// reach over everything.
    CollectGarbage {
        /// Change nothing.
        explain: bool,
    },
    /// Stop, start, suspend, activate or remove an environment. Needs `deploy:write`, a removal `deploy:admin`. The
    /// answer comes after the operation is on disk; the work waits for its turn.
    Change(ChangeEnvironment),
    /// Look at such an operation. Needs `deploy:read`.
    GetChange(OperationSerial),
    /// One environment. Needs `deploy:read`.
    GetEnvironment(EnvironmentRef),
    /// Environments the caller can see. Needs `deploy:read`.
    ListEnvironments(ListEnvironments),
    /// Make one for which deployments can be reported. Needs `deploy:write`.
    CreateEnvironment(CreateEnvironment),
    /// Write something down about one, in place of what was written down before. Needs `deploy:write`.
    NoteEnvironment(EnvironmentRef, Notes),
    /// Stop one. Where something of it runs that is an operation, as [`Action::Change`] makes one. Needs `deploy:write`.
    StopEnvironment(EnvironmentRef),
    /// Remove one that was stopped; its volumes are kept. Needs `deploy:admin`.
    RemoveEnvironment(EnvironmentRef),
    /// Remove an environment, whatever there is of it: the answer comes when that is on disk, the work may wait for its turn.
    /// Its history and its volumes are kept. Needs `deploy:write` for a preview and for one that was only reported, otherwise
    /// `deploy:admin`.
    TakeDownEnvironment(EnvironmentRef),
    /// Projects the caller can see. Needs `deploy:read`.
    ListProjects(ListProjects),
    /// One project. Needs `deploy:read`.
    GetProject(ProjectRef),
    /// The processes of an environment. Needs `deploy:read`.
    ListProcesses(AppRef, Option<EnvironmentName>),
    /// What an environment's containers print. Needs `deploy:read`.
    ReadRuntimeLog(ReadRuntimeLog),
    /// One environment with what was asked for there last, and how that stands; one that was removed leads to the one that has
    /// its name now. Needs `deploy:read`.
    GetService(EnvironmentRef),
    /// The same of many. Needs `deploy:read`.
    ListServices(ListServices),
    /// What was done in an environment. Needs `deploy:read`.
    ListHistory(ServiceHistory),
    /// Run a job once, as it is live. Needs `deploy:write`. The answer comes when the run is on disk.
    RunJob(RunJob),
    /// The runs of a job, the newest first. Needs `deploy:read`.
    ListRuns(ListRuns),
    /// One run. Needs `deploy:read`.
    GetRun(Uuid),
    /// End a run. Needs `deploy:write`, of a removal `deploy:admin`. One that belongs to a deployment takes that with it; a
    /// stop, start, suspension or activation fails with its run, and a removal goes on without it.
    CancelRun(Uuid),
    /// Look at, make, renew or take away an environment's deployment hook. Needs `deploy:write`: who knows its address
    /// can deploy.
    Hook(HookRequest),
    /// Who the caller is. Needs `deploy:read`.
    Introduce,
}

/// Which secret is meant.
#[derive(Clone, Debug)]
pub struct SecretRequest {
    /// Of which app.
    pub app: AppRef,
    /// Of which environment; the token's own, else the app's default, if absent.
    pub environment: Option<EnvironmentName>,
    /// Its name: the variable's.
    pub name: VariableName,
}

/// A request to change what an environment, or every environment of an app, is meant to be doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeEnvironment {
    /// Which app.
    pub app: AppRef,
    /// Which of its environments.
    pub environments: Environments,
    /// What is asked.
    pub change: Change,
    /// Whether deployments that run or wait are cancelled, instead of being waited for. A removal always cancels.
    pub now: bool,
    /// Whether it is refused where something is at work or waiting in one of them.
    pub idle: bool,
    /// Makes a repetition of the same request give the first answer again.
    pub key: Option<RequestKey>,
}

/// Which environments of an app are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Environments {
    /// The token's own, else the app's default.
    Default,
    /// This one.
    Named(EnvironmentName),
    /// All of them.
    All,
}

/// A request for a deployment.
#[derive(Clone, Debug)]
pub struct CreateDeployment {
    /// Which app.
    pub app: AppRef,
    /// Which environment; the token's own, else the app's default, if absent.
    pub environment: Option<EnvironmentName>,
    /// What to make live.
    pub target: Target,
    /// Environment variables of this one deployment.
    pub variables: BTreeMap<VariableName, Secret>,
    /// Whether a person or an event asks.
    pub trigger: Trigger,
    /// Makes a repetition of the same request give the first answer again.
    pub key: Option<RequestKey>,
    /// Whether one of the same commit or image that has not ended yet is the answer, instead of another beside it.
    pub unless_unfinished: bool,
    /// What the request says besides.
    pub particulars: Particulars,
    /// What must be so before it is taken in.
    pub conditions: Conditions,
    /// Of a job, what is run once instead of what its deployments run.
    pub event: Option<JobEvent>,
}

/// What may go with a deployment that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// Nothing: the live one is not deleted.
    Ended,
    /// The live one, too: its environment is stopped first.
    Force,
    /// The record alone, by GitHub's rule: one whose newest status is a success is deleted only if its environment has no
    /// other. What runs goes on.
    Record,
}

/// How an app is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppRef {
    /// By its UUID.
    Id(Uuid),
    /// By its name.
    Name(AppName),
}

impl std::fmt::Display for AppRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// What a deployment is asked to make live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// What the configuration says: its image, or its branch, at this commit (7 to 40 digits) if not the head.
    Configured(Option<String>),
    /// A branch or tag of the app's repository, at this commit as the caller spelled it (lower-cased) if not the head or
    /// what the tag names.
    Reference(Reference, Option<String>),
    /// What this names in the app's repository: a branch, a tag, a commit or another ref.
    Named(RefName),
    /// An image.
    Image(ImageReference),
    /// Nothing was named: an app that runs an image takes the configured one, one that is built needs a branch.
    Unnamed,
    /// An earlier release of the environment, by its number; if absent the highest below the live one that no
    /// rollback has left.
    Release(Option<i64>),
    /// The image that is live, with today's configuration.
    Restart,
}

/// A client's key for one request, with a digest of what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// The key, unique per principal for 24 hours.
    pub key: String,
    /// A digest of the request.
    pub digest: Vec<u8>,
}

/// A request for a part of a log.
#[derive(Clone, Debug)]
pub struct ReadLog {
    /// Whose log.
    pub deployment: Uuid,
    /// The byte to begin at; 0, or an offset an earlier answer gave.
    pub from: u64,
    /// How many bytes at most; only whole lines are given.
    pub limit: u64,
    /// Whether to wait for a line (up to [`LOG_WAIT`]) when there is none yet and the deployment has not ended.
    pub wait: bool,
}

/// How long a request that waits for a line or an event is held open: shorter than the idle timeouts of usual proxies
/// (60 s).
pub const LOG_WAIT: std::time::Duration = std::time::Duration::from_secs(25);

/// A request for what happened.
#[derive(Clone, Debug)]
pub struct ListEvents {
    /// Where to begin.
    pub after: After,
    /// How many at most.
    pub limit: u32,
    /// Only this app's.
    pub app: Option<AppRef>,
    /// Only those of environments of this name.
    pub environment: Option<EnvironmentName>,
    /// Only this deployment's.
    pub deployment: Option<Uuid>,
    /// Whether to wait for an event (up to [`LOG_WAIT`]) when there is none yet.
    pub wait: bool,
}

/// A request for a token.
#[derive(Clone, Debug)]
pub struct CreateToken {
    /// The name people will see.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// The app it is for; all if absent.
    pub app: Option<AppRef>,
    /// The environment it is for; needs an app.
    pub environment: Option<EnvironmentName>,
    /// How often it may ask; if absent the usual plan, or the caller's where that is less.
    pub plan: Option<RatePlan>,
    /// When it ends; if absent when the caller's does.
    pub expires_at: Option<Timestamp>,
    /// Makes a repetition of the same request give the first answer again.
    pub key: Option<RequestKey>,
}

/// An answer.
#[derive(Clone, Debug)]
pub enum Reply {
    /// To create, get and cancel.
    Deployment(Box<DeploymentView>),
    /// To create, where the default branch was merged into the branch first: nothing is deployed until it is asked again.
    Merged {
        /// The default branch.
        from: Branch,
        /// What it was merged into, as the caller wrote it.
        into: String,
    },
    /// To record and report, and to get one that was recorded.
    Recorded(Box<RecordedView>),
    /// To list.
    Deployments {
        /// The page.
        items: Vec<Listed>,
        /// How many match in all.
        total: u64,
    },
    /// To read a log.
    Log(LogPage),
    /// To list apps.
    Apps(Vec<AppView>),
    /// To get one.
    App(Box<AppView>),
    /// To list events.
    Events(EventPage),
    /// To plan a deployment.
    Plan(Box<Planned>),
    /// To measure.
    Measurements(Box<Measurements>),
    /// To an automatic deployment for which there is nothing to do now.
    Ignored(IgnoredReason),
    /// To change environments, and to look at a change.
    Changes(Vec<ChangeView>),
    /// To collect garbage.
    Collection(Collection),
    /// To create a token: the only time its secret is seen.
    Token(Box<TokenView>, Secret),
    /// To list tokens.
    Tokens(Vec<TokenView>),
    /// It is gone: a token that was revoked, a deployment that was deleted.
    Gone,
    /// To adopt.
    Adopted(Adopted),
    /// To take over.
    TakenOver(TakenOver),
    /// To reload: the file was sound and is in force.
    Reloaded(Reloaded),
    /// To list, set and remove secrets: all of the environment's, or the one it was about.
    Secrets(SecretsView),
    /// To get, make, note and stop an environment.
    Environment(Box<EnvironmentDetail>),
    /// To list environments.
    Environments {
        /// The page.
        items: Vec<EnvironmentDetail>,
        /// How many there are in all.
        total: u64,
    },
    /// To list processes: the one that serves first, the others by name.
    Processes(Vec<ProcessView>),
    /// To read a runtime log.
    RuntimeLog(RuntimePage),
    /// To ask for several deployments at once, in the order they were asked for.
    Together(Vec<DeploymentView>),
    /// To get an environment with what was asked for there.
    Service(Box<ServiceView>),
    /// To list them.
    Services(Vec<ServiceView>),
    /// To list what was done in one, the newest first.
    History(Vec<Past>),
    /// To run a job, and to look at and end a run.
    Run(Box<RunView>),
    /// To list runs.
    Runs {
        /// The page.
        items: Vec<RunView>,
        /// How many there are in all.
        total: u64,
    },
    /// To look at, enable and renew a deployment hook. [`Reply::Gone`] to disable it.
    Hook(HookView),
    /// To introduce oneself.
    Introduced(Introduced),
    /// To get a project.
    Project(Box<ProjectView>),
    /// To list the statuses of a deployment.
    Statuses {
        /// The page.
        items: Vec<StatusView>,
        /// How many there are in all.
        total: u64,
    },
    /// To get and post one.
    Status(Box<StatusView>),
    /// To post a status of a commit.
    CommitStatus(Box<CommitStatusView>),
    /// To list those of a commit.
    CommitStatuses {
        /// The page.
        items: Vec<CommitStatusView>,
        /// How many there are in all.
        total: u64,
    },
    /// To combine them.
    Combined(Box<Combined>),
    /// To get a commit.
    Commit(Box<CommitView>),
    /// To list projects.
    Projects {
        /// The page.
        items: Vec<ProjectView>,
        /// How many match in all.
        total: u64,
    },
}
