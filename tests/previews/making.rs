//! How previews come to be, and when they do not.

use crate::laws;
use crate::stage::*;
use crate::world::{Bench, create, git_app, sha};
use futures_util::future::join_all;
use longshore::core::access::{Reach, Scope};
use longshore::core::action::{Action, AppRef, CreateDeployment, Reply, RequestKey, Target};
use longshore::core::commit_status::Contexts;
use longshore::core::deployment::Trigger;
use longshore::core::error::Error;
use longshore::core::name::{EnvironmentName, ProjectPath};
use longshore::core::particulars::{Conditions, Particulars};
use longshore::core::project::ProjectRef;
use longshore::core::route::Domain;
use std::collections::BTreeSet;

#[tokio::test(start_paused = true)]
async fn a_preview_is_made_with_its_first_deployment_and_is_shown_everywhere_as_one() {
    let (bench, process) = bench(taking(3), &["feature/x"]);
    process.deploy("web").await.unwrap();
    process.drive().await;
    let view = up(&process, "feature/x").await;
    assert_eq!(view.environment.as_str(), "feature/x");
    let detail = environment(&process, "feature/x").await.unwrap();
    assert!(detail.preview && !detail.reported_only && !detail.is_default);
    let domain = detail.domain.as_ref().unwrap().to_string();
    assert!(
        domain.starts_with("feature-x--") && domain.ends_with(".web.example"),
        "{domain}"
    );
    assert_eq!(
        detail.spec.as_ref().unwrap().domains,
        [Domain::parse(&domain).unwrap()]
    );
    {
        let state = bench.world.state.lock().unwrap();
        assert!(state.answers(&domain).is_ok() && state.answers("web.example").is_ok());
        let made = state
            .containers
            .values()
            .find(|made| made.spec.name.contains("feature-x"));
        let made = &made.unwrap().spec;
        assert!(
            made.network.starts_with("web-feature-x-"),
            "{}",
            made.network
        );
        assert!(state.networks.contains(&made.network) && made.network.len() <= 63);
    }
    let Reply::Apps(apps) = process.ask(Action::ListApps).await.unwrap() else {
        panic!("apps are listed");
    };
    let shown: Vec<(String, bool, bool)> = apps[0]
        .environments
        .iter()
        .map(|one| (one.name.to_string(), one.preview, one.configured))
        .collect();
    assert_eq!(
        shown,
        [
            ("feature/x".into(), true, true),
            ("production".into(), false, true)
        ]
    );
    assert!(apps[0].environments[0].drift.is_empty());
    let which = ProjectRef::Path(ProjectPath::parse("acme/web").unwrap());
    match process.ask(Action::GetProject(which)).await.unwrap() {
        Reply::Project(project) => assert_eq!(
            project.previews.map(|bound| bound.app),
            Some(bench.apps[0].id)
        ),
        other => panic!("{other:?}"),
    }
    laws::hold(&bench, &process, "with a preview");
}

#[tokio::test(start_paused = true)]
async fn later_deployments_go_to_the_same_preview_whether_they_say_so_or_not() {
    let (bench, process) = bench(taking(3), &["pr-1"]);
    up(&process, "pr-1").await;
    let first = environment(&process, "pr-1").await.unwrap();
    bench.world.state.lock().unwrap().head = Some(sha('2'));
    up(&process, "pr-1").await;
    let plain = CreateDeployment {
        environment: Some(name("pr-1")),
        ..create("web", Trigger::Manual)
    };
    process.create(plain.clone()).await.unwrap();
    process.drive().await;
    let plan = process.ask(Action::PlanDeployment(plain)).await;
    assert!(matches!(plan, Ok(Reply::Plan(_))), "{plan:?}");
    let now = environment(&process, "pr-1").await.unwrap();
    assert_eq!((now.id, now.serial), (first.id, first.serial));
    assert_eq!(bench.world.running().len(), 1);
    laws::hold(&bench, &process, "after three deployments");
}

