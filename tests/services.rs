//! Requests that want nothing else to be at work in their environment.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::action::{
    Action, AppRef, ChangeEnvironment, EnvironmentRef, Environments, ListDeployments, Reply,
    ServiceView, StateFilter, Target,
};
use longshore::core::change::Change;
use longshore::core::deployment::Trigger;
use longshore::core::error::Error;
use longshore::core::name::{AppName, EnvironmentName, ImageReference};
use longshore::core::particulars::Conditions;
use longshore::core::service::Newest;
use std::sync::Barrier;
use world::{Bench, Process, create, image_app};

/// How many ask at once, and how often.
const CALLERS: usize = 6;
const ROUNDS: usize = 10;

fn deploy() -> Action {
    let mut create = create("web", Trigger::Manual);
    create.conditions = Conditions {
        idle: true,
        ..Conditions::default()
    };
    Action::CreateDeployment(create)
}

fn stop() -> Action {
    change(Change::Stop)
}

fn remove() -> Action {
    change(Change::Remove { volumes: false })
}

fn change(change: Change) -> Action {
    Action::Change(ChangeEnvironment {
        app: AppRef::Name(AppName::parse("web").unwrap()),
        environments: Environments::Named(EnvironmentName::parse("production").unwrap()),
        change,
        now: false,
        idle: true,
        key: None,
    })
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    runtime.unwrap().block_on(work)
}

