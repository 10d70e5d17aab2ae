//! How far two specs are apart, in the configuration's own words: what differs between what runs and what the file
//! says now ("deploy to apply"), and what a new file says otherwise than the old one.
//!
//! Only keys are named, never values: a variable or a build argument may be a secret.

use super::job::{JobEvent, JobSpec, Occasion};
use super::name::ProcessName;
use super::process::ProcessSpec;
use super::release::ReleaseContent;
use super::spec::{Check, GitSource, Health, ImageSource, RunSpec, SourceSpec, Spec};
use std::collections::{BTreeMap, BTreeSet};

/// The keys by which what runs differs from what a deployment would make now.
///
/// `content` is the live release, `made_with` the spec of the deployment that made it. What only steers how a
/// deployment goes (`deadlines`, `strategy`, `drain_timeout`, `pull`, `credentials`, `auto_merge`, `release`, `tasks`, how
/// often and how long readiness is asked for) leaves nothing in what runs: it holds from the next deployment on and is no
/// drift. Nor are `domains`, nor when a job
/// runs, beside what, and how many of its runs are kept: they hold at once.
#[must_use]
pub fn drift(
    content: &ReleaseContent,
    made_with: Option<&Spec>,
    configured: &Spec,
) -> BTreeSet<String> {
    let made_from = made_with.map_or(&configured.source, |spec| &spec.source);
    let mut live = configured.clone();
    live.source = without_steering(made_from, &configured.source);
    live.run = content.run.clone();
    live.processes = content.processes.clone();
    live.rollout.health.check = content.check.clone();
    live.job = match (&content.job, &configured.job) {
        (Some(job), Some(configured)) => Some(with_what_holds_at_once(job, configured)),
        (job, _) => job.clone(),
    };
    differences(&live, configured)
}

/// A source with the keys of the other that leave nothing in the image.
fn without_steering(source: &SourceSpec, other: &SourceSpec) -> SourceSpec {
    match (source, other) {
        (SourceSpec::Git(git), SourceSpec::Git(other)) => {
            let mut git = git.clone();
            git.repository.credentials = other.repository.credentials.clone();
            git.auto_merge = other.auto_merge;
            SourceSpec::Git(git)
        }
        (SourceSpec::Image(image), SourceSpec::Image(other)) => SourceSpec::Image(ImageSource {
            pull: other.pull,
            ..image.clone()
        }),
        (SourceSpec::Git(_), SourceSpec::Image(_)) | (SourceSpec::Image(_), SourceSpec::Git(_)) => {
            source.clone()
        }
    }
}

/// A live job as its runs are made now.
fn with_what_holds_at_once(job: &JobSpec, configured: &JobSpec) -> JobSpec {
    let occasion = match (&job.occasion, &configured.occasion) {
        (Occasion::Scheduled(_), now @ Occasion::Scheduled(_)) => now,
        (live, _) => live,
    };
    JobSpec {
        occasion: occasion.clone(),
        overlap: configured.overlap,
        keep_runs: configured.keep_runs,
        ..job.clone()
    }
}

/// Every key that the two say differently.
#[must_use]
pub fn differences(one: &Spec, other: &Spec) -> BTreeSet<String> {
    let mut keys = Keys::default();
    keys.source(&one.source, &other.source);
    keys.run(&one.run, &other.run);
    keys.processes(&one.processes, &other.processes);
    keys.note("release", one.release == other.release);
    keys.entries("tasks", &one.tasks, &other.tasks);
    keys.job(one.job.as_ref(), other.job.as_ref());
    keys.note("domains", one.domains == other.domains);
    let (a, b) = (&one.rollout, &other.rollout);
    keys.note("strategy", a.strategy == b.strategy);
    keys.note("drain_timeout", a.drain_timeout == b.drain_timeout);
    let follows_port = (one.run.port, other.run.port);
    keys.health(&one.rollout.health, &other.rollout.health, follows_port);
    let (a, b) = (&one.deadlines, &other.deadlines);
    keys.note("deadlines.checkout", a.checkout == b.checkout);
    keys.note("deadlines.build", a.build == b.build);
    keys.note("deadlines.rollout", a.rollout == b.rollout);
    keys.0
}

/// The keys found so far.
#[derive(Default)]
struct Keys(BTreeSet<String>);

impl Keys {
    fn note(&mut self, key: &str, is_same: bool) {
        if !is_same {
            self.0.insert(key.to_owned());
        }
    }

    /// A table whose entries are merged name by name in the file is compared so, too.
    fn entries<K: Ord + std::fmt::Display, V: PartialEq>(
        &mut self,
        key: &str,
        one: &BTreeMap<K, V>,
        other: &BTreeMap<K, V>,
    ) {
        for name in one.keys().chain(other.keys()) {
            self.note(&format!("{key}.{name}"), one.get(name) == other.get(name));
        }
    }

