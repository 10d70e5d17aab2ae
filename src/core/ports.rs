//! The ways out: what the walk of a deployment needs of the world. Each trait has the real implementation and a
//! stateful fake in the tests, where every call is a place to crash.
//!
//! Dropping a future or a stream ends its work: a build stops, a git program is killed with its children.

use super::commit::CommitDetail;
use super::container::OutputCursor;
use super::deployment::CommitInfo;
use super::log::Stream;
use super::name::{Branch, ImageReference, RefName, Sha, VariableName};
use super::reference::Reference;
use super::release::Image;
use super::route::Table;
use super::secret::Secret;
use super::spec::{BuildSpec, Logging, MountSource, Publish};
use super::time::Timestamp;
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use ipnet::Ipv4Net;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;
use uuid::Uuid;

/// What long work gives: lines as they come, then exactly one result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<T> {
    /// A line of output, clean (see [`super::log::clean`]) but not redacted.
    Line(Stream, String),
    /// The result; nothing follows.
    Done(T),
}

/// Long work that talks while it goes on. It ends after `Done` or after the first error.
pub type Work<'a, T, E> = BoxStream<'a, Result<Progress<T>, E>>;

/// Random bytes, as a value: the tests bring their own.
pub type Random = std::sync::Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// The time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Wall time; may jump.
    fn now(&self) -> Timestamp;
    /// Time since some point; never jumps. Deadlines are counted on it.
    fn monotonic(&self) -> Duration;
    /// Returns after this long.
    async fn sleep(&self, time: Duration);
}

// ---------------------------------------------------------------------------------------------------------------
// Source: git.

/// A remote with its credentials' values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Where the mirror is kept: one per project (`owner/name`).
    pub project: String,
    /// The remote's URL.
    pub url: String,
    /// The credentials' values.
    pub credentials: Option<RemoteCredentials>,
}

/// The value of a credential for a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteCredentials {
    /// The password of HTTP Basic; the user is `x-access-token`, which the forges ignore or expect.
    Token(Secret),
    /// A private key.
    SshKey(Secret),
}

/// Which commit is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The branch, tag or other ref, or a commit by itself.
    pub reference: Reference,
    /// 7 to 40 lower-case digits of a commit that must be reachable from it; the branch's head or the tag's commit if
    /// absent.
    pub commit: Option<String>,
}

/// A tree on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// Its root.
    pub tree: PathBuf,
    /// What git says of the commit.
    pub commit: CommitInfo,
}

/// What a name turned out to mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// What it names.
    pub reference: Reference,
    /// The commit that is there.
    pub sha: Sha,
}

/// A merge that is to be made and pushed if it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeRequest {
    /// What should have the other branch's work, as it was located.
    pub into: Located,
    /// The branch whose work it should have.
    pub from: Branch,
    /// Who the merge commit says made it.
    pub author: String,
    /// Their mail address.
    pub email: String,
    /// When.
    pub at: Timestamp,
}

/// What a merge came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merge {
    /// There was nothing to merge: `from` is in the history, or is not there at all. The branch may have moved since it was
    /// located.
    UpToDate(Located),
    /// The remote has this merge commit now, and the branch leads to it.
    Merged(Sha),
    /// The two cannot be merged without somebody's decision, or have no common history. Nothing changed.
    Conflict,
    /// It is behind, and it is no branch that could be moved. Nothing changed.
    Immovable,
    /// The remote did not take the push, in these words. Nothing changed.
    NotPermitted(String),
}

/// Reads repositories, and merges one branch into another.
#[async_trait]
pub trait Source: Send + Sync {
    /// Finds the commit on the remote as it is now. Bounded by its own time limit of [`RESOLVE_LIMIT`].
    async fn resolve(&self, remote: &Remote, revision: &Revision) -> Result<Sha, SourceError>;

