//! What a request for a deployment would do.

use super::admission::{Desired, Entry, Standing, Verdict};
use super::command::{Command, Purpose};
use super::deployment::{Step, Wanted};
use super::name::{AppName, EnvironmentName, ProcessName, Sha};
use super::reference::Reference;
use super::route::Domain;
use super::spec::{Mount, RunSpec, Strategy};

/// What would happen if it were asked for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The app.
    pub app: AppName,
    /// The environment.
    pub environment: EnvironmentName,
    /// What it would make live.
    pub version: PlannedVersion,
    /// The steps it would take.
    pub steps: Vec<Step>,
    /// Where its requests come from.
    pub domains: Vec<Domain>,
    /// What would run beside the container that serves.
    pub processes: Vec<ProcessName>,
    /// What would be run once before that takes over, in order.
    pub commands: Vec<(Purpose, Command)>,
    /// How the new container would take over.
    pub strategy: Strategy,
    /// Why that is not the configured one; `None` if it is.
    pub instead: Option<&'static str>,
    /// Whether nothing would serve for a while, and why that is so.
    pub interruption: Interruption,
    /// The keys of the configuration by which what is live differs from what it would make.
    pub changes: Vec<String>,
    /// How many operations it would wait for.
    pub waits_for: usize,
    /// Whether it would be taken in.
    pub outcome: Outcome,
}

/// What would become live, as far as that is known before it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlannedVersion {
    /// The branch or tag.
    pub reference: Option<Reference>,
    /// The commit, resolved.
    pub commit: Option<Sha>,
    /// The image, where none is built.
    pub image: Option<String>,
    /// The number of the release that would be live again.
    pub release: Option<i64>,
}

/// Whether it would be taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It would be.
    Deploy,
    /// It would be, and would start an environment that is stopped.
    Start,
    /// It would not be, because of this.
    Refused(String),
}

/// How a release takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakesOver {
    /// Beside what serves, in one step.
    Swap,
    /// After what serves was stopped.
    Recreate(Because),
}

/// Why what serves is stopped first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// The configuration says so, or what it says leads to it.
    Configured,
    /// The release publishes ports of the host, which two containers cannot have at once.
    HostPorts,
    /// The release listens on no port that requests could be moved to.
    NoPort,
    /// The release writes to a volume, which the configuration of today knows nothing of.
    Volume,
}

impl TakesOver {
    /// How a release takes over. A rollback brings back what an earlier configuration said of the container, which may
    /// not be what today's strategy was chosen for.
    #[must_use]
    pub fn of(strategy: Strategy, configured: &RunSpec, run: &RunSpec) -> Self {
        let writes = |run: &RunSpec| run.volumes.iter().any(Mount::is_writable);
        match strategy {
            Strategy::Recreate => Self::Recreate(Because::Configured),
            Strategy::Swap if !run.publish.is_empty() => Self::Recreate(Because::HostPorts),
            Strategy::Swap if run.port.is_none() => Self::Recreate(Because::NoPort),
            Strategy::Swap if writes(run) && !writes(configured) => Self::Recreate(Because::Volume),
            Strategy::Swap => Self::Swap,
        }
    }

    /// Why that is not the configured strategy; `None` if it is.
    #[must_use]
    pub fn instead(self) -> Option<&'static str> {
        match self {
            Self::Swap => None,
            Self::Recreate(because) => because.instead(),
        }
    }

    /// The strategy by its name.
    #[must_use]
    pub fn strategy(self) -> Strategy {
        match self {
            Self::Swap => Strategy::Swap,
            Self::Recreate(_) => Strategy::Recreate,
        }
    }
}

impl Because {
    /// The end of a sentence that says what is done instead of the configured `swap`; `None` if it is what is configured.
    fn instead(self) -> Option<&'static str> {
        match self {
            Self::Configured => None,
            Self::HostPorts => Some("the release publishes ports of the host"),
            Self::NoPort => Some("the release has no port"),
            Self::Volume => Some("the release writes to a volume that is no longer configured"),
        }
    }
}

/// Whether nothing would serve for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// What serves is stopped before the new container is started.
    Recreated,
    /// The new container takes over when it is ready, in one step.
    Swapped,
    /// Nothing is live, and nothing waits that would be.
    NothingLive,
    /// The environment does not run when its turn comes.
    NotRunning,
    /// A job has nothing that runs on.
    Job,
}

