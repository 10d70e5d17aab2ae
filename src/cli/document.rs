//! The API's documents as the command line reads them, and the questions that bring them. What a document may
//! gain later is ignored; what an older daemon leaves out is empty.

use super::client::{Client, ClientError, Document};
use crate::core::time::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize};
use std::time::Duration;

/// The states the API tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waiting in its environment's queue.
    Queued,
    /// In the checkout or the build.
    Building,
    /// In the rollout.
    Deploying,
    /// Its release became live.
    Success,
    /// It failed and changed nothing.
    Failed,
    /// It was cancelled, or a newer one took its place.
    Cancelled,
}

impl Status {
    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Building => "building",
            Self::Deploying => "deploying",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing follows.
    pub fn is_end(self) -> bool {
        match self {
            Self::Queued | Self::Building | Self::Deploying => false,
            Self::Success | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// A deployment.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Deployment {
    /// `dep_…`.
    pub id: String,
    /// Where it is in its life.
    pub status: Status,
    /// Its app's name.
    #[serde(default)]
    pub app: String,
    /// Its environment's name.
    #[serde(default)]
    pub environment: String,
    /// The branch it was found on.
    pub branch: Option<String>,
    /// The commit.
    pub commit_sha: Option<String>,
    /// The image, if it deploys one.
    pub image: Option<String>,
    /// When it was accepted.
    #[serde(default, deserialize_with = "time")]
    pub created_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, deserialize_with = "time")]
    pub completed_at: Option<Timestamp>,
    /// The number of its release.
    pub release: Option<i64>,
    /// Whether that release is the live one.
    #[serde(default)]
    pub live: bool,
    /// Whether a newer deployment took its place.
    #[serde(default)]
    pub superseded: bool,
    /// Whether it ran the live image again.
    #[serde(default)]
    pub restart: bool,
    /// What it went back to.
    pub rollback: Option<Rollback>,
    /// `manual` or `automatic`.
    pub trigger: Option<String>,
    /// Who asked.
    pub created_by: Option<String>,
    /// What git says of the commit.
    pub commit: Option<Commit>,
    /// Where it can be reached.
    pub deploy_url: Option<String>,
    /// Its steps, the planned ones included.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Why it failed.
    pub error: Option<Failure>,
    /// Who cancelled it.
    pub cancelled_by: Option<String>,
    /// The name of who cancelled it; an addition of longshore's.
    pub cancelled_by_name: Option<String>,
    /// What could not be put back.
    #[serde(default)]
    pub restore_failed: Vec<String>,
    /// Whether somebody else executed it and only told of it.
    #[serde(default)]
    pub recorded: bool,
    /// Whether the branch is a tag.
    #[serde(default)]
    pub tag: bool,
    /// The task that was asked for besides.
    pub task: Option<String>,
}

/// What a rollback went back to.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Rollback {
    /// The release's number.
    pub of: i64,
}

/// What git says of a commit.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Commit {
    /// The message.
    #[serde(default)]
    pub message: String,
    /// The author's name.
    #[serde(default)]
    pub author: String,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Step {
    /// `checkout`, `build`, `rollout`, `sync_connections`.
    pub name: String,
    /// When it began.
    #[serde(default, deserialize_with = "time")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, deserialize_with = "time")]
    pub ended_at: Option<Timestamp>,
}

/// Why a deployment or a change failed.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Failure {
    /// The stable word.
    pub code: String,
    /// What happened.
    pub message: String,
    /// The last lines of output.
    #[serde(default)]
    pub output: Vec<String>,
    /// What to do next.
    #[serde(default)]
    pub next: String,
}

/// A page of deployments.
#[derive(Debug, Deserialize)]
pub struct Page {
    /// The deployments.
    pub data: Vec<Deployment>,
    /// How many match in all.
    pub meta: PageMeta,
}

/// What a page says of itself.
#[derive(Debug, Deserialize)]
pub struct PageMeta {
    /// How many match in all.
    pub total: u64,
}

/// What a cancellation answers.
#[derive(Debug, Deserialize)]
pub struct Cancelled {
    /// Which one.
    pub id: String,
}

/// All apps.
#[derive(Debug, Deserialize)]
pub struct Apps {
    /// The apps.
    pub data: Vec<App>,
}

/// An app.
#[derive(Debug, Deserialize)]
pub struct App {
    /// Its name.
    pub name: String,
    /// Its project.
    #[serde(default)]
    pub project: String,
    /// Whether the configuration still names it.
    #[serde(default)]
    pub configured: bool,
    /// Its environments.
    #[serde(default)]
    pub environments: Vec<Environment>,
}