    fn source(&mut self, one: &SourceSpec, other: &SourceSpec) {
        match (one, other) {
            (SourceSpec::Git(one), SourceSpec::Git(other)) => self.git(one, other),
            (SourceSpec::Image(one), SourceSpec::Image(other)) => {
                self.note("image", one.reference == other.reference);
                self.note("pull", one.pull == other.pull);
            }
            (SourceSpec::Git(_), SourceSpec::Image(_))
            | (SourceSpec::Image(_), SourceSpec::Git(_)) => {
                self.note("repository", false);
                self.note("image", false);
            }
        }
    }

    fn git(&mut self, one: &GitSource, other: &GitSource) {
        let (a, b) = (&one.repository, &other.repository);
        self.note("repository", a.url == b.url);
        self.note("credentials", a.credentials == b.credentials);
        self.note("branch", one.branch == other.branch);
        self.note("auto_merge", one.auto_merge == other.auto_merge);
        self.note("context", one.build.context == other.build.context);
        self.note("dockerfile", one.build.dockerfile == other.build.dockerfile);
        self.note("target", one.build.target == other.build.target);
        self.entries("build_args", &one.build.args, &other.build.args);
    }

    fn run(&mut self, one: &RunSpec, other: &RunSpec) {
        self.note("command", one.command == other.command);
        self.note("entrypoint", one.entrypoint == other.entrypoint);
        self.note("port", one.port == other.port);
        self.note("publish", one.publish == other.publish);
        self.entries("env", &one.env, &other.env);
        self.note("env_file", one.env_files == other.env_files);
        self.entries("secrets", &one.secrets, &other.secrets);
        self.note("volumes", one.volumes == other.volumes);
        self.note("memory", one.memory == other.memory);
        self.note("cpus", one.millicpus == other.millicpus);
        self.note("stop_grace", one.stop_grace == other.stop_grace);
        self.note("logging", one.logging == other.logging);
        self.note("payload", one.payload == other.payload);
        self.note("connections", one.connect.to == other.connect.to);
        self.entries("connect_env", &one.connect.env, &other.connect.env);
    }

    fn processes(
        &mut self,
        one: &BTreeMap<ProcessName, ProcessSpec>,
        other: &BTreeMap<ProcessName, ProcessSpec>,
    ) {
        for name in one.keys().chain(other.keys()) {
            let key = format!("processes.{name}");
            match (one.get(name), other.get(name)) {
                (Some(a), Some(b)) => {
                    let mut note = |own, is_same| self.note(&format!("{key}.{own}"), is_same);
                    note("command", a.command == b.command);
                    note("entrypoint", a.entrypoint == b.entrypoint);
                    note("memory", a.memory == b.memory);
                    note("cpus", a.millicpus == b.millicpus);
                    note("stop_grace", a.stop_grace == b.stop_grace);
                    note("health", a.check == b.check);
                }
                (one, other) => self.note(&key, one == other),
            }
        }
    }

    fn job(&mut self, one: Option<&JobSpec>, other: Option<&JobSpec>) {
        let (one, other) = match (one, other) {
            (Some(one), Some(other)) => (one, other),
            (None, None) => return,
            (Some(_), None) | (None, Some(_)) => return self.note("kind", false),
        };
        self.note("schedule", one.schedule() == other.schedule());
        for (key, event) in [
            ("on_start", JobEvent::Start),
            ("on_stop", JobEvent::Stop),
            ("on_delete", JobEvent::Delete),
        ] {
            self.note(key, one.command(event) == other.command(event));
        }
        self.note("overlap", one.overlap == other.overlap);
        self.note("max_duration", one.max_duration == other.max_duration);
        self.note("retries", one.retries == other.retries);
        self.note("keep_runs", one.keep_runs == other.keep_runs);
    }

