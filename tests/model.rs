//! The life of one environment, explored whole: every order of requests, the driver's moves, failures and ends of the
//! process that a small world has. What is decided is decided by the real `core`; the model only holds the rows, the
//! containers and the driver's memory.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/model/mod.rs"]
mod model;

use longshore::core::change::Change;
use model::{Move, Mutation, Request, World};
use std::collections::{HashSet, VecDeque};

/// What an exploration saw.
#[derive(Debug, Default)]
struct Seen {
    states: usize,
    moves: usize,
    ends: usize,
}

/// Breadth first, so that the way to a state against the law is as short as any.
fn explore(first: World) -> Result<Seen, String> {
    let mut known = HashSet::from([first.key()]);
    // How each state was come to: from which, by which move.
    let mut came: Vec<Option<(usize, Move)>> = vec![None];
    let mut queue = VecDeque::from([(0, first)]);
    let mut seen = Seen::default();
    while let Some((at, world)) = queue.pop_front() {
        seen.states += 1;
        let told = |law: String| format!("{law}\n  {}\n{world:#?}", way(&came, at));
        world.check().map_err(told)?;
        world.ends_well().map_err(told)?;
        seen.ends += usize::from(world.is_quiet());
        for next in world.moves() {
            seen.moves += 1;
            let mut after = world.clone();
            let made = after.make(&next);
            made.map_err(|law| format!("{law}\n  {}\n  {next:?}", way(&came, at)))?;
            if known.insert(after.key()) {
                came.push(Some((at, next)));
                queue.push_back((came.len() - 1, after));
            }
        }
    }
    Ok(seen)
}

/// The moves from the beginning to a state.
fn way(came: &[Option<(usize, Move)>], mut at: usize) -> String {
    let mut moves = Vec::new();
    while let Some((before, made)) = &came[at] {
        moves.push(format!("{made:?}"));
        at = *before;
    }
    moves.reverse();
    moves.join("\n  ")
}

/// Explores a world and prints how large it was.
fn holds(name: &str, world: World, at_least: usize) {
    match explore(world) {
        Ok(seen) => {
            println!(
                "model: {name}: {} states, {} moves, {} of the states at rest",
                seen.states, seen.moves, seen.ends
            );
            assert!(seen.states >= at_least, "suspiciously few: {seen:?}");
        }
        Err(law) => panic!("{name}: {law}"),
    }
}

const DEPLOYS: &[Request] = &[Request::Manual, Request::Automatic];

#[test]
fn deployments_in_every_order_keep_the_laws() {
    holds(
        "three deployments, two cancels, a crash, a failure",
        World::new(DEPLOYS, 3, 2, 1, 1),
        5_000,
    );
}

#[test]
fn deployments_survive_crash_after_crash() {
    holds(
        "two deployments, a cancel, three crashes, two failures",
        World::new(DEPLOYS, 2, 1, 3, 2),
        2_000,
    );
}

#[test]
fn rollbacks_and_restarts_in_every_order_keep_the_laws() {
    let requests = &[Request::Automatic, Request::Rollback, Request::Restart];
    holds(
        "three of deployments, rollbacks, restarts",
        World::new(requests, 3, 1, 1, 1),
        5_000,
    );
}

#[test]
fn stops_and_starts_in_every_order_keep_the_laws() {
    let requests = &[
        Request::Manual,
        Request::Automatic,
        Request::Change(Change::Stop, false),
        Request::Change(Change::Stop, true),
        Request::Change(Change::Start, false),
    ];
    holds(
        "three of deployments, stops, starts",
        World::new(requests, 3, 1, 1, 1),
        10_000,
    );
}

#[test]
fn suspensions_and_removals_in_every_order_keep_the_laws() {
    let requests = &[
        Request::Manual,
        Request::Automatic,
        Request::Change(Change::Suspend, true),
        Request::Change(Change::Activate, false),
        Request::Change(Change::Remove { volumes: false }, false),
    ];
    holds(
        "three of deployments, suspensions, removals",
        World::new(requests, 3, 1, 1, 1),
        10_000,
    );
}

#[test]
fn swaps_in_every_order_send_requests_only_to_what_serves() {
    let requests = &[Request::Manual, Request::Automatic, Request::Rollback];
    holds(
        "three deployments by swap, two cancels, a crash, a failure, a lost table",
        World::new(requests, 3, 2, 1, 1).swapping(1),
        5_000,
    );
    let requests = &[
        Request::Manual,
        Request::Change(Change::Stop, false),
        Request::Change(Change::Start, false),
        Request::Change(Change::Remove { volumes: false }, false),
    ];
    holds(
        "three of deployments by swap, stops, starts, removals, a lost table",
        World::new(requests, 3, 1, 1, 1).swapping(1),
        5_000,
    );
}

#[test]
fn faults_put_into_a_swap_are_found() {
    for mutation in [Mutation::SucceedUnacknowledged, Mutation::SwapDisplaces] {
        let mut world = World::new(DEPLOYS, 2, 1, 1, 1).swapping(0);
        world.mutation = mutation;
        let found = explore(world).expect_err(&format!("{mutation:?} went unnoticed"));
        assert!(
            found.contains("does not serve"),
            "{mutation:?} was found as: {found}"
        );
    }
}

/// A law that nothing can break proves nothing: each of these faults is found.
#[test]
fn faults_that_are_put_in_are_found() {
    for (mutation, law) in [
        (Mutation::CancelAfterCommit, "left its commit"),
        (Mutation::CommitUnchecked, "ended and became"),
        (Mutation::StartUnsettled, "run at once"),
        (Mutation::SupersedeManual, "superseded"),
        (Mutation::NoRestore, "does not run"),
        (Mutation::QueueFromBehind, "before its turn"),
    ] {
        let mut world = World::new(DEPLOYS, 3, 1, 1, 1);
        world.mutation = mutation;
        let found = explore(world).expect_err(&format!("{mutation:?} went unnoticed"));
        assert!(found.contains(law), "{mutation:?} was found as: {found}");
        println!(
            "model: {mutation:?} is found: {}",
            found.lines().next().unwrap()
        );
    }
}
