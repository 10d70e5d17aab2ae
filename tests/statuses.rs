//! Statuses of deployments and commits: what longshore writes as a deployment walks, what others add, and that none of it
//! moves what runs. On a real store, beside a world in memory.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::access::{Caller, Reach, Scope};
use longshore::core::action::{
    Action, CreateDeployment, Deletion, DeploymentRef, DeploymentView, ListDeployments, Listed,
    Reply, Target,
};
use longshore::core::app::App;
use longshore::core::change::Change;
use longshore::core::commit_status::{
    Combined, CommitState, Contexts, ListCommitStatuses, MAX_STATUSES, PostCommitStatus,
};
use longshore::core::deployment::{Phase, Trigger};
use longshore::core::error::Error;
use longshore::core::id::{DeploymentSerial, ProjectSerial};
use longshore::core::name::{EnvironmentName, ProjectPath, RefName, Reported, Sha};
use longshore::core::particulars::{Conditions, Narrowed, Particulars};
use longshore::core::ports::Merge;
use longshore::core::project::ProjectRef;
use longshore::core::recorded::{Record, ReportedState};
use longshore::core::spec::Strategy;
use longshore::core::status::{
    MAX_DESCRIPTION, PostStatus, Reached, StatusLog, StatusState, StatusView,
};
use world::{Behaviour, Bench, Process, create, git_app, routed, sha};

use StatusState::{Error as Broken, Failure, InProgress, Inactive, Pending, Queued, Success};

fn bench(apps: Vec<App>) -> Bench {
    let bench = Bench::new(apps);
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    bench
}

/// The app with environments of these names beside its own, each like it.
fn with_environments(mut app: App, names: &[&str]) -> App {
    let spec = app.environments.values().next().unwrap().clone();
    for name in names {
        let mut spec = spec.clone();
        spec.domains.clear();
        app.environments
            .insert(EnvironmentName::parse(name).unwrap(), spec);
    }
    app
}

fn to(environment: &str) -> CreateDeployment {
    CreateDeployment {
        environment: EnvironmentName::parse(environment).ok(),
        ..create("web", Trigger::Manual)
    }
}

async fn statuses(process: &Process, which: impl Into<DeploymentRef>) -> Vec<StatusView> {
    let list = Action::ListStatuses {
        which: which.into(),
        limit: 100,
        offset: 0,
    };
    match process.ask(list).await.unwrap() {
        Reply::Statuses { items, total } => {
            assert_eq!(items.len() as u64, total);
            items
        }
        other => panic!("{other:?}"),
    }
}

async fn states(process: &Process, view: &DeploymentView) -> Vec<StatusState> {
    let all = statuses(process, view.deployment.id).await;
    all.iter().map(|status| status.state).collect()
}

fn status(which: impl Into<DeploymentRef>, state: StatusState) -> PostStatus {
    PostStatus {
        deployment: which.into(),
        state,
        description: String::new(),
        log_url: String::new(),
        environment: None,
        environment_url: String::new(),
        auto_inactive: true,
    }
}

async fn post(process: &Process, post: PostStatus) -> Result<StatusView, Error> {
    match process.ask(Action::PostStatus(post)).await? {
        Reply::Status(view) => Ok(*view),
        other => panic!("{other:?}"),
    }
}

async fn deployed(process: &Process, create: CreateDeployment) -> DeploymentView {
    let view = process.create(create).await.unwrap();
    process.drive().await;
    view
}

