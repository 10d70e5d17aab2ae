//! Schedules: a year of them over the real store, with both nights on which clocks are set; what becomes of times that were
//! missed, of clocks that jump, and of a schedule that is said otherwise; and never two runs for one time.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "schedules/clocks.rs"]
mod clocks;
#[path = "schedules/crashes.rs"]
mod crashes;
#[path = "schedules/life.rs"]
mod life;
#[path = "schedules/stage.rs"]
mod stage;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;
#[path = "schedules/year.rs"]
mod year;
