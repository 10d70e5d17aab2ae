//! A daemon without sockets: the router over a real agent and a real store, the world around it in memory.

use super::golden::Bound;
use super::schema::Schemas;
use super::world::{Behaviour, Bench, Fake, Process, Pulls, git_app, image_app, image_of, sha};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use longshore::api::{Api, Peer, Proxies, routes};
use longshore::core::access::Reach;
use longshore::core::action::{Action, AppRef, Reply};
use longshore::core::app::App;
use longshore::core::commit::CommitDetail;
use longshore::core::job::{JobCommand, JobEvent, JobSpec, Missed, Occasion, Overlap, Schedule};
use longshore::core::name::{
    Branch, EnvironmentName, ProcessName, ProjectPath, RefName, Reported, Sha,
};
use longshore::core::ports::*;
use longshore::core::process::ProcessSpec;
use longshore::core::project::ProjectRef;
use longshore::core::recorded::{Record, ReportedState};
use longshore::core::reference::{Reference, commit_digits};
use longshore::core::route::Domain;
use longshore::core::schedule::{Cron, Zone};
use longshore::core::secret::SecretRef;
use longshore::core::spec::{Check, GitCredentials, SourceSpec};
use longshore::core::time::Timestamp;
use longshore::deploy::{Agent, Ports, Reread, Settings};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower::ServiceExt as _;
use uuid::Uuid;

/// A repository with three branches: `main` holds 1…, 2… and 3…, the last its head, `develop` holds 4…, `letters`
/// holds abcdef12…; the tag `v1.0` leads to 2….
struct Repository {
    world: Fake,
    reachable: AtomicBool,
}

/// Where requests over TCP come from.
const REMOTE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const MAIN: [char; 3] = ['1', '2', '3'];
const DEVELOP: [char; 1] = ['4'];
/// The heads of `topic-branch`, `conflicting` and `protected`, which are all behind: the first can be brought up to date.
const TOPICS: [char; 3] = ['5', '6', '7'];

#[async_trait]
impl Source for Repository {
    async fn resolve(&self, _: &Remote, revision: &Revision) -> Result<Sha, SourceError> {
        if !self.reachable.load(Ordering::Relaxed) {
            return Err(SourceError::Unreachable("no route to host".into()));
        }
        if revision.reference.as_str() == "letters" {
            return Ok(Sha::parse(&"abcdef12".repeat(5)).unwrap());
        }
        let commits: &[char] = match &revision.reference {
            Reference::Branch(branch) if branch.as_str() == "main" => &MAIN,
            Reference::Branch(branch) if branch.as_str() == "develop" => &DEVELOP,
            Reference::Branch(branch) if branch.as_str() == "topic-branch" => &TOPICS[..1],
            Reference::Branch(branch) if branch.as_str() == "conflicting" => &TOPICS[1..2],
            Reference::Branch(branch) if branch.as_str() == "protected" => &TOPICS[2..],
            Reference::Branch(other) => return Err(SourceError::NoSuchBranch(other.to_string())),
            Reference::Tag(tag) if tag.as_str() == "v1.0" => &MAIN[..2],
            Reference::Tag(other) => return Err(SourceError::NoSuchTag(other.to_string())),
            Reference::Commit(_) | Reference::Other(_) => {
                let name = revision.reference.to_string();
                return Err(SourceError::NoSuchRef(name));
            }
        };
        let head = sha(commits[commits.len() - 1]);
        let Some(asked) = &revision.commit else {
            return Ok(head);
        };
        let is_asked = |digit: &&char| sha(**digit).as_str().starts_with(asked.as_str());
        if let Some(digit) = commits.iter().find(is_asked) {
            return Ok(sha(*digit));
        }
        Err(match MAIN.iter().chain(&DEVELOP).find(is_asked) {
            Some(_) => SourceError::NotOnBranch {
                commit: asked.clone(),
                branch: revision.reference.to_string(),
            },
            None => SourceError::NoSuchCommit(asked.clone()),
        })
    }

