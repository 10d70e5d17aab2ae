//! An app that takes previews, and what is asked of them.

use crate::world::{Bench, Process, create, git_app, sha};
use longshore::core::access::{Caller, Reach};
use longshore::core::action::{Action, CreateDeployment, DeploymentView, Reply, Target};
use longshore::core::app::App;
use longshore::core::deployment::{Phase, Trigger};
use longshore::core::environment::{EnvironmentDetail, EnvironmentRef, ListEnvironments};
use longshore::core::error::Error;
use longshore::core::name::{Branch, EnvironmentName, Tag};
use longshore::core::particulars::Particulars;
use longshore::core::preview::{PreviewDomain, Previews};
use longshore::core::reference::Reference;
use longshore::core::spec::Strategy;
use std::collections::BTreeMap;
use std::time::Duration;

pub const TTL: Duration = Duration::from_secs(6 * 3600);
pub const CHECK: Duration = Duration::from_secs(60);

/// The app `web`, with at most `max` previews below `web.example`.
pub fn taking(max: u32) -> App {
    let mut app = crate::world::routed(git_app("web"), Strategy::Swap);
    let mut spec = app.environments.values().next().unwrap().clone();
    spec.domains.clear();
    app.previews = Some(Previews {
        spec,
        domain: Some(PreviewDomain::parse("{environment}.web.example").unwrap()),
        max,
        ttl: TTL,
    });
    app
}

/// A bench where the remote has `main` and these branches.
pub fn bench(app: App, branches: &[&str]) -> (Bench, Process) {
    let bench = Bench::new(vec![app]);
    {
        let mut state = bench.world.state.lock().unwrap();
        state.head = Some(sha('1'));
        state.branches = heads(branches);
    }
    let process = bench.start();
    (bench, process)
}

pub fn heads(branches: &[&str]) -> BTreeMap<Branch, longshore::core::name::Sha> {
    let all = branches.iter().chain(&["main"]);
    all.map(|name| (branch(name), sha('1'))).collect()
}

pub fn branch(name: &str) -> Branch {
    Branch::parse(name).unwrap()
}

pub fn name(text: &str) -> EnvironmentName {
    EnvironmentName::any(text).unwrap()
}

/// A request for a preview from the branch of its name.
pub fn preview(text: &str) -> CreateDeployment {
    let reference = match Branch::parse(text) {
        Ok(branch) => Reference::Branch(branch),
        Err(_) => Reference::Branch(branch("main")),
    };
    CreateDeployment {
        environment: Some(name(text)),
        target: Target::Reference(reference, None),
        particulars: Particulars {
            transient: true,
            ..Particulars::default()
        },
        ..create("web", Trigger::Manual)
    }
}

pub fn tagged(text: &str) -> CreateDeployment {
    CreateDeployment {
        target: Target::Reference(Reference::Tag(Tag::parse("v1").unwrap()), None),
        ..preview(text)
    }
}

/// A preview that was deployed and serves.
pub async fn up(process: &Process, text: &str) -> DeploymentView {
    let view = process.create(preview(text)).await.unwrap();
    process.drive().await;
    let view = process.view(view.deployment.id).await;
    let phase = &view.deployment.phase;
    assert!(
        matches!(phase, Phase::Succeeded { .. }),
        "{text}: {phase:?}"
    );
    view
}

pub async fn environments(process: &Process) -> Vec<EnvironmentDetail> {
    let list = ListEnvironments {
        ascending: true,
        limit: 100,
        ..ListEnvironments::default()
    };
    match process.ask(Action::ListEnvironments(list)).await.unwrap() {
        Reply::Environments { items, .. } => items,
        other => panic!("{other:?}"),
    }
}

/// The names of those that are there.
pub async fn names(process: &Process) -> Vec<String> {
    let all = environments(process).await.into_iter();
    all.map(|one| one.name.to_string()).collect()
}

pub async fn environment(process: &Process, text: &str) -> Option<EnvironmentDetail> {
    let mut all = environments(process).await.into_iter();
    all.find(|one| one.name.as_str() == text)
}

pub async fn take_down(process: &Process, caller: &Caller, text: &str) -> Result<Reply, Error> {
    let which = environment(process, text).await.unwrap().id;
    let action = Action::TakeDownEnvironment(EnvironmentRef::Id(which));
    process.agent.dispatch(caller, action).await
}

pub fn within(process: &Process, reach: Reach) -> Caller {
    Caller {
        reach,
        ..process.caller.clone()
    }
}

/// Nothing of a preview is left but rows: no container, network, tag or route, and its network can be given out again.
pub fn is_all_gone(bench: &Bench, process: &Process, text: &str, at: &str) {
    laws_hold(bench, process, at);
    let state = bench.world.state.lock().unwrap();
    let of_it = |object: &&String| !object.contains("web-production");
    let containers: Vec<_> = state.containers.keys().filter(of_it).collect();
    let networks: Vec<_> = state.networks.iter().filter(of_it).collect();
    let tags: Vec<_> = state.tags.keys().filter(of_it).collect();
    assert!(
        containers.is_empty() && networks.is_empty() && tags.is_empty(),
        "{at}: {containers:?} {networks:?} {tags:?}"
    );
    let table = state.table.as_ref().unwrap();
    let routes: Vec<_> = table
        .routes
        .iter()
        .map(|route| route.domain.to_string())
        .collect();
    assert!(
        routes.iter().all(|one| one == "web.example"),
        "{at}: {routes:?} beside that of {text}"
    );
    let mut places = (1..)
        .map(longshore::core::id::EnvironmentSerial)
        .map_while(|serial| process.store.place_of(serial).ok());
    let kept = places.find(|place| place.preview && place.subnet.is_some());
    assert!(kept.is_none(), "{at}: {kept:?}");
}

fn laws_hold(bench: &Bench, process: &Process, at: &str) {
    crate::laws::hold(bench, process, at);
}
