//! Times that were missed, and clocks that are set.

use crate::stage::*;
use longshore::core::job::Missed;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn what_was_missed_is_left_out_or_run_once_as_the_schedule_says() {
    for (missed, expected) in [
        (Missed::Skip, &["05-01T11:00", "05-01T17:00"][..]),
        (Missed::Once, &["05-01T11:00", "05-01T16:00", "05-01T17:00"]),
    ] {
        let (bench, process) = installed("0 * * * *", missed, "05-01T10:30").await;
        until(&process, "05-01T11:20").await;
        let process = restarted(&bench, process, at("05-01T16:10"));
        until(&process, "05-01T16:50").await;
        // A second start finds nothing that is left.
        let process = restarted(&bench, process, at("05-01T16:51"));
        until(&process, "05-01T17:01").await;
        assert_eq!(times(&process, "report").await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_within_a_minute_of_a_time_is_in_time_for_it() {
    let (bench, process) = installed("0 * * * *", Missed::Skip, "05-01T10:30").await;
    // Three before it were missed, too.
    let process = restarted(&bench, process, at("05-01T14:00:59"));
    process.drive_for(Duration::from_secs(5)).await;
    assert_eq!(times(&process, "report").await, ["05-01T14:00"]);
    let process = restarted(&bench, process, at("05-01T15:01:01"));
    process.drive_for(Duration::from_secs(5)).await;
    assert_eq!(times(&process, "report").await, ["05-01T14:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_forward_has_missed_what_lies_between() {
    for (missed, expected) in [
        (Missed::Skip, &["05-01T11:00", "05-01T21:00"][..]),
        (Missed::Once, &["05-01T11:00", "05-01T20:00", "05-01T21:00"]),
    ] {
        let (bench, process) = installed("0 * * * *", missed, "05-01T10:30").await;
        let setting = async {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            set_clock(&bench, &process, at("05-01T20:30"));
            tokio::time::sleep(Duration::from_secs(3600)).await;
        };
        process.agent.drive(setting).await.unwrap();
        assert_eq!(times(&process, "report").await, expected);
    }
    // Just past a time, it is noticed soon enough for that to be due.
    let (bench, process) = installed("0 * * * *", Missed::Skip, "05-01T10:30").await;
    let setting = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        set_clock(&bench, &process, at("05-01T10:59:59"));
        tokio::time::sleep(Duration::from_secs(60)).await;
    };
    process.agent.drive(setting).await.unwrap();
    assert_eq!(times(&process, "report").await, ["05-01T11:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_runs_no_time_twice() {
    let (bench, process) = installed("0 * * * *", Missed::Once, "05-01T10:30").await;
    until(&process, "05-01T13:10").await;
    assert_eq!(next_run(&process).await.as_deref(), Some("05-01T14:00"));
    set_clock(&bench, &process, at("05-01T11:50"));
    assert_eq!(next_run(&process).await.as_deref(), Some("05-01T14:00"));
    until(&process, "05-01T12:30").await;
    // Nor does a start in between.
    let process = restarted(&bench, process, at("05-01T12:50"));
    until(&process, "05-01T14:10").await;
    let all = ["05-01T11:00", "05-01T12:00", "05-01T13:00", "05-01T14:00"];
    assert_eq!(times(&process, "report").await, all);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_wrong_by_days_goes_on_from_what_it_is_now() {
    let (bench, process) = installed("0 * * * *", Missed::Once, "05-09T10:30").await;
    until(&process, "05-09T12:10").await;
    set_clock(&bench, &process, at("05-01T11:50"));
    assert_eq!(next_run(&process).await.as_deref(), Some("05-01T12:00"));
    until(&process, "05-01T13:10").await;
    let all = ["05-09T11:00", "05-09T12:00", "05-01T12:00", "05-01T13:00"];
    assert_eq!(times(&process, "report").await, all);
    // The times it had shown come, and are run: nothing of them was.
    set_clock(&bench, &process, at("05-09T10:59"));
    until(&process, "05-09T11:01").await;
    let last = times(&process, "report").await.pop();
    assert_eq!(last.as_deref(), Some("05-09T11:00"));
}