    fn checkout<'a>(
        &'a self,
        remote: &'a Remote,
        reference: &'a Reference,
        sha: &'a Sha,
        tree: Uuid,
    ) -> Work<'a, Checkout, SourceError> {
        self.world.checkout(remote, reference, sha, tree)
    }

    async fn locate(&self, remote: &Remote, name: &RefName) -> Result<Located, SourceError> {
        for reference in Reference::meant_by(name.as_str()) {
            let revision = Revision {
                reference: reference.clone(),
                commit: None,
            };
            match self.resolve(remote, &revision).await {
                Ok(sha) => return Ok(Located { reference, sha }),
                Err(error @ SourceError::Unreachable(_)) => return Err(error),
                Err(_) => {}
            }
        }
        let digits = commit_digits(name.as_str());
        let mut known = MAIN.iter().chain(&DEVELOP).chain(&TOPICS).map(|c| sha(*c));
        match digits.and_then(|digits| known.find(|sha| sha.as_str().starts_with(&digits))) {
            Some(sha) => Ok(Located {
                reference: Reference::Commit(sha.clone()),
                sha,
            }),
            None => Err(SourceError::NoSuchRef(name.to_string())),
        }
    }

    async fn commit(&self, remote: &Remote, sha: &Sha) -> Result<CommitDetail, SourceError> {
        self.world.commit(remote, sha).await
    }

    async fn merge(&self, _: &Remote, request: &MergeRequest) -> Result<Merge, SourceError> {
        Ok(match request.into.reference.as_str() {
            "topic-branch" => Merge::Merged(sha('9')),
            "conflicting" => Merge::Conflict,
            "protected" => Merge::NotPermitted("remote: protected branch".into()),
            "5555555555555555555555555555555555555555" => Merge::Immovable,
            _ => Merge::UpToDate(request.into.clone()),
        })
    }

    async fn branches(&self, remote: &Remote) -> Result<BTreeMap<Branch, Sha>, SourceError> {
        self.world.branches(remote).await
    }

    async fn discard(&self, tree: Uuid) -> Result<(), SourceError> {
        self.world.discard(tree).await
    }

    async fn trees(&self) -> Result<Vec<(Uuid, u64)>, SourceError> {
        self.world.trees().await
    }

    async fn mirror_size(&self, project: &str) -> Result<Option<u64>, SourceError> {
        self.world.mirror_size(project).await
    }

    async fn discard_mirror(&self, project: &str) -> Result<(), SourceError> {
        self.world.discard_mirror(project).await
    }
}

/// Whose words are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Gitdev,
    Sevalla,
    /// As it is, or in strict mode.
    Gitlab {
        strict: bool,
    },
    Github,
    Qovery,
}

impl Dialect {
    fn schemas(self) -> Schemas {
        match self {
            Self::Gitdev => Schemas::gitdev(),
            Self::Sevalla => Schemas::sevalla(),
            Self::Gitlab { .. } => Schemas::gitlab(),
            Self::Github => Schemas::github(),
            Self::Qovery => Schemas::qovery(),
        }
    }

    /// Apps beside those that everybody has.
    fn further_apps(self) -> Vec<App> {
        match self {
            Self::Gitdev => Vec::new(),
            Self::Sevalla => vec![closed_app()],
            Self::Gitlab { .. } | Self::Github => vec![ledger_app()],
            Self::Qovery => job_apps(),
        }
    }

    fn schema_of(self, method: &str, path: &str, status: u16) -> Option<String> {
        match self {
            Self::Gitdev => Schemas::of_answer(method, path, status),
            Self::Sevalla => Schemas::of_sevallas_answer(method, path, status),
            Self::Gitlab { .. } => Schemas::of_gitlabs_answer(method, path, status),
            Self::Github => Schemas::of_githubs_answer(method, path, status),
            Self::Qovery => Schemas::of_qoverys_answer(method, path, status),
        }
    }

    /// What the headers begin with in which every answer there says how often one may ask.
    fn tells_limits(self, path: &str) -> Option<&'static str> {
        let (prefixes, headers): (&[&str], _) = match self {
            Self::Gitdev => (&["/v1"], "x-ratelimit"),
            Self::Sevalla => (&["/v3", "/applications", "/api-keys"], "x-ratelimit"),
            Self::Gitlab { .. } => (&["/api/v4"], "ratelimit"),
            Self::Github => (
                &["/repos", "/api/v3", "/user", "/rate_limit", "/meta"],
                "x-ratelimit",
            ),
            Self::Qovery => (
                &["/job", "/environment", "/organization", "/project"],
                "x-ratelimit",
            ),
        };
        let is_there = prefixes.iter().any(|prefix| path.starts_with(prefix));
        is_there.then_some(headers)
    }

    fn is_strict(self) -> bool {
        match self {
            Self::Gitdev | Self::Sevalla | Self::Github | Self::Qovery => false,
            Self::Gitlab { strict } => strict,
        }
    }
}

