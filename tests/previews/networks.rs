//! Networks of removed environments are given out again, and never while anything names an address of one.

use crate::stage::*;
use crate::world::{Bench, Process, sha};
use ipnet::Ipv4Net;
use longshore::core::error::Error;
use longshore::core::route::Target;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// Four networks, of which production has one.
const SMALL: &str = "10.0.0.0/24";

fn small() -> (Bench, Process) {
    let mut bench = Bench::new(vec![taking(10)]);
    bench.address_pool = SMALL;
    bench.world.change(|state| {
        state.head = Some(sha('1'));
        state.branches = heads(&["a", "b", "c", "d"]);
    });
    let process = bench.start();
    (bench, process)
}

fn subnets(process: &Process) -> BTreeMap<String, Ipv4Net> {
    let previews = process.store.previews().unwrap().into_iter();
    let places = previews.map(|preview| preview.place);
    places
        .filter_map(|place| Some((place.environment_name.to_string(), place.subnet?)))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_small_pool_lasts_for_any_number_of_previews_one_after_another() {
    let (bench, process) = small();
    let mut seen = Vec::new();
    for _ in 0..30 {
        up(&process, "a").await;
        seen.push(subnets(&process)["a"]);
        take_down(&process, &process.caller, "a").await.unwrap();
        process.drive().await;
    }
    is_all_gone(&bench, &process, "a", "thirty times");
    // In turn: the three that production does not have.
    assert!(
        seen.windows(3)
            .all(|three| three[0] != three[1] && three[1] != three[2] && three[0] != three[2]),
        "{seen:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_full_refuses_a_preview_and_says_so_until_one_is_gone_completely() {
    let (bench, process) = small();
    for name in ["a", "b", "c"] {
        up(&process, name).await;
    }
    let full = |answer: Result<_, Error>| match answer {
        Err(Error::Refused(why)) => assert!(why.contains("no network left"), "{why}"),
        other => panic!("{other:?}"),
    };
    full(process.create(preview("d")).await);
    assert_eq!(names(&process).await, ["production", "a", "b", "c"]);
    // While its container and its network are there, and while the ingress may still send requests to it, it is taken.
    bench.world.change(|state| state.ingress_is_gone = true);
    let was = subnets(&process)["a"];
    take_down(&process, &process.caller, "a").await.unwrap();
    full(process.create(preview("d")).await);
    process.drive_for(Duration::from_secs(600)).await;
    full(process.create(preview("d")).await);
    bench.world.change(|state| state.ingress_is_gone = false);
    process.drive().await;
    up(&process, "d").await;
    assert_eq!(subnets(&process)["d"], was);
}

#[tokio::test(start_paused = true)]
async fn a_network_the_engine_does_not_let_go_is_not_given_out() {
    let (bench, process) = small();
    for name in ["a", "b", "c"] {
        up(&process, name).await;
    }
    let network = process.store.previews().unwrap().remove(0).place.slug();
    bench.world.change(|state| {
        state.refuses_network_removals.insert(network);
    });
    take_down(&process, &process.caller, "a").await.unwrap();
    process.drive().await;
    let refused = process.create(preview("d")).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Make(usize),
    Remove(usize),
    Ingress(bool),
    Engine(bool),
    Drive(u64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..4usize).prop_map(Step::Make),
        4 => (0..4usize).prop_map(Step::Remove),
        1 => any::<bool>().prop_map(Step::Ingress),
        1 => any::<bool>().prop_map(Step::Engine),
        5 => (0..40u64).prop_map(Step::Drive),
        1 => Just(Step::Restart),
    ]
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// A network that was just given out: nothing outside knows an address of it.
fn is_nobodys(bench: &Bench, subnet: Ipv4Net, step: &str) {
    let state = bench.world.state.lock().unwrap();
    let named = state
        .containers
        .values()
        .find(|made| subnet.contains(&made.spec.address));
    assert!(
        named.is_none(),
        "{step}: {subnet} is given out and {named:?} is there"
    );
    let routes = state.table.iter().flat_map(|table| &table.routes);
    for route in routes {
        if let Target::Container(to) = route.target {
            assert!(
                !subnet.contains(to.ip()),
                "{step}: {subnet} is given out and {route:?} leads there"
            );
        }
    }
}

async fn take(steps: &[Step]) {
    let (bench, mut process) = small();
    for (index, step) in steps.iter().enumerate() {
        let at = format!("step {index}, {step:?}");
        match *step {
            Step::Make(which) => {
                let before = subnets(&process);
                let _ = process.create(preview(NAMES[which])).await;
                for (name, subnet) in subnets(&process) {
                    if !before.contains_key(&name) {
                        is_nobodys(&bench, subnet, &at);
                    }
                }
            }
            Step::Remove(which) => {
                if environment(&process, NAMES[which]).await.is_some() {
                    take_down(&process, &process.caller, NAMES[which])
                        .await
                        .unwrap();
                }
            }
            Step::Ingress(gone) => bench.world.change(|state| state.ingress_is_gone = gone),
            Step::Engine(gone) => bench.world.change(|state| state.engine_is_gone = gone),
            Step::Drive(seconds) => process.drive_for(Duration::from_secs(seconds)).await,
            Step::Restart => {
                drop(process);
                process = bench.start();
            }
        }
    }
    bench.world.change(|state| {
        state.ingress_is_gone = false;
        state.engine_is_gone = false;
    });
    process.drive_for(Duration::from_secs(150)).await;
    for name in names(&process).await {
        if name != "production" {
            take_down(&process, &process.caller, &name).await.unwrap();
        }
    }
    process.drive_for(Duration::from_secs(150)).await;
    is_all_gone(&bench, &process, "all", &format!("{steps:?}"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_address_is_given_out_again_while_a_row_a_route_or_a_container_names_it(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(take(&steps));
    }
}
