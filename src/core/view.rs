//! What there is, as readers see it: with the names, people and times around it that a dialect shows.

use super::access::{Principal, Scope};
use super::admission::Desired;
use super::change::EnvironmentChange;
use super::deployment::{CommitInfo, Deployment, Step};
use super::environment::Brief;
use super::id::{AppSerial, DeploymentSerial};
use super::name::{AppName, EnvironmentName, ProjectPath, Sha, VariableName};
use super::particulars::Noted;
use super::rate::RatePlan;
use super::recorded::RecordedView;
use super::reference::Reference;
use super::route::Domain;
use super::spec::Strategy;
use super::time::Timestamp;
use uuid::Uuid;

/// A token as a reader sees it.
#[derive(Clone, Debug)]
pub struct TokenView {
    /// Who its bearer is.
    pub principal: Principal,
    /// What it may do.
    pub scope: Scope,
    /// The app it is for; all if absent.
    pub app: Option<AppName>,
    /// The environment it is for; all of the app's if absent.
    pub environment: Option<EnvironmentName>,
    /// How often it may ask.
    pub plan: RatePlan,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it, where that is known.
    pub created_by: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was used last, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A deployment in a list.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "most of a page are of the larger kind, and a page is short"
)]
pub enum Listed {
    /// It was, or will be, executed here.
    Executed(DeploymentView),
    /// Somebody else executed it.
    Recorded(RecordedView),
}

impl Listed {
    /// The id clients hold.
    #[must_use]
    pub fn id(&self) -> Uuid {
        match self {
            Self::Executed(view) => view.deployment.id,
            Self::Recorded(view) => view.recorded.id,
        }
    }

    /// The row's serial.
    #[must_use]
    pub fn serial(&self) -> DeploymentSerial {
        match self {
            Self::Executed(view) => view.deployment.serial,
            Self::Recorded(view) => view.recorded.serial,
        }
    }
}

/// Who a caller is.
#[derive(Clone, Debug)]
pub struct Introduced {
    /// Who.
    pub principal: Principal,
    /// What they may do.
    pub scope: Scope,
    /// Until when; `None`: for ever.
    pub expires_at: Option<Timestamp>,
    /// Which installation this is.
    pub instance: Uuid,
}

/// Secrets of an environment, without their values.
#[derive(Clone, Debug)]
pub struct SecretsView {
    /// The app.
    pub app: AppName,
    /// Its environment.
    pub environment: EnvironmentName,
    /// By name.
    pub secrets: Vec<SecretView>,
}

/// A secret as a reader sees it.
#[derive(Clone, Debug)]
pub struct SecretView {
    /// Its name.
    pub name: VariableName,
    /// Who set it last, and when; `None` if the configuration wants it and nobody has.
    pub set: Option<LastSet>,
    /// Whether the configuration takes it from here.
    pub used: bool,
}

/// Who set a secret, and when.
#[derive(Clone, Debug)]
pub struct LastSet {
    /// Who.
    pub by: Principal,
    /// When.
    pub at: Timestamp,
}

/// A change of an environment with what a reader needs around it.
#[derive(Clone, Debug)]
pub struct ChangeView {
    /// The change itself.
    pub change: EnvironmentChange,
    /// Its app.
    pub app_serial: AppSerial,
    /// Its app's name.
    pub app: AppName,
    /// Its environment's name.
    pub environment: EnvironmentName,
    /// Who asked for it.
    pub by: Principal,
    /// When it ended and everything of it was cleared away.
    pub done_at: Option<Timestamp>,
}