/// `closed`: its repository at GitHub needs a key, its Dockerfile is further down, and it has a worker.
fn closed_app() -> App {
    let mut app = git_app("closed");
    let mailer = ProcessSpec {
        command: vec!["./mailer".into(), "--from".into(), "the queue".into()],
        entrypoint: Vec::new(),
        memory: Some(256 * 1024 * 1024),
        millicpus: Some(500),
        stop_grace: Duration::from_secs(10),
        check: Check::StaysUp(Duration::from_secs(5)),
    };
    for spec in app.environments.values_mut() {
        let name = ProcessName::parse("mailer").unwrap();
        spec.processes.insert(name, mailer.clone());
        if let SourceSpec::Git(git) = &mut spec.source {
            git.repository.url = "git@github.com:acme/closed.git".into();
            // Any file will do: nobody here asks for the key.
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
            let key = SecretRef::File(file.into());
            git.repository.credentials = Some(GitCredentials::SshKey(key));
            git.branch = Branch::parse("develop").unwrap();
            git.build.context = "services/web".into();
            git.build.dockerfile = "Dockerfile.prod".into();
        }
    }
    app
}

/// `migrate` runs an image at each event of its environments, `janitor` one only when its environment stops, `report` one by a
/// schedule, and `seed` is built and runs when its environment starts.
fn job_apps() -> Vec<App> {
    let command = |words: &str| JobCommand {
        entrypoint: vec!["/bin/sh".into(), "-e".into()],
        command: words.split(' ').map(str::to_owned).collect(),
    };
    let lifecycle = |events: &[(JobEvent, &str)]| {
        let events = events.iter();
        Occasion::Lifecycle(
            events
                .map(|(event, words)| (*event, command(words)))
                .collect(),
        )
    };
    let by_schedule = Occasion::Scheduled(Schedule {
        cron: Cron::parse("0 3 * * *").unwrap(),
        time_zone: Zone::parse("Europe/Paris").unwrap(),
        missed: Missed::Skip,
    });
    let jobs = [
        (
            image_app("migrate", "ghcr.io/acme/migrate:v1"),
            lifecycle(&[
                (JobEvent::Start, "./migrate up"),
                (JobEvent::Stop, "./migrate pause"),
                (JobEvent::Delete, "./migrate down"),
            ]),
        ),
        (
            image_app("janitor", "localhost:5000/janitor"),
            lifecycle(&[(JobEvent::Stop, "./clean")]),
        ),
        (image_app("report", "acme/report:2"), by_schedule),
        (git_app("seed"), lifecycle(&[(JobEvent::Start, "./seed")])),
    ];
    let job = |(mut app, occasion): (App, Occasion)| {
        for spec in app.environments.values_mut() {
            spec.job = Some(JobSpec {
                occasion: occasion.clone(),
                overlap: Overlap::Forbid,
                max_duration: Duration::from_secs(3600),
                retries: 0,
                keep_runs: 50,
            });
            spec.run.port = None;
            spec.run.memory = Some(512 * 1024 * 1024);
            spec.run.millicpus = Some(500);
            if matches!(occasion, Occasion::Scheduled(_)) {
                spec.run.command = vec!["./report".into()];
            }
        }
        app
    };
    let mut apps: Vec<App> = jobs.into_iter().map(job).collect();
    let staging = EnvironmentName::parse("staging").unwrap();
    let spec = apps[0].environments.values().next().unwrap().clone();
    apps[0].environments.insert(staging, spec);
    apps
}

/// `ledger` is nothing that can be deployed here: others tell of what they deploy.
fn ledger_app() -> App {
    let mut app = git_app("ledger");
    app.environments.clear();
    app
}

