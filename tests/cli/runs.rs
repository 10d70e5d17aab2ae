//! Jobs: a run that is watched to its end, the history, a run's log, cancelling, and when a schedule comes next.

use super::daemon::{Answer, Daemon};
use super::{
    GET, LIST, apps, assert_exit, assert_says, line, ok, refusal, run, stderr, stdout, success,
};
use serde_json::{Value, json};

const RUN: &str = "POST /v1/apps/report/runs";
const RUNS: &str = "GET /v1/apps/report/runs";
const SHOW: &str = "GET /v1/runs/run_7c1k9a";
const LOG: &str = "GET /v1/runs/run_7c1k9a/logs";
const CANCEL: &str = "POST /v1/runs/run_7c1k9a/cancel";
const APP: &str = "GET /v1/apps/report";

fn a_run(with: Value) -> Value {
    let mut run = json!({
        "id": "run_7c1k9a", "number": 7, "status": "running", "app": "report", "environment": "production", "event": "cron",
        "cause": "hand", "created_by": "ann", "created_at": "2025-03-14T10:32:00Z", "started_at": "2025-03-14T10:32:00Z",
        "completed_at": null, "exit_status": null, "attempts": 1, "error": null, "cancelled": null, "due_at": null,
        "deployment": null, "operation": null,
    });
    let with = with.as_object().unwrap().clone();
    run.as_object_mut().unwrap().extend(with);
    run
}

fn ended(status: &str, with: Value) -> Value {
    let mut run = a_run(json!({ "status": status, "completed_at": "2025-03-14T10:32:42Z" }));
    let with = with.as_object().unwrap().clone();
    run.as_object_mut().unwrap().extend(with);
    run
}

fn failed() -> Value {
    ended(
        "failed",
        json!({"exit_status": 3, "error": {
            "code": "job_failed", "message": "the command ended with status 3", "output": ["no space"], "next": "free some",
        }}),
    )
}

/// The app with its schedule.
fn report() -> Value {
    json!({"name": "report", "project": "images/report", "configured": true, "environments": [
        {"name": "production", "desired": "running", "configured": true, "kind": "job", "live_release": 2,
         "next_run": "2999-03-15T03:00:00Z", "version": "report:1"},
        {"name": "staging", "desired": "stopped", "configured": true, "kind": "job", "next_run": null},
    ]})
}

#[tokio::test]
async fn a_run_is_followed_to_its_end_and_its_end_is_the_exit_status() {
    for (end, status, says) in [
        (
            ended("succeeded", json!({ "exit_status": 0 })),
            0,
            "success: run 7 of report ended with status 0 after 42s",
        ),
        (
            failed(),
            1,
            "failed: run 7 of report after 42s\n  the command ended with status 3 (job_failed)\n  | no space\n  \
             next: free some\n  whole log: longshore logs run_7c1k9a",
        ),
        (
            ended("cancelled", json!({ "cancelled": "run" })),
            3,
            "cancelled: run 7 of report: a newer run took its place after 42s",
        ),
    ] {
        let daemon = Daemon::start(&[
            (RUN, &[Answer::Json(201, a_run(json!({})))]),
            (
                LOG,
                &[
                    Answer::Log(line("run", "stdout", "adding up"), false),
                    Answer::Log(line("run", "agent", "ended"), true),
                ],
            ),
            (SHOW, &[ok(a_run(json!({}))), ok(end)]),
        ]);
        let output = run(&daemon, &["run", "report"]).await;
        assert_exit(&output, status);
        let out = stdout(&output);
        assert_says(out, "run_7c1k9a: run 7 of report in production\n");
        assert_says(out, "run      | adding up\n");
        assert_says(if status == 0 { out } else { stderr(&output) }, says);
        let asked = daemon.asked();
        assert_eq!(asked[0].body, json!({}));
        assert!(asked[0].headers.contains_key("idempotency-key"));
    }
}

#[tokio::test]
async fn a_run_can_be_asked_for_by_event_and_left_alone_and_refused() {
    let daemon = Daemon::start(&[(RUN, &[Answer::Json(201, a_run(json!({})))])]);
    let arguments = [
        "run",
        "report",
        "--environment",
        "staging",
        "--event",
        "stop",
        "--detach",
    ];
    let output = run(&daemon, &arguments).await;
    assert_exit(&output, 0);
    assert_eq!(stdout(&output), "run_7c1k9a\n");
    let body = json!({ "environment": "staging", "event": "stop" });
    assert_eq!(daemon.asked()[0].body, body);
    let output = run(&daemon, &["run", "report", "--detach", "--json"]).await;
    let document: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(document, a_run(json!({})));

    let said = refusal("run_at_work", "run 6 is at work");
    let daemon = Daemon::start(&[(RUN, &[Answer::Json(409, said)])]);
    let output = run(&daemon, &["run", "report"]).await;
    assert_exit(&output, 5);
    assert_says(stderr(&output), "run 6 is at work");
    let output = run(&daemon, &["run", "report", "--event", "noon"]).await;
    assert_exit(&output, 2);
}

