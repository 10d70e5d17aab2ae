//! Deployments that others execute, the environments they are reported for, and the projects both belong to: on a real
//! store, beside a world in which nothing may move by them.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::access::{Caller, Reach, Scope};
use longshore::core::action::{
    Action, AppRef, CreateDeployment, Deletion, DeploymentRef, EnvironmentDetail, EnvironmentRef,
    ListDeployments, ListEnvironments, ListEvents, Listed, ReadLog, Reply, StateFilter, Target,
};
use longshore::core::admission::Desired;
use longshore::core::app::App;
use longshore::core::change::Change;
use longshore::core::commit_status::Contexts;
use longshore::core::deployment::{Phase, Trigger};
use longshore::core::environment::{CreateEnvironment, Notes, Standing};
use longshore::core::error::Error;
use longshore::core::event::{After, DeploymentStage, Happened};
use longshore::core::id::{AppSerial, EnvironmentSerial, ProjectSerial};
use longshore::core::name::{EnvironmentName, ProjectPath, Reported};
use longshore::core::particulars::{Conditions, Particulars};
use longshore::core::ports::Clock as _;
use longshore::core::project::{ListProjects, ProjectOrder, ProjectRef, ProjectView};
use longshore::core::recorded::{CannotBecome, Record, RecordedView, ReportedState};
use std::time::Duration;
use world::{Bench, Fake, Process, create, git_app, image_app, sha};

use ReportedState::{Canceled, Created, Failed, Running, Success};

/// A bench whose repositories have a commit.
fn bench(apps: Vec<App>) -> Bench {
    let bench = Bench::new(apps);
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    bench
}

fn named(text: &str) -> EnvironmentName {
    EnvironmentName::reported(text).unwrap()
}

fn record(environment: &str, digit: char, state: ReportedState) -> Record {
    Record {
        project: ProjectSerial(1),
        environment: named(environment),
        reference: Reported::parse("main").unwrap(),
        tag: false,
        sha: Reported::parse(&digit.to_string().repeat(40)).unwrap(),
        state,
        particulars: Particulars::default(),
        contexts: Contexts::Skip,
    }
}

async fn recorded(process: &Process, record: Record) -> RecordedView {
    match process.ask(Action::Record(record)).await.unwrap() {
        Reply::Recorded(view) => *view,
        other => panic!("{other:?}"),
    }
}

async fn report(
    process: &Process,
    view: &RecordedView,
    state: ReportedState,
) -> Result<RecordedView, Error> {
    let which = DeploymentRef::Serial(view.recorded.serial);
    match process.ask(Action::Report(which, state)).await? {
        Reply::Recorded(view) => Ok(*view),
        other => panic!("{other:?}"),
    }
}

async fn delete(process: &Process, which: DeploymentRef) -> Result<Reply, Error> {
    let how = Deletion::Ended;
    let asked = Action::DeleteDeployment { which, how };
    process.ask(asked).await
}

async fn listed(process: &Process, list: ListDeployments) -> Vec<Listed> {
    let list = ListDeployments { limit: 100, ..list };
    match process.ask(Action::ListDeployments(list)).await.unwrap() {
        Reply::Deployments { items, total } => {
            assert_eq!(items.len() as u64, total);
            items
        }
        other => panic!("{other:?}"),
    }
}

async fn project(process: &Process, which: ProjectRef) -> Result<ProjectView, Error> {
    match process.ask(Action::GetProject(which)).await? {
        Reply::Project(view) => Ok(*view),
        other => panic!("{other:?}"),
    }
}

async fn environments(process: &Process, list: ListEnvironments) -> Vec<EnvironmentDetail> {
    let list = ListEnvironments {
        limit: 100,
        ascending: true,
        ..list
    };
    match process.ask(Action::ListEnvironments(list)).await.unwrap() {
        Reply::Environments { items, .. } => items,
        other => panic!("{other:?}"),
    }
}

fn of_project() -> ListEnvironments {
    ListEnvironments {
        project: Some(ProjectSerial(1)),
        ..ListEnvironments::default()
    }
}

async fn environment(process: &Process, action: Action) -> Result<EnvironmentDetail, Error> {
    match process.ask(action).await? {
        Reply::Environment(detail) => Ok(*detail),
        other => panic!("{other:?}"),
    }
}

