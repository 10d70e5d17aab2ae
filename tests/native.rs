//! What longshore adds to git.dev's API, through the real router.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "native/apps.rs"]
mod apps;
#[path = "native/described.rs"]
mod described;
#[path = "native/events.rs"]
mod events;
#[path = "native/figures.rs"]
mod figures;
#[path = "native/follow.rs"]
mod follow;
#[path = "native/ingress.rs"]
mod ingress;
#[path = "native/plan.rs"]
mod plan;
#[path = "native/printed.rs"]
mod printed;
#[path = "native/runs.rs"]
mod runs;
#[path = "native/stage.rs"]
mod stage;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;
