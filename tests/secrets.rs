//! Secrets that are kept here: from the command line to the container, and out of the log again.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::action::{Action, AppRef, Reply, SecretRequest, SecretView};
use longshore::core::app::App;
use longshore::core::change::Change;
use longshore::core::deployment::Phase;
use longshore::core::error::Error;
use longshore::core::failure::FailureCode;
use longshore::core::name::{AppName, VariableName};
use longshore::core::ports::ContainerState;
use longshore::core::secret::{Secret, SecretRef, SecretSource};
use world::{Bench, Process, git_app, sha};

fn name(text: &str) -> VariableName {
    VariableName::parse(text).unwrap()
}

fn web() -> AppRef {
    AppRef::Name(AppName::parse("web").unwrap())
}

/// The app `web`, whose variable `PASSWORD` is kept at `source`.
fn app(source: SecretSource) -> App {
    let mut app = git_app("web");
    for spec in app.environments.values_mut() {
        spec.run.secrets.insert(name("PASSWORD"), source.clone());
    }
    app
}

fn bench() -> Bench {
    let bench = Bench::new(vec![app(SecretSource::Store)]);
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    bench
}

fn request(variable: &str) -> SecretRequest {
    SecretRequest {
        app: web(),
        environment: None,
        name: name(variable),
    }
}

async fn set(process: &Process, variable: &str, value: &str) -> SecretView {
    let action = Action::SetSecret(request(variable), Secret::new(value));
    secrets(process.ask(action).await.unwrap()).remove(0)
}

async fn list(process: &Process) -> Vec<SecretView> {
    secrets(process.ask(Action::ListSecrets(web(), None)).await.unwrap())
}

fn secrets(reply: Reply) -> Vec<SecretView> {
    match reply {
        Reply::Secrets(view) => view.secrets,
        other => panic!("{other:?}"),
    }
}