pub struct Stage {
    dialect: Dialect,
    bench: Bench,
    process: Process,
    agent: Arc<Agent>,
    /// What the configuration names when it is read again.
    configured: Arc<Mutex<Vec<App>>>,
    repository: Arc<Repository>,
    router: Router,
    bound: Bound,
    schemas: Schemas,
    /// The deployment that was reported last.
    recorded: Option<Uuid>,
}

fn reported(word: &str) -> ReportedState {
    ReportedState::parse(&format!("recorded_{word}")).unwrap()
}

impl Stage {
    /// Three apps, `web`, `other` and `shop`, which runs an image in `production`, where it has
    /// domains, and `staging`, with tokens: `{token:web-read}`, `{token:web-write}`, `{token:other-write}`, `{token:other-admin}`; their
    /// owners are `{user:web-write}` and so on, the projects `{proj:web}` and `{proj:other}`.
    pub async fn set(dialect: Dialect) -> Self {
        let mut shop = image_app("shop", "nginx:1.27");
        let staging = EnvironmentName::parse("staging").unwrap();
        let spec = shop.environments.values().next().unwrap().clone();
        let production = shop.environments.values_mut().next().unwrap();
        production.domains = ["*.shop.example", "shop.example/store"]
            .map(|text| Domain::parse(text).unwrap())
            .to_vec();
        shop.environments.insert(staging, spec);
        let mut apps = vec![git_app("web"), git_app("other"), shop];
        apps.extend(dialect.further_apps());
        let bench = Bench::new(apps);
        let process = bench.start();
        let fake = || Arc::new(Fake(bench.world.clone()));
        let repository = Arc::new(Repository {
            world: Fake(bench.world.clone()),
            reachable: AtomicBool::new(true),
        });
        let ports = Ports {
            engine: fake(),
            source: repository.clone(),
            ingress: fake(),
            clock: fake(),
            random: random(),
        };
        let settings = Settings {
            apps: bench.apps.clone(),
            address_pool: "10.213.0.0/16".parse().unwrap(),
            api_domains: Vec::new(),
            api_address: None,
            registries: Vec::new(),
            max_concurrent: 2,
            preview_check: Duration::from_secs(60),
            unavailable_timeout: Duration::from_secs(120),
            retention: bench.retention,
        };
        let configured = Arc::new(Mutex::new(bench.apps.clone()));
        let (apps, again) = (configured.clone(), settings.clone());
        let agent = Agent::new(process.store.clone(), ports, settings);
        let agent = Arc::new(agent.with_configuration(Arc::new(move || {
            Ok(Reread {
                file: "config.toml".into(),
                settings: Settings {
                    apps: apps.lock().unwrap().clone(),
                    ..again.clone()
                },
                needs_restart: Vec::new(),
            })
        })));
        let router = routes(Api {
            agent: agent.clone(),
            random: random(),
            public_url: Some("https://deploy.example".into()),
            proxies: Proxies::default(),
            gitlab_strict: dialect.is_strict(),
            resident_bytes: None,
        });
        let mut stage = Self {
            dialect,
            bench,
            process,
            agent,
            configured,
            repository,
            router,
            bound: Bound::default(),
            schemas: dialect.schemas(),
            recorded: None,
        };
        stage.issue_tokens().await;
        if matches!(dialect, Dialect::Sevalla | Dialect::Qovery) {
            stage.learn_applications();
        }
        stage
    }

    async fn issue_tokens(&mut self) {
        let mut wanted = vec![
            ("web", "read"),
            ("web", "write"),
            ("other", "write"),
            ("other", "admin"),
        ];
        if self.dialect == Dialect::Qovery {
            wanted.extend([
                ("migrate", "read"),
                ("migrate", "write"),
                ("migrate", "admin"),
                ("seed", "write"),
            ]);
        }
        for (app, scope) in wanted {
            let body = json!({ "name": format!("{app}-{scope}"), "scope": format!("deploy:{scope}"), "app": app });
            let request =
                json!({ "method": "POST", "path": "/v1/tokens", "as": "ann", "body": body });
            let (_, _, made) = self.send(&request).await;
            let made: Value = serde_json::from_str(&made).unwrap();
            for (kind, key) in [("token", "token"), ("user", "id")] {
                let value = made[key].as_str().unwrap().to_owned();
                self.bound.0.insert(format!("{kind}:{app}-{scope}"), value);
            }
        }
        let (_, _, apps) = self.send(&json!({ "path": "/v1/apps", "as": "ann" })).await;
        let apps: Value = serde_json::from_str(&apps).unwrap();
        for app in apps["data"].as_array().unwrap() {
            let name = format!("proj:{}", app["name"].as_str().unwrap());
            let id = app["id"].as_str().unwrap().to_owned();
            self.bound.0.insert(name, id);
        }
    }

