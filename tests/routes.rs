//! The route table beside the rows it is made of: whatever is written, in whatever order, the table changes only together
//! with its generation.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/simulation/chance.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod chance;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use chance::Chance;
use longshore::core::action::{Action, Target};
use longshore::core::app::App;
use longshore::core::change::Change;
use longshore::core::deployment::Trigger;
use longshore::core::name::AppName;
use longshore::core::ports::Clock as _;
use longshore::core::route::{Domain, Service, Table, Target as To};
use longshore::core::spec::Strategy;
use longshore::store::{Configured, Store};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use world::{Bench, Fake, Process, create, image_app, routed};

const NAMES: [&str; 3] = ["alpha", "bravo", "carol"];

/// The table after each commit.
type Tables = Arc<Mutex<Vec<(&'static str, Table)>>>;

/// A life whose every commit is looked at through a store of its own.
fn start(bench: &Bench, tables: &Tables) -> Process {
    let looking = Arc::clone(tables);
    let looked: Arc<Mutex<Option<std::sync::Weak<Store>>>> = Arc::default();
    let inside = looked.clone();
    let process = bench
        .start_with(
            |ports| ports,
            move |name| {
                let store = inside
                    .lock()
                    .unwrap()
                    .as_ref()
                    .and_then(std::sync::Weak::upgrade);
                if let Some(store) = store {
                    looking.lock().unwrap().push((name, store.table().unwrap()));
                }
            },
        )
        .unwrap();
    *looked.lock().unwrap() = Some(Arc::downgrade(&process.store));
    let now = process.store.table().unwrap();
    tables.lock().unwrap().push(("start", now));
    process
}

/// Apps with some of few domains: many want what another has.
fn apps(chance: &Chance) -> Vec<App> {
    let mut taken = BTreeSet::new();
    let mut apps = Vec::new();
    for name in NAMES {
        if chance.in_thousand(200) {
            continue;
        }
        let mut app = routed(image_app(name, "nginx:1"), Strategy::Swap);
        if chance.in_thousand(100) {
            app.name = AppName::parse(&format!("{name}-renamed")).unwrap();
        }
        for spec in app.environments.values_mut() {
            spec.run.port = chance.in_thousand(800).then_some(8080);
            // The configuration names a domain once.
            let wanted = (0..chance.below(3)).map(|_| format!("d{}.example", chance.below(4)));
            spec.domains = wanted
                .filter(|domain| taken.insert(domain.clone()))
                .map(|domain| Domain::parse(&domain).unwrap())
                .collect();
        }
        apps.push(app);
    }
    apps
}

async fn something_happens(chance: &Chance, bench: &mut Bench, process: &Process) {
    let name = chance.pick(&NAMES);
    match chance.below(8) {
        0..=2 => {
            let mut asked = create(name, Trigger::Manual);
            if chance.in_thousand(300) {
                asked.target = Target::Release(None);
            }
            drop(process.ask(Action::CreateDeployment(asked)).await);
        }
        3 | 4 => {
            let change = match chance.below(9) {
                0 | 1 => Change::Stop,
                2 | 3 => Change::Start,
                4 | 5 => Change::Suspend,
                6 | 7 => Change::Activate,
                _ => Change::Remove { volumes: true },
            };
            let asked = longshore::core::action::ChangeEnvironment {
                app: longshore::core::action::AppRef::Name(AppName::parse(name).unwrap()),
                environments: longshore::core::action::Environments::All,
                change,
                now: chance.in_thousand(300),
                idle: false,
                key: None,
            };
            drop(process.ask(Action::Change(asked)).await);
        }
        5 | 6 => {
            bench.apps = apps(chance);
            let domains = [Domain::parse("d0.example").unwrap()];
            let configured = Configured {
                apps: &bench.apps,
                pool: "10.213.0.0/16".parse().unwrap(),
                api_domains: if chance.in_thousand(500) {
                    &domains
                } else {
                    &[]
                },
                api_address: chance
                    .in_thousand(700)
                    .then(|| ([127, 0, 0, 1], 7470).into()),
            };
            let now = Fake(bench.world.clone()).now();
            process.store.sync_apps(&configured, now).unwrap();
        }
        _ => process.drive().await,
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_changes_the_table_makes_its_generation_grow() {
    let mut changes = 0;
    for seed in 1..=25 {
        let chance = Chance::new(seed, 9);
        let tables: Tables = Arc::default();
        let mut bench = Bench::new(apps(&chance));
        let mut process = start(&bench, &tables);
        for _ in 0..25 {
            something_happens(&chance, &mut bench, &process).await;
            if chance.in_thousand(80) {
                drop(process);
                process = start(&bench, &tables);
            }
        }
        process.drive().await;
        let tables = tables.lock().unwrap();
        for (before, after) in tables.iter().zip(tables.iter().skip(1)) {
            let ((_, before), (name, after)) = (before, after);
            assert!(before.generation <= after.generation, "seed {seed}: {name}");
            if before.routes != after.routes {
                changes += 1;
                assert!(
                    before.generation < after.generation,
                    "seed {seed}: {name} made of {before:?}: {after:?}"
                );
            }
            let domains: BTreeSet<&Domain> = after.routes.iter().map(|one| &one.domain).collect();
            assert_eq!(domains.len(), after.routes.len(), "seed {seed}: {after:?}");
        }
    }
    assert!(changes > 100, "the table changed only {changes} times");
}

#[tokio::test(start_paused = true)]
async fn the_api_has_its_domains_before_any_app_and_none_if_it_does_not_listen() {
    let mut app = routed(image_app("web", "nginx:1"), Strategy::Swap);
    for spec in app.environments.values_mut() {
        spec.domains.push(Domain::parse("api.example").unwrap());
    }
    let bench = Bench::new(vec![app]);
    let process = bench.start();
    let domains = [Domain::parse("api.example").unwrap()];
    for (address, app) in [
        (Some(([127, 0, 0, 1], 7470).into()), Service::API),
        (None, "web"),
    ] {
        let configured = Configured {
            apps: &bench.apps,
            pool: "10.213.0.0/16".parse().unwrap(),
            api_domains: &domains,
            api_address: address,
        };
        let now = Fake(bench.world.clone()).now();
        process.store.sync_apps(&configured, now).unwrap();
        let table = process.store.table().unwrap();
        let route = table.routes.iter().find(|one| one.domain == domains[0]);
        let route = route.unwrap();
        assert_eq!(route.service.app, app);
        assert_eq!(matches!(route.target, To::Api(_)), address.is_some());
    }
}