    /// Brings the commit's tree, submodules included, into the scratch place of that id. Safe to repeat: a tree
    /// that is provably whole and of that commit is kept, anything else made anew.
    fn checkout<'a>(
        &'a self,
        remote: &'a Remote,
        reference: &'a Reference,
        sha: &'a Sha,
        tree: Uuid,
    ) -> Work<'a, Checkout, SourceError>;

    /// Finds what a name means that GitHub's callers write, on the remote as it is now: a branch before a tag before a
    /// commit, where the name does not say itself which it is. A commit is meant by all of its digits or, if no other commit
    /// of the branches and tags begins with them, by the first 7 or more. Bounded like [`Source::resolve`].
    async fn locate(&self, remote: &Remote, name: &RefName) -> Result<Located, SourceError>;

    /// What the repository has of a commit, by its whole id. Bounded like [`Source::resolve`].
    async fn commit(&self, remote: &Remote, sha: &Sha) -> Result<CommitDetail, SourceError>;

    /// Merges a branch into the one that was located, if that is behind, and pushes the merge: both or neither. What
    /// somebody else pushes meanwhile is never overwritten: it is looked at again. Bounded by its own time limit of
    /// [`MERGE_LIMIT`]; only an error can leave open whether the remote took it.
    async fn merge(&self, remote: &Remote, request: &MergeRequest) -> Result<Merge, SourceError>;

    /// The branches there are, with their heads. Bounded like [`Source::resolve`].
    async fn branches(&self, remote: &Remote) -> Result<BTreeMap<Branch, Sha>, SourceError>;

    /// Removes a scratch tree; fine if there is none.
    async fn discard(&self, tree: Uuid) -> Result<(), SourceError>;

    /// The scratch trees there are, with how many bytes each takes.
    async fn trees(&self) -> Result<Vec<(Uuid, u64)>, SourceError>;

    /// How many bytes a project's mirror takes, its submodules' included; `None` if there is none.
    async fn mirror_size(&self, project: &str) -> Result<Option<u64>, SourceError>;

    /// Removes a project's mirror; fine if there is none. What needs it later fetches it again.
    async fn discard_mirror(&self, project: &str) -> Result<(), SourceError>;
}

/// How long `resolve` may take: a client waits for it.
pub const RESOLVE_LIMIT: Duration = Duration::from_secs(30);

/// How long `merge` may take: a client waits for it, and there is more to do than to look.
pub const MERGE_LIMIT: Duration = Duration::from_secs(60);

/// Why a repository could not be read. Messages hold git's own words, never credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The remote has no such branch.
    #[error("branch '{0}' does not exist")]
    NoSuchBranch(String),
    /// The remote has no such tag.
    #[error("tag '{0}' does not exist")]
    NoSuchTag(String),
    /// The remote has nothing that this name could mean.
    #[error("the repository has no '{0}'")]
    NoSuchRef(String),
    /// The remote has no branch at all.
    #[error("the repository is empty")]
    Empty,
    /// No commit begins with these digits.
    #[error("no commit {0} in the repository")]
    NoSuchCommit(String),
    /// More than one commit begins with these digits.
    #[error("{0} names more than one commit; give more digits")]
    AmbiguousCommit(String),
    /// The commit exists and is not on the branch.
    #[error("commit {commit} is not on branch '{branch}'")]
    NotOnBranch {
        /// The commit.
        commit: String,
        /// The branch.
        branch: String,
    },
    /// The commit exists and cannot be reached from the tag.
    #[error("commit {commit} is not in the history of tag '{tag}'")]
    NotInTag {
        /// The commit.
        commit: String,
        /// The tag.
        tag: String,
    },
    /// The remote refused us: credentials missing, wrong or too small, or the repository hidden from us.
    #[error("the remote refused access: {0}")]
    AccessDenied(String),
    /// The remote cannot be reached or did not answer in time.
    #[error("the remote cannot be reached: {0}")]
    Unreachable(String),
    /// The disk of the mirrors and trees is full. What this call had written there is gone again.
    #[error("{said}")]
    DiskFull {
        /// Git's words, or the file system's.
        said: String,
        /// How many bytes were free then.
        free: u64,
    },
    /// Anything else; the text is git's last lines or the file system's error.
    #[error("{0}")]
    Failed(String),
}

// ---------------------------------------------------------------------------------------------------------------
// Engine: Docker.

/// What every object of ours carries, as labels `dev.longshore.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// The app's name.
    pub app: String,
    /// The environment's name.
    pub environment: String,
    /// The deployment's id.
    pub deployment: Uuid,
    /// The deployment's serial.
    pub serial: i64,
    /// The route table's generation when the object was made.
    pub generation: i64,
    /// `web`, a process's name, `task`, …
    pub role: String,
}

/// A registry and the right to use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryCredential {
    /// The registry's host, with port; `docker.io` for the engine's default.
    pub host: String,
    /// The user.
    pub username: String,
    /// The password or token.
    pub password: Secret,
}