impl Interruption {
    /// Whether nothing would serve for a while.
    #[must_use]
    pub fn is_downtime(self) -> bool {
        match self {
            Self::Recreated => true,
            Self::Swapped | Self::NothingLive | Self::NotRunning | Self::Job => false,
        }
    }

    /// Why, for people.
    #[must_use]
    pub fn why(self) -> &'static str {
        match self {
            Self::Recreated => {
                "with strategy \"recreate\" the running container is stopped before the new one is started; nothing serves until that is ready"
            }
            Self::Swapped => {
                "with strategy \"swap\" the new container is started beside the running one, which serves until the new one is ready and then ends what it has begun"
            }
            Self::NothingLive => "nothing is live yet that could be interrupted",
            Self::NotRunning => "the environment does not run now",
            Self::Job => "a job runs to its end, and has nothing that runs on",
        }
    }

    /// By the state the queue will leave.
    #[must_use]
    pub fn of(strategy: Strategy, standing: &Standing, is_live: bool) -> Self {
        let will_be = |entry: &Entry| match entry {
            Entry::Deployment { .. } => true,
            Entry::Change(_) => false,
        };
        match standing.desired_after() {
            Desired::Stopped | Desired::Suspended | Desired::Removed => Self::NotRunning,
            Desired::Running => Self::by(strategy, is_live || standing.queue.iter().any(will_be)),
        }
    }

    /// Of an environment that runs, or is about to.
    #[must_use]
    pub fn by(strategy: Strategy, is_live: bool) -> Self {
        match (strategy, is_live) {
            (Strategy::Swap | Strategy::Recreate, false) => Self::NothingLive,
            (Strategy::Swap, true) => Self::Swapped,
            (Strategy::Recreate, true) => Self::Recreated,
        }
    }
}

impl Outcome {
    /// What admission's verdict means for whoever asks.
    #[must_use]
    pub fn of(verdict: &Verdict, standing: &Standing) -> Self {
        match verdict {
            Verdict::Denied(reason) => Self::Refused(reason.to_string()),
            Verdict::Ignored(reason) => Self::Refused(reason.to_string()),
            Verdict::Accepted { .. } => match standing.desired_after() {
                Desired::Stopped => Self::Start,
                Desired::Running | Desired::Suspended | Desired::Removed => Self::Deploy,
            },
        }
    }
}

/// How many of the queue it would wait for: not for those whose place it would take.
#[must_use]
pub fn waits_for(verdict: &Verdict, standing: &Standing) -> usize {
    let superseded = match verdict {
        Verdict::Accepted { supersedes } => supersedes.len(),
        Verdict::Ignored(_) | Verdict::Denied(_) => 0,
    };
    standing.queue.len() - superseded.min(standing.queue.len())
}