#[tokio::test(start_paused = true)]
async fn previews_of_any_name_stand_beside_each_other() {
    let (bench, process) = bench(taking(20), &[]);
    let long = "x".repeat(255);
    let all = [
        "feature/x",
        "feature-x",
        "Feature-X",
        "feature--x",
        "feature x",
        "☃",
        "$/${}",
        "..",
        "-",
        "xn--a",
        &long,
        "a",
    ];
    for text in all {
        up(&process, text).await;
    }
    let mut domains = BTreeSet::new();
    let mut slugs = BTreeSet::new();
    for detail in environments(&process)
        .await
        .into_iter()
        .filter(|one| one.preview)
    {
        domains.insert(detail.domain.unwrap().to_string());
        slugs.insert(process.store.place_of(detail.serial).unwrap().slug());
    }
    assert_eq!(
        (domains.len(), slugs.len()),
        (all.len(), all.len()),
        "{domains:?} {slugs:?}"
    );
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    assert!(
        slugs
            .iter()
            .all(|slug| slug.len() <= 63 && slug.bytes().all(fits)),
        "{slugs:?}"
    );
    let state = bench.world.state.lock().unwrap();
    for domain in &domains {
        assert!(state.answers(domain).is_ok(), "{domain}");
    }
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_make_no_more_than_max_and_of_one_name_one() {
    let (_bench, process) = bench(taking(3), &[]);
    let names: Vec<String> = (0..20).map(|number| format!("pr-{number}")).collect();
    let asked = names.iter().map(|name| process.create(preview(name)));
    let answers = join_all(asked).await;
    let made = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(made, 3);
    for refused in answers.into_iter().filter_map(Result::err) {
        let expected = Error::TooManyPreviews {
            app: "web".into(),
            max: 3,
        };
        assert_eq!(refused, expected);
    }
    assert_eq!(self::names(&process).await.len(), 4);
    // One of those that are there, asked for by many.
    let there = environments(&process).await.pop().unwrap().name;
    let again = join_all((0..10).map(|_| process.create(preview(there.as_str())))).await;
    assert!(again.iter().all(Result::is_ok));
    assert_eq!(self::names(&process).await.len(), 4);
}

/// Its own threads: the transaction decides, not the order in which one thread comes to it.
#[test]
fn threads_that_ask_at_once_make_no_more_than_max() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let (_bench, process) = bench(taking(4), &[]);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let process = &process;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .build()
                    .unwrap();
                for number in 0..4 {
                    let name = format!("pr-{}", (thread + number) % 10);
                    let _ = runtime.block_on(process.create(preview(&name)));
                }
            });
        }
    });
    let names = runtime.block_on(names(&process));
    assert_eq!(names.len(), 5, "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn a_removed_preview_makes_room_for_another() {
    let (_bench, process) = bench(taking(1), &[]);
    up(&process, "a").await;
    let refused = process.create(preview("b")).await.unwrap_err();
    assert!(
        matches!(refused, Error::TooManyPreviews { max: 1, .. }),
        "{refused}"
    );
    take_down(&process, &process.caller, "a").await.unwrap();
    // Gone for everybody who asks from the moment its removal is accepted.
    process.create(preview("b")).await.unwrap();
    process.drive().await;
    assert_eq!(names(&process).await, ["production", "b"]);
}

#[tokio::test(start_paused = true)]
async fn without_previews_an_unknown_environment_is_refused_and_the_known_ones_are_named() {
    let (_bench, process) = bench(git_app("web"), &[]);
    let refused = process.create(preview("pr-1")).await.unwrap_err();
    let expected = Error::PreviewsOff {
        project: "acme/web".into(),
        environment: "pr-1".into(),
        known: "production".into(),
    };
    assert_eq!(refused, expected);
    assert_eq!(names(&process).await, ["production"]);
}