/// An environment of an app.
#[derive(Debug, Deserialize)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// What it is meant to be doing.
    #[serde(default)]
    pub desired: String,
    /// Whether the configuration still names it; an older daemon does not say.
    #[serde(default = "yes")]
    pub configured: bool,
    /// Whether it is a preview.
    #[serde(default)]
    pub preview: bool,
    /// `service` or `job`.
    pub kind: Option<String>,
    /// When its schedule comes next.
    #[serde(default, deserialize_with = "time")]
    pub next_run: Option<Timestamp>,
    /// The keys by which what is live differs from what a deployment would make now.
    #[serde(default)]
    pub drift: Vec<String>,
    /// The number of the live release.
    pub live_release: Option<i64>,
    /// Where its requests come from.
    #[serde(default)]
    pub domains: Vec<String>,
    /// How a release takes over, as the configuration says.
    pub strategy: Option<String>,
    /// Where the live container listens.
    pub address: Option<String>,
    /// The commit or image that is live.
    pub version: Option<String>,
}

fn yes() -> bool {
    true
}

/// What a takeover did.
#[derive(Debug, Deserialize)]
pub struct TakenOver {
    /// The generation of this daemon's routes that holds now.
    pub generation: i64,
    /// The instance whose routes held before.
    pub replaced: Option<String>,
}

/// What an adoption did.
#[derive(Debug, Deserialize)]
pub struct Adopted {
    /// What is live now.
    #[serde(default)]
    pub live: Vec<LiveAgain>,
    /// Deployments that were given up.
    #[serde(default)]
    pub failed: Vec<String>,
    /// Containers that are being removed.
    #[serde(default)]
    pub removed: Vec<String>,
    /// Containers that are left alone.
    #[serde(default)]
    pub unknown: Vec<Unknown>,
}

/// An environment with what is live in it.
#[derive(Debug, Deserialize)]
pub struct LiveAgain {
    /// The app.
    pub app: String,
    /// The environment.
    pub environment: String,
    /// The number of the release.
    pub release: i64,
    /// `dep_…`
    pub deployment: String,
    /// The container.
    pub container: String,
    /// `adopted`, `unchanged` or `database`.
    pub origin: String,
}

/// A container that is left alone.
#[derive(Debug, Deserialize)]
pub struct Unknown {
    /// Its name.
    pub container: String,
    /// Why.
    pub why: String,
}

/// What a reload did.
#[derive(Debug, Deserialize)]
pub struct Reloaded {
    /// The file that was read.
    pub file: String,
    /// New apps.
    #[serde(default)]
    pub added: Vec<String>,
    /// Apps that are gone.
    #[serde(default)]
    pub removed: Vec<String>,
    /// Apps with a new name.
    #[serde(default)]
    pub renamed: Vec<Renamed>,
    /// What is said otherwise.
    #[serde(default)]
    pub changed: Vec<Change>,
    /// Keys of the daemon's own that hold now.
    #[serde(default)]
    pub settings: Vec<String>,
    /// Keys that hold after a restart.
    #[serde(default)]
    pub needs_restart: Vec<String>,
    /// What may have been meant otherwise.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// An app with a new name.
#[derive(Debug, Deserialize)]
pub struct Renamed {
    /// Before.
    pub from: String,
    /// Now.
    pub to: String,
}

/// What is said otherwise of an app or an environment.
#[derive(Debug, Deserialize)]
pub struct Change {
    /// The app.
    pub app: String,
    /// The environment; none for what is of the whole app.
    pub environment: Option<String>,
    /// `added`, `removed` or `changed`.
    pub what: String,
    /// Which keys.
    pub keys: Option<Vec<String>>,
}

/// Changes of environments.
#[derive(Debug, Deserialize)]
pub struct Operations {
    /// The operations.
    pub data: Vec<Operation>,
}

/// A change of an environment.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Operation {
    /// Its number.
    pub id: i64,
    /// `stop`, `start`, `suspend`, `activate`, `remove`.
    pub operation: String,
    /// `queued`, `running`, `done`, `failed`, `cancelled`.
    pub status: String,
    /// Its app's name.
    pub app: String,
    /// Its environment's name.
    pub environment: String,
    /// When it ended and everything of it was cleared away.
    pub completed_at: Option<String>,
    /// Why it failed.
    pub error: Option<Failure>,
}

/// What a run runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum JobEvent {
    /// What a deployment, a start or an activation runs
    Start,
    /// What a stop or a suspension runs
    Stop,
    /// What a removal runs
    Delete,
    /// What its schedule runs
    Cron,
}

impl JobEvent {
    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Delete => "delete",
            Self::Cron => "cron",
        }
    }
}

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It waits for another's end.
    Queued,
    /// It is at work.
    Running,
    /// It ended with status 0.
    Succeeded,
    /// It ended otherwise.
    Failed,
    /// It was ended from outside.
    Cancelled,
    /// It was not run.
    Skipped,
}

impl RunStatus {
    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }

    /// Whether nothing follows.
    pub fn is_end(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::Cancelled | Self::Skipped => true,
        }
    }
}

