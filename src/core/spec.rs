//! What an environment's configuration says after the app's keys and the environment's own were laid over
//! each other. A deployment keeps the spec it started with, so a reload in the middle changes nothing.

use super::command::{Command, PayloadPlace};
use super::connection::Connect;
use super::job::JobSpec;
use super::name::{Branch, ImageReference, ProcessName, TaskName, VariableName};
use super::process::ProcessSpec;
use super::route::Domain;
use super::secret::{SecretRef, SecretSource};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that decides how an environment is built, run and switched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Where the image comes from.
    pub source: SourceSpec,
    /// How its container runs.
    pub run: RunSpec,
    /// What runs beside the container that serves, from the same release.
    #[serde(default)]
    pub processes: BTreeMap<ProcessName, ProcessSpec>,
    /// What is run to its end from the new image at every deployment that makes a release, in this order, before the
    /// release takes over.
    #[serde(default)]
    pub release: Vec<Command>,
    /// What can be asked for besides with a deployment; run after `release`.
    #[serde(default)]
    pub tasks: BTreeMap<TaskName, Command>,
    /// What it runs and when, for a job; `None`: it is a service, which runs on.
    #[serde(default)]
    pub job: Option<JobSpec>,
    /// How a new release takes over.
    pub rollout: RolloutSpec,
    /// How long each step may take.
    pub deadlines: Deadlines,
    /// Where its requests come from. It is no part of a release: what the configuration says holds at once.
    #[serde(default)]
    pub domains: Vec<Domain>,
}

/// Where the image of a deployment comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceSpec {
    /// Built from a git repository.
    Git(GitSource),
    /// Pulled from a registry.
    Image(ImageSource),
}

/// A git repository and how to build it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GitSource {
    /// The remote.
    pub repository: Repository,
    /// The branch a deployment takes unless it names another.
    pub branch: Branch,
    /// Whether a request may have the default branch merged into the branch it names, and pushed.
    #[serde(default = "merges")]
    pub auto_merge: bool,
    /// How to build the tree.
    pub build: BuildSpec,
}

/// What it is for an app that says nothing, as for those that were kept before anybody could say it.
fn merges() -> bool {
    true
}

/// A git remote and the right to read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repository {
    /// `https://…`, `http://…`, `ssh://…`, `user@host:path`, `git://…`, `file:///…` or an absolute path; holds no
    /// credentials and does not begin with a dash (the configuration checked it).
    pub url: String,
    /// How to prove the right to read it.
    pub credentials: Option<GitCredentials>,
}

/// How a private remote is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GitCredentials {
    /// An access token, sent as HTTP Basic password.
    Token(SecretRef),
    /// A private key in OpenSSH's format.
    SshKey(SecretRef),
}

/// How a tree becomes an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BuildSpec {
    /// The build context's directory, relative to the repository's root; `.` is the root.
    pub context: String,
    /// The Dockerfile, relative to the context.
    pub dockerfile: String,
    /// The stage to stop at; the last one if absent.
    pub target: Option<String>,
    /// Build arguments. They end up in the image's history: not for secrets.
    pub args: BTreeMap<String, String>,
}

/// An image and when to ask its registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageSource {
    /// The image a deployment takes unless it names another.
    pub reference: ImageReference,
    /// When to ask the registry.
    pub pull: PullPolicy,
}

/// When the registry is asked for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullPolicy {
    /// At every deployment.
    Always,
    /// Only if the host has no image of that name.
    Missing,
    /// Never: the image must be on the host.
    Never,
}

/// How a container is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// Overrides the image's command; empty: the image's own.
    pub command: Vec<String>,
    /// Overrides the image's entrypoint; empty: the image's own.
    pub entrypoint: Vec<String>,
    /// The port the app listens on inside its container.
    pub port: Option<u16>,
    /// Ports published on the host.
    pub publish: Vec<Publish>,
    /// Plain environment variables.
    pub env: BTreeMap<VariableName, String>,
    /// Files of `NAME=value` lines, read when a container is made; `env` wins over them.
    pub env_files: Vec<PathBuf>,
    /// Secret environment variables, read when a container is made; they win over `env`.
    pub secrets: BTreeMap<VariableName, SecretSource>,
    /// What is mounted.
    pub volumes: Vec<Mount>,
    /// Memory limit in bytes, swap included.
    pub memory: Option<u64>,
    /// CPU limit in thousandths of a CPU.
    pub millicpus: Option<u32>,
    /// Time between the stop signal and the kill.
    pub stop_grace: Duration,
    /// What the engine does with the container's output.
    pub logging: Logging,
    /// Where its programs find the payload of the deployment that made the release.
    #[serde(default)]
    pub payload: Option<PayloadPlace>,
    /// What they reach of other apps, and how they are told.
    #[serde(default)]
    pub connect: Connect,
}

/// A container port published on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// The host's address.
    pub address: IpAddr,
    /// The host's port.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Something mounted into a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// What is mounted.
    pub source: MountSource,
    /// The absolute path inside the container.
    pub target: String,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// What a mount shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountSource {
    /// A volume of this environment, by its short name.
    Volume(String),
    /// A volume made by somebody else, by its full name.
    External(String),
    /// A directory or file of the host.
    Host(PathBuf),
}

/// The engine's log driver for a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// The driver's name. Only drivers that can be read back are allowed: `json-file`, `local`, `journald`.
    pub driver: String,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
}

/// How a new release takes over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutSpec {
    /// In which order old and new run.
    pub strategy: Strategy,
    /// When a container counts as ready.
    pub health: Health,
    /// How long requests under way to the container that is replaced may take to end before it is stopped.
    #[serde(default = "default_drain_timeout")]
    pub drain_timeout: Duration,
}

/// For specs that were kept before there was an ingress.
fn default_drain_timeout() -> Duration {
    DRAIN_TIMEOUT
}

/// What `drain_timeout` is if nothing is said.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// In which order old and new containers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Start the new container beside the old one, move the requests over in one step when it is ready, stop the old one
    /// when those under way have ended: nothing is refused.
    Swap,
    /// Stop the old container, then start the new one.
    Recreate,
}

/// When a container counts as ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// What is asked.
    pub check: Check,
    /// The longest pause between two probes.
    pub interval: Duration,
    /// How long the container may take to get ready.
    pub timeout: Duration,
}

/// The four ways to ask whether a container is ready. All are asked from the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// An HTTP GET of this path on the app's port answers 200–399.
    Http {
        /// The container's port.
        port: u16,
        /// The path, beginning with `/`.
        path: String,
    },
    /// The app's port accepts a TCP connection.
    Tcp {
        /// The container's port.
        port: u16,
    },
    /// The image's own HEALTHCHECK says healthy.
    Image,
    /// The container runs this long without ending.
    StaysUp(Duration),
}

/// How long each step may take, in consumed time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadlines {
    /// Fetching and checking out.
    pub checkout: Duration,
    /// Building.
    pub build: Duration,
    /// Pulling, starting and getting ready.
    pub rollout: Duration,
}

impl Mount {
    /// A writable mount keeps two releases from running side by side.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        !self.read_only
    }
}
