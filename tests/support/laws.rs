//! What must be so whenever nothing is at work: the world is what the database says it is meant to be, and no more.

use super::world::{Bench, Process};
use longshore::core::access::Reach;
use longshore::core::admission::Desired;
use longshore::core::id::EnvironmentSerial;
use longshore::core::ports::{ContainerState, RestartPolicy};
use longshore::core::release::release_tag;
use std::collections::BTreeSet;

/// Checks the world of a process that has nothing left to do; `at` tells where.
pub fn hold(bench: &Bench, process: &Process, at: &str) {
    let store = &process.store;
    assert!(
        store.unfinished().unwrap().is_empty() && store.unfinished_runs().unwrap().is_empty(),
        "{at}: something is unfinished"
    );
    let state = bench.world.state.lock().unwrap();
    let mut containers = BTreeSet::new();
    let mut networks = BTreeSet::new();
    let mut tags = BTreeSet::new();
    let environments = (1..)
        .map(EnvironmentSerial)
        .map_while(|serial| store.place_of(serial).ok());
    for place in environments {
        let Some(live) = store.live(place.environment).unwrap() else {
            continue;
        };
        assert_ne!(
            place.desired,
            Desired::Removed,
            "{at}: {} is removed and live",
            place.slug()
        );
        networks.insert(place.slug());
        tags.extend(
            (1..=live.release.number.max(99)).map(|number| release_tag(&place.slug(), number)),
        );
        let processes: Vec<&str> = live
            .containers
            .iter()
            .map(|row| row.process.as_str())
            .collect();
        let wanted: Vec<&str> = live.release.content.process_names().collect();
        assert_eq!(processes, wanted, "{at}: one container for each process");
        let mut is_whole = true;
        for row in &live.containers {
            let name = &row.name;
            // What somebody removed while nothing was to run is made again when something is.
            if state.removed_by_hand.contains(name) && place.desired != Desired::Running {
                is_whole = false;
                continue;
            }
            containers.insert(name.clone());
            let made = state.containers.get(name);
            let made = made.unwrap_or_else(|| panic!("{at}: the live container {name} is missing"));
            let runs = matches!(made.state, ContainerState::Running { .. });
            let expected = match place.desired {
                Desired::Running => (true, RestartPolicy::UnlessStopped),
                Desired::Stopped | Desired::Suspended => (false, RestartPolicy::No),
                Desired::Removed => panic!("{at}: removed"),
            };
            assert_eq!(
                (runs, made.restart),
                expected,
                "{at}: {name} is meant to be {:?}",
                place.desired
            );
            assert_eq!(made.spec.image, live.release.content.image.id, "{at}");
            assert_eq!(made.spec.address, row.address, "{at}");
            assert_eq!(made.spec.labels.role, row.process, "{at}");
        }
        if !is_whole {
            continue;
        }
        let kept = release_tag(&place.slug(), live.release.number);
        assert!(
            state.tags.contains_key(&kept),
            "{at}: {kept} does not keep the live image"
        );
    }
    let present: BTreeSet<String> = state.containers.keys().cloned().collect();
    assert_eq!(
        present, containers,
        "{at}: exactly the live containers exist"
    );
    // A first deployment that never became live leaves its network to the next one.
    let removed: Vec<&String> = state
        .networks
        .iter()
        .filter(|name| !networks.contains(*name) && is_removed(process, name))
        .collect();
    assert!(
        removed.is_empty(),
        "{at}: networks of removed environments: {removed:?}"
    );
    let ours: Vec<&String> = state
        .tags
        .keys()
        .filter(|tag| tag.starts_with("longshore/") && !tags.contains(*tag))
        .collect();
    assert!(ours.is_empty(), "{at}: tags of nothing: {ours:?}");
    assert!(state.trees.is_empty(), "{at}: trees {:?}", state.trees);
}

fn is_removed(process: &Process, slug: &str) -> bool {
    let apps = process.store.apps(Reach::All).unwrap();
    let known = |place: &longshore::store::Place| {
        apps.iter().any(|app| {
            app.id == place.app_id
                && app
                    .environments
                    .iter()
                    .any(|environment| environment.name == place.environment_name)
        })
    };
    let mut places = (1..)
        .map(EnvironmentSerial)
        .map_while(|serial| process.store.place_of(serial).ok());
    places
        .any(|place| place.slug() == slug && (place.desired == Desired::Removed || !known(&place)))
}
