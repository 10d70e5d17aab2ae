//! What the tests of connections share: a consumer `web` of a provider `db`, and what must be so whenever nothing is at work.

use crate::laws;
use crate::world::{Bench, Process, connected, image_app};
use longshore::core::action::DeploymentView;
use longshore::core::deployment::{Phase, Step};
use longshore::core::id::EnvironmentSerial;
use longshore::store::{Live, Place};
use std::collections::{BTreeMap, BTreeSet};

pub fn two() -> Bench {
    Bench::new(vec![
        image_app("db", "db:1"),
        connected(image_app("web", "web:1"), &["db"]),
    ])
}

/// Deploys an app, to its end.
pub async fn up(process: &Process, app: &str) -> DeploymentView {
    let created = process.deploy(app).await.unwrap();
    process.drive().await;
    let view = process.view(created.deployment.id).await;
    let phase = &view.deployment.phase;
    assert!(matches!(phase, Phase::Succeeded { .. }), "{app}: {phase:?}");
    view
}

pub async fn steps(process: &Process, of: &DeploymentView) -> Vec<Step> {
    let view = process.view(of.deployment.id).await;
    view.steps.iter().map(|step| step.step).collect()
}

pub async fn steps_of_next(process: &Process, app: &str) -> Vec<Step> {
    let view = up(process, app).await;
    steps(process, &view).await
}

/// The places of environments, as many as there ever were.
fn places(process: &Process) -> Vec<Place> {
    let all = (1..).map(EnvironmentSerial);
    all.map_while(|serial| process.store.place_of(serial).ok())
        .collect()
}

/// What an app's newest environment has live.
pub fn live(process: &Process, app: &str) -> Live {
    let mut of_app = places(process).into_iter();
    let place = of_app
        .rfind(|place| place.app_name.as_str() == app)
        .unwrap();
    process.store.live(place.environment).unwrap().unwrap()
}

/// The images (`name:tag`) that the app's container reaches under a name.
pub fn reached(bench: &Bench, process: &Process, from: &str, name: &str) -> Vec<String> {
    let from = live(process, from).containers[0].name.clone();
    let state = bench.world.state.lock().unwrap();
    let reached = state.reaches(&from, name).into_iter();
    let plain = |image: String| image.trim_start_matches("sha256:").to_owned();
    reached.map(plain).collect()
}

/// The networks of connections.
pub fn networks(bench: &Bench) -> Vec<String> {
    let state = bench.world.state.lock().unwrap();
    let all = state.networks.iter();
    all.filter(|name| name.contains('.')).cloned().collect()
}

/// The laws of the world, and of connections: each that is wanted has its network, in which are exactly the live containers
/// of the consumer and the one that serves of the provider, by the name the consumer knows; there are no others.
pub fn hold(bench: &Bench, process: &Process, at: &str) {
    laws::hold(bench, process, at);
    let store = &process.store;
    let mut wanted = BTreeSet::new();
    let mut joined: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for place in places(process) {
        let Some(live) = store.live(place.environment).unwrap() else {
            continue;
        };
        for row in &live.containers {
            joined.entry(row.name.clone()).or_default();
        }
        let connections = store.connections_of(place.environment).unwrap();
        let known: BTreeSet<_> = connections
            .iter()
            .map(|reached| reached.connection.alias.clone())
            .collect();
        assert!(
            known.is_subset(&live.release.content.run.connect.to),
            "{at}: {known:?} of {}",
            place.slug()
        );
        for reached in connections {
            let connection = reached.connection;
            wanted.insert(connection.network.clone());
            let mut join = |name: &str, alias: &str| {
                let of = joined.entry(name.to_owned()).or_default();
                of.insert(connection.network.clone(), alias.to_owned());
            };
            for row in &live.containers {
                join(&row.name, &row.name);
            }
            if let Some(provider) = store.live(connection.provider).unwrap() {
                join(&provider.containers[0].name, connection.alias.as_str());
            }
        }
    }
    let wanted: Vec<String> = wanted.into_iter().collect();
    assert_eq!(networks(bench), wanted, "{at}: the networks of connections");
    let state = bench.world.state.lock().unwrap();
    for (name, made) in &state.containers {
        assert_eq!(made.joined, joined[name], "{at}: what {name} is in");
    }
}
