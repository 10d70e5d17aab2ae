//! What has become of a schedule since it was looked at last.
//!
//! ```text
//!   seen ────────── now            Waiting
//!   seen ──•──•──•─ now            Missed: the last is over by more than a minute
//!   seen ──•──•──•now              Due: it has just come; those before it are missed
//!   now ───── seen                 Waiting: what was run is not run again
//!   now ──────── a day ────── seen Begin: the clock was wrong, and is now another
//! ```

use super::next;
use crate::core::job::Schedule;
use crate::core::time::Timestamp;

/// How late a time is still run as due: longer than the scheduler sleeps, and than a restart of the daemon takes.
pub const LATE: i64 = 60_000;
/// By how much a clock that is set back is one that was put right, in milliseconds: more, and what is written down is of
/// a time that was never there.
const SET_BACK: i64 = 24 * 3600 * 1000;
/// So many missed times are counted one by one; nobody wants to know a larger number exactly.
pub const MOST_COUNTED: u32 = 1000;

/// What a look at a schedule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing has come since; this comes next.
    Waiting {
        /// When; `None` where the calendar ends.
        next: Option<Timestamp>,
    },
    /// A time has just come.
    Due {
        /// Which.
        at: Timestamp,
        /// How many before it were missed; at most [`MOST_COUNTED`].
        missed: u32,
    },
    /// The last time that came is over, and nobody was there.
    Missed {
        /// The last.
        last: Timestamp,
        /// How many there were, with it; at most [`MOST_COUNTED`].
        count: u32,
    },
    /// It has no time before now: it is looked at for the first time, or the clock was set back by so much that what was
    /// seen says nothing.
    Begin {
        /// By how many milliseconds the clock was set back, if it was.
        set_back: Option<i64>,
    },
}

/// Looks at a schedule whose times up to `seen` are done with.
#[must_use]
pub fn look(schedule: &Schedule, seen: Option<Timestamp>, now: Timestamp) -> Look {
    let Some(seen) = seen else {
        return Look::Begin { set_back: None };
    };
    let set_back = seen.millis_since(now);
    if set_back > SET_BACK {
        return Look::Begin {
            set_back: Some(set_back),
        };
    }
    match passed(schedule, seen, now) {
        None => Look::Waiting {
            next: next(schedule, seen),
        },
        Some((at, count)) if now.millis_since(at) <= LATE => Look::Due {
            at,
            missed: count - 1,
        },
        Some((last, count)) => Look::Missed { last, count },
    }
}

/// When a schedule's time comes next, for those who read: what is due now is about to be.
#[must_use]
pub fn upcoming(schedule: &Schedule, seen: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    match look(schedule, seen, now) {
        Look::Waiting { next } => next,
        Look::Due { .. } | Look::Missed { .. } | Look::Begin { .. } => next(schedule, now),
    }
}

/// The last time that has come, and how many have.
fn passed(schedule: &Schedule, seen: Timestamp, now: Timestamp) -> Option<(Timestamp, u32)> {
    let comes = |from| next(schedule, from).filter(|at| *at <= now);
    let mut last = comes(seen)?;
    let mut count = 1;
    while let Some(at) = comes(last) {
        if count == MOST_COUNTED {
            return Some((latest(schedule, at, now), count));
        }
        last = at;
        count += 1;
    }
    Some((last, count))
}