/// What the containers that run have in `PASSWORD`.
fn passwords(bench: &Bench) -> Vec<String> {
    let state = bench.world.state.lock().unwrap();
    let runs = state
        .containers
        .values()
        .filter(|made| matches!(made.state, ContainerState::Running { .. }));
    let env = runs.flat_map(|made| &made.spec.env);
    env.filter(|(name, _)| name.as_str() == "PASSWORD")
        .map(|(_, value)| value.expose().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_deployment_whose_secret_is_not_set_fails_before_any_work_and_says_what_to_do() {
    let bench = bench();
    let process = bench.start();
    let made = process.deploy("web").await.unwrap();
    process.drive().await;
    let Phase::Failed { failure, .. } = process.view(made.deployment.id).await.deployment.phase
    else {
        panic!("it did not fail");
    };
    assert_eq!(failure.code, FailureCode::SecretUnreadable);
    assert_eq!(
        failure.message,
        "the secret PASSWORD of production of web is not set"
    );
    assert_eq!(
        failure.next,
        "Set it with `longshore secret set web PASSWORD --environment production` and deploy again."
    );
    assert!(!process.log(made.deployment.id).contains("Building"));
    set(&process, "PASSWORD", "hunter22").await;
    process.deploy("web").await.unwrap();
    process.drive().await;
    assert_eq!(passwords(&bench), ["hunter22"]);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_set_again_changes_nothing_that_runs_and_reaches_the_next_container() {
    let bench = bench();
    let process = bench.start();
    set(&process, "PASSWORD", "before22").await;
    process.deploy("web").await.unwrap();
    process.drive().await;
    set(&process, "PASSWORD", "after222").await;
    process.drive().await;
    assert_eq!(passwords(&bench), ["before22"]);
    process.deploy("web").await.unwrap();
    process.drive().await;
    assert_eq!(passwords(&bench), ["after222"]);
}

#[tokio::test(start_paused = true)]
async fn the_list_has_what_is_set_and_what_the_configuration_misses() {
    let bench = bench();
    let process = bench.start();
    let shown = |views: &[SecretView]| -> Vec<_> {
        let show = |view: &SecretView| {
            let by = view.set.as_ref().map(|set| set.by.name.clone());
            (view.name.to_string(), by, view.used)
        };
        views.iter().map(show).collect()
    };
    let ann = Some("ann".to_owned());
    assert_eq!(
        shown(&list(&process).await),
        [("PASSWORD".into(), None, true)]
    );
    // Before the configuration names it, too.
    assert!(!set(&process, "EARLY", "hunter22").await.used);
    assert!(set(&process, "PASSWORD", "hunter22").await.used);
    assert_eq!(
        shown(&list(&process).await),
        [
            ("EARLY".into(), ann.clone(), false),
            ("PASSWORD".into(), ann, true)
        ]
    );
    let removed = process.ask(Action::RemoveSecret(request("EARLY"))).await;
    assert_eq!(secrets(removed.unwrap()).len(), 1);
    let again = process.ask(Action::RemoveSecret(request("EARLY"))).await;
    assert!(matches!(again, Err(Error::SecretNotFound { .. })));
    assert_eq!(list(&process).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_changed_during_the_build_is_hidden_in_what_its_container_prints() {
    let bench = bench();
    let process = bench.start();
    set(&process, "PASSWORD", "before22").await;
    bench.world.state.lock().unwrap().builds_hang = true;
    let made = process.deploy("web").await.unwrap();
    process
        .drive_until(&bench.world, |state| state.builds_now > 0)
        .await;
    bench.world.state.lock().unwrap().builds_hang = false;
    // This container says its image's id when it begins.
    set(&process, "PASSWORD", sha('1').as_str()).await;
    process.drive().await;
    let log = process.log(made.deployment.id);
    assert!(log.contains("stdout sha256:[redacted] begins"), "{log}");
    assert_eq!(passwords(&bench), [sha('1').as_str()]);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_made_again_hides_the_secrets_of_both_moments() {
    let bench = bench();
    let process = bench.start();
    set(&process, "PASSWORD", "before22").await;
    process.deploy("web").await.unwrap();
    process.drive().await;
    set(&process, "PASSWORD", "after222").await;
    drop(process);
    bench.world.state.lock().unwrap().containers.clear();
    let process = bench.start();
    process
        .drive_until(&bench.world, |state| {
            let runs = |made: &world::Made| matches!(made.state, ContainerState::Running { .. });
            state.containers.values().any(runs)
        })
        .await;
    assert_eq!(passwords(&bench), ["after222"]);
    let place = process.store.place(&web(), None, |_| {
        let app = &bench.apps[0];
        Some(app.default_environment.clone())
    });
    let live = process.store.live(place.unwrap().unwrap().environment);
    let serial = live.unwrap().unwrap().containers[0].serial;
    let hidden = process.store.hidden_values(serial).unwrap();
    assert_eq!(hidden, ["before22", "after222"].map(Secret::new));
}

#[tokio::test(start_paused = true)]
async fn a_removed_environment_takes_its_secrets_with_it() {
    let bench = bench();
    let process = bench.start();
    set(&process, "PASSWORD", "hunter22").await;
    let default = |_: &_| Some(bench.apps[0].default_environment.clone());
    let place = process.store.place(&web(), None, default);
    let environment = place.unwrap().unwrap().environment;
    assert_eq!(process.store.kept_secrets(environment).unwrap().len(), 1);
    let remove = Change::Remove { volumes: false };
    process.change("web", remove, false).await.unwrap();
    process.drive().await;
    assert!(process.store.kept_secrets(environment).unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_secret_file_that_no_variable_can_hold_is_named_and_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    let bench = Bench::new(vec![app(SecretSource::Host(SecretRef::File(file.clone())))]);
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    let process = bench.start();
    for (content, why) in [
        ("hunter22\0".to_owned(), "NUL"),
        ("x".repeat(1024 * 1024 + 1), "larger than 1 MiB"),
    ] {
        std::fs::write(&file, content).unwrap();
        let made = process.deploy("web").await.unwrap();
        process.drive().await;
        let phase = process.view(made.deployment.id).await.deployment.phase;
        let Phase::Failed { failure, .. } = phase else {
            panic!("it did not fail");
        };
        let message = &failure.message;
        assert!(
            message.contains(why) && message.contains(file.to_str().unwrap()),
            "{message}"
        );
        assert!(!message.contains("hunter22"), "{message}");
        assert_eq!(failure.code, FailureCode::SecretUnreadable);
    }
}