#[tokio::test(start_paused = true)]
async fn only_a_transient_deployment_makes_a_preview() {
    let (_bench, process) = bench(taking(3), &[]);
    let plain = CreateDeployment {
        particulars: Particulars::default(),
        ..preview("pr-1")
    };
    let refused = process.create(plain).await.unwrap_err();
    assert!(
        matches!(refused, Error::EnvironmentNotFound { .. }),
        "{refused}"
    );
    // One that the configuration names is what it says, transient or not.
    process.create(preview("production")).await.unwrap();
    process.drive().await;
    let detail = environment(&process, "production").await.unwrap();
    assert!(!detail.preview);
    assert_eq!(names(&process).await, ["production"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_refused_leaves_no_preview_behind() {
    let (bench, process) = bench(taking(3), &[]);
    let checked = CreateDeployment {
        conditions: Conditions {
            contexts: Contexts::These(vec!["ci".into()]),
            ..Conditions::default()
        },
        ..preview("pr-1")
    };
    let refused = process.create(checked).await.unwrap_err();
    assert!(matches!(refused, Error::ChecksFailed { .. }), "{refused}");
    let nothing = CreateDeployment {
        target: Target::Restart,
        ..preview("pr-1")
    };
    let refused = process.create(nothing).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(_)), "{refused}");
    let planned = process.ask(Action::PlanDeployment(preview("pr-1"))).await;
    assert!(matches!(planned, Err(Error::Refused(_))), "{planned:?}");
    bench.world.state.lock().unwrap().head = None;
    let refused = process.create(preview("pr-1")).await.unwrap_err();
    assert!(matches!(refused, Error::BranchNotFound { .. }), "{refused}");
    assert_eq!(names(&process).await, ["production"]);
    assert!(process.store.previews().unwrap().is_empty());
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    up(&process, "pr-1").await;
    // The networks go round: none was taken for a preview that was not made.
    let place = process.store.previews().unwrap().remove(0).place;
    assert_eq!(place.subnet, Some("10.213.0.64/26".parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_key_makes_one_preview_once() {
    let (_bench, process) = bench(taking(3), &[]);
    let keyed = || CreateDeployment {
        key: Some(RequestKey {
            key: "k".into(),
            digest: vec![1],
        }),
        ..preview("pr-1")
    };
    let first = process.create(keyed()).await.unwrap();
    let second = process.create(keyed()).await.unwrap();
    assert_eq!(first.deployment.id, second.deployment.id);
    process.drive().await;
    take_down(&process, &process.caller, "pr-1").await.unwrap();
    process.drive().await;
    // Repeated after its end the request is the same one still.
    let third = process.create(keyed()).await.unwrap();
    assert_eq!(first.deployment.id, third.deployment.id);
    assert_eq!(names(&process).await, ["production"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_reaches_the_app_makes_previews_and_whoever_reaches_one_environment_does_not() {
    let (_bench, process) = bench(taking(3), &[]);
    let (app, _) = process
        .store
        .app(&create("web", Trigger::Manual).app)
        .unwrap()
        .unwrap();
    let production = environment(&process, "production").await.unwrap().serial;
    let ask = async |reach, text: &str| {
        let caller = within(&process, reach);
        process
            .agent
            .dispatch(&caller, Action::CreateDeployment(preview(text)))
            .await
    };
    let refused = ask(Reach::Environment(app, production), "pr-1").await;
    assert!(matches!(refused, Err(Error::AppNotFound(_))), "{refused:?}");
    assert_eq!(names(&process).await, ["production"]);
    ask(Reach::App(app), "pr-1").await.unwrap();
    let preview = environment(&process, "pr-1").await.unwrap().serial;
    ask(Reach::Environment(app, preview), "pr-1").await.unwrap();
    let refused = ask(Reach::Environment(app, preview), "pr-2").await;
    assert!(refused.is_err(), "{refused:?}");
    // Writing is enough to take a preview down, and not for what the configuration names.
    let mut writer = within(&process, Reach::App(app));
    writer.scope = Scope::Write;
    take_down(&process, &writer, "pr-1").await.unwrap();
    let refused = take_down(&process, &writer, "production").await;
    assert!(
        matches!(refused, Err(Error::Forbidden(Scope::Admin))),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_or_domain_that_is_somebody_elses_is_no_previews() {
    let mut app = taking(3);
    let taken = Domain::parse("api.web.example").unwrap();
    app.environments
        .values_mut()
        .next()
        .unwrap()
        .domains
        .push(taken);
    let mut other = git_app("other");
    other.project = app.project.clone();
    let spec = other.environments.pop_first().unwrap().1;
    let staging = EnvironmentName::parse("staging").unwrap();
    other.environments.insert(staging.clone(), spec);
    other.default_environment = staging;
    let bench = Bench::new(vec![app, other]);
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    let process = bench.start();
    for (name, part) in [("api", "leads elsewhere"), ("staging", "is app 'other's")] {
        let refused = process.create(preview(name)).await.unwrap_err();
        assert!(
            matches!(&refused, Error::Refused(why) if why.contains(part)),
            "{refused}"
        );
    }
    assert_eq!(names(&process).await, ["production", "staging"]);
    // Of the app that takes none it is refused, whatever its project's other app takes.
    let refused = CreateDeployment {
        app: AppRef::Id(bench.apps[1].id),
        ..preview("pr-1")
    };
    let refused = process.create(refused).await.unwrap_err();
    assert!(matches!(refused, Error::PreviewsOff { .. }), "{refused}");
}