/// A build.
#[derive(Clone, Debug)]
pub struct Build {
    /// The checked-out tree.
    pub tree: PathBuf,
    /// What to build of it.
    pub spec: BuildSpec,
    /// The tag the image gets.
    pub tag: String,
    /// Labels on the image.
    pub labels: Labels,
    /// For base images.
    pub registries: Vec<RegistryCredential>,
}

/// A network of an environment or of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub subnet: Ipv4Net,
    /// The part the engine gives out itself.
    pub engine_half: Ipv4Net,
    /// The app's name.
    pub app: String,
    /// The environment's name.
    pub environment: String,
    /// Whether it leads nowhere else: who joins it keeps the way out that they have.
    pub internal: bool,
}

/// A container to be made. Restart policy `no` until it is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Its name, unique for ever.
    pub name: String,
    /// The image's id.
    pub image: String,
    /// Overrides the image's command if not empty.
    pub command: Vec<String>,
    /// Overrides the image's entrypoint if not empty.
    pub entrypoint: Vec<String>,
    /// Environment variables, secrets among them.
    pub env: Vec<(VariableName, Secret)>,
    /// Labels.
    pub labels: Labels,
    /// The network it joins.
    pub network: String,
    /// Its address there.
    pub address: Ipv4Addr,
    /// The name others on the network call it by.
    pub alias: String,
    /// Further networks that it is in before it is started, by their names; there it has no name but its own.
    pub connections: Vec<String>,
    /// Host ports.
    pub publish: Vec<Publish>,
    /// Mounts; volumes of the environment by their full name.
    pub mounts: Vec<EngineMount>,
    /// Memory limit in bytes, swap included.
    pub memory: Option<u64>,
    /// CPU limit in thousandths of a CPU.
    pub millicpus: Option<u32>,
    /// Log driver.
    pub logging: Logging,
    /// Time between stop signal and kill when the engine stops it by itself.
    pub stop_grace: Duration,
    /// How often the image's own HEALTHCHECK is run at first, where that is what readiness asks (engine ≥ 25).
    pub health_start_interval: Option<Duration>,
    /// Files that are in it before it is started.
    pub files: Vec<FileInside>,
}

/// A file that is put into a container, readable by the user its program is started as and by nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInside {
    /// Its absolute path there. Directories that are missing on the way are made.
    pub path: String,
    /// What it holds.
    pub content: String,
}

/// A mount with a volume's full name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineMount {
    /// A volume's full name in `Volume` (made with our labels) or `External` (must exist), or a host path.
    pub source: MountSource,
    /// The absolute path inside.
    pub target: String,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// A container as the engine sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Its name, without a slash.
    pub name: String,
    /// What it is doing.
    pub state: ContainerState,
    /// Which of its runs this is, or was: it changes with each start. Nothing is to be read in it.
    pub run: String,
    /// Whether it has ended, and the engine is about to start it again.
    pub restarts: bool,
}

/// A container of ours, with all that tells where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its name, without a slash.
    pub name: String,
    /// What it carries; `None` if that is not what we put on containers.
    pub labels: Option<Labels>,
    /// What it is doing.
    pub state: ContainerState,
    /// The id of its image.
    pub image: String,
    /// Its address on a network of ours; a container that never ran may not say.
    pub address: Option<Ipv4Addr>,
    /// Whether it comes back: only what was committed does.
    pub restart: RestartPolicy,
}

/// What a container is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Made and never started.
    Created,
    /// Running (paused and restarting count as running).
    Running {
        /// What the image's HEALTHCHECK says; `None` if it has none.
        health: Option<HealthState>,
    },
    /// Ended.
    Exited {
        /// Its exit status.
        code: i64,
        /// Whether the kernel killed it for its memory.
        out_of_memory: bool,
        /// The engine's own error, if starting it failed.
        error: Option<String>,
    },
}

/// What an image's own HEALTHCHECK says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthState {
    /// Not known yet.
    Starting,
    /// Healthy.
    Healthy,
    /// Unhealthy.
    Unhealthy,
}

/// An image on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostImage {
    /// The engine's id of it.
    pub id: String,
    /// All its tags, ours and others'.
    pub tags: Vec<String>,
    /// Its size with all its layers.
    pub bytes: u64,
    /// The deployment of this instance that it was built for; `None` if it was not.
    pub deployment: Option<Uuid>,
}

/// A line a container printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputLine {
    /// The engine's time of it, by which reading can go on.
    pub cursor: OutputCursor,
    /// Where it was printed.
    pub stream: Stream,
    /// The text, clean but not redacted.
    pub text: String,
}