async fn delete_record(process: &Process, which: impl Into<DeploymentRef>) -> Result<(), Error> {
    let delete = Action::DeleteDeployment {
        which: which.into(),
        how: Deletion::Record,
    };
    match process.ask(delete).await? {
        Reply::Gone => Ok(()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_has_no_status_until_it_begins_and_then_one_for_what_became_of_it() {
    let bench = bench(vec![routed(git_app("web"), Strategy::Swap)]);
    let process = bench.start();
    let view = process.deploy("web").await.unwrap();
    assert_eq!(states(&process, &view).await, []);
    process.drive().await;
    let all = statuses(&process, view.deployment.id).await;
    let [success, begun] = all.as_slice() else {
        panic!("{all:?}");
    };
    assert_eq!((success.state, begun.state), (Success, InProgress));
    assert!(success.serial > begun.serial && success.by.is_none());
    assert_eq!(success.log, StatusLog::Own(view.deployment.id));
    match &success.reached {
        Reached::Domain(domain) => assert_eq!(domain.to_string(), "web.example"),
        Reached::Given(url) => panic!("given {url:?}"),
    }
    assert_eq!(begun.reached, Reached::Given(String::new()));
    assert_eq!(success.environment.as_str(), "production");
    let shown = process.view(view.deployment.id).await;
    assert_eq!(shown.noted.status_at, Some(success.at));
    assert!(shown.noted.production && !shown.noted.transient);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_what_is_deployed_is_a_failure_and_one_of_this_host_an_error() {
    let bench = bench(vec![git_app("web")]);
    let process = bench.start();
    let version = world::image_of(sha('1').as_str());
    bench
        .world
        .state
        .lock()
        .unwrap()
        .behaviours
        .insert(version, Behaviour::Exits(1));
    let failed = deployed(&process, create("web", Trigger::Manual)).await;
    let all = statuses(&process, failed.deployment.id).await;
    assert_eq!(all[0].state, Failure);
    assert!(!all[0].description.is_empty());
    assert!(all[0].description.chars().count() <= MAX_DESCRIPTION);

    let waiting = process.deploy("web").await.unwrap();
    let cancel = Action::CancelDeployment(waiting.deployment.id.into());
    process.ask(cancel).await.unwrap();
    assert_eq!(states(&process, &waiting).await, [Broken]);

    bench.world.state.lock().unwrap().head = Some(sha('2'));
    let older = process.deploy_as("web", Trigger::Automatic).await.unwrap();
    bench.world.state.lock().unwrap().head = Some(sha('3'));
    process.deploy_as("web", Trigger::Automatic).await.unwrap();
    assert_eq!(states(&process, &older).await, [Inactive]);
}

#[tokio::test(start_paused = true)]
async fn a_success_makes_older_ones_inactive_but_neither_transient_nor_production_nor_other_ones() {
    let app = with_environments(git_app("web"), &["staging", "qa"]);
    let bench = bench(vec![app]);
    let process = bench.start();
    let production = deployed(&process, to("production")).await;
    let elsewhere = deployed(&process, to("qa")).await;
    let transient = CreateDeployment {
        particulars: Particulars {
            transient: true,
            ..Particulars::default()
        },
        ..to("staging")
    };
    let transient = deployed(&process, transient).await;
    let used = CreateDeployment {
        particulars: Particulars {
            production: Some(true),
            ..Particulars::default()
        },
        ..to("staging")
    };
    let used = deployed(&process, used).await;
    let older = deployed(&process, to("staging")).await;
    let newer = deployed(&process, to("staging")).await;
    deployed(&process, to("production")).await;
    assert_eq!(
        states(&process, &older).await,
        [Inactive, Success, InProgress]
    );
    for still in [&production, &elsewhere, &transient, &used, &newer] {
        assert_eq!(states(&process, still).await, [Success, InProgress]);
    }
    let made_inactive = &statuses(&process, older.deployment.id).await[0];
    assert_eq!(made_inactive.log, StatusLog::Own(older.deployment.id));

    // A status of somebody does the same, unless they say otherwise; only to older ones.
    let quiet = PostStatus {
        auto_inactive: false,
        ..status(older.deployment.id, Success)
    };
    post(&process, quiet).await.unwrap();
    post(&process, status(older.deployment.id, Success))
        .await
        .unwrap();
    assert_eq!(states(&process, &newer).await[0], Success);
    post(&process, status(newer.deployment.id, Pending))
        .await
        .unwrap();
    post(&process, status(newer.deployment.id, Success))
        .await
        .unwrap();
    assert_eq!(states(&process, &older).await[0], Inactive);
}

#[tokio::test(start_paused = true)]
async fn what_others_post_is_kept_and_moves_nothing() {
    let bench = bench(vec![git_app("web")]);
    let process = bench.start();
    let view = process.deploy("web").await.unwrap();
    for state in [Success, Broken, Queued, Inactive, Failure] {
        post(&process, status(view.deployment.id, state))
            .await
            .unwrap();
        let now = process.view(view.deployment.id).await;
        assert_eq!(now.deployment.phase, Phase::Queued);
    }
    process.drive().await;
    let live = process.view(view.deployment.id).await;
    assert!(matches!(live.deployment.phase, Phase::Succeeded { .. }) && live.live);
    let running = bench.world.running();
    let said = PostStatus {
        description: "taken down by hand".into(),
        log_url: "https://ci.example/1".into(),
        environment_url: "https://elsewhere.example".into(),
        ..status(view.deployment.id, Failure)
    };
    let posted = post(&process, said).await.unwrap();
    assert_eq!(posted.log, StatusLog::Given("https://ci.example/1".into()));
    assert_eq!(posted.by.unwrap().serial, process.caller.principal.serial);
    process.drive().await;
    assert_eq!(bench.world.running(), running);
    assert!(process.view(view.deployment.id).await.live);
    let one = Action::GetStatus(view.deployment.id.into(), posted.serial);
    assert!(matches!(process.ask(one).await.unwrap(), Reply::Status(_)));
    let another = process.deploy("web").await.unwrap();
    let foreign = Action::GetStatus(another.deployment.id.into(), posted.serial);
    assert_eq!(
        process.ask(foreign).await.unwrap_err(),
        Error::StatusNotFound
    );
}

fn recorded(environment: &str, contexts: Contexts) -> Record {
    Record {
        project: ProjectSerial(1),
        environment: EnvironmentName::any(environment).unwrap(),
        reference: Reported::parse(sha('1').as_str()).unwrap(),
        tag: false,
        sha: Reported::parse(sha('1').as_str()).unwrap(),
        state: ReportedState::Created,
        particulars: Particulars::default(),
        contexts,
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_of_what_others_execute_says_how_it_stands_and_any_may_follow_any() {
    let mut app = git_app("web");
    app.environments.clear();
    let bench = bench(vec![app]);
    let process = bench.start();
    let told = recorded("staging", Contexts::Skip);
    let serial = match process.ask(Action::Record(told)).await.unwrap() {
        Reply::Recorded(view) => view.recorded.serial,
        other => panic!("{other:?}"),
    };
    let which = DeploymentRef::Serial(serial);
    assert!(statuses(&process, which).await.is_empty());
    let stands = async || match process.ask(Action::GetDeployment(which)).await.unwrap() {
        Reply::Recorded(view) => view.recorded.state,
        other => panic!("{other:?}"),
    };
    for (state, reported) in [
        (Queued, ReportedState::Created),
        (InProgress, ReportedState::Running),
        (Success, ReportedState::Success),
        (InProgress, ReportedState::Running),
        (Failure, ReportedState::Failed),
        (Inactive, ReportedState::Failed),
        (Success, ReportedState::Success),
        (Broken, ReportedState::Failed),
    ] {
        post(&process, status(which, state)).await.unwrap();
        assert_eq!(stands().await, reported, "after {state:?}");
    }
    // What another dialect's report says is a status here.
    let report = Action::Report(which, ReportedState::Success);
    process.ask(report).await.unwrap();
    let newest = &statuses(&process, which).await[0];
    assert_eq!(
        (newest.state, &newest.log),
        (Success, &StatusLog::Given(String::new()))
    );
}

#[tokio::test(start_paused = true)]
async fn a_status_can_change_the_name_under_which_the_environment_is_shown() {
    let app = with_environments(git_app("web"), &["staging"]);
    let bench = bench(vec![app]);
    let process = bench.start();
    let moved = deployed(&process, to("staging")).await;
    let named = PostStatus {
        environment: EnvironmentName::any("Canary (eu)").ok(),
        ..status(moved.deployment.id, Success)
    };
    post(&process, named).await.unwrap();
    // Later ones of its old name are of another environment.
    let stays = deployed(&process, to("staging")).await;
    assert_eq!(states(&process, &moved).await[0], Success);
    let later = post(&process, status(moved.deployment.id, Pending))
        .await
        .unwrap();
    assert_eq!(later.environment.as_str(), "Canary (eu)");
    let shown_as = async |name: &str| -> Vec<DeploymentSerial> {
        let list = ListDeployments {
            project: Some(ProjectSerial(1)),
            limit: 10,
            narrowed: Narrowed {
                shown_environment: EnvironmentName::any(name).ok(),
                ..Narrowed::default()
            },
            ..ListDeployments::default()
        };
        match process.ask(Action::ListDeployments(list)).await.unwrap() {
            Reply::Deployments { items, .. } => items.iter().map(Listed::serial).collect(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(shown_as("canary (EU)").await, [moved.deployment.serial]);
    assert_eq!(shown_as("STAGING").await, [stays.deployment.serial]);
    // It runs where it ran.
    assert_eq!(
        process.view(moved.deployment.id).await.environment.as_str(),
        "staging"
    );
}

#[tokio::test(start_paused = true)]
async fn an_active_record_goes_only_alone_and_what_runs_goes_on() {
    let app = with_environments(git_app("web"), &["staging"]);
    let bench = bench(vec![app]);
    let process = bench.start();
    let first = deployed(&process, to("staging")).await;
    let second = process.create(to("staging")).await.unwrap();
    // It has not ended.
    let refused = delete_record(&process, second.deployment.id).await;
    assert!(matches!(refused, Err(Error::InProgress(_))), "{refused:?}");
    process.drive().await;
    let running = bench.world.running();
    let id = second.deployment.id;
    assert_eq!(delete_record(&process, id).await, Err(Error::Active));
    post(&process, status(id, Inactive)).await.unwrap();
    delete_record(&process, id).await.unwrap();
    assert_eq!(
        delete_record(&process, id).await,
        Err(Error::DeploymentNotFound)
    );
    assert_eq!(bench.world.running(), running);
    // The only one left goes whatever it says.
    post(&process, status(first.deployment.id, Success))
        .await
        .unwrap();
    delete_record(&process, first.deployment.id).await.unwrap();
    process.drive().await;
    assert_eq!(bench.world.running(), running);
}

fn check(digit: char, context: &str, state: CommitState) -> PostCommitStatus {
    PostCommitStatus {
        project: ProjectRef::Path(ProjectPath::parse("acme/web").unwrap()),
        sha: sha(digit),
        state,
        context: context.to_owned(),
        description: None,
        target_url: None,
    }
}

async fn say(
    process: &Process,
    digit: char,
    context: &str,
    state: CommitState,
) -> Result<(), Error> {
    let post = Action::PostCommitStatus(check(digit, context, state));
    process.ask(post).await.map(drop)
}

async fn combined(process: &Process, sha: &Sha) -> Combined {
    let list = ListCommitStatuses {
        project: ProjectRef::Serial(ProjectSerial(1)),
        name: RefName::parse(sha.as_str()).unwrap(),
        limit: 100,
        offset: 0,
    };
    match process
        .ask(Action::CombineCommitStatuses(list))
        .await
        .unwrap()
    {
        Reply::Combined(combined) => *combined,
        other => panic!("{other:?}"),
    }
}

fn when(contexts: Contexts) -> CreateDeployment {
    CreateDeployment {
        conditions: Conditions {
            auto_merge: false,
            contexts,
            idle: false,
        },
        ..create("web", Trigger::Manual)
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_waits_for_the_checks_that_are_asked_for_by_their_newest_word() {
    let bench = bench(vec![git_app("web")]);
    let process = bench.start();
    deployed(&process, create("web", Trigger::Manual)).await;
    let these =
        |labels: &[&str]| Contexts::These(labels.iter().map(|label| (*label).to_owned()).collect());
    // Nothing was said: nothing is wrong, unless somebody is to speak.
    deployed(&process, when(Contexts::All)).await;
    let missing = process
        .create(when(these(&["ci/build"])))
        .await
        .unwrap_err();
    assert_eq!(
        missing,
        Error::ChecksFailed {
            reference: "main".into(),
            contexts: vec![("ci/build".into(), CommitState::Pending)],
        }
    );
    say(&process, '1', "CI/Build", CommitState::Failure)
        .await
        .unwrap();
    say(&process, '1', "lint", CommitState::Success)
        .await
        .unwrap();
    let refused = process.create(when(Contexts::All)).await.unwrap_err();
    assert_eq!(
        refused,
        Error::ChecksFailed {
            reference: "main".into(),
            contexts: vec![
                ("CI/Build".into(), CommitState::Failure),
                ("lint".into(), CommitState::Success)
            ],
        }
    );
    deployed(&process, when(these(&["LINT"]))).await;
    deployed(&process, when(Contexts::Skip)).await;
    assert_eq!(
        combined(&process, &sha('1')).await.state,
        CommitState::Failure
    );
    say(&process, '1', "ci/build", CommitState::Success)
        .await
        .unwrap();
    deployed(&process, when(Contexts::All)).await;
    let together = combined(&process, &sha('1')).await;
    assert_eq!((together.state, together.total), (CommitState::Success, 2));
    let labels: Vec<&str> = together
        .newest
        .iter()
        .map(|one| one.context.as_str())
        .collect();
    assert_eq!(labels, ["ci/build", "lint"]);
}

#[tokio::test(start_paused = true)]
async fn what_others_execute_waits_for_checks_too() {
    let mut app = git_app("web");
    app.environments.clear();
    let bench = bench(vec![app]);
    let process = bench.start();
    say(&process, '1', "ci", CommitState::Pending)
        .await
        .unwrap();
    let refused = process
        .ask(Action::Record(recorded("qa", Contexts::All)))
        .await;
    assert!(
        matches!(refused, Err(Error::ChecksFailed { .. })),
        "{refused:?}"
    );
    say(&process, '1', "ci", CommitState::Success)
        .await
        .unwrap();
    process
        .ask(Action::Record(recorded("qa", Contexts::All)))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_thousand_statuses_are_kept_of_a_deployment_and_of_a_commit_for_each_check() {
    let mut app = git_app("web");
    app.environments.clear();
    let bench = bench(vec![app]);
    let process = bench.start();
    for _ in 0..MAX_STATUSES {
        say(&process, '1', "ci", CommitState::Pending)
            .await
            .unwrap();
    }
    let told = process.ask(Action::Record(recorded("qa", Contexts::Skip)));
    let Reply::Recorded(told) = told.await.unwrap() else {
        panic!("not recorded");
    };
    let which = DeploymentRef::Serial(told.recorded.serial);
    for _ in 0..MAX_STATUSES {
        post(&process, status(which, Pending)).await.unwrap();
    }
    let refused = post(&process, status(which, Success)).await;
    assert_eq!(refused.err(), Some(Error::TooManyStatuses));
    let refused = say(&process, '1', "CI", CommitState::Success).await;
    assert_eq!(refused, Err(Error::TooManyStatuses));
    say(&process, '1', "lint", CommitState::Success)
        .await
        .unwrap();
    say(&process, '2', "ci", CommitState::Success)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn statuses_are_for_those_who_see_the_deployment_and_written_by_those_who_may_deploy() {
    let bench = bench(vec![git_app("web"), git_app("other")]);
    let process = bench.start();
    let view = deployed(&process, create("web", Trigger::Manual)).await;
    let other = deployed(&process, create("other", Trigger::Manual)).await;
    let stranger = Caller {
        reach: Reach::App(other.deployment.app),
        ..process.caller.clone()
    };
    let reader = Caller {
        scope: Scope::Read,
        ..process.caller.clone()
    };
    let list = || Action::ListStatuses {
        which: view.deployment.id.into(),
        limit: 1,
        offset: 0,
    };
    let post = || Action::PostStatus(status(view.deployment.id, Inactive));
    let say = || Action::PostCommitStatus(check('1', "ci", CommitState::Success));
    let asked = async |caller: &Caller, action| process.agent.dispatch(caller, action).await.err();
    assert_eq!(
        asked(&stranger, list()).await,
        Some(Error::DeploymentNotFound)
    );
    assert_eq!(
        asked(&stranger, post()).await,
        Some(Error::DeploymentNotFound)
    );
    assert!(matches!(
        asked(&stranger, say()).await,
        Some(Error::ProjectNotFound(_))
    ));
    assert_eq!(asked(&reader, list()).await, None);
    assert_eq!(
        asked(&reader, post()).await,
        Some(Error::Forbidden(Scope::Write))
    );
    assert_eq!(
        asked(&reader, say()).await,
        Some(Error::Forbidden(Scope::Write))
    );
}

#[tokio::test(start_paused = true)]
async fn a_success_makes_inactive_only_what_the_one_who_posts_it_reaches() {
    let app = with_environments(git_app("web"), &["staging", "qa"]);
    let bench = bench(vec![app]);
    let process = bench.start();
    let theirs = deployed(&process, to("qa")).await;
    let own = deployed(&process, to("staging")).await;
    let limited = Caller {
        reach: Reach::Environment(own.deployment.app, own.deployment.environment),
        ..process.caller.clone()
    };
    let renamed = || PostStatus {
        environment: EnvironmentName::any("qa").ok(),
        ..status(own.deployment.id, Success)
    };
    let asked = process
        .agent
        .dispatch(&limited, Action::PostStatus(renamed()));
    asked.await.unwrap();
    assert_eq!(states(&process, &theirs).await[0], Success);
    post(&process, renamed()).await.unwrap();
    assert_eq!(states(&process, &theirs).await[0], Inactive);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_merged_for_what_would_not_be_taken_in() {
    let bench = bench(vec![git_app("web")]);
    let process = bench.start();
    deployed(&process, create("web", Trigger::Manual)).await;
    process.change("web", Change::Suspend, false).await.unwrap();
    process.drive().await;
    bench.world.state.lock().unwrap().merge = Some(Merge::Merged(sha('9')));
    let behind = || CreateDeployment {
        target: Target::Named(RefName::parse("topic").unwrap()),
        conditions: Conditions {
            auto_merge: true,
            contexts: Contexts::Skip,
            idle: false,
        },
        ..create("web", Trigger::Manual)
    };
    let refused = process.ask(Action::CreateDeployment(behind())).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    assert!(bench.world.state.lock().unwrap().merges.is_empty());
    process
        .change("web", Change::Activate, false)
        .await
        .unwrap();
    process.drive().await;
    let merged = process.ask(Action::CreateDeployment(behind())).await;
    assert!(matches!(merged, Ok(Reply::Merged { .. })), "{merged:?}");
}