    /// `{uuid:web}` and so on are the default environments' ids, `{uuid:shop-staging}` is the other's; `{uuid:company}` is
    /// the instance's, each of `{uuid:project-web}` and so on is derived from the project's path, and `{uuid:all-production}`
    /// and `{uuid:all-staging}` are those of all environments of a name.
    fn learn_applications(&mut self) {
        let store = &self.process.store;
        let instance = store.instance();
        let mut known = vec![("company".to_owned(), instance)];
        for name in ["production", "staging"] {
            let id = Uuid::new_v5(&instance, name.as_bytes());
            known.push((format!("all-{name}"), id));
        }
        for app in store.apps(Reach::All).unwrap() {
            let project = format!("https://longshore.dev/project/{}", app.project);
            let project = Uuid::new_v5(&Uuid::NAMESPACE_URL, project.as_bytes());
            known.push((format!("project-{}", app.name), project));
            let (serial, _) = store.app(&AppRef::Id(app.id)).unwrap().unwrap();
            for place in store.places(serial).unwrap() {
                let name = match place.environment_name.as_str() {
                    "production" => app.name.to_string(),
                    other => format!("{}-{other}", app.name),
                };
                known.push((name, place.environment_id));
            }
        }
        for (name, id) in known {
            self.bound.0.insert(format!("uuid:{name}"), id.to_string());
        }
    }