    /// A check that follows the app's port on both sides changes with it: that is `port`, no key of its own.
    fn health(&mut self, one: &Health, other: &Health, ports: (Option<u16>, Option<u16>)) {
        let is_same_port = |a: u16, b: u16| a == b || (Some(a), Some(b)) == ports;
        match (&one.check, &other.check) {
            (Check::Http { port: a, path }, Check::Http { port: b, path: to }) => {
                self.note("health.port", is_same_port(*a, *b));
                self.note("health.path", path == to);
            }
            (Check::Tcp { port: a }, Check::Tcp { port: b }) => {
                self.note("health.port", is_same_port(*a, *b));
            }
            (Check::StaysUp(a), Check::StaysUp(b)) => self.note("health.stays_up", a == b),
            (one, other) => self.note("health", one == other),
        }
        self.note("health.interval", one.interval == other.interval);
        self.note("health.timeout", one.timeout == other.timeout);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::job::{JobCommand, Missed, Overlap, Schedule};
    use crate::core::name::{Branch, ImageReference, VariableName};
    use crate::core::release::Image;
    use crate::core::route::Domain;
    use crate::core::schedule::{Cron, Zone};
    use crate::core::secret::{SecretRef, SecretSource};
    use crate::core::spec::*;
    use std::time::Duration;

    fn spec() -> Spec {
        Spec {
            source: SourceSpec::Git(GitSource {
                repository: Repository {
                    url: "https://git.example/acme/web.git".into(),
                    credentials: None,
                },
                branch: Branch::parse("main").unwrap(),
                auto_merge: true,
                build: BuildSpec {
                    context: ".".into(),
                    dockerfile: "Dockerfile".into(),
                    target: None,
                    args: BTreeMap::new(),
                },
            }),
            run: RunSpec {
                command: vec![],
                entrypoint: vec![],
                port: Some(8080),
                publish: vec![],
                env: BTreeMap::from([
                    (variable("LOG"), "info".into()),
                    (variable("SAME"), "x".into()),
                ]),
                env_files: vec![],
                secrets: BTreeMap::new(),
                volumes: vec![],
                memory: None,
                millicpus: None,
                stop_grace: Duration::from_secs(10),
                logging: Logging {
                    driver: "json-file".into(),
                    options: BTreeMap::new(),
                },
                payload: None,
                connect: crate::core::connection::Connect::default(),
            },
            processes: BTreeMap::new(),
            release: Vec::new(),
            tasks: BTreeMap::new(),
            job: None,
            rollout: RolloutSpec {
                strategy: Strategy::Recreate,
                health: Health {
                    check: Check::Http {
                        port: 8080,
                        path: "/up".into(),
                    },
                    interval: Duration::from_secs(1),
                    timeout: Duration::from_secs(60),
                },
                drain_timeout: Duration::from_secs(30),
            },
            deadlines: Deadlines {
                checkout: Duration::from_secs(600),
                build: Duration::from_secs(3600),
                rollout: Duration::from_secs(600),
            },
            domains: Vec::new(),
        }
    }

    fn variable(name: &str) -> VariableName {
        VariableName::parse(name).unwrap()
    }

    fn git(spec: &mut Spec) -> &mut GitSource {
        match &mut spec.source {
            SourceSpec::Git(git) => git,
            SourceSpec::Image(_) => panic!("it is built"),
        }
    }

    fn content(spec: &Spec) -> ReleaseContent {
        ReleaseContent {
            job: spec.job.clone(),
            image: Image {
                id: "sha256:1".into(),
                digest: None,
                reference: "web".into(),
            },
            sha: None,
            run: spec.run.clone(),
            check: spec.rollout.health.check.clone(),
            processes: spec.processes.clone(),
            payload: None,
        }
    }

    type Change = fn(&mut Spec);

    #[test]
    fn each_change_is_named_by_the_key_that_makes_it_and_only_what_a_deployment_would_change_is_drift()
     {
        let changes: &[(Change, &str, &str)] = &[
            (|_| {}, "", ""),
            (
                |spec| git(spec).branch = Branch::parse("develop").unwrap(),
                "branch",
                "branch",
            ),
            (|spec| git(spec).auto_merge = false, "auto_merge", ""),
            (
                |spec| git(spec).build.dockerfile = "Dockerfile.prod".into(),
                "dockerfile",
                "dockerfile",
            ),
            (
                |spec| {
                    git(spec).build.args.insert("V".into(), "1".into());
                },
                "build_args.V",
                "build_args.V",
            ),
            (
                |spec| {
                    git(spec).repository.credentials =
                        Some(GitCredentials::Token(SecretRef::File("/t".into())));
                },
                "credentials",
                "",
            ),
            (
                |spec| {
                    spec.source = SourceSpec::Image(ImageSource {
                        reference: ImageReference::parse("nginx").unwrap(),
                        pull: PullPolicy::Always,
                    });
                },
                "image repository",
                "image repository",
            ),
            (
                |spec| {
                    spec.run.env.insert(variable("LOG"), "debug".into());
                    spec.run.env.insert(variable("NEW"), String::new());
                },
                "env.LOG env.NEW",
                "env.LOG env.NEW",
            ),
            (
                |spec| {
                    spec.run.env.remove(&variable("LOG"));
                    let key = SecretSource::Host(SecretRef::File("/k".into()));
                    spec.run.secrets.insert(variable("LOG"), key);
                },
                "env.LOG secrets.LOG",
                "env.LOG secrets.LOG",
            ),
            (
                |spec| {
                    use crate::core::connection::{ConnectValue, Piece};
                    let db = crate::core::name::AppName::parse("db").unwrap();
                    spec.run.connect.to.insert(db);
                    let url = ConnectValue(vec![Piece::Text("db".into())]);
                    spec.run.connect.env.insert(variable("URL"), url);
                },
                "connect_env.URL connections",
                "connect_env.URL connections",
            ),
            (
                |spec| {
                    spec.run.memory = Some(1 << 20);
                    spec.run.millicpus = Some(500);
                },
                "cpus memory",
                "cpus memory",
            ),
            // The check follows the port: one cause, one key.
            (
                |spec| {
                    spec.run.port = Some(9090);
                    spec.rollout.health.check = Check::Http {
                        port: 9090,
                        path: "/up".into(),
                    };
                },
                "port",
                "port",
            ),
            (
                |spec| {
                    spec.rollout.health.check = Check::Http {
                        port: 9090,
                        path: "/healthz".into(),
                    };
                },
                "health.path health.port",
                "health.path health.port",
            ),
            (
                |spec| spec.rollout.health.check = Check::Image,
                "health",
                "health",
            ),
            (
                |spec| {
                    spec.rollout.health.timeout = Duration::from_secs(9);
                    spec.deadlines.build = Duration::from_secs(9);
                },
                "deadlines.build health.timeout",
                "",
            ),
            (
                |spec| {
                    spec.domains = vec![Domain::parse("web.example.com").unwrap()];
                    spec.rollout.strategy = Strategy::Swap;
                    spec.rollout.drain_timeout = Duration::from_secs(9);
                },
                "domains drain_timeout strategy",
                "",
            ),
        ];
        for (change, all, drifted) in changes {
            let (live, mut configured) = (spec(), spec());
            change(&mut configured);
            let join = |keys: BTreeSet<String>| keys.into_iter().collect::<Vec<_>>().join(" ");
            assert_eq!(join(differences(&live, &configured)), *all);
            assert_eq!(join(differences(&configured, &live)), *all);
            assert_eq!(
                join(drift(&content(&live), Some(&live), &configured)),
                *drifted
            );
        }
    }

    #[test]
    fn of_a_job_what_it_runs_is_drift_and_when_is_not() {
        let job = |cron: &str| JobSpec {
            occasion: Occasion::Scheduled(Schedule {
                cron: Cron::parse(cron).unwrap(),
                time_zone: Zone::utc(),
                missed: Missed::Skip,
            }),
            overlap: Overlap::Forbid,
            max_duration: Duration::from_secs(60),
            retries: 0,
            keep_runs: 50,
        };
        let on_start = |command: &str| {
            let command = JobCommand {
                entrypoint: Vec::new(),
                command: vec![command.to_owned()],
            };
            Occasion::Lifecycle(BTreeMap::from([(JobEvent::Start, command)]))
        };
        let with = |job: Option<JobSpec>| Spec { job, ..spec() };
        let otherwise = JobSpec {
            overlap: Overlap::Allow,
            max_duration: Duration::from_secs(9),
            retries: 2,
            keep_runs: 9,
            ..job("0 4 * * *")
        };
        let up = JobSpec {
            occasion: on_start("up"),
            ..job("0 3 * * *")
        };
        let other_command = JobSpec {
            occasion: on_start("down"),
            ..up.clone()
        };
        for (live, configured, all, drifted) in [
            (
                with(Some(job("0 3 * * *"))),
                with(Some(otherwise)),
                "keep_runs max_duration overlap retries schedule",
                "max_duration retries",
            ),
            (
                with(Some(up.clone())),
                with(Some(other_command)),
                "on_start",
                "on_start",
            ),
            (
                with(Some(up.clone())),
                with(Some(job("0 3 * * *"))),
                "on_start schedule",
                "on_start schedule",
            ),
            (with(Some(up)), with(None), "kind", "kind"),
        ] {
            let join = |keys: BTreeSet<String>| keys.into_iter().collect::<Vec<_>>().join(" ");
            assert_eq!(join(differences(&live, &configured)), all);
            assert_eq!(join(differences(&configured, &live)), all);
            assert_eq!(
                join(drift(&content(&live), Some(&live), &configured)),
                drifted
            );
        }
    }

    #[test]
    fn what_a_release_was_made_with_counts_and_not_what_its_deployment_was_to_make_later() {
        // A release made by an older spec and live again: what runs is the release's.
        let mut old = spec();
        old.run.memory = Some(1 << 20);
        assert_eq!(
            drift(&content(&old), Some(&old), &spec()),
            BTreeSet::from(["memory".to_owned()])
        );
        // Nothing is known of how it was made: only what runs is compared.
        let mut configured = spec();
        git(&mut configured).branch = Branch::parse("develop").unwrap();
        assert!(drift(&content(&spec()), None, &configured).is_empty());
    }
}