/// The restart policies we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Stay ended.
    No,
    /// Come back, also after a reboot, unless stopped.
    UnlessStopped,
}

/// What an engine tells of this instance's objects. It only says where to look: what is so, a look at the engine says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineEvent {
    /// From now on changes are told; what changed before has to be looked for.
    Listening,
    /// A container or a tag of an image was made.
    Made,
    /// The container of this name ended; the engine may bring it back by itself.
    Ended(String),
    /// The container of this name was removed.
    Removed(String),
}

/// Runs containers. Every call can be repeated. An engine that hangs is `Unavailable` within seconds, whatever it was
/// asked; one that is merely slow is waited for.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Builds an image and gives it its tag.
    fn build<'a>(&'a self, build: &'a Build) -> Work<'a, Image, EngineError>;
    /// Pulls an image; `credential` is for its registry.
    fn pull<'a>(
        &'a self,
        image: &'a ImageReference,
        credential: Option<&'a RegistryCredential>,
    ) -> Work<'a, Image, EngineError>;
    /// The image of that name, tag or id, if the host has it.
    async fn find_image(&self, reference: &str) -> Result<Option<Image>, EngineError>;
    /// Gives an image a further tag (`name:tag`).
    async fn tag(&self, image: &str, tag: &str) -> Result<(), EngineError>;
    /// Takes a tag off; fine if it is gone.
    async fn untag(&self, tag: &str) -> Result<(), EngineError>;
    /// Makes the network if there is none; one of ours by that name and subnet is kept.
    async fn ensure_network(&self, network: &Network) -> Result<(), EngineError>;
    /// Removes a network of ours; fine if it does not exist. Containers of others on it: refused.
    async fn remove_network(&self, name: &str) -> Result<(), EngineError>;
    /// Puts a container of ours into a network of ours, where others call it by the alias; fine if it is in it. It need not
    /// run. One of the two is missing: [`EngineError::NotFound`].
    async fn join(&self, network: &str, container: &str, alias: &str) -> Result<(), EngineError>;
    /// Takes our containers out of a network of ours, also those that do not run, and removes it; fine if it does not exist.
    /// Containers of others on it: refused.
    async fn dissolve_network(&self, name: &str) -> Result<(), EngineError>;
    /// Removes a volume of ours with what is in it; fine if it does not exist. In use: refused.
    async fn remove_volume(&self, name: &str) -> Result<(), EngineError>;
    /// Makes the container with its files; one of ours by that name is kept, and gets its files again unless it was
    /// started.
    async fn create(&self, container: &ContainerSpec) -> Result<(), EngineError>;
    /// Starts it; fine if it runs.
    async fn start(&self, name: &str) -> Result<(), EngineError>;
    /// Stops it: the stop signal, `grace`, then kill; fine if it does not run or does not exist.
    async fn stop(&self, name: &str, grace: Duration) -> Result<(), EngineError>;
    /// Sets what happens when it ends by itself; fine if it does not exist.
    async fn set_restart(&self, name: &str, policy: RestartPolicy) -> Result<(), EngineError>;
    /// Removes it; fine if it does not exist. Only a container that carries this instance's label.
    async fn remove(&self, name: &str) -> Result<(), EngineError>;
    /// Looks at it; `None` if it does not exist.
    async fn inspect(&self, name: &str) -> Result<Option<Observed>, EngineError>;
    /// What it printed after `after`, from the beginning if absent; with `follow` as it comes until it ends.
    fn output<'a>(
        &'a self,
        name: &'a str,
        after: Option<OutputCursor>,
        follow: bool,
    ) -> BoxStream<'a, Result<OutputLine, EngineError>>;
    /// The TCP addresses it listens on, as far as they can be seen; an empty list proves nothing.
    async fn listening(&self, name: &str) -> Result<Vec<SocketAddr>, EngineError>;
    /// The images of this host that were built for this instance, or carry a tag of the form `longshore/…`.
    async fn images(&self) -> Result<Vec<HostImage>, EngineError>;
    /// Removes an image that was built for this instance and has no tag; fine if it does not exist. The engine refuses
    /// while a container uses it.
    async fn remove_image(&self, id: &str) -> Result<(), EngineError>;
    /// How many bytes the engine's build cache takes; it is everybody's who builds there.
    async fn build_cache(&self) -> Result<u64, EngineError>;
    /// Removes what was not used for longest of the build cache until at most so many bytes are left; says how many
    /// became free.
    async fn prune_build_cache(&self, keep: u64) -> Result<u64, EngineError>;
    /// What happens to the objects of this instance, [`EngineEvent::Listening`] first. It ends only with an error.
    fn events(&self) -> BoxStream<'_, Result<EngineEvent, EngineError>>;
    /// All containers of this instance, running or not.
    async fn list(&self) -> Result<Vec<Seen>, EngineError>;
}

