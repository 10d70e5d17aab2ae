//! Deployments of what a name means in a real repository, brought up to date first where that is asked for: from the
//! request to what is built, with a real git on both sides and the rest of the world in memory.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/git_server.rs"]
mod git_server;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use git_server::{Behaviour, GitServer, Repository};
use longshore::core::action::{
    Action, CreateDeployment, DeploymentView, ListDeployments, Reply, Target,
};
use longshore::core::admission::IgnoredReason;
use longshore::core::app::App;
use longshore::core::commit::CommitView;
use longshore::core::deployment::{Phase, Trigger, Wanted};
use longshore::core::error::Error;
use longshore::core::name::{Branch, EnvironmentName, ProjectPath, RefName, Sha};
use longshore::core::particulars::{Conditions, Particulars};
use longshore::core::project::ProjectRef;
use longshore::core::reference::Reference;
use longshore::core::secret::SecretRef;
use longshore::core::spec::{GitCredentials, GitSource, SourceSpec};
use longshore::deploy::Ports;
use longshore::source::Git;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;
use world::{Bench, Process, create, git_app, image_app};

const TOKEN: &str = "t0ken-of-the-repository";

/// A repository behind HTTP, and an agent with an app that is built from it.
struct Scene {
    bench: Bench,
    server: GitServer,
    repository: Repository,
}

fn git(app: &mut App, environment: &str, change: impl FnOnce(&mut GitSource)) {
    let name = EnvironmentName::parse(environment).unwrap();
    let default = app.environments[&app.default_environment].clone();
    let spec = app.environments.entry(name).or_insert(default);
    match &mut spec.source {
        SourceSpec::Git(source) => change(source),
        SourceSpec::Image(_) => panic!("it runs an image"),
    }
}

impl Scene {
    /// The app `web` with the environments `production`, which follows `main`, and `staging`, which follows `topic`.
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut App)) -> Self {
        let mut bench = Bench::new(vec![git_app("web"), image_app("cache", "redis")]);
        let root = bench.dir.path().join("repositories");
        std::fs::create_dir(&root).unwrap();
        let repository = Repository::create(root.join("web.git"));
        repository.git(&["config", "http.receivepack", "true"], "");
        let server = GitServer::start(&root, Some(TOKEN)).await;
        let token = bench.dir.path().join("token");
        std::fs::write(&token, TOKEN).unwrap();
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
        let web = &mut bench.apps[0];
        git(web, "production", |git| {
            git.repository.url = server.url("web.git");
            git.repository.credentials = Some(GitCredentials::Token(SecretRef::File(token)));
        });
        git(web, "staging", |git| {
            git.branch = Branch::parse("topic").unwrap()
        });
        change(web);
        Self {
            bench,
            server,
            repository,
        }
    }

    /// A life of the daemon.
    fn start(&self) -> Process {
        self.start_limited(Duration::from_secs(30))
    }

    fn start_limited(&self, limit: Duration) -> Process {
        let git = Git::new(&self.bench.data_dir)
            .with_environment(std::env::vars_os())
            .with_resolve_limit(limit)
            .with_merge_limit(limit);
        let ports = |ports| Ports {
            source: Arc::new(git),
            ..ports
        };
        self.bench.start_with(ports, |_| {}).unwrap()
    }

    /// `topic` and `main` from one commit, each a commit further; their heads.
    fn diverged(&self) -> (String, String) {
        let base = self
            .repository
            .commit("main", &[("f", "1\n2\n3\n")], "base");
        let topic = ["update-ref", "refs/heads/topic", &base];
        self.repository.git(&topic, "");
        let topic = self
            .repository
            .commit("topic", &[("f", "one\n2\n3\n")], "topic");
        let main = self
            .repository
            .commit("main", &[("f", "1\n2\nthree\n")], "main");
        (topic, main)
    }

    fn at_odds(&self) -> (String, String) {
        let (_, main) = self.diverged();
        let topic = self
            .repository
            .commit("topic", &[("f", "1\n2\nTHREE\n")], "topic");
        (topic, main)
    }

    fn head(&self, branch: &str) -> String {
        let branch = format!("refs/heads/{branch}");
        self.repository.git(&["rev-parse", &branch], "")
    }

    fn parents(&self, commit: &str) -> String {
        self.repository
            .git(&["log", "-1", "--format=%P", commit], "")
    }

    /// Everything that the remote has.
    fn state(&self) -> (String, String) {
        let refs = self.repository.git(&["for-each-ref"], "");
        (refs, self.repository.git(&["count-objects", "-v"], ""))
    }
}