    /// Something that happens outside the API.
    pub async fn happen(&mut self, event: &str) {
        match event {
            "everything is done" => {
                let store = self.process.store.clone();
                let mut changes = store.changes();
                let done = async {
                    loop {
                        changes.borrow_and_update();
                        if store.unfinished().unwrap().is_empty() {
                            return;
                        }
                        changes.changed().await.unwrap();
                    }
                };
                self.agent.drive(done).await.unwrap();
            }
            "pulls hang" => self.bench.world.state.lock().unwrap().pulls = Pulls::Hang,
            "pulls fail" => self.bench.world.state.lock().unwrap().pulls = Pulls::Fail,
            "pulls go on" => self.bench.world.state.lock().unwrap().pulls = Pulls::Come,
            "one thing is at work" => {
                let store = self.process.store.clone();
                let mut changes = store.changes();
                let alone = async {
                    loop {
                        changes.borrow_and_update();
                        if store.unfinished().unwrap().len() == 1 {
                            return;
                        }
                        changes.changed().await.unwrap();
                    }
                };
                self.agent.drive(alone).await.unwrap();
            }
            "the clock is set back by an hour" => {
                self.bench.world.state.lock().unwrap().clock_jump -= 3_600_000;
            }
            "it is nearly three in Paris" => {
                // Of the night after the world's first day.
                let three = Timestamp(1_742_004_000_000);
                let left = three.millis_since(Fake(self.bench.world.clone()).now()) - 30_000;
                let left = Duration::from_millis(u64::try_from(left).unwrap());
                tokio::time::advance(left).await;
            }
            "builds hang" => self.bench.world.state.lock().unwrap().builds_hang = true,
            "builds go on" => self.bench.world.state.lock().unwrap().builds_hang = false,
            "builds print a secret" => {
                let mut state = self.bench.world.state.lock().unwrap();
                state.build_prints = vec!["the password is hunter2hunter2".into()];
            }
            "what is built serves" => self.behave(Behaviour::Serves),
            "what is built is not ready" => self.behave(Behaviour::NeverReady),
            "what is built exits at once" => self.behave(Behaviour::Exits(1)),
            "the ingress is away" => self.bench.world.state.lock().unwrap().refused_tables = 1000,
            "the ingress has refused a table" => {
                let refused = async {
                    loop {
                        let changed = self.bench.world.changed.notified();
                        if self.bench.world.state.lock().unwrap().refused_tables < 1000 {
                            return;
                        }
                        changed.await;
                    }
                };
                self.agent.drive(refused).await.unwrap();
            }
            "the repository is away" => self.repository.reachable.store(false, Ordering::Relaxed),
            "a second passes" => tokio::time::advance(Duration::from_secs(1)).await,
            "a minute passes" => tokio::time::advance(Duration::from_secs(60)).await,
            "an hour passes" => tokio::time::advance(Duration::from_secs(3600)).await,
            "a day passes" => tokio::time::advance(Duration::from_secs(24 * 3600)).await,
            "the database is damaged" => self.damage("ALTER TABLE release RENAME TO lost"),
            "tokens are damaged" => self.damage("ALTER TABLE token RENAME COLUMN scope TO lost"),
            "tokens are mended" => self.damage("ALTER TABLE token RENAME COLUMN lost TO scope"),
            "the database is mended" => self.damage("ALTER TABLE lost RENAME TO release"),
            "what is printed is kept" => {
                let a_while = tokio::time::sleep(Duration::from_secs(10));
                let kept = self.agent.keep_output(a_while);
                self.agent.drive(kept).await.unwrap();
            }
            _ => {
                if let Some(status) = event.strip_prefix("the newest is ") {
                    self.drive_until(status).await;
                } else if let Some(what) = event.strip_prefix("a deployment is reported of ") {
                    self.record(what).await;
                } else if let Some(word) = event.strip_prefix("it is reported as ") {
                    let newest = self.recorded.expect("one was reported");
                    let report = Action::Report(newest.into(), reported(word));
                    self.process.ask(report).await.unwrap();
                } else if let Some(names) = event.strip_prefix("the configuration no longer names ")
                {
                    let names: Vec<&str> = names.split(" and ").collect();
                    let mut apps = self.configured.lock().unwrap();
                    apps.retain(|app| !names.contains(&app.name.as_str()));
                    drop(apps);
                    self.agent.reload().unwrap();
                } else if let Some(name) = event.strip_prefix("somebody cancels the run ") {
                    let id = self.bound.fill(&format!("{{uuid:{name}}}"));
                    let cancel = Action::CancelRun(id.parse().unwrap());
                    self.process.ask(cancel).await.unwrap();
                } else if let Some(what) = event.strip_prefix("the environments ") {
                    let (desired, name) = match what.split_once(" are ") {
                        Some((name, "damaged")) => ("lost", name),
                        Some((name, "mended")) => ("running", name),
                        _ => panic!("nobody knows how environments are {what}"),
                    };
                    self.damage(&format!(
                        "UPDATE environment SET desired = '{desired}' WHERE name = '{name}'"
                    ));
                } else if let Some(what) = event.strip_prefix("the newest of ") {
                    let (name, state) = what.split_once(" is ").unwrap();
                    let path = format!("/job/{{uuid:{name}}}/deploymentHistory");
                    self.drive_until_seen(&path, "/results/0/status", state)
                        .await;
                } else if let Some(what) = event.strip_prefix("the job ") {
                    self.drive_job(what).await;
                } else if let Some(what) = event.strip_prefix("the command ") {
                    self.command(what);
                } else if let Some(line) = event.strip_prefix("what runs prints ") {
                    let mut state = self.bench.world.state.lock().unwrap();
                    for made in state.containers.values_mut() {
                        made.printed.push(line.to_owned());
                    }
                } else {
                    panic!("nobody knows how '{event}' happens");
                }
            }
        }
    }