fn service(process: &Process) -> ServiceView {
    let store = &process.store;
    let (app, _) = store
        .app(&AppRef::Name(AppName::parse("web").unwrap()))
        .unwrap()
        .unwrap();
    let place = store.places(app).unwrap().remove(0);
    let which = EnvironmentRef::Id(place.environment_id);
    match block_on(process.ask(Action::GetService(which))).unwrap() {
        Reply::Service(service) => *service,
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_many_requests_at_once_that_want_nothing_else_to_be_at_work_one_is_taken() {
    let bench = Bench::new(vec![image_app("web", "nginx")]);
    let process = bench.start();
    for round in 0..ROUNDS {
        let barrier = Barrier::new(CALLERS);
        let taken: Vec<Result<Reply, Error>> = std::thread::scope(|scope| {
            let ask = |caller: usize| {
                let (process, barrier) = (&process, &barrier);
                scope.spawn(move || {
                    let action = if caller % 3 == 2 { stop() } else { deploy() };
                    barrier.wait();
                    block_on(process.ask(action))
                })
            };
            let all: Vec<_> = (0..CALLERS).map(ask).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let (well, refused): (Vec<_>, Vec<_>) = taken.into_iter().partition(Result::is_ok);
        assert_eq!(well.len(), 1, "round {round}: {well:?}");
        let is_busy = |one: &Result<Reply, Error>| matches!(one, Err(Error::Busy { .. }));
        assert!(refused.iter().all(is_busy), "round {round}: {refused:?}");

        // What was taken is what was asked for last, and the only thing that waits.
        let found = service(&process);
        assert_eq!(found.waiting, 1);
        match (&well[0], found.newest()) {
            (Ok(Reply::Deployment(made)), Newest::Deployment(newest)) => {
                assert_eq!(made.deployment.id, newest.view.deployment.id);
            }
            (Ok(Reply::Changes(made)), Newest::Change(newest)) => {
                assert_eq!(made[0].change.serial, newest.view.change.serial);
            }
            (made, newest) => panic!("round {round}: {made:?} {newest:?}"),
        }
        block_on(async {
            let unfinished = ListDeployments {
                states: vec![StateFilter::Queued],
                limit: 10,
                ..ListDeployments::default()
            };
            let listed = process.ask(Action::ListDeployments(unfinished)).await;
            let Reply::Deployments { items, .. } = listed.unwrap() else {
                unreachable!()
            };
            for one in items {
                let cancelled = process.ask(Action::CancelDeployment(one.id().into())).await;
                cancelled.unwrap();
            }
            // What was cancelled is at work until nothing of it is left.
            if matches!(well[0], Ok(Reply::Deployment(_))) {
                let refused = process.ask(deploy()).await;
                assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
            }
            process.drive().await;
        });
        let found = service(&process);
        assert_eq!(found.waiting, 0);
    }
}

#[test]
fn what_is_removed_takes_nothing_that_wants_nothing_else_to_be_at_work_until_nothing_of_it_is_left()
{
    let bench = Bench::new(vec![image_app("web", "nginx")]);
    let process = bench.start();
    block_on(async {
        process.ask(deploy()).await.unwrap();
        process.drive().await;
        process.ask(remove()).await.unwrap();
        // Neither of those who ask at the same time is told that it never was there, or begins it anew beside its removal.
        for (what, asked) in [("remove", remove()), ("stop", stop()), ("deploy", deploy())] {
            let refused = process.ask(asked).await;
            let is_busy = matches!(refused, Err(Error::Busy { .. }));
            assert!(is_busy, "{what}: {refused:?}");
        }
        // Also where the deployment has made its new environment already.
        let refused = process.ask(remove()).await;
        assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
        process.drive().await;
        process.ask(deploy()).await.unwrap();
        process.drive().await;
    });
    assert!(!service(&process).removed);
}

#[test]
fn a_removal_and_a_deployment_at_once_are_not_both_taken() {
    let bench = Bench::new(vec![image_app("web", "nginx")]);
    let process = bench.start();
    for round in 0..ROUNDS {
        block_on(async {
            process.ask(deploy()).await.unwrap();
            process.drive().await;
        });
        let barrier = Barrier::new(CALLERS);
        let taken: Vec<Result<Reply, Error>> = std::thread::scope(|scope| {
            let ask = |caller: usize| {
                let (process, barrier) = (&process, &barrier);
                scope.spawn(move || {
                    let action = if caller < CALLERS / 2 {
                        remove()
                    } else {
                        deploy()
                    };
                    barrier.wait();
                    block_on(process.ask(action))
                })
            };
            let all: Vec<_> = (0..CALLERS).map(ask).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let (well, refused): (Vec<_>, Vec<_>) = taken.into_iter().partition(Result::is_ok);
        assert_eq!(well.len(), 1, "round {round}: {well:?}");
        // What was looked up just before it was gone is not there any more; nobody else is told that.
        let is_expected = |one: &Result<Reply, Error>| {
            matches!(one, Err(Error::Busy { .. } | Error::AppNotFound(_)))
        };
        assert!(
            refused.iter().all(is_expected),
            "round {round}: {refused:?}"
        );
        block_on(process.drive());
    }
}

#[test]
fn several_deployments_are_taken_in_together_or_not_at_all() {
    let apps = ["web", "shop", "blog"].map(|name| image_app(name, "nginx"));
    let bench = Bench::new(apps.to_vec());
    let process = bench.start();
    let of = |name: &str| {
        let mut create = create(name, Trigger::Manual);
        create.conditions.idle = true;
        create
    };
    let unfinished = || process.store.unfinished().unwrap().len();
    block_on(async {
        process
            .ask(Action::CreateTogether(vec![of("shop")]))
            .await
            .unwrap();
        assert_eq!(unfinished(), 1);
        // The last of them is found to be at work only as they are written.
        let all = vec![of("web"), of("blog"), of("shop")];
        let refused = process.ask(Action::CreateTogether(all)).await;
        let Err(Error::Busy { app, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(app, "shop");
        assert_eq!(unfinished(), 1);
        let mut wrong = of("blog");
        wrong.target = Target::Configured(Some("3333333".into()));
        let refused = process
            .ask(Action::CreateTogether(vec![of("web"), wrong]))
            .await;
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
        assert_eq!(unfinished(), 1);
        let mut tagged = of("blog");
        tagged.target = Target::Image(ImageReference::parse("nginx:2").unwrap());
        let taken = process
            .ask(Action::CreateTogether(vec![of("web"), tagged]))
            .await;
        let Ok(Reply::Together(views)) = taken else {
            panic!("{taken:?}");
        };
        let names: Vec<&str> = views.iter().map(|view| view.app.as_str()).collect();
        assert_eq!(names, ["web", "blog"]);
        assert_eq!(
            views[0].deployment.created_at,
            views[1].deployment.created_at
        );
        process.drive().await;
    });
    assert_eq!(unfinished(), 0);
}