/// What GitHub's callers ask for who say nothing but the name.
fn named(name: &str) -> CreateDeployment {
    CreateDeployment {
        target: Target::Named(RefName::parse(name).unwrap()),
        particulars: Particulars {
            written: Some(name.to_owned()),
            ..Particulars::default()
        },
        conditions: Conditions {
            auto_merge: true,
            ..Conditions::default()
        },
        ..create("web", Trigger::Manual)
    }
}

/// The same, as it is, whatever is missing there.
fn unmerged(name: &str) -> CreateDeployment {
    CreateDeployment {
        conditions: Conditions::default(),
        ..named(name)
    }
}

fn to(environment: &str, create: CreateDeployment) -> CreateDeployment {
    CreateDeployment {
        environment: EnvironmentName::parse(environment).ok(),
        ..create
    }
}

/// What was merged into what, or what is deployed.
async fn ask(process: &Process, create: CreateDeployment) -> Result<Asked, Error> {
    match process.ask(Action::CreateDeployment(create)).await? {
        Reply::Merged { from, into } => Ok(Asked::Merged(from.into(), into)),
        Reply::Deployment(view) => Ok(Asked::Created(view)),
        Reply::Ignored(reason) => Ok(Asked::Ignored(reason)),
        other => panic!("{other:?}"),
    }
}

#[derive(Debug)]
enum Asked {
    Merged(String, String),
    Created(Box<DeploymentView>),
    Ignored(IgnoredReason),
}

#[track_caller]
fn is_merged(asked: Result<Asked, Error>, into: &str) {
    match asked {
        Ok(Asked::Merged(from, merged)) => assert_eq!((&from[..], &merged[..]), ("main", into)),
        other => panic!("not merged: {other:?}"),
    }
}

#[track_caller]
fn created(asked: Result<Asked, Error>) -> DeploymentView {
    match asked {
        Ok(Asked::Created(view)) => *view,
        other => panic!("not created: {other:?}"),
    }
}

/// What it was found on, and the commit.
fn commit(view: &DeploymentView) -> (String, String) {
    match &view.deployment.request.wanted {
        Wanted::Commit { reference, sha, .. } => (reference.full(), sha.to_string()),
        other => panic!("{other:?}"),
    }
}

async fn deployments(process: &Process) -> u64 {
    let list = ListDeployments {
        limit: 1,
        ..ListDeployments::default()
    };
    match process.ask(Action::ListDeployments(list)).await.unwrap() {
        Reply::Deployments { total, .. } => total,
        other => panic!("{other:?}"),
    }
}

