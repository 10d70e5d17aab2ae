//! The year 2026, time by time: what is to run when is written down here by the calendar and the two offsets of each zone,
//! and the clock is brought to each of these times, in the year's order, through restarts in between.

use crate::stage::*;
use crate::world::{Bench, Process};
use longshore::core::change::Change;
use longshore::core::job::{Missed, Schedule};
use longshore::core::schedule::{Cron, Zone, next};
use longshore::core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The days, counted from January 1st, on which clocks are set.
const BERLIN: (i64, i64) = (87, 297);
const NEW_YORK: (i64, i64) = (66, 304);

/// When what runs all day long is started and stopped: around both of Berlin's nights. For the rest of the year see below.
const RUNS: [(i64, i64); 2] = [(87, 88), (297, 298)];

fn day(days: i64) -> i64 {
    at("01-01T00:00").0 + days * DAY
}

/// What a wall clock of Berlin is ahead, in the morning of a day after three o'clock, or at any hour of one that is no day of
/// setting.
fn berlin(days: i64) -> i64 {
    if (BERLIN.0..BERLIN.1).contains(&days) {
        2
    } else {
        1
    }
}

fn new_york(days: i64) -> i64 {
    if (NEW_YORK.0..NEW_YORK.1).contains(&days) {
        -4
    } else {
        -5
    }
}

/// Every day at a time of the wall, but for the two that are told apart.
fn daily(wall: i64, offset: fn(i64) -> i64, told: [(i64, i64); 2]) -> Vec<i64> {
    let time = |days: i64| {
        let told = told.into_iter().find(|(known, _)| *known == days);
        let utc = told.map_or(wall - offset(days) * HOUR, |(_, utc)| utc);
        day(days) + utc
    };
    (0..365).map(time).collect()
}

fn in_march_and_november(mut times: Vec<i64>) -> Vec<i64> {
    times.retain(|time| (day(59)..day(90)).contains(time) || (day(304)..day(334)).contains(time));
    times
}

/// Each job with the times it is to run at.
fn expected() -> BTreeMap<&'static str, Vec<i64>> {
    let half_past = |hour: i64| hour * HOUR + HOUR / 2;
    let months = [31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
    let monthly = months.map(|first| {
        // The first of November is after the night in which Berlin's clocks are set back.
        day(first) - berlin(first) * HOUR
    });
    let is_weekday = |days: &i64| !matches!((days + 4) % 7, 0 | 6);
    let office = (0..365).filter(is_weekday);
    // By elapsed time through both nights, for as long as their environments run.
    let during = |step: i64| {
        let windows = RUNS.into_iter().flat_map(move |(from, to)| {
            let times = (day(from)..day(to)).step_by(usize::try_from(step).unwrap());
            times.skip(1)
        });
        windows.collect::<Vec<i64>>()
    };
    BTreeMap::from([
        ("hourly", during(HOUR)),
        (
            "berlin",
            daily(
                half_past(2),
                berlin,
                // Left out, so just after; and the first of two.
                [(BERLIN.0, HOUR), (BERLIN.1, HOUR / 2)],
            ),
        ),
        (
            "new-york",
            daily(
                half_past(2),
                new_york,
                [(NEW_YORK.0, 7 * HOUR), (NEW_YORK.1, half_past(7))],
            ),
        ),
        (
            "twice",
            in_march_and_november(daily(
                half_past(1),
                new_york,
                [(NEW_YORK.0, half_past(6)), (NEW_YORK.1, half_past(5))],
            )),
        ),
        ("monthly", monthly.to_vec()),
        (
            "office",
            in_march_and_november(
                office
                    .map(|days| day(days) + (9 - new_york(days)) * HOUR)
                    .collect(),
            ),
        ),
        ("quarters", during(15 * MINUTE)),
    ])
}