impl PlannedVersion {
    /// What a request names itself; for a release and a restart it is in what was made before.
    #[must_use]
    pub fn of(wanted: &Wanted) -> Self {
        match wanted {
            Wanted::Commit { reference, sha, .. } => Self {
                reference: Some(reference.clone()),
                commit: Some(sha.clone()),
                ..Self::default()
            },
            Wanted::Image(image) => Self {
                image: Some(image.to_string()),
                ..Self::default()
            },
            Wanted::Release(_) | Wanted::Restart => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::admission::admit;
    use crate::core::change::Change;
    use crate::core::deployment::Trigger;
    use crate::core::id::DeploymentSerial;
    use crate::core::name::ImageReference;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn standing(desired: Desired, queue: Vec<Entry>) -> Standing {
        Standing {
            desired,
            queue,
            seen_head: None,
            pinned: false,
        }
    }

    fn waiting(serial: i64, trigger: Trigger) -> Entry {
        Entry::Deployment {
            serial: DeploymentSerial(serial),
            trigger,
            rollback: false,
            begun: false,
        }
    }

    fn image() -> Wanted {
        Wanted::Image(ImageReference::parse("nginx").unwrap())
    }

    #[test]
    fn what_runs_is_interrupted_and_what_does_not_run_is_not() {
        let of = |desired, queue, live| {
            Interruption::of(Strategy::Recreate, &standing(desired, queue), live)
        };
        assert_eq!(of(Desired::Running, vec![], true), Interruption::Recreated);
        assert_eq!(
            of(Desired::Running, vec![], false),
            Interruption::NothingLive
        );
        let first = vec![waiting(1, Trigger::Manual)];
        assert_eq!(of(Desired::Running, first, false), Interruption::Recreated);
        assert_eq!(of(Desired::Stopped, vec![], true), Interruption::NotRunning);
        let stop = vec![Entry::Change(Change::Stop)];
        assert_eq!(of(Desired::Running, stop, true), Interruption::NotRunning);
    }

    #[test]
    fn a_swap_interrupts_nothing_and_of_nothing_there_is_nothing_to_swap() {
        let of = |desired, live| Interruption::of(Strategy::Swap, &standing(desired, vec![]), live);
        assert_eq!(of(Desired::Running, true), Interruption::Swapped);
        assert_eq!(of(Desired::Running, false), Interruption::NothingLive);
        assert_eq!(of(Desired::Stopped, true), Interruption::NotRunning);
        assert!(!Interruption::Swapped.is_downtime());
    }

    #[test]
    fn what_cannot_run_beside_what_serves_is_not_swapped_whatever_is_configured() {
        use crate::core::spec::{Logging, MountSource, Protocol, Publish};
        let run = RunSpec {
            command: vec![],
            entrypoint: vec![],
            port: Some(80),
            publish: vec![],
            env: BTreeMap::new(),
            env_files: vec![],
            secrets: BTreeMap::new(),
            volumes: vec![],
            memory: None,
            millicpus: None,
            stop_grace: Duration::ZERO,
            logging: Logging {
                driver: "local".into(),
                options: BTreeMap::new(),
            },
            payload: None,
            connect: crate::core::connection::Connect::default(),
        };
        let mut configured = run.clone();
        let of =
            |configured: &RunSpec, run: &RunSpec| TakesOver::of(Strategy::Swap, configured, run);
        assert_eq!(
            TakesOver::of(Strategy::Recreate, &configured, &run),
            TakesOver::Recreate(Because::Configured)
        );
        assert_eq!(of(&configured, &run), TakesOver::Swap);
        let portless = RunSpec {
            port: None,
            ..run.clone()
        };
        assert_eq!(
            of(&configured, &portless),
            TakesOver::Recreate(Because::NoPort)
        );
        let publish = Publish {
            address: [127, 0, 0, 1].into(),
            host_port: 80,
            container_port: 80,
            protocol: Protocol::Tcp,
        };
        let publishes = RunSpec {
            publish: vec![publish],
            ..run.clone()
        };
        assert_eq!(
            of(&configured, &publishes),
            TakesOver::Recreate(Because::HostPorts)
        );
        let data = Mount {
            source: MountSource::Volume("data".into()),
            target: "/data".into(),
            read_only: false,
        };
        let writes = RunSpec {
            volumes: vec![data.clone()],
            ..run
        };
        assert_eq!(
            of(&configured, &writes),
            TakesOver::Recreate(Because::Volume)
        );
        configured.volumes = vec![data];
        assert_eq!(
            of(&configured, &writes),
            TakesOver::Swap,
            "it was chosen knowing of it"
        );
    }

    #[test]
    fn the_queue_as_it_will_be_decides_what_would_come_of_it() {
        let of = |desired, queue| {
            let standing = standing(desired, queue);
            let verdict = admit(&standing, Trigger::Manual, &image());
            (
                Outcome::of(&verdict, &standing),
                waits_for(&verdict, &standing),
            )
        };
        assert_eq!(of(Desired::Running, vec![]), (Outcome::Deploy, 0));
        assert_eq!(of(Desired::Stopped, vec![]), (Outcome::Start, 0));
        let suspended = of(Desired::Running, vec![Entry::Change(Change::Suspend)]);
        let why = "the environment is suspended; activate it first".to_owned();
        assert_eq!(suspended, (Outcome::Refused(why), 1));
    }

    #[test]
    fn a_rollback_does_not_wait_for_what_it_takes_the_place_of() {
        let standing = standing(
            Desired::Running,
            vec![waiting(1, Trigger::Automatic), waiting(2, Trigger::Manual)],
        );
        let rollback = Wanted::Release(crate::core::id::ReleaseSerial(1));
        let verdict = admit(&standing, Trigger::Manual, &rollback);
        assert_eq!(waits_for(&verdict, &standing), 1);
    }
}