fn conflict(into: &str) -> Error {
    Error::MergeConflict {
        from: "main".to_owned(),
        into: into.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_is_behind_is_merged_first_and_deployed_when_it_is_asked_for_again() {
    let scene = Scene::new().await;
    let (topic, main) = scene.diverged();
    let process = scene.start();
    is_merged(
        ask(&process, named("refs/heads/topic")).await,
        "refs/heads/topic",
    );
    assert_eq!(deployments(&process).await, 0);
    let head = scene.head("topic");
    assert_eq!(scene.parents(&head), format!("{topic} {main}"));
    assert_eq!(scene.head("main"), main);
    let signed = ["log", "-1", "--format=%an <%ae> %cn <%ce>", &head];
    let who = "ann <ann@longshore.invalid>";
    assert_eq!(scene.repository.git(&signed, ""), format!("{who} {who}"));

    let view = created(ask(&process, named("refs/heads/topic")).await);
    assert_eq!(commit(&view), ("refs/heads/topic".to_owned(), head.clone()));
    process.drive().await;
    let view = process.view(view.deployment.id).await;
    let log = process.log(view.deployment.id);
    assert!(
        matches!(view.deployment.phase, Phase::Succeeded { .. }),
        "{log}"
    );
    assert!(
        log.contains(&format!("Checked out {}", &head[..12])),
        "{log}"
    );
    assert_eq!(scene.head("topic"), head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_told_each_time_and_changes_nothing() {
    let scene = Scene::new().await;
    scene.at_odds();
    let process = scene.start();
    let before = scene.state();
    for written in ["topic", "heads/topic", "topic"] {
        let error = ask(&process, named(written)).await.unwrap_err();
        assert_eq!(error, conflict(written));
        assert_eq!(scene.state(), before);
    }
    assert_eq!(deployments(&process).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_and_a_commit_that_are_behind_are_a_conflict_as_they_were_written() {
    let scene = Scene::new().await;
    let (topic, main) = scene.diverged();
    scene.repository.git(&["tag", "v1", &topic], "");
    scene.repository.git(&["tag", "v2", &main], "");
    let process = scene.start();
    let before = scene.state();
    for written in ["v1", "refs/tags/v1", &topic[..], &topic[..9]] {
        let error = ask(&process, named(written)).await.unwrap_err();
        assert_eq!(error, conflict(written));
    }
    assert_eq!(scene.state(), before);
    assert_eq!(deployments(&process).await, 0);
    // What is not behind is deployed, whatever it is.
    for written in ["v2", &main[..], &main[..7], "main"] {
        let view = created(ask(&process, named(written)).await);
        assert_eq!(commit(&view).1, main, "{written}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_merged_where_the_request_the_app_or_the_environment_says_so() {
    let scene = Scene::with(|web| git(web, "staging", |git| git.auto_merge = false)).await;
    let (topic, _) = scene.diverged();
    let process = scene.start();
    let before = scene.state();
    for create in [unmerged("topic"), to("staging", named("topic"))] {
        let view = created(ask(&process, create).await);
        assert_eq!(commit(&view).1, topic);
    }
    assert_eq!(scene.state(), before);
    is_merged(ask(&process, named("topic")).await, "topic");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_branch_is_the_apps_also_where_the_environment_follows_another() {
    let scene = Scene::new().await;
    scene.diverged();
    let process = scene.start();
    is_merged(ask(&process, to("staging", named("topic"))).await, "topic");
    assert_eq!(
        created(ask(&process, to("staging", named("topic"))).await)
            .deployment
            .iid,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_requests_at_once_make_one_merge_commit_and_deploy_nothing_else() {
    let scene = Scene::new().await;
    let (topic, main) = scene.diverged();
    let process = scene.start();
    let all = (0..6).map(|_| ask(&process, named("topic")));
    let all = futures_util::future::join_all(all).await;
    let head = scene.head("topic");
    assert_eq!(scene.parents(&head), format!("{topic} {main}"));
    let merges = ["rev-list", "--count", "--merges", "refs/heads/topic"];
    assert_eq!(scene.repository.git(&merges, ""), "1");
    let mut merged = 0;
    for asked in all {
        match asked.unwrap() {
            Asked::Merged(..) => merged += 1,
            Asked::Created(view) => assert_eq!(commit(&view).1, head),
            other @ Asked::Ignored(_) => panic!("{other:?}"),
        }
    }
    assert_eq!(merged, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_does_not_take_the_push_is_told_with_what_to_do() {
    let scene = Scene::new().await;
    scene.diverged();
    let process = scene.start();
    scene
        .repository
        .git(&["config", "http.receivepack", "false"], "");
    let before = scene.state();
    for said in ["403", "the house says no"] {
        let error = ask(&process, named("topic")).await.unwrap_err();
        let Error::MergeRefused { from, into, why } = &error else {
            panic!("{error:?}");
        };
        assert_eq!((&from[..], &into[..]), ("main", "topic"));
        for part in [said, "`credentials` of app 'web'", "`auto_merge = false`"] {
            assert!(why.contains(part), "{why}");
        }
        assert!(!why.contains(TOKEN), "{why}");
        assert_eq!(scene.state(), before);
        // The second time it is a hook.
        scene
            .repository
            .git(&["config", "http.receivepack", "true"], "");
        let hook = scene.repository.path().join("hooks/pre-receive");
        std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
        std::fs::write(&hook, "#!/bin/sh\necho 'the house says no' >&2\nexit 1\n").unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert_eq!(deployments(&process).await, 0);
    created(ask(&process, unmerged("topic")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_is_down_slow_or_refusing_is_unavailable() {
    let scene = Scene::new().await;
    let (topic, _) = scene.diverged();
    let process = scene.start();
    for written in ["topic", &topic[..], &topic[..7]] {
        scene.server.behave(Behaviour::Status(503));
        let error = ask(&process, named(written)).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
        scene.server.behave(Behaviour::Status(401));
        let error = ask(&process, named(written)).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    }
    scene.server.behave(Behaviour::Hold);
    drop(process);
    let process = scene.start_limited(Duration::from_millis(200));
    let error = ask(&process, named("topic")).await.unwrap_err();
    assert!(error.to_string().contains("longer than 200ms"), "{error}");
    assert_eq!(deployments(&process).await, 0);
    assert_eq!(scene.head("topic"), topic);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_nothing_is_told_from_an_empty_repository() {
    let scene = Scene::new().await;
    let process = scene.start();
    let error = ask(&process, named("main")).await.unwrap_err();
    assert!(matches!(error, Error::RepositoryEmpty { .. }), "{error:?}");
    scene.diverged();
    for written in [
        "nope",
        "refs/pull/1/merge",
        &"1".repeat(40),
        "1234567",
        "refs/heads/-x",
    ] {
        let error = ask(&process, named(written)).await.unwrap_err();
        let Error::RefNotFound { name, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(name, written);
    }
    assert_eq!(deployments(&process).await, 0);
}

/// An automatic deployment of what the environment follows, as somebody asks for it who saw a push.
fn seen(environment: &str) -> CreateDeployment {
    to(environment, create("web", Trigger::Automatic))
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_push_is_no_news_to_an_environment_that_follows_the_branch() {
    let scene = Scene::new().await;
    scene.diverged();
    let process = scene.start();
    created(ask(&process, seen("staging")).await);
    is_merged(ask(&process, named("topic")).await, "topic");
    let asked = ask(&process, seen("staging")).await.unwrap();
    assert!(
        matches!(asked, Asked::Ignored(IgnoredReason::Seen)),
        "{asked:?}"
    );
    // It holds for who comes after a restart, too.
    drop(process);
    let process = scene.start();
    let asked = ask(&process, seen("staging")).await.unwrap();
    assert!(
        matches!(asked, Asked::Ignored(IgnoredReason::Seen)),
        "{asked:?}"
    );
    // Of what others push, and where another branch is followed, nothing was said.
    created(ask(&process, seen("production")).await);
    let theirs = scene.repository.commit("topic", &[("g", "g")], "theirs");
    assert_eq!(
        commit(&created(ask(&process, seen("staging")).await)).1,
        theirs
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_named_is_built_also_after_a_restart_when_the_remote_has_moved_on() {
    let scene = Scene::new().await;
    let (topic, main) = scene.diverged();
    let tree = format!("{main}^{{tree}}");
    let proposed = ["commit-tree", &tree, "-p", &main, "-m", "proposed"];
    let proposed = scene.repository.git(&proposed, "");
    let pull = ["update-ref", "refs/pull/3/merge", &proposed];
    scene.repository.git(&pull, "");
    scene
        .repository
        .git(&["tag", "--annotate", "--message=v1", "v1", &main], "");
    let process = scene.start();
    let mut all = Vec::new();
    for (written, reference, sha) in [
        ("topic", "refs/heads/topic", &topic),
        ("tags/v1", "refs/tags/v1", &main),
        (&topic[..], &topic[..], &topic),
        (&main[..8], &main[..], &main),
        ("refs/pull/3/merge", "refs/pull/3/merge", &proposed),
    ] {
        let view = created(ask(&process, unmerged(written)).await);
        let expected = (reference.to_owned(), sha.clone());
        assert_eq!(commit(&view), expected);
        all.push((view.deployment.id, expected));
    }
    drop(process);
    // Everything that was named is something else now, or nothing.
    scene.repository.commit("main", &[("later", "l")], "later");
    for gone in ["refs/heads/topic", "refs/tags/v1", "refs/pull/3/merge"] {
        scene.repository.git(&["update-ref", "-d", gone], "");
    }
    let process = scene.start();
    process.drive().await;
    for (id, expected) in &all {
        let view = process.view(*id).await;
        let log = process.log(*id);
        assert!(
            matches!(view.deployment.phase, Phase::Succeeded { .. }),
            "{log}"
        );
        assert_eq!(commit(&view), *expected);
        let out = format!("Checked out {}", &expected.1[..12]);
        assert!(log.contains(&out), "{log}");
    }
    // What runs again says what it was made from: the one before the last is a commit by itself.
    let again = CreateDeployment {
        target: Target::Release(Some(4)),
        ..create("web", Trigger::Manual)
    };
    let view = created(ask(&process, again).await);
    process.drive().await;
    let view = process.view(view.deployment.id).await;
    let sha = Sha::parse(&main).unwrap();
    assert_eq!(view.origin.reference, Some(Reference::Commit(sha)));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_commit_what_was_named_otherwise_is_another_deployment() {
    let scene = Scene::new().await;
    let (topic, _) = scene.diverged();
    let process = scene.start();
    let again = |name: &str| CreateDeployment {
        unless_unfinished: true,
        ..unmerged(name)
    };
    let branch = created(ask(&process, again("topic")).await);
    let by_itself = created(ask(&process, again(&topic)).await);
    assert_ne!(branch.deployment.id, by_itself.deployment.id);
    for (name, known) in [("topic", &branch), (&topic[..], &by_itself)] {
        let same = created(ask(&process, again(name)).await);
        assert_eq!(same.deployment.id, known.deployment.id, "{name}");
    }
}

async fn show(process: &Process, project: &str, name: &str) -> Result<CommitView, Error> {
    let get = Action::GetCommit {
        project: ProjectRef::Path(ProjectPath::parse(project).unwrap()),
        name: RefName::parse(name).unwrap(),
    };
    match process.ask(get).await? {
        Reply::Commit(view) => Ok(*view),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_shown_by_whatever_names_it() {
    let scene = Scene::new().await;
    let (topic, main) = scene.diverged();
    let process = scene.start();
    for (name, sha) in [
        ("topic", &topic),
        ("heads/main", &main),
        (&main[..7], &main),
    ] {
        let shown = show(&process, "acme/web", name).await.unwrap();
        assert_eq!(shown.project.as_str(), "acme/web");
        assert_eq!(shown.commit.sha.as_str(), sha);
        assert_eq!(shown.commit.author.email, "ada@example.com");
    }
    for (project, name) in [
        ("acme/web", "nope"),
        ("acme/web", &"1".repeat(40)[..]),
        // There is no repository to look in.
        ("acme/cache", &main[..]),
    ] {
        let error = show(&process, project, name).await.unwrap_err();
        assert!(
            matches!(&error, Error::RefNotFound { name: asked, .. } if asked == name),
            "{error:?}"
        );
    }
    scene.server.behave(Behaviour::Status(502));
    let error = show(&process, "acme/web", "topic").await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
}