/// A deployment with what a reader needs around it.
#[derive(Clone, Debug)]
pub struct DeploymentView {
    /// The deployment itself.
    pub deployment: Deployment,
    /// Its app's name.
    pub app: AppName,
    /// Its app's id.
    pub app_id: Uuid,
    /// Its project.
    pub project: ProjectPath,
    /// Its environment's name.
    pub environment: EnvironmentName,
    /// Its environment's id.
    pub environment_id: Uuid,
    /// What is to be known of its environment.
    pub brief: Brief,
    /// The branch, tag or image it is shown with; a rollback and a restart have that of what they run again.
    pub reference: String,
    /// Whether that is a tag.
    pub tag: bool,
    /// When its phase changed last.
    pub updated_at: Timestamp,
    /// The first domain of its environment that is one host; none if that has none, or was removed.
    pub domain: Option<Domain>,
    /// Who asked for it.
    pub by: Principal,
    /// Who cancelled it, if somebody did.
    pub cancelled_by: Option<Principal>,
    /// Its steps, in order, the planned ones included.
    pub steps: Vec<StepView>,
    /// The number of the release it made or made live again, once there is one.
    pub release: Option<i64>,
    /// The release it was asked to make live again, if it is a rollback.
    pub rollback_to: Option<i64>,
    /// What a rollback or restart runs, once that is known; for others it is in their request.
    pub version: Option<Version>,
    /// Where what it runs comes from; nothing in a list that wants no steps.
    pub origin: Origin,
    /// Whether that release is the environment's live one.
    pub live: bool,
    /// What could not be put back after it failed or was cancelled; empty is the normal case.
    pub restore_failed: Vec<String>,
    /// What it is shown with besides.
    pub noted: Noted,
}

/// What a release was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// A commit.
    Commit(Sha),
    /// An image, by the name it was pulled by.
    Image(String),
}

/// Where what a deployment runs comes from, as far as it is known yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// What its image is called on the host: once it was built or pulled, or is known to be run again.
    pub image: Option<String>,
    /// The repository's URL when its turn came.
    pub repository: Option<String>,
    /// For a rollback or a restart: the branch or tag that the commit was built from.
    pub reference: Option<Reference>,
    /// For these, too: what git tells of that commit.
    pub commit: Option<CommitInfo>,
}

/// One step of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepView {
    /// Which one.
    pub step: Step,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended, well or not.
    pub ended_at: Option<Timestamp>,
}

/// A part of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPage {
    /// Whole lines, each with its end.
    pub text: String,
    /// Where to go on.
    pub next: u64,
    /// Whether no line will follow: the deployment has ended and this is the end of its log.
    pub complete: bool,
}

/// An app as a reader sees it.
#[derive(Clone, Debug)]
pub struct AppView {
    /// Its name.
    pub name: AppName,
    /// Its id.
    pub id: Uuid,
    /// Its project.
    pub project: ProjectPath,
    /// Whether the configuration still names it.
    pub configured: bool,
    /// Its environments.
    pub environments: Vec<EnvironmentView>,
}

/// An environment as a reader sees it.
#[derive(Clone, Debug)]
pub struct EnvironmentView {
    /// Its name.
    pub name: EnvironmentName,
    /// What it is meant to be doing.
    pub desired: Desired,
    /// Whether it is a preview: it was made for a deployment, and will be gone some day.
    pub preview: bool,
    /// Whether it is a job's: what it runs comes to an end.
    pub job: bool,
    /// When its schedule is due next; `None` without one, or while that makes no runs.
    pub next_run: Option<Timestamp>,
    /// Whether the configuration still names it, or of a preview, whether its app still takes previews.
    pub configured: bool,
    /// Where its requests come from: what the configuration says, or said when it still named it.
    pub domains: Vec<Domain>,
    /// How a release takes over there, as the configuration says; none if it no longer names it.
    pub strategy: Option<Strategy>,
    /// The keys of the configuration by which what is live differs from what a deployment would make now.
    pub drift: Vec<String>,
    /// The number of its live release.
    pub live_release: Option<i64>,
    /// The id of the deployment that made it live.
    pub live_deployment: Option<Uuid>,
    /// The live container's address and port, where one serves.
    pub address: Option<String>,
    /// The image or commit that is live.
    pub live_version: Option<String>,
}