/// The last time up to now, of a schedule that has come at `known`.
fn latest(schedule: &Schedule, known: Timestamp, now: Timestamp) -> Timestamp {
    let comes = |from| next(schedule, from).filter(|at| *at <= now);
    let mut back = LATE;
    // Ever further back until there is one: then few are between it and now.
    let mut last = loop {
        let from = Timestamp(now.0.saturating_sub(back));
        match comes(from) {
            _ if from <= known => break known,
            Some(at) => break at,
            None => back = back.saturating_mul(2),
        }
    };
    while let Some(at) = comes(last) {
        last = at;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::job::Missed;
    use crate::core::schedule::{Cron, Zone};

    fn every(cron: &str) -> Schedule {
        Schedule {
            cron: Cron::parse(cron).unwrap(),
            time_zone: Zone::utc(),
            missed: Missed::Skip,
        }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(&format!("2026-{text}:00Z")).unwrap()
    }

    #[test]
    fn a_time_is_due_for_a_minute_and_missed_after_that() {
        let hourly = every("0 * * * *");
        let seen = Some(at("05-01T10:30"));
        let second = |text: &str, seconds: i64| Timestamp(at(text).0 + seconds * 1000);
        let waiting = Look::Waiting {
            next: Some(at("05-01T11:00")),
        };
        assert_eq!(look(&hourly, seen, at("05-01T10:30")), waiting);
        assert_eq!(
            look(&hourly, seen, Timestamp(at("05-01T11:00").0 - 1)),
            waiting
        );
        let due = Look::Due {
            at: at("05-01T11:00"),
            missed: 0,
        };
        assert_eq!(look(&hourly, seen, at("05-01T11:00")), due);
        assert_eq!(look(&hourly, seen, second("05-01T11:00", 60)), due);
        let missed = |last: &str, count| Look::Missed {
            last: at(last),
            count,
        };
        assert_eq!(
            look(&hourly, seen, second("05-01T11:00", 61)),
            missed("05-01T11:00", 1)
        );
        assert_eq!(
            look(&hourly, seen, at("05-02T11:59")),
            missed("05-02T11:00", 25)
        );
        assert_eq!(
            look(&hourly, seen, at("05-02T11:00")),
            Look::Due {
                at: at("05-02T11:00"),
                missed: 24
            }
        );
        // What was run is over.
        let next = Look::Waiting {
            next: Some(at("05-01T12:00")),
        };
        assert_eq!(
            look(&hourly, Some(at("05-01T11:00")), second("05-01T11:00", 1)),
            next
        );
    }

    #[test]
    fn many_missed_times_are_not_counted_to_the_end_and_the_last_is_found_all_the_same() {
        let seen = Some(at("01-01T00:00"));
        let look = |cron, now| look(&every(cron), seen, at(now));
        assert_eq!(
            look("* * * * *", "11-28T14:07"),
            Look::Due {
                at: at("11-28T14:07"),
                missed: MOST_COUNTED - 1
            }
        );
        assert_eq!(
            look("*/20 1,2 * * *", "11-28T14:07"),
            Look::Missed {
                last: at("11-28T02:40"),
                count: MOST_COUNTED
            }
        );
        assert_eq!(
            look("* * 1,2 1 *", "11-28T14:07"),
            Look::Missed {
                last: at("01-02T23:59"),
                count: MOST_COUNTED
            }
        );
        // Just as many as are counted.
        assert_eq!(
            look("0 * * * *", "02-11T16:30"),
            Look::Missed {
                last: at("02-11T16:00"),
                count: MOST_COUNTED
            }
        );
    }

    #[test]
    fn a_clock_that_is_set_back_runs_nothing_twice_and_one_that_was_wrong_begins_anew() {
        let hourly = every("0 * * * *");
        let seen = Some(at("05-02T12:00"));
        let next = Some(at("05-02T13:00"));
        for now in ["05-02T11:59", "05-02T08:00", "05-01T12:00"] {
            assert_eq!(look(&hourly, seen, at(now)), Look::Waiting { next });
            assert_eq!(upcoming(&hourly, seen, at(now)), next);
        }
        let wrong = at("05-01T11:59");
        let set_back = Some(24 * 3_600_000 + 60_000);
        assert_eq!(look(&hourly, seen, wrong), Look::Begin { set_back });
        assert_eq!(upcoming(&hourly, seen, wrong), Some(at("05-01T12:00")));
        assert_eq!(look(&hourly, None, wrong), Look::Begin { set_back: None });
    }
}