    /// `APP as STATE at REFERENCE SHA`: what another dialect tells of, about the environment `production`.
    async fn record(&mut self, what: &str) {
        let words: Vec<&str> = what.split(' ').collect();
        let [app, "as", state, "at", reference, sha] = words[..] else {
            panic!("nobody knows how that is reported: {what}");
        };
        let path = ProjectPath::parse(&format!("acme/{app}")).unwrap();
        let project = Action::GetProject(ProjectRef::Path(path));
        let Reply::Project(project) = self.process.ask(project).await.unwrap() else {
            panic!("{app} has no project");
        };
        let tag = reference.strip_prefix("tag:");
        let record = Record {
            project: project.serial,
            environment: EnvironmentName::parse("production").unwrap(),
            reference: Reported::parse(tag.unwrap_or(reference)).unwrap(),
            tag: tag.is_some(),
            sha: Reported::parse(sha).unwrap(),
            state: reported(state),
            particulars: Default::default(),
            contexts: Default::default(),
        };
        match self.process.ask(Action::Record(record)).await.unwrap() {
            Reply::Recorded(view) => self.recorded = Some(view.recorded.id),
            other => panic!("{other:?}"),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the test does what no part of the program may"
    )]
    fn damage(&self, sql: &str) {
        let file = self.bench.data_dir.join("longshore.db");
        let connection = rusqlite::Connection::open(file).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    fn behave(&self, behaviour: Behaviour) {
        let mut state = self.bench.world.state.lock().unwrap();
        state
            .behaviours
            .insert(image_of(sha('3').as_str()), behaviour);
    }

    async fn drive_until(&self, status: &str) {
        let mut changes = self.process.store.changes();
        let reached = async {
            loop {
                changes.borrow_and_update();
                let request = json!({ "path": "/v1/deployments?limit=1", "as": "ann" });
                let (_, _, page) = self.send(&request).await;
                let page: Value = serde_json::from_str(&page).unwrap();
                if page["data"][0]["status"] == status {
                    return;
                }
                changes.changed().await.unwrap();
            }
        };
        let driven = tokio::time::timeout(Duration::from_secs(600), self.agent.drive(reached));
        driven.await.unwrap().unwrap();
    }

    /// `NAME is STATE`, in Qovery's words, by the newest environment of its default name.
    async fn drive_job(&self, what: &str) {
        let (name, state) = what.split_once(" is ").unwrap();
        let path = format!("/job/{{uuid:{name}}}/status");
        self.drive_until_seen(&path, "/state", state).await;
    }

    async fn drive_until_seen(&self, path: &str, place: &str, state: &str) {
        let mut changes = self.process.store.changes();
        let mut seen = Value::Null;
        let reached = async {
            loop {
                changes.borrow_and_update();
                let request = json!({ "path": path, "as": "ann" });
                let (_, _, status) = self.send(&request).await;
                seen = serde_json::from_str(&status).unwrap();
                if seen.pointer(place).is_some_and(|found| found == state) {
                    return;
                }
                changes.changed().await.unwrap();
            }
        };
        let driven = tokio::time::timeout(Duration::from_secs(600), self.agent.drive(reached));
        let driven = driven.await.map(Result::unwrap);
        driven.unwrap_or_else(|_| panic!("{path}: {state} never comes: {seen}"));
    }

    /// `goes on`, `fails` or `ends`: what a job's commands are is told apart by their words.
    fn command(&self, what: &str) {
        let mut state = self.bench.world.state.lock().unwrap();
        if let Some(command) = what.strip_suffix(" goes on") {
            state.behaviours.insert(command.into(), Behaviour::Serves);
        } else if let Some(command) = what.strip_suffix(" fails") {
            state.behaviours.insert(command.into(), Behaviour::Exits(3));
        } else if let Some(command) = what.strip_suffix(" ends well") {
            state.behaviours.insert(command.into(), Behaviour::Exits(0));
        } else {
            let command = what.strip_suffix(" ends").unwrap();
            state.end_task(command, 0);
            drop(state);
            self.bench.world.changed.notify_waiters();
        }
    }

    /// One request and its answer, compared with what the contract says.
    pub async fn exchange(&mut self, at: &str, scene: &Value) {
        let request = &scene["request"];
        for _ in 1..scene["times"].as_u64().unwrap_or(1) {
            self.send(request).await;
        }
        let at = format!("{at} ({} {})", request["method"], request["path"]);
        let (status, headers, body) = match scene["driven"] == true {
            true => self.send_driven(request).await,
            false => self.send(request).await,
        };
        let expected = &scene["response"];
        let shown = format!("{at}: {status} {headers:?} {body}");
        assert_eq!(
            Some(u64::from(status.as_u16())),
            expected["status"].as_u64(),
            "{shown}"
        );
        assert!(
            headers.get("x-request-id").is_some_and(|id| !id.is_empty()),
            "{shown}: X-Request-Id is on every answer"
        );
        let path = request["path"].as_str().unwrap();
        if let Some(prefix) = self.dialect.tells_limits(path) {
            for name in ["limit", "remaining", "reset"] {
                let told = headers.get_all(format!("{prefix}-{name}"));
                let told: Vec<&str> = told.iter().map(|value| value.to_str().unwrap()).collect();
                assert!(
                    told.len() == 1 && told[0].parse::<i64>().is_ok_and(|number| number >= 0),
                    "{shown}: {prefix}-{name} is on every answer, once, a number"
                );
            }
        }
        for (name, value) in expected["headers"].as_object().into_iter().flatten() {
            let found = headers.get(name).map(|value| value.to_str().unwrap());
            let fits = match (value.as_str(), found) {
                (Some(wanted), Some(found)) => self.bound.text(name, wanted, found),
                (None, None) => Ok(()),
                (wanted, found) => Err(format!("{name} is {found:?}, not {wanted:?}")),
            };
            fits.unwrap_or_else(|fault| panic!("{shown}: {fault}"));
        }
        let fits = match &expected["body"] {
            Value::String(text) => self.bound.text("body", text, &body),
            wanted => {
                let kind = headers
                    .get("content-type")
                    .map(|kind| kind.to_str().unwrap());
                let is_json = match path.starts_with("/hooks/") {
                    true => kind == Some("application/json"),
                    // To GitLab's clients any other spelling is no JSON.
                    false if path.starts_with("/api/v4") => kind == Some("application/json"),
                    false => kind == Some("application/json; charset=utf-8"),
                };
                assert!(is_json, "{shown}");
                let found: Value = serde_json::from_str(&body).unwrap();
                assert_eq!(
                    body,
                    found.to_string(),
                    "keys stand in the order of the alphabet"
                );
                let method = request["method"].as_str().unwrap_or("GET");
                let path = request["path"].as_str().unwrap();
                let documented = match self.dialect.schema_of(method, path, status.as_u16()) {
                    Some(schema) => self.schemas.check(&schema, &found),
                    None => Ok(()),
                };
                documented.and_then(|()| self.bound.compare("body", wanted, &found))
            }
        };
        fits.unwrap_or_else(|fault| panic!("{shown}: {fault}"));
    }

    /// A request that is answered only when work was done for it.
    async fn send_driven(&self, request: &Value) -> (StatusCode, HeaderMap, String) {
        let mut answer = None;
        let answered = async { answer = Some(self.send(request).await) };
        self.agent.drive(answered).await.unwrap();
        answer.unwrap()
    }

    async fn send(&self, request: &Value) -> (StatusCode, HeaderMap, String) {
        let method = request["method"].as_str().unwrap_or("GET");
        let path = self.bound.fill(request["path"].as_str().unwrap());
        let mut built = Request::builder().method(method).uri(path);
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            built = built.header(name, self.bound.fill(value.as_str().unwrap()));
        }
        let elsewhere = request["from"].as_str();
        let elsewhere = elsewhere.map_or(REMOTE, |address| address.parse().unwrap());
        let peer = match request["as"].as_str() {
            Some("ann") => Peer::Local("ann".into()),
            Some(token) => {
                let value = self.bound.fill(&format!("Bearer {{token:{token}}}"));
                built = built.header("authorization", value);
                Peer::Remote(elsewhere)
            }
            None => Peer::Remote(elsewhere),
        };
        if let Some(both) = request["basic"].as_str() {
            let both = STANDARD.encode(self.bound.fill(both));
            built = built.header("authorization", format!("Basic {both}"));
        }
        let body = match (&request["body"], &request["text"], &request["bytes"]) {
            (Value::Null, Value::String(text), _) => self.bound.fill(text),
            (Value::Null, _, Value::Number(bytes)) => {
                "x".repeat(usize::try_from(bytes.as_u64().unwrap()).unwrap())
            }
            (Value::Null, ..) => String::new(),
            (body, ..) => self.bound.fill(&body.to_string()),
        };
        let mut request = built.body(Body::from(body)).unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 24).await.unwrap();
        (
            parts.status,
            parts.headers,
            String::from_utf8(bytes.to_vec()).unwrap(),
        )
    }
}

fn random() -> Random {
    let counter = AtomicU64::new(1);
    Arc::new(move |bytes: &mut [u8]| {
        for chunk in bytes.chunks_mut(8) {
            let next = counter
                .fetch_add(1, Ordering::Relaxed)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15);
            chunk.copy_from_slice(&next.to_be_bytes()[..chunk.len()]);
        }
    })
}
