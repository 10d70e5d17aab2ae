//! Deployments that somebody else executed and only told longshore of.

use super::daemon::{Answer, Daemon};
use super::{
    CANCEL, GET, LIST, LOGS, assert_exit, assert_says, deployment, line, ok, refusal, run, stderr,
    stdout, success,
};
use serde_json::{Value, json};

const EVENTS: &str = "GET /v1/events";

fn recorded(with: Value) -> Value {
    let mut document = deployment(json!({
        "recorded": true, "status": "success", "created_by": "ci", "completed_at": "2025-03-14T10:33:00Z",
    }));
    let with = with.as_object().unwrap().clone();
    document.as_object_mut().unwrap().extend(with);
    document
}

fn page(items: &[Value]) -> Answer {
    let meta = json!({"total": items.len(), "limit": 100, "offset": 0});
    ok(json!({"data": items, "meta": meta}))
}

#[tokio::test]
async fn a_list_marks_what_others_executed() {
    let told_at_its_end = recorded(json!({
        "id": "dep_aaaa11", "status": "failed", "branch": "v1.0", "tag": true,
        "completed_at": "2025-03-14T10:32:00Z",
    }));
    let daemon = Daemon::start(&[(
        LIST,
        &[page(&[recorded(json!({})), told_at_its_end, success()])],
    )]);
    let output = run(&daemon, &["ls"]).await;
    assert_exit(&output, 0);
    assert_eq!(
        stdout(&output),
        "ID          STATUS              APP  ENVIRONMENT  VERSION       RELEASE    CREATED               TOOK\n\
         dep_9x2m4p  success (recorded)  web  production   main@a1b2c3d             2025-03-14T10:32:00Z  1m 00s\n\
         dep_aaaa11  failed (recorded)   web  production   v1.0@a1b2c3d             2025-03-14T10:32:00Z\n\
         dep_9x2m4p  success             web  production   main@a1b2c3d  12 (live)  2025-03-14T10:32:00Z  42s\n"
    );
    let output = run(&daemon, &["ls", "--json"]).await;
    let listed: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(listed["data"][0]["recorded"], true);
}

#[tokio::test]
async fn what_others_executed_is_shown_with_who_told_of_it_and_that_longshore_did_not_run_it() {
    let tagged = recorded(json!({"branch": "v1.0", "tag": true, "deploy_url": null}));
    let daemon = Daemon::start(&[(GET, &[ok(tagged.clone())])]);
    let output = run(&daemon, &["show", "dep_9x2m4p"]).await;
    assert_exit(&output, 0);
    assert_eq!(
        stdout(&output),
        "dep_9x2m4p success, recorded\n  app          web\n  environment  production\n  tag          v1.0\n  \
         commit       a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6a1b2\n  reported     2025-03-14T10:32:00Z, by ci\n  \
         executed     elsewhere; longshore was only told of it and has no log\n  ended        2025-03-14T10:33:00Z\n"
    );
    let output = run(&daemon, &["show", "dep_9x2m4p", "--json"]).await;
    let shown: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(shown, tagged);
}

#[tokio::test]
async fn its_log_and_its_end_are_refused_with_the_reason() {
    let refused = || {
        let said = "The deployment was recorded here and executed elsewhere";
        Answer::Json(409, refusal("deployment_recorded", said))
    };
    let daemon = Daemon::start(&[
        (GET, &[ok(recorded(json!({})))]),
        (LOGS, &[refused()]),
        (CANCEL, &[refused()]),
    ]);
    for arguments in [
        &["logs", "dep_9x2m4p"][..],
        &["logs", "dep_9x2m4p", "-f"],
        &["cancel", "dep_9x2m4p"],
    ] {
        let output = run(&daemon, arguments).await;
        assert_exit(&output, 5);
        assert_says(stderr(&output), "executed elsewhere (deployment_recorded)");
        let next = "next: `longshore explain deployment_recorded` says more";
        assert_says(stderr(&output), next);
    }
    let output = run(&daemon, &["explain", "deployment_recorded"]).await;
    assert_says(stdout(&output), "longshore ran nothing");
}

#[tokio::test]
async fn the_log_of_an_apps_newest_deployment_is_of_the_newest_that_has_one() {
    let newer = recorded(json!({"id": "dep_aaaa11"}));
    let log = Answer::Log(line("build", "stdout", "made"), true);
    let daemon = Daemon::start(&[
        (LIST, &[page(&[newer.clone(), success()]), page(&[newer])]),
        (LOGS, &[log]),
    ]);
    let output = run(&daemon, &["logs", "web", "--deployment"]).await;
    assert_exit(&output, 0);
    assert_says(stdout(&output), "made");
    let output = run(&daemon, &["logs", "web", "--deployment"]).await;
    assert_exit(&output, 5);
    let said = "the newest deployments of 'web' (1 was looked at) were executed elsewhere";
    assert_says(stderr(&output), said);
}

#[tokio::test]
async fn what_others_say_is_under_way_is_not_counted_as_longshores_work() {
    let described = json!({"info": {"version": env!("CARGO_PKG_VERSION")}});
    let running = [
        recorded(json!({"status": "deploying"})),
        deployment(json!({"status": "deploying"})),
    ];
    let daemon = Daemon::start(&[
        ("GET /healthz", &[ok(json!({"status": "ok"}))]),
        ("GET /v1/openapi.json", &[ok(described)]),
        (LIST, &[page(&[]), page(&[]), page(&running)]),
    ]);
    let output = run(&daemon, &["status"]).await;
    assert_exit(&output, 0);
    assert_says(stdout(&output), "deployments  1 under way, 0 waiting\n");
}

#[tokio::test]
async fn events_tell_what_was_only_reported() {
    let event = |id: u32, status: &str, phase: &str| {
        json!({"id": id, "type": "deployment", "kind": "deploy", "status": status, "phase": phase,
               "at": "2025-03-14T10:32:00.000Z", "app": "web", "environment": "review/a b",
               "deployment": "dep_9x2m4p", "operation": null})
    };
    let events = [
        event(1, "deploying", "recorded_running"),
        event(2, "success", "recorded_success"),
    ];
    let latest = ok(json!({"data": [], "meta": {"next": 2}}));
    let all = ok(json!({"data": events, "meta": {"next": 2}}));
    let daemon = Daemon::start(&[(EVENTS, &[latest, all])]);
    let output = run(&daemon, &["events"]).await;
    assert_exit(&output, 0);
    assert_eq!(
        stdout(&output),
        "2025-03-14T10:32:00.000Z  web/review/a b  dep_9x2m4p  deploying (recorded)\n\
         2025-03-14T10:32:00.000Z  web/review/a b  dep_9x2m4p  success (recorded)\n"
    );
}