/// The app as the configuration says it, with another environment like its own.
fn with_environment(mut app: App, name: &str) -> App {
    let spec = app.environments.values().next().unwrap().clone();
    app.environments
        .insert(EnvironmentName::parse(name).unwrap(), spec);
    app
}

fn recorder(path: &str) -> App {
    let mut app = git_app("elsewhere");
    app.project = ProjectPath::parse(path).unwrap();
    app.environments.clear();
    app
}

/// Lets the clock go on: what is told later is later.
async fn tick(bench: &Bench) {
    Fake(bench.world.clone())
        .sleep(Duration::from_secs(1))
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_others_execute_is_written_down_and_moves_nothing() {
    let bench = bench(vec![git_app("web")]);
    let process = bench.start();
    let told = recorded(&process, record("production", 'a', Running)).await;
    process.drive().await;
    assert_eq!(bench.world.running(), Vec::<String>::new());
    assert_eq!(told.recorded.iid, 1);
    let ours = process.deploy("web").await.unwrap();
    assert_eq!(ours.deployment.iid, 2);
    assert_eq!(ours.deployment.serial.0, told.recorded.serial.0 + 1);
    process.drive().await;
    assert_eq!(bench.world.running().len(), 1);
    // Both stand in one list, by one order; the state counts, not who executed it.
    let all = listed(&process, ListDeployments::default()).await;
    assert!(
        matches!(&all[..], [Listed::Executed(_), Listed::Recorded(_)]),
        "{all:?}"
    );
    for (state, serials) in [
        (StateFilter::Deploying, vec![1]),
        (StateFilter::Succeeded, vec![2]),
        (StateFilter::Queued, vec![]),
    ] {
        let states = vec![state];
        let found = listed(
            &process,
            ListDeployments {
                states,
                ..Default::default()
            },
        )
        .await;
        let found: Vec<i64> = found.iter().map(|one| one.serial().0).collect();
        assert_eq!(found, serials, "{state:?}");
    }
    // The environment's own news are those of what was executed.
    let found = environments(&process, of_project()).await;
    assert!(
        matches!(found[0].last, Some(Phase::Succeeded { .. })),
        "{:?}",
        found[0].last
    );
    assert!(!found[0].reported_only);
}

#[tokio::test(start_paused = true)]
async fn reports_follow_gitlabs_transitions_and_are_told_as_events() {
    let bench = bench(vec![git_app("web")]);
    let process = bench.start();
    let told = recorded(&process, record("review/1", 'a', Created)).await;
    assert_eq!(told.recorded.ended_at(), None);
    let refused = |from, to| Err(Error::CannotBecome(CannotBecome { from, to }));
    let running = report(&process, &told, Running).await.unwrap();
    assert_eq!(
        report(&process, &told, Running).await.map(|_| ()),
        refused(Running, Running)
    );
    let failed = report(&process, &told, Failed).await.unwrap();
    assert_eq!(
        report(&process, &told, Running).await.map(|_| ()),
        refused(Failed, Running)
    );
    let done = report(&process, &told, Success).await.unwrap();
    assert_eq!(
        report(&process, &told, Success).await.map(|_| ()),
        refused(Success, Success)
    );
    assert!(running.recorded.updated_at <= failed.recorded.updated_at);
    assert_eq!(done.recorded.ended_at(), Some(done.recorded.updated_at));
    let events = ListEvents {
        after: After::Serial(0),
        limit: 100,
        app: None,
        environment: None,
        deployment: Some(told.recorded.id),
        wait: false,
    };
    let Reply::Events(page) = process.ask(Action::ListEvents(events)).await.unwrap() else {
        panic!("no events");
    };
    let stages: Vec<Happened> = page.events.iter().map(|event| event.what).collect();
    let told_of = |state| Happened::Deployment {
        id: told.recorded.id,
        stage: DeploymentStage::Recorded(state),
    };
    assert_eq!(stages, [Created, Running, Failed, Success].map(told_of));
}

#[tokio::test(start_paused = true)]
async fn the_newest_success_is_not_recorded_twice_and_anything_else_is() {
    let bench = bench(vec![git_app("web")]);
    let process = bench.start();
    let first = recorded(&process, record("review/1", 'a', Success)).await;
    let again = recorded(&process, record("review/1", 'a', Success)).await;
    assert_eq!(again.recorded.serial, first.recorded.serial);
    let tag = Record {
        tag: true,
        ..record("review/1", 'a', Success)
    };
    assert_ne!(
        recorded(&process, tag).await.recorded.serial,
        first.recorded.serial
    );
    // The tag is the newest now: the branch is another.
    let branch = recorded(&process, record("review/1", 'a', Success)).await;
    assert_ne!(branch.recorded.serial, first.recorded.serial);
    for state in [Created, Running, Failed, Canceled] {
        let one = recorded(&process, record("review/1", 'a', state)).await;
        let other = recorded(&process, record("review/1", 'a', state)).await;
        assert_ne!(one.recorded.serial, other.recorded.serial, "{state:?}");
    }
    // What ended well later counts, whenever it was told of first.
    let old = recorded(&process, record("review/2", 'a', Running)).await;
    recorded(&process, record("review/2", 'b', Success)).await;
    tick(&bench).await;
    report(&process, &old, Success).await.unwrap();
    let known = recorded(&process, record("review/2", 'a', Success)).await;
    assert_eq!(known.recorded.serial, old.recorded.serial);
}

#[tokio::test(start_paused = true)]
async fn a_success_of_ours_is_given_to_whoever_reports_the_same_commit() {
    let bench = bench(vec![git_app("web")]);
    let process = bench.start();
    let ours = process.deploy("web").await.unwrap();
    process.drive().await;
    let Phase::Succeeded { .. } = process.view(ours.deployment.id).await.deployment.phase else {
        panic!("it did not succeed");
    };
    let head = bench.world.state.lock().unwrap().head.clone().unwrap();
    let same = Record {
        sha: Reported::parse(head.as_str()).unwrap(),
        ..record("production", 'a', Success)
    };
    match process.ask(Action::Record(same)).await.unwrap() {
        Reply::Deployment(view) => assert_eq!(view.deployment.id, ours.deployment.id),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_runs_elsewhere_and_the_newest_success_are_not_deleted() {
    let bench = bench(vec![git_app("web")]);
    let process = bench.start();
    let old = recorded(&process, record("review/1", 'a', Success)).await;
    tick(&bench).await;
    let new = recorded(&process, record("review/1", 'b', Success)).await;
    let running = recorded(&process, record("review/1", 'c', Running)).await;
    let which = |view: &RecordedView| DeploymentRef::Id(view.recorded.id);
    assert_eq!(
        delete(&process, which(&running)).await.unwrap_err(),
        Error::ReportedRunning
    );
    assert_eq!(
        delete(&process, which(&new)).await.unwrap_err(),
        Error::NewestSuccess
    );
    delete(&process, which(&old)).await.unwrap();
    assert_eq!(
        delete(&process, which(&old)).await.unwrap_err(),
        Error::DeploymentNotFound
    );
    assert_eq!(
        report(&process, &old, Failed).await.unwrap_err(),
        Error::DeploymentNotFound
    );
    assert_eq!(listed(&process, ListDeployments::default()).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_only_recorded_has_no_log_and_cannot_be_cancelled() {
    let bench = bench(vec![git_app("web")]);
    let process = bench.start();
    let told = recorded(&process, record("production", 'a', Running)).await;
    let which = DeploymentRef::Id(told.recorded.id);
    let cancel = process.ask(Action::CancelDeployment(which)).await;
    assert_eq!(cancel.unwrap_err(), Error::Recorded);
    let read = ReadLog {
        deployment: told.recorded.id,
        from: 0,
        limit: 0,
        wait: false,
    };
    assert_eq!(
        process.ask(Action::ReadLog(read)).await.unwrap_err(),
        Error::Recorded
    );
    // And what was executed cannot be reported of.
    let ours = process.deploy("web").await.unwrap();
    let asked = Action::Report(DeploymentRef::Id(ours.deployment.id), Success);
    assert_eq!(
        process.ask(asked).await.unwrap_err(),
        Error::DeploymentNotFound
    );
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_was_only_reported_is_of_no_concern_to_what_runs_here() {
    let bench = bench(vec![git_app("web")]);
    let process = bench.start();
    recorded(&process, record("review/X y", 'a', Success)).await;
    let Reply::Apps(apps) = process.ask(Action::ListApps).await.unwrap() else {
        panic!("no apps");
    };
    assert_eq!(apps[0].environments.len(), 1, "{apps:?}");
    let place = AppRef::Name(apps[0].name.clone());
    let other = CreateDeployment {
        environment: Some(named("review/X y")),
        ..create("web", Trigger::Manual)
    };
    assert!(matches!(
        process.create(other).await,
        Err(Error::EnvironmentNotFound { .. })
    ));
    assert!(
        process
            .ask(Action::ListSecrets(place, Some(named("review/X y"))))
            .await
            .is_err()
    );
    assert_eq!(
        environments(&process, ListEnvironments::default())
            .await
            .len(),
        1
    );
    assert_eq!(environments(&process, of_project()).await.len(), 2);
    // A life later, too: whatever the daemon looks through at its start leaves it out.
    drop(process);
    let process = bench.start();
    process.deploy("web").await.unwrap();
    process.drive().await;
    assert_eq!(bench.world.running().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reported_environment_that_the_configuration_comes_to_name_keeps_id_and_history() {
    let mut bench = bench(vec![git_app("web"), git_app("api")]);
    bench.apps[1].project = bench.apps[0].project.clone();
    bench.apps[1].environments = std::mem::take(&mut bench.apps[1].environments)
        .into_values()
        .map(|spec| (EnvironmentName::parse("api").unwrap(), spec))
        .collect();
    bench.apps[1].default_environment = EnvironmentName::parse("api").unwrap();
    let process = bench.start();
    let told = recorded(&process, record("staging", 'a', Success)).await;
    assert_eq!(told.app.as_str(), "web");
    drop(process);
    bench.apps[1] = with_environment(bench.apps[1].clone(), "staging");
    let process = bench.start();
    let found = environments(&process, of_project()).await;
    let staging = found
        .iter()
        .find(|one| one.name.as_str() == "staging")
        .unwrap();
    assert_eq!(
        (staging.id, staging.app.as_str()),
        (told.environment_id, "api")
    );
    assert!(!staging.reported_only);
    let deploy = CreateDeployment {
        environment: Some(named("staging")),
        ..create("api", Trigger::Manual)
    };
    process.create(deploy).await.unwrap();
    process.drive().await;
    assert_eq!(bench.world.running().len(), 1);
    let list = ListDeployments {
        app: Some(AppRef::Id(bench.apps[1].id)),
        ..ListDeployments::default()
    };
    assert_eq!(listed(&process, list).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_equal_deployment_that_has_not_ended_is_given_instead_of_another() {
    let bench = bench(vec![git_app("web"), image_app("cache", "redis:7")]);
    let process = bench.start();
    for app in ["web", "cache"] {
        let asked = || CreateDeployment {
            unless_unfinished: true,
            particulars: Particulars::default(),
            conditions: Conditions::default(),
            ..create(app, Trigger::Manual)
        };
        let first = process.create(asked()).await.unwrap();
        let again = process.create(asked()).await.unwrap();
        assert_eq!(again.deployment.id, first.deployment.id);
        let other = process.create(create(app, Trigger::Manual)).await.unwrap();
        assert_ne!(other.deployment.id, first.deployment.id);
        process.drive().await;
        // It has ended: asking for the same again is another deployment.
        let later = process.create(asked()).await.unwrap();
        assert!(![first.deployment.id, other.deployment.id].contains(&later.deployment.id));
        let restart = CreateDeployment {
            target: Target::Restart,
            ..asked()
        };
        process.drive().await;
        let one = process.create(restart.clone()).await.unwrap();
        assert_ne!(
            process.create(restart).await.unwrap().deployment.id,
            one.deployment.id
        );
        process.drive().await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_deployment_has_the_reference_it_is_shown_with() {
    let bench = bench(vec![git_app("web"), image_app("cache", "redis:7")]);
    let process = bench.start();
    for (app, reference) in [("web", "main"), ("cache", "redis:7")] {
        let mut seen = Vec::new();
        for target in [
            Target::Configured(None),
            Target::Restart,
            Target::Configured(None),
            Target::Release(Some(2)),
        ] {
            let asked = CreateDeployment {
                target,
                ..create(app, Trigger::Manual)
            };
            seen.push(process.create(asked).await.unwrap().reference);
            process.drive().await;
        }
        assert_eq!(seen, [reference; 4], "{app}");
    }
}

#[tokio::test(start_paused = true)]
async fn environments_are_made_noted_stopped_brought_back_and_removed() {
    let bench = bench(vec![git_app("web")]);
    let process = bench.start();
    let notes = Notes {
        external_url: Some("https://one.example".into()),
        tier: Some("testing".into()),
        description: None,
    };
    let make = |name: &str| {
        Action::CreateEnvironment(CreateEnvironment {
            project: ProjectSerial(1),
            name: named(name),
            notes: notes.clone(),
        })
    };
    let made = environment(&process, make("review/1")).await.unwrap();
    assert!(made.reported_only);
    assert_eq!(made.notes, notes);
    for taken in ["review/1", "production"] {
        let refused = environment(&process, make(taken)).await;
        assert!(
            matches!(refused, Err(Error::EnvironmentExists { .. })),
            "{taken}"
        );
    }
    let which = EnvironmentRef::Serial(made.serial);
    let noted = Action::NoteEnvironment(which, Notes::default());
    assert_eq!(
        environment(&process, noted).await.unwrap().notes,
        Notes::default()
    );
    let remove = || process.ask(Action::RemoveEnvironment(which));
    assert_eq!(remove().await.unwrap_err(), Error::NotStopped);
    let stopped = environment(&process, Action::StopEnvironment(which))
        .await
        .unwrap();
    assert_eq!(stopped.standing, Standing::Stopped);
    // A deployment that failed brings nothing back; one that runs does.
    recorded(&process, record("review/1", 'a', Failed)).await;
    let standing = || environment(&process, Action::GetEnvironment(which));
    assert_eq!(standing().await.unwrap().standing, Standing::Stopped);
    recorded(&process, record("review/1", 'a', Running)).await;
    assert_eq!(standing().await.unwrap().standing, Standing::Available);
    environment(&process, Action::StopEnvironment(which))
        .await
        .unwrap();
    remove().await.unwrap();
    assert!(standing().await.is_err());
    // The name makes another, and the history stays.
    let new = environment(&process, make("review/1")).await.unwrap();
    assert_ne!(new.id, made.id);
    assert_eq!(listed(&process, ListDeployments::default()).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_runs_here_is_stopped_by_its_queue_and_a_deployment_brings_it_back() {
    let bench = bench(vec![git_app("web")]);
    let process = bench.start();
    process.deploy("web").await.unwrap();
    process.drive().await;
    let which = EnvironmentRef::Serial(EnvironmentSerial(1));
    let remove = || process.ask(Action::RemoveEnvironment(which));
    let stopping = environment(&process, Action::StopEnvironment(which))
        .await
        .unwrap();
    assert_eq!(stopping.standing, Standing::Stopping);
    assert_eq!(remove().await.unwrap_err(), Error::NotStopped);
    let only = |standing| ListEnvironments {
        standing: Some(standing),
        ..of_project()
    };
    assert_eq!(
        environments(&process, only(Standing::Stopping)).await.len(),
        1
    );
    assert_eq!(
        environments(&process, only(Standing::Available))
            .await
            .len(),
        0
    );
    // Asked for twice it is one stop.
    environment(&process, Action::StopEnvironment(which))
        .await
        .unwrap();
    process.drive().await;
    assert_eq!(bench.world.running(), Vec::<String>::new());
    assert_eq!(
        environments(&process, only(Standing::Stopped)).await.len(),
        1
    );
    process.deploy("web").await.unwrap();
    process.drive().await;
    assert_eq!(bench.world.running().len(), 1);
    assert_eq!(
        environments(&process, only(Standing::Available))
            .await
            .len(),
        1
    );
    process.change("web", Change::Stop, false).await.unwrap();
    process.drive().await;
    remove().await.unwrap();
    process.drive().await;
    assert_eq!(environments(&process, of_project()).await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_project_says_what_is_deployed_where() {
    let bench = bench(vec![
        git_app("web"),
        image_app("cache", "redis:7"),
        recorder("acme/elsewhere"),
    ]);
    let process = bench.start();
    let by_path = ProjectRef::Path(ProjectPath::parse("ACME/Web").unwrap());
    let web = project(&process, by_path).await.unwrap();
    assert_eq!((web.serial, web.has_source), (ProjectSerial(1), true));
    assert_eq!(web.branch.unwrap().as_str(), "main");
    assert_eq!(web.bound.len(), 1);
    let elsewhere = ProjectRef::Path(ProjectPath::parse("acme/elsewhere").unwrap());
    let elsewhere = project(&process, elsewhere).await.unwrap();
    assert!(!elsewhere.has_source && elsewhere.bound.is_empty());
    let told = Record {
        project: elsewhere.serial,
        ..record("production", 'a', Created)
    };
    assert_eq!(recorded(&process, told).await.app.as_str(), "elsewhere");
    let nobody = project(&process, ProjectRef::Serial(ProjectSerial(9))).await;
    assert_eq!(nobody.unwrap_err(), Error::ProjectNotFound("9".into()));
    let list = |search: Option<&str>| {
        Action::ListProjects(ListProjects {
            search: search.map(str::to_owned),
            order: ProjectOrder::default(),
            ascending: true,
            limit: 2,
            offset: 0,
        })
    };
    for (search, many) in [(None, 3), (Some("WEB"), 1), (Some("%"), 0)] {
        let Reply::Projects { items, total } = process.ask(list(search)).await.unwrap() else {
            panic!("no projects");
        };
        assert_eq!(
            (total, items.len() as u64),
            (many, many.min(2)),
            "{search:?}"
        );
    }
    tick(&bench).await;
    recorded(&process, record("production", 'b', Running)).await;
    for (order, first) in [
        (ProjectOrder::Serial, "acme/elsewhere"),
        (ProjectOrder::Path, "acme/web"),
        (ProjectOrder::Activity, "acme/web"),
    ] {
        let by = Action::ListProjects(ListProjects {
            order,
            limit: 9,
            ..ListProjects::default()
        });
        let Reply::Projects { items, .. } = process.ask(by).await.unwrap() else {
            panic!("no projects");
        };
        assert_eq!(items[0].path.as_str(), first, "{order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_sees_or_reports_what_lies_outside_of_their_reach() {
    let bench = bench(vec![
        with_environment(git_app("web"), "staging"),
        git_app("api"),
    ]);
    let process = bench.start();
    let told = recorded(&process, record("review/1", 'a', Running)).await;
    let caller = |reach| Caller {
        scope: Scope::Admin,
        reach,
        ..process.caller.clone()
    };
    let staging = {
        let found = environments(&process, of_project()).await;
        found
            .iter()
            .find(|one| one.name.as_str() == "staging")
            .unwrap()
            .serial
    };
    let other_app = caller(Reach::App(AppSerial(2)));
    let one_environment = caller(Reach::Environment(AppSerial(1), staging));
    let which = DeploymentRef::Serial(told.recorded.serial);
    let ask = |caller: &Caller, action| {
        let (agent, caller) = (&process.agent, caller.clone());
        async move { agent.dispatch(&caller, action).await }
    };
    for stranger in [&other_app, &one_environment] {
        for action in [Action::GetDeployment(which), Action::Report(which, Success)] {
            assert_eq!(
                ask(stranger, action).await.unwrap_err(),
                Error::DeploymentNotFound
            );
        }
        let found = EnvironmentRef::Id(told.environment_id);
        assert!(ask(stranger, Action::StopEnvironment(found)).await.is_err());
        let forbidden = ask(stranger, Action::Record(record("review/1", 'b', Running))).await;
        assert_eq!(forbidden.unwrap_err(), Error::Forbidden(Scope::Write));
        let forbidden = ask(stranger, Action::Record(record("review/2", 'b', Running))).await;
        assert_eq!(forbidden.unwrap_err(), Error::Forbidden(Scope::Write));
    }
    let by_serial = Action::GetProject(ProjectRef::Serial(ProjectSerial(1)));
    assert!(ask(&other_app, by_serial.clone()).await.is_err());
    match ask(&one_environment, by_serial).await.unwrap() {
        Reply::Project(view) => assert_eq!(
            view.bound
                .keys()
                .map(EnvironmentName::as_str)
                .collect::<Vec<_>>(),
            ["staging"]
        ),
        other => panic!("{other:?}"),
    }
    ask(
        &one_environment,
        Action::Record(record("staging", 'b', Running)),
    )
    .await
    .unwrap();
    let reader = Caller {
        scope: Scope::Read,
        ..process.caller.clone()
    };
    let forbidden = ask(&reader, Action::Record(record("staging", 'b', Running))).await;
    assert_eq!(forbidden.unwrap_err(), Error::Forbidden(Scope::Write));
    assert_eq!(
        process.store.standing(staging).unwrap().desired,
        Desired::Running
    );
}
