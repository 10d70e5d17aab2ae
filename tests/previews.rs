//! Previews from their first deployment to their end, on a real store, a world in memory and a clock that jumps; and the
//! networks that removed environments give back.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/laws.rs"]
mod laws;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

#[path = "previews/crashes.rs"]
mod crashes;
#[path = "previews/end.rs"]
mod end;
#[path = "previews/making.rs"]
mod making;
#[path = "previews/networks.rs"]
mod networks;
#[path = "previews/stage.rs"]
mod stage;