#[tokio::test]
async fn with_json_a_watched_run_is_the_document_of_its_end() {
    let daemon = Daemon::start(&[
        (RUN, &[Answer::Json(201, a_run(json!({})))]),
        (
            LOG,
            &[Answer::Log(line("run", "stdout", "adding up"), true)],
        ),
        (SHOW, &[ok(failed())]),
    ]);
    let output = run(&daemon, &["run", "report", "--json"]).await;
    assert_exit(&output, 1);
    let document: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(document, failed());
    assert_says(stderr(&output), "adding up");
}

#[tokio::test]
async fn the_history_is_listed_with_what_each_run_was_for_and_how_it_ended() {
    let page = json!({"data": [
        a_run(json!({})),
        ended("failed", json!({"id": "run_b", "number": 6, "cause": "schedule", "exit_status": 3})),
        ended("skipped", json!({"id": "run_c", "number": 5, "cause": "schedule", "started_at": null})),
        ended("succeeded", json!({"id": "run_d", "number": 4, "cause": "deployment", "event": "start", "exit_status": 0})),
    ], "meta": {"total": 9, "limit": 4, "offset": 0}});
    let daemon = Daemon::start(&[(RUNS, &[ok(page.clone())]), (APP, &[ok(report())])]);
    let output = run(&daemon, &["runs", "report", "-n", "4"]).await;
    assert_exit(&output, 0);
    assert_eq!(
        stdout(&output),
        "NUMBER  EVENT  CAUSE       STATE      EXIT  WHEN                  TOOK  ID\n\
         7       cron   hand        running          2025-03-14T10:32:00Z        run_7c1k9a\n\
         6       cron   schedule    failed     3     2025-03-14T10:32:00Z  42s   run_b\n\
         5       cron   schedule    skipped          2025-03-14T10:32:00Z        run_c\n\
         4       start  deployment  succeeded  0     2025-03-14T10:32:00Z  42s   run_d\n"
    );
    assert_says(stderr(&output), "4 of 9; more with -n\n");
    assert_says(
        stderr(&output),
        "next run in production: 2999-03-15T03:00:00Z\n",
    );
    assert_eq!(
        daemon.lines()[0],
        "GET /v1/apps/report/runs?limit=4&offset=0"
    );
    let output = run(&daemon, &["runs", "report", "--json"]).await;
    assert_eq!(
        serde_json::from_str::<Value>(stdout(&output)).unwrap(),
        page
    );

    let none = json!({"data": [], "meta": {"total": 0, "limit": 20, "offset": 0}});
    let daemon = Daemon::start(&[(RUNS, &[ok(none)]), (APP, &[ok(report())])]);
    let output = run(&daemon, &["runs", "report", "--environment", "staging"]).await;
    assert_exit(&output, 0);
    assert_eq!((stdout(&output), stderr(&output)), ("", "no runs yet\n"));
}