/// Why the engine did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// It cannot be reached, does not answer, or went away in the middle: nothing is known of the effect.
    #[error("the Docker engine cannot be reached: {0}")]
    Unavailable(String),
    /// It answered, and said no.
    #[error("{0}")]
    Refused(String),
    /// The object the call needs is not there.
    #[error("{0}")]
    NotFound(String),
    /// The tree has no such Dockerfile.
    #[error("there is no {path} in the repository{}", if .similar.is_empty() { String::new() } else { format!("; it has {}", .similar.join(", ")) })]
    NoDockerfile {
        /// Where it was looked for, relative to the repository's root.
        path: String,
        /// Files in the tree that look like one.
        similar: Vec<String>,
    },
    /// The build context is not a directory in the tree.
    #[error("the build context '{0}' is not a directory in the repository")]
    NoContext(String),
    /// The build ran and failed; the output told more.
    #[error("{0}")]
    BuildFailed(String),
    /// The registry does not have the image or does not show it to us.
    #[error("{0}")]
    PullDenied(String),
}

impl EngineError {
    /// The same error in other words: what the engine said may have to be cleaned.
    #[must_use]
    pub fn map_text(self, change: impl Fn(String) -> String) -> Self {
        match self {
            Self::Unavailable(text) => Self::Unavailable(change(text)),
            Self::Refused(text) => Self::Refused(change(text)),
            Self::NotFound(text) => Self::NotFound(change(text)),
            Self::NoDockerfile { path, similar } => Self::NoDockerfile { path, similar },
            Self::NoContext(text) => Self::NoContext(change(text)),
            Self::BuildFailed(text) => Self::BuildFailed(change(text)),
            Self::PullDenied(text) => Self::PullDenied(change(text)),
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Ingress.

/// One question to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// HTTP GET of a path.
    Http {
        /// Where.
        address: SocketAddrV4,
        /// What.
        path: String,
    },
    /// A TCP connection.
    Tcp {
        /// Where.
        address: SocketAddrV4,
    },
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// It is ready.
    Ready,
    /// It is not; the text says what it answered, as the end of a sentence: "connection refused on 10.0.0.2:80".
    NotReady(String),
}

/// Whether a table may take the place of another instance's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// Only a table of the same instance is replaced.
    No,
    /// Somebody said that this instance's table is to hold from now on, whosever is there.
    Explicit,
}

/// The data path. It may be a process of its own, which starts, ends and serves without this one.
#[async_trait]
pub trait Ingress: Send + Sync {
    /// Makes the table hold and returns the generation that holds now: the table's own or, where a newer one of the
    /// same instance came first, that one's. When it returns, no new request goes where only older tables lead.
    async fn publish(&self, table: &Table, takeover: Takeover) -> Result<i64, IngressError>;
    /// The generation of this instance's table that holds now; `None` if it holds none, or another instance's.
    async fn held(&self, instance: Uuid) -> Result<Option<i64>, IngressError>;
    /// Waits until no request and no upgraded connection is under way to this address, at most so long, and returns how
    /// many still are. Can be asked again at any time; whether a route leads there is not its business.
    async fn drain(&self, address: SocketAddrV4, limit: Duration) -> Result<u64, IngressError>;
    /// Asks a container once, within 2 s (a connection within 200 ms).
    async fn probe(&self, probe: &Probe) -> ProbeAnswer;
    /// What it has counted, in Prometheus' text format.
    async fn figures(&self) -> Result<String, IngressError>;
}

/// Why the ingress did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IngressError {
    /// It cannot be reached or went away in the middle: nothing is known of the effect.
    #[error("the ingress cannot be reached: {0}")]
    Unavailable(String),
    /// It answered, and said no.
    #[error("the ingress refused: {0}")]
    Refused(String),
    /// It holds the table of another instance, which only an explicit takeover replaces.
    #[error(
        "the ingress serves another instance ({0}); `longshore takeover` makes it serve this one"
    )]
    Foreign(Uuid),
}