/// Brings the clock to each of these times, a little before it, and lets it go on past it.
async fn pass(bench: &Bench, process: &Process, times: &[i64]) {
    let stepping = async {
        for time in times {
            set_clock(bench, process, Timestamp(time - 1000));
            // It would see that within half a minute; whatever is written, it looks at once.
            process.store.forget_strikes().unwrap();
            tokio::time::sleep(Duration::from_secs(6)).await;
        }
    };
    process.agent.drive(stepping).await.unwrap();
}

#[test]
fn a_year_of_schedules_runs_each_at_its_times_and_at_no_other() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let apps = vec![
            job("hourly", "0 * * * *", "UTC"),
            job("berlin", "30 2 * * *", "Europe/Berlin"),
            job("new-york", "30 2 * * *", "America/New_York"),
            job("twice", "30 1 * 3,11 *", "America/New_York"),
            job("monthly", "0 0 1 * *", "Europe/Berlin"),
            job("office", "0 9 * MAR,NOV MON-FRI", "America/New_York"),
            job("quarters", "*/15 * * * *", "Europe/Berlin"),
        ];
        let (bench, mut process) = bench(apps, Timestamp(day(0)));
        deploy(&bench, &process).await;
        let all_day = ["hourly", "quarters"];
        change(&process, &all_day, Change::Stop).await;

        let expected = expected();
        let all: BTreeSet<i64> = expected.values().flatten().copied().collect();
        let all: Vec<i64> = all.into_iter().collect();
        let mut from = 0;
        let changes = RUNS
            .into_iter()
            .flat_map(|(from, to)| [(day(from), Change::Start), (day(to) - MINUTE, Change::Stop)]);
        for (when, to) in changes {
            let passed = all.partition_point(|time| *time <= when);
            process = restarts(&bench, process, &all[from..passed]).await;
            from = passed;
            set_clock(&bench, &process, Timestamp(when + 1000));
            change(&process, &all_day, to).await;
        }
        let process = restarts(&bench, process, &all[from..]).await;

        let mut count = 0;
        for (app, expected) in &expected {
            let expected: Vec<String> = expected
                .iter()
                .map(|time| Timestamp(*time).to_seconds_string()[5..16].to_owned())
                .collect();
            let found = times(&process, app).await;
            let differ = found.iter().zip(&expected).find(|(a, b)| a != b);
            assert_eq!(differ, None, "{app}");
            assert_eq!(found.len(), expected.len(), "{app}");
            count += found.len();
        }
        println!("{count} runs in a year, each at its time");
    });
}

async fn change(process: &Process, apps: &[&str], to: Change) {
    for app in apps {
        process.change(app, to, false).await.unwrap();
        process.drive().await;
    }
}

/// What runs all day long, without the store: every time there is.
#[test]
fn hours_and_quarters_of_an_hour_go_by_elapsed_time_through_the_whole_year() {
    for (cron, zone, step) in [
        ("0 * * * *", "Europe/Berlin", HOUR),
        ("*/15 * * * *", "America/New_York", 15 * MINUTE),
    ] {
        let schedule = Schedule {
            cron: Cron::parse(cron).unwrap(),
            time_zone: Zone::parse(zone).unwrap(),
            missed: Missed::Skip,
        };
        let mut time = day(0);
        while time < day(365) {
            let next = next(&schedule, Timestamp(time)).unwrap();
            assert_eq!(next, Timestamp(time + step), "{cron} in {zone}");
            time = next.0;
        }
    }
}

/// Passes the times in lives of a month or less, each of which begins somewhere between two times, or just at one.
async fn restarts(bench: &Bench, mut process: Process, times: &[i64]) -> Process {
    for (nth, part) in times.chunks(150).enumerate() {
        pass(bench, &process, part).await;
        let Some(last) = part.last() else { continue };
        // The next is not missed: another process is there in time.
        let off = [10 * MINUTE, 59_000, 34_500][nth % 3];
        process = restarted(bench, process, Timestamp(last + off));
    }
    process
}