#[tokio::test]
async fn a_run_is_found_by_its_number_to_be_read_and_to_be_cancelled() {
    let older =
        json!({"data": [a_run(json!({}))], "meta": {"total": 101, "limit": 100, "offset": 100}});
    let newer = json!({"data": [a_run(json!({"id": "run_z", "number": 107}))], "meta": {"total": 101, "limit": 100, "offset": 0}});
    let script: &[(&'static str, &[Answer])] = &[
        (RUNS, &[ok(newer.clone()), ok(older.clone())]),
        (
            LOG,
            &[Answer::Log(line("run", "stdout", "adding up"), true)],
        ),
    ];
    let daemon = Daemon::start(script);
    let output = run(&daemon, &["logs", "report", "--run", "7"]).await;
    assert_exit(&output, 0);
    assert_says(stdout(&output), "adding up");
    assert_eq!(
        daemon.lines()[1],
        "GET /v1/apps/report/runs?limit=100&offset=100"
    );
    let output = run(&daemon, &["logs", "run_7c1k9a"]).await;
    assert_says(stdout(&output), "adding up");

    let cancelled = ended("cancelled", json!({ "cancelled": "hand" }));
    let daemon = Daemon::start(&[
        (RUNS, &[ok(older.clone())]),
        (CANCEL, &[ok(cancelled.clone())]),
    ]);
    for arguments in [
        &[
            "cancel",
            "report",
            "--run",
            "7",
            "--environment",
            "production",
        ][..],
        &["cancel", "run_7c1k9a"],
    ] {
        let output = run(&daemon, arguments).await;
        assert_exit(&output, 0);
        assert_eq!(stdout(&output), "run 7 of report is cancelled\n");
    }
    let output = run(&daemon, &["cancel", "run_7c1k9a", "--json"]).await;
    assert_eq!(
        serde_json::from_str::<Value>(stdout(&output)).unwrap(),
        cancelled
    );

    let last = json!({"data": [a_run(json!({"number": 2}))], "meta": {"total": 1, "limit": 100, "offset": 0}});
    let daemon = Daemon::start(&[(RUNS, &[ok(last)])]);
    let output = run(&daemon, &["logs", "report", "--run", "3"]).await;
    assert_exit(&output, 5);
    assert_says(
        stderr(&output),
        "'report' has no run 3, or no longer; `longshore runs report` lists them",
    );
    for nonsense in [
        &["logs", "report", "--run", "3", "--deployment"][..],
        &["logs", "report", "--run", "3", "--grep", "x"],
        &["cancel", "report", "--environment", "staging"],
    ] {
        assert_exit(&run(&daemon, nonsense).await, 2);
    }
}

#[tokio::test]
async fn a_run_is_shown_in_lines_and_a_live_deployment_tells_when_its_schedule_comes_next() {
    let daemon = Daemon::start(&[(
        SHOW,
        &[ok(ended(
            "failed",
            json!({"cause": "schedule", "created_by": "schedule", "due_at": "2025-03-14T10:32:00Z", "exit_status": 3, "attempts": 2,
               "error": {"code": "job_failed", "message": "it ended with status 3", "output": [], "next": ""}}),
        ))],
    )]);
    let output = run(&daemon, &["show", "run_7c1k9a"]).await;
    assert_exit(&output, 0);
    assert_eq!(
        stdout(&output),
        "run_7c1k9a failed\n  job          report\n  environment  production\n  number       7\n  event        cron\n  \
         cause        schedule, by schedule\n  due          2025-03-14T10:32:00Z\n  created      2025-03-14T10:32:00Z\n  \
         began        2025-03-14T10:32:00Z\n  ended        2025-03-14T10:32:42Z\n  took         42s\n  attempts     2\n  \
         exit status  3\n  it ended with status 3 (job_failed)\n"
    );
    let mut live = success();
    live["app"] = "report".into();
    let daemon = Daemon::start(&[(GET, &[ok(live)]), (APP, &[ok(report())])]);
    let output = run(&daemon, &["show", "dep_9x2m4p"]).await;
    assert_exit(&output, 0);
    assert_says(stdout(&output), "  next run     2999-03-15T03:00:00Z\n");
}

#[tokio::test]
async fn apps_and_the_daemons_status_tell_when_a_schedule_comes_next() {
    let all = json!({"data": [report()]});
    let empty = json!({"data": [], "meta": {"total": 0, "limit": 100, "offset": 0}});
    let daemon = Daemon::start(&[
        ("GET /v1/apps", &[ok(all)]),
        (APP, &[ok(report())]),
        ("GET /healthz", &[ok(json!({"status": "ok"}))]),
        (LIST, &[ok(empty)]),
    ]);
    let output = run(&daemon, &["apps"]).await;
    assert_says(
        stdout(&output),
        "next run of report in production: 2999-03-15T03:00:00Z\n",
    );
    let output = run(&daemon, &["app", "show", "report"]).await;
    assert_says(stdout(&output), "    kind         job\n");
    assert_says(stdout(&output), "    next run     2999-03-15T03:00:00Z\n");
    let output = run(&daemon, &["status"]).await;
    assert_says(
        stdout(&output),
        "  schedules    next run of report in production: 2999-03-15T03:00:00Z\n",
    );
    let output = run(&daemon, &["status", "--json"]).await;
    let document: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(
        document["next_run"],
        json!({"app": "report", "environment": "production", "at": "2999-03-15T03:00:00Z"})
    );
    // Without a schedule nothing is said of any.
    let daemon = Daemon::start(&[("GET /v1/apps", &[ok(apps())])]);
    let output = run(&daemon, &["apps"]).await;
    assert!(!stdout(&output).contains("next run"), "{}", stdout(&output));
}