/// One execution of a job.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Run {
    /// `run_…`
    pub id: String,
    /// Its number within the environment.
    pub number: i64,
    /// Where it is in its life.
    pub status: RunStatus,
    /// Its job's name.
    #[serde(default)]
    pub app: String,
    /// Its environment's name.
    #[serde(default)]
    pub environment: String,
    /// What it runs.
    #[serde(default)]
    pub event: String,
    /// `schedule`, `hand`, `deployment` or `change`.
    #[serde(default)]
    pub cause: String,
    /// Who asked.
    pub created_by: Option<String>,
    /// The deployment it is a part of.
    pub deployment: Option<String>,
    /// The schedule's time.
    #[serde(default, deserialize_with = "time")]
    pub due_at: Option<Timestamp>,
    /// When it was made.
    #[serde(default, deserialize_with = "time")]
    pub created_at: Option<Timestamp>,
    /// When it began.
    #[serde(default, deserialize_with = "time")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, deserialize_with = "time")]
    pub completed_at: Option<Timestamp>,
    /// How its command ended, if it did by itself.
    pub exit_status: Option<i64>,
    /// How often that was begun.
    #[serde(default)]
    pub attempts: u32,
    /// What ended it from outside: `hand`, `run`, `deployment` or `environment`.
    pub cancelled: Option<String>,
    /// Why it failed.
    pub error: Option<Failure>,
}

impl Run {
    /// How long it took.
    pub fn took(&self) -> Option<Duration> {
        let ends = self.started_at.zip(self.completed_at);
        ends.map(|(from, to)| super::moment::between(from, to))
    }
}

/// A page of runs.
#[derive(Debug, Deserialize)]
pub struct RunPage {
    /// The runs.
    pub data: Vec<Run>,
    /// How many there are in all.
    pub meta: PageMeta,
}

/// A part of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPage {
    /// Whole lines, each with its end.
    pub text: String,
    /// Where to go on.
    pub next: u64,
    /// Whether nothing follows.
    pub complete: bool,
}

/// A point in time; a text that is none is a fault of the daemon's, not a reason to show nothing.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.as_deref().and_then(super::moment::parse))
}

/// What may stand in a path or query as it is: letters, digits, and the marks of ids and names.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// Text as part of a path or query.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// Whether it is a run's id; an app's name has no underscore.
pub fn is_run(typed: &str) -> bool {
    typed.starts_with("run_")
}

/// A query string from what is there.
pub fn query(parts: &[(&str, Option<&str>)]) -> String {
    let parts: Vec<String> = parts
        .iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}={}", encode(value))))
        .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!("?{}", parts.join("&"))
    }
}

impl Client {
    /// One deployment, by its whole id.
    pub async fn deployment(&self, id: &str) -> Result<Document<Deployment>, ClientError> {
        self.get(&format!("/v1/deployments/{}", encode(id))).await
    }

    /// One run, by its whole id.
    pub async fn run(&self, id: &str) -> Result<Document<Run>, ClientError> {
        self.get(&format!("/v1/runs/{}", encode(id))).await
    }

    /// Cancels a run.
    pub async fn cancel_run(&self, id: &str) -> Result<Document<Run>, ClientError> {
        let path = format!("/v1/runs/{}/cancel", encode(id));
        self.post(&path, &serde_json::json!({}), None).await
    }

    /// Cancels one.
    pub async fn cancel(&self, id: &str) -> Result<Document<Cancelled>, ClientError> {
        let path = format!("/v1/deployments/{}/cancel", encode(id));
        self.post(&path, &serde_json::json!({}), None).await
    }

    /// The log of a deployment or a run from that byte on; with `wait` the daemon holds the answer until there is a line or an end.
    pub async fn log(&self, id: &str, from: u64, wait: bool) -> Result<LogPage, ClientError> {
        let of = match is_run(id) {
            true => "runs",
            false => "deployments",
        };
        let path = format!("/v1/{of}/{}/logs?from={from}&wait={wait}", encode(id));
        let answer = self.get_text(&path).await?;
        let header = |name: &str| {
            answer
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        // Without these two, going on would repeat lines or never end.
        let (Some(next), Some(complete)) = (
            header("x-longshore-next").and_then(|text| text.parse().ok()),
            header("x-longshore-complete").and_then(|text| text.parse().ok()),
        ) else {
            return Err(self.foreign("its log has no x-longshore-next and x-longshore-complete"));
        };
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        Ok(LogPage {
            text,
            next,
            complete,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_cannot_leave_its_place_in_a_path() {
        assert_eq!(encode("dep_9x2m4p"), "dep_9x2m4p");
        assert_eq!(encode("../apps?x=1#y z"), "%2E%2E%2Fapps%3Fx%3D1%23y%20z");
        assert_eq!(
            query(&[
                ("limit", Some("20")),
                ("status", None),
                ("environment", Some("a&b"))
            ]),
            "?limit=20&environment=a%26b"
        );
    }

    #[test]
    fn a_document_with_only_the_documented_fields_is_enough() {
        let text = r#"{"id":"dep_9x2m4p","status":"success","project_id":"proj_8f3k29","branch":"main",
            "commit_sha":"a1b2c3d4e5f6","build_duration":"14.2s","deploy_url":null,"logs_url":"x",
            "created_at":"2025-03-14T10:32:00Z","completed_at":"not a time"}"#;
        let read: Deployment = serde_json::from_str(text).unwrap();
        assert_eq!(read.created_at, Some(Timestamp(1_741_948_320_000)));
        assert_eq!(read.completed_at, None);
        assert!(read.steps.is_empty() && !read.live);
    }
}
