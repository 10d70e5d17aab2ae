//! What the API has beyond git.dev's: tokens, plans, events, removal, one app, the daemon's health.

use super::daemon::{Answer, Daemon};
use super::{
    APPS, GET, LIST, apps, assert_exit, assert_says, longshore, ok, read_until, refusal, run,
    start, stderr, stdout, success,
};
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};

const TOKENS: &str = "GET /v1/tokens";
const EVENTS: &str = "GET /v1/events";
const PLAN: &str = "POST /v1/apps/web/plan";

fn token(with: Value) -> Value {
    let mut token = json!({
        "id": "user_aaaa1111", "name": "ci", "scope": "deploy:write", "app": "web", "environment": null,
        "plan": "starter", "rate": 60, "burst": 100, "created_at": "2025-03-14T10:32:00Z", "created_by": "ann",
        "expires_at": null, "last_used_at": "2025-03-14T11:00:00Z", "revoked_at": null,
    });
    let with = with.as_object().unwrap().clone();
    token.as_object_mut().unwrap().extend(with);
    token
}

#[tokio::test]
async fn tokens_are_listed_with_their_reach_rate_use_and_end() {
    let list = json!({"data": [
        token(json!({})),
        token(json!({"id": "user_b", "name": "board", "app": null, "plan": "custom", "rate": 30,
            "last_used_at": null, "expires_at": "2999-01-31T00:00:00Z"})),
        token(json!({"id": "user_c", "name": "old", "environment": "staging", "plan": "enterprise", "rate": null,
            "revoked_at": "2025-03-15T00:00:00Z"})),
        token(json!({"id": "user_d", "name": "past", "expires_at": "2025-03-15T00:00:00Z"})),
    ]});
    let daemon = Daemon::start(&[(TOKENS, &[ok(list.clone())])]);
    let output = run(&daemon, &["token", "ls"]).await;
    assert_exit(&output, 0);
    assert_eq!(
        stdout(&output),
        "ID             NAME   SCOPE         FOR             RATE        USED                  ENDS                          BY\n\
         user_aaaa1111  ci     deploy:write  web             starter     2025-03-14T11:00:00Z  never                         ann\n\
         user_b         board  deploy:write  all apps        30/min      never                 2999-01-31T00:00:00Z          ann\n\
         user_c         old    deploy:write  staging of web  enterprise  2025-03-14T11:00:00Z  revoked 2025-03-15T00:00:00Z  ann\n\
         user_d         past   deploy:write  web             starter     2025-03-14T11:00:00Z  expired 2025-03-15T00:00:00Z  ann\n"
    );
    let output = run(&daemon, &["token", "ls", "--all", "--json"]).await;
    assert_eq!(
        serde_json::from_str::<Value>(stdout(&output)).unwrap(),
        list
    );
    assert_eq!(
        daemon.lines(),
        ["GET /v1/tokens", "GET /v1/tokens?all=true"]
    );
}

#[tokio::test]
async fn a_token_is_revoked_by_its_name_or_id_and_never_a_wrong_one() {
    let twice = token(json!({"id": "user_c", "name": "board"}));
    let list =
        json!({"data": [token(json!({})), token(json!({"id": "user_b", "name": "board"})), twice]});
    let daemon = Daemon::start(&[
        (TOKENS, &[ok(list)]),
        ("DELETE /v1/tokens/user_aaaa1111", &[Answer::Raw(204, "")]),
        ("DELETE /v1/tokens/user_b", &[Answer::Raw(204, "")]),
    ]);
    for named in ["ci", "user_aaaa1111"] {
        let output = run(&daemon, &["token", "revoke", named]).await;
        assert_exit(&output, 0);
        assert_eq!(stdout(&output), "token ci is revoked\n");
    }
    let output = run(&daemon, &["token", "revoke", "user_b", "--json"]).await;
    assert_eq!(
        serde_json::from_str::<Value>(stdout(&output)).unwrap(),
        json!({"id": "user_b", "name": "board", "revoked": true})
    );
    let before = daemon.asked().len();
    let output = run(&daemon, &["token", "revoke", "board"]).await;
    assert_exit(&output, 2);
    assert_says(
        stderr(&output),
        "2 tokens are named 'board'; name one by its id: user_b, user_c",
    );
    let output = run(&daemon, &["token", "revoke", "baord"]).await;
    assert_exit(&output, 5);
    assert_says(stderr(&output), "did you mean board?");
    assert_eq!(
        daemon.asked().len(),
        before + 2,
        "only the list was asked for"
    );
}

#[tokio::test]
async fn a_tokens_rate_and_end_are_asked_for_as_they_were_typed() {
    let made = token(json!({"token": "lsh_secret"}));
    let daemon = Daemon::start(&[("POST /v1/tokens", &[Answer::Json(201, made)])]);
    for arguments in [
        &["--plan", "pro", "--expires", "2999-01-31"][..],
        &["--rate", "30", "--burst", "5"],
        &["--rate", "30"],
    ] {
        let output = longshore(&["token", "create", "ci", "--scope", "read"])
            .args(arguments)
            .env("LONGSHORE_SOCKET", daemon.socket())
            .output()
            .await
            .unwrap();
        assert_exit(&output, 0);
        assert_eq!(stdout(&output), "lsh_secret\n");
    }
    let asked = daemon.asked();
    assert!(
        asked
            .iter()
            .all(|asked| asked.headers.contains_key("idempotency-key"))
    );
    let bodies: Vec<Value> = asked.into_iter().map(|asked| asked.body).collect();
    let read = "deploy:read";
    assert_eq!(
        bodies,
        [
            json!({"name": "ci", "scope": read, "plan": "pro", "expires_at": "2999-01-31T00:00:00Z"}),
            json!({"name": "ci", "scope": read, "rate": 30, "burst": 5}),
            json!({"name": "ci", "scope": read, "rate": 30, "burst": 30}),
        ]
    );
}

#[tokio::test]
async fn a_deployment_is_removed_only_where_it_is_meant() {
    let active = refusal("deployment_active", "The deployment's release is live");
    let daemon = Daemon::start(&[
        (GET, &[ok(success())]),
        (
            "DELETE /v1/deployments/dep_9x2m4p",
            &[
                Answer::Raw(204, ""),
                Answer::Raw(204, ""),
                Answer::Json(409, active),
            ],
        ),
    ]);
    let output = run(&daemon, &["rm", "dep_9x2m4p"]).await;
    assert_exit(&output, 2);
    assert_says(
        stderr(&output),
        "Remove dep_9x2m4p (production of web, success)?",
    );
    assert_says(stderr(&output), "--yes");
    assert_eq!(daemon.lines(), [GET], "nothing was removed");
    let output = run(&daemon, &["rm", "dep_9x2m4p", "--yes"]).await;
    assert_exit(&output, 0);
    assert_eq!(stdout(&output), "dep_9x2m4p is removed\n");
    let output = run(&daemon, &["rm", "dep_9x2m4p", "-y", "--force", "--json"]).await;
    assert_eq!(
        stdout(&output),
        "{\"id\":\"dep_9x2m4p\",\"removed\":true}\n"
    );
    assert_eq!(
        daemon.lines().last().unwrap(),
        "DELETE /v1/deployments/dep_9x2m4p?force=true"
    );
    let output = run(&daemon, &["rm", "dep_9x2m4p", "--yes"]).await;
    assert_exit(&output, 5);
    assert_says(
        stderr(&output),
        "`longshore explain deployment_active` says more",
    );
}

#[tokio::test]
async fn where_an_app_is_reached_and_how_it_takes_over_is_shown() {
    let mut listed = apps();
    let environments = &mut listed["data"][0]["environments"];
    environments[0]["domains"] = json!(["web.example.com", "*.example.com"]);
    environments[0]["strategy"] = json!("swap");
    environments[1]["domains"] = json!(["staging.example.com/\u{1b}[2J"]);
    environments[1]["strategy"] = Value::Null;
    let web = listed["data"][0].clone();
    let daemon = Daemon::start(&[(APPS, &[ok(listed)]), ("GET /v1/apps/web", &[ok(web)])]);
    let output = run(&daemon, &["apps"]).await;
    assert_exit(&output, 0);
    assert_says(stdout(&output), "web.example.com (+1)  acme/web");
    assert_says(stdout(&output), "staging.example.com/  ");
    let output = run(&daemon, &["app", "show", "web"]).await;
    assert_exit(&output, 0);
    assert_says(
        stdout(&output),
        "domains      web.example.com, *.example.com\n    \
         address      10.213.0.2:8080\n    strategy     swap\n",
    );
}

#[tokio::test]
async fn a_takeover_is_asked_for_and_told() {
    let taken = json!({"generation": 12, "replaced": "0d6c8b3e-5f0a-4f5e-9a57-3c1f0e9b7a21"});
    let away = refusal("unavailable", "the ingress cannot be reached");
    let answers = [
        ok(taken.clone()),
        ok(taken.clone()),
        Answer::Json(503, away),
    ];
    let daemon = Daemon::start(&[("POST /v1/takeover", &answers)]);
    let output = run(&daemon, &["takeover"]).await;
    assert_exit(&output, 2);
    assert_says(stderr(&output), "Nobody can be asked here: give --yes");
    assert!(daemon.lines().is_empty(), "nothing is done unasked");
    let output = run(&daemon, &["takeover", "--yes"]).await;
    assert_exit(&output, 0);
    assert_says(
        stdout(&output),
        "(routes of generation 12), and no longer those of 0d6c8b3e-5f0a-4f5e-9a57-3c1f0e9b7a21",
    );
    let output = run(&daemon, &["takeover", "--yes", "--json"]).await;
    assert_eq!(
        serde_json::from_str::<Value>(stdout(&output)).unwrap(),
        taken
    );
    let output = run(&daemon, &["takeover", "--yes", "--patience", "0s"]).await;
    assert_exit(&output, 4);
    assert_says(stderr(&output), "the ingress cannot be reached");
}

#[tokio::test]
async fn a_reload_tells_what_holds_now_and_what_waits_for_a_deployment() {
    let reloaded = json!({
        "file": "/c.toml", "added": [], "removed": [], "renamed": [], "settings": ["api.domains"],
        "needs_restart": [], "notes": [],
        "changed": [
            {"app": "web", "environment": "production", "what": "changed", "keys": ["domains", "port"]},
            {"app": "web", "environment": "staging", "what": "changed", "keys": ["domains"]},
        ],
    });
    let daemon = Daemon::start(&[("POST /v1/reload", &[ok(reloaded)])]);
    let output = run(&daemon, &["reload"]).await;
    assert_exit(&output, 0);
    assert_eq!(
        stdout(&output),
        "/c.toml is in force\n  production of web: domains changed and hold now; port changed: \
         `longshore deploy web --environment production` applies it\n  \
         staging of web: domains changed and hold now\n  in force now: api.domains\n"
    );
}

#[tokio::test]
async fn a_plan_tells_what_a_deployment_would_do_and_a_refusal_exits_5() {
    let plan = json!({
        "app": "web", "environment": "production", "steps": ["checkout", "build", "rollout"], "strategy": "recreate",
        "downtime": true, "why": "the old container stops first", "branch": "main",
        "commit_sha": "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6a1b2", "image": null, "release": null,
        "changes": ["env.LOG", "port"], "waits_for": 2, "would": "deploy", "refused": null,
    });
    let mut refused = plan.clone();
    refused["would"] = "refused".into();
    refused["refused"] = "the environment is suspended; activate it first".into();
    refused["domains"] = json!(["web.example.com", "example.com/docs"]);
    refused["instead"] = "the release has no port".into();
    let daemon = Daemon::start(&[(PLAN, &[ok(plan.clone()), ok(plan.clone()), ok(refused)])]);
    let output = run(
        &daemon,
        &[
            "deploy", "web", "--plan", "--branch", "main", "--env", "LOG=x",
        ],
    )
    .await;
    assert_exit(&output, 0);
    assert_eq!(
        stdout(&output),
        "production of web would be deployed; nothing was changed\n  \
         branch    main\n  commit    a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6a1b2\n  \
         steps     checkout, build, rollout\n  strategy  recreate\n  \
         downtime  yes: the old container stops first\n  changes   env.LOG, port\n  \
         queue     waits for 2 that are before it\n"
    );
    assert_eq!(
        daemon.asked()[0].body,
        json!({"project_id": "web", "from_config": false, "branch": "main", "env_vars": {"LOG": "x"}})
    );
    let output = run(&daemon, &["deploy", "web", "--plan", "--json"]).await;
    assert_eq!(
        serde_json::from_str::<Value>(stdout(&output)).unwrap(),
        plan
    );
    let output = run(&daemon, &["deploy", "web", "--plan"]).await;
    assert_exit(&output, 5);
    assert_says(
        stdout(&output),
        "would be refused; nothing was changed\n  refused   the environment is suspended",
    );
    assert_says(
        stdout(&output),
        "strategy  recreate, not the configured one, because the release has no port\n  \
         domains   web.example.com, example.com/docs\n",
    );
}

fn event(id: i64, status: &str, phase: &str) -> Value {
    json!({"id": id, "type": "deployment", "status": status, "phase": phase, "at": "2025-03-14T10:32:00Z",
        "app": "web", "environment": "production", "deployment": "dep_9x2m4p", "operation": null, "run": null,
        "kind": "deploy"})
}

fn sent(event: &Value) -> String {
    format!("id: {}\ndata: {event}\n\n", event["id"])
}

fn latest(next: i64) -> Answer {
    ok(json!({"data": [], "meta": {"next": next}}))
}

#[tokio::test]
async fn the_last_events_are_printed_page_by_page() {
    let stop = json!({"id": 1500, "type": "operation", "status": "done", "phase": "done", "at": "2025-03-14T10:33:00Z",
        "app": "web", "environment": "staging", "deployment": null, "operation": 7, "kind": "stop"});
    let pages = [
        latest(1600),
        ok(
            json!({"data": [event(700, "building", "checkout"), event(800, "success", "succeeded")], "meta": {"next": 1100}}),
        ),
        ok(json!({"data": [stop.clone()], "meta": {"next": 1600}})),
    ];
    let daemon = Daemon::start(&[(EVENTS, &pages)]);
    let output = run(&daemon, &["events", "--app", "web", "-n", "2"]).await;
    assert_exit(&output, 0);
    assert_eq!(
        stdout(&output),
        "2025-03-14T10:32:00Z  web/production  dep_9x2m4p  success\n\
         2025-03-14T10:33:00Z  web/staging  stop 7  done\n"
    );
    assert_eq!(
        daemon.lines(),
        ["latest", "600", "1100"]
            .map(|after| format!("GET /v1/events?after={after}&limit=1000&app=web"))
    );
    let daemon = Daemon::start(&[(EVENTS, &pages)]);
    let output = run(&daemon, &["events", "--after", "600", "-n", "1", "--json"]).await;
    assert_eq!(
        serde_json::from_str::<Value>(stdout(&output)).unwrap(),
        json!({"data": [event(700, "building", "checkout")], "meta": {"next": 700}})
    );
}

#[tokio::test]
async fn what_is_followed_can_begin_with_the_last_that_were() {
    let pages = [
        latest(1600),
        ok(
            json!({"data": [event(700, "queued", "queued"), event(800, "building", "build")], "meta": {"next": 1600}}),
        ),
        Answer::OpenEvents(sent(&event(1601, "success", "succeeded"))),
    ];
    let daemon = Daemon::start(&[(EVENTS, &pages)]);
    let mut child = start(&daemon, &["events", "-f", "-n", "1"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for expected in ["building (build)", "success"] {
        let line = lines.next_line().await.unwrap().unwrap();
        assert!(line.ends_with(expected), "{line}");
    }
    assert_eq!(daemon.lines()[2], "GET /v1/events?after=1600");
}

#[tokio::test]
async fn events_are_followed_past_a_restart_of_the_daemon_without_a_gap() {
    let (one, two, three) = (
        event(101, "building", "checkout"),
        event(102, "building", "build"),
        event(103, "failed", "failed"),
    );
    // The third is cut off in its middle: it counts as not sent.
    let first = format!(
        ": hello\n\n{}{}id: 103\ndata: {{\"id\":10",
        sent(&one),
        sent(&two)
    );
    let mut daemon = Daemon::start(&[(
        EVENTS,
        &[
            latest(100),
            Answer::OpenEvents(first),
            Answer::OpenEvents(sent(&three)),
        ],
    )]);
    let mut child = start(
        &daemon,
        &["events", "-f", "--json", "--environment", "production"],
    );
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    for expected in [&one, &two] {
        let line = lines.next_line().await.unwrap().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), *expected);
    }
    daemon.go_away().await;
    read_until(&mut errors, "the daemon is not answering; waiting…").await;
    daemon.come_back();
    read_until(&mut errors, "the daemon is back").await;
    let line = lines.next_line().await.unwrap().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), three);
    let followed: Vec<_> = daemon.asked().split_off(1);
    let from: Vec<&str> = followed
        .iter()
        .map(|asked| asked.headers["last-event-id"].to_str().unwrap())
        .collect();
    assert_eq!(from, ["100", "102"]);
    assert_eq!(
        followed[1].line,
        "GET /v1/events?after=102&environment=production"
    );
    assert_eq!(followed[1].headers["accept"], "text/event-stream");
}

#[tokio::test]
async fn a_daemon_that_sends_no_events_is_not_asked_for_ever() {
    let daemon = Daemon::start(&[(
        EVENTS,
        &[latest(100), ok(json!({"data": [], "meta": {"next": 1}}))],
    )]);
    let output = run(&daemon, &["events", "-f"]).await;
    assert_exit(&output, 4);
    assert_says(stderr(&output), "it sends no events");
    let refused = Answer::Json(
        403,
        refusal("insufficient_scope", "This needs the scope deploy:read"),
    );
    let daemon = Daemon::start(&[(EVENTS, &[latest(100), refused])]);
    let output = run(&daemon, &["events", "-f"]).await;
    assert_exit(&output, 5);
    assert_says(stderr(&output), "insufficient_scope");
}

#[tokio::test]
async fn the_daemons_health_is_told_with_its_reasons() {
    let page = json!({"data": [], "meta": {"total": 3, "limit": 1, "offset": 0}});
    let described = json!({"info": {"version": env!("CARGO_PKG_VERSION")}});
    let full = json!({"status": "unavailable", "reasons": [{"code": "disk_full", "message": "The disk is full"}]});
    let daemon = Daemon::start(&[
        (
            "GET /healthz",
            &[ok(json!({"status": "ok"})), Answer::Json(503, full)],
        ),
        ("GET /v1/openapi.json", &[ok(described)]),
        (LIST, &[ok(page)]),
    ]);
    let output = run(&daemon, &["status"]).await;
    assert_exit(&output, 0);
    let place = daemon.socket().display().to_string();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        stdout(&output),
        format!(
            "the daemon at {place}: ok\n  version      {version}\n  deployments  6 under way, 3 waiting\n"
        )
    );
    let output = run(&daemon, &["status"]).await;
    assert_exit(&output, 1);
    assert_says(
        stdout(&output),
        "unavailable\n  The disk is full (disk_full)\n",
    );
    assert_says(stdout(&output), "next: longshore explain disk_full");
    // Without the right to see deployments it is told all the same.
    let daemon = Daemon::start(&[("GET /healthz", &[ok(json!({"status": "ok"}))])]);
    let output = run(&daemon, &["status", "--json"]).await;
    assert_exit(&output, 0);
    assert_eq!(
        serde_json::from_str::<Value>(stdout(&output)).unwrap(),
        json!({"place": daemon.socket(), "client": version, "version": null, "status": "ok", "reasons": [],
               "queued": null, "running": null, "next_run": null})
    );
}

#[tokio::test]
async fn one_app_is_shown_with_its_environments_and_a_misspelt_one_is_guessed() {
    let mut web = apps()["data"][0].clone();
    web["environments"][0]["drift"] = json!(["port"]);
    let missing = Answer::Json(
        404,
        json!({"error": {"code": "project_not_found", "message": "There is no project 'wbe'", "details": {"id": "wbe"}}}),
    );
    let daemon = Daemon::start(&[
        ("GET /v1/apps/web", &[ok(web)]),
        ("GET /v1/apps/wbe", &[missing]),
        (APPS, &[ok(apps())]),
    ]);
    let output = run(&daemon, &["app", "show", "web"]).await;
    assert_exit(&output, 0);
    assert_eq!(
        stdout(&output),
        "web\n  project      acme/web\n  environment  production\n    state        running\n    release      12\n    \
         version      a1b2c3d\n    address      10.213.0.2:8080\n    drift        port\n  \
         environment  staging\n    state        stopped\n    release      none\n"
    );
    assert_says(
        stderr(&output),
        "`longshore deploy web --environment production` to apply",
    );
    let quiet = run(&daemon, &["app", "show", "web", "-q"]).await;
    assert_eq!((stdout(&quiet), stderr(&quiet)), (stdout(&output), ""));
    let output = run(&daemon, &["app", "show", "wbe"]).await;
    assert_exit(&output, 5);
    assert_eq!(
        stderr(&output),
        "error: There is no project 'wbe' (project_not_found)\nnext: did you mean web? `longshore apps` lists the apps there are\n"
    );
}

#[tokio::test]
async fn an_app_where_a_deployment_is_meant_and_the_other_way_round_is_told() {
    let missing = |code: &str, id: &str| {
        let error = json!({"code": code, "message": "There is none", "details": {"id": id}});
        Answer::Json(404, json!({ "error": error }))
    };
    let page = json!({"data": [], "meta": {"total": 0, "limit": 100, "offset": 0}});
    let daemon = Daemon::start(&[
        (
            "GET /v1/deployments/web",
            &[missing("deployment_not_found", "web")],
        ),
        (
            "POST /v1/apps/dep_9x2m4p/restart",
            &[missing("project_not_found", "dep_9x2m4p")],
        ),
        (LIST, &[ok(page)]),
        (APPS, &[ok(apps())]),
    ]);
    let output = run(&daemon, &["show", "web"]).await;
    assert_exit(&output, 5);
    assert_says(
        stderr(&output),
        "next: web is an app: `longshore ls --app web` lists its deployments; `longshore ls` lists",
    );
    let output = run(&daemon, &["restart", "dep_9x2m4p"]).await;
    assert_exit(&output, 5);
    assert_says(stderr(&output), "that is a deployment's id");
}

#[tokio::test]
async fn a_reader_that_has_enough_ends_what_follows_without_a_word() {
    let daemon = Daemon::start(&[(
        EVENTS,
        &[
            latest(100),
            Answer::OpenEvents(sent(&event(101, "queued", "queued"))),
        ],
    )]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = longshore(&["events", "-f"]);
    command
        .env("LONGSHORE_SOCKET", daemon.socket())
        .stdout(writer)
        .stderr(Stdio::piped());
    let output = command.spawn().unwrap().wait_with_output().await.unwrap();
    assert_exit(&output, 0);
    assert_eq!(stderr(&output), "");
}

const PRINTED: &str = "GET /v1/apps/web/logs";

fn printed(id: u64, message: &str) -> Value {
    json!({
        "container": "web-production-1-1", "id": id, "message": message, "process": "web", "release": 3,
        "severity": "warn", "stream": "stdout", "timestamp": "2025-03-14T10:32:00.045Z",
    })
}

#[tokio::test]
async fn an_apps_lines_are_asked_for_as_typed_and_printed() {
    let page = json!({"data": [printed(0, "[warn] one"), printed(90, "two \u{1b}[2J")], "meta": {"next": 180}});
    let daemon = Daemon::start(&[(PRINTED, &[ok(page.clone())])]);
    let output = run(&daemon, &["logs", "web"]).await;
    assert_exit(&output, 0);
    assert_eq!(
        stdout(&output),
        "2025-03-14T10:32:00.045Z 3 web stdout [warn] one\n2025-03-14T10:32:00.045Z 3 web stdout two \n"
    );
    let arguments = [
        "logs",
        "web",
        "--environment",
        "staging",
        "--since",
        "2025-03-14T10:00:00Z",
        "--until",
        "2025-03-14T11:00:00+01:00",
        "--severity",
        "warn",
        "--grep",
        "a b&c",
        "--process",
        "worker",
        "--release",
        "3",
        "-n",
        "20",
        "--json",
    ];
    let output = run(&daemon, &arguments).await;
    assert_exit(&output, 0);
    assert_eq!(
        serde_json::from_str::<Value>(stdout(&output)).unwrap(),
        page
    );
    assert_eq!(
        daemon.lines(),
        [
            "GET /v1/apps/web/logs?limit=100",
            "GET /v1/apps/web/logs?limit=20&environment=staging&since=2025-03-14T10%3A00%3A00%2E000Z&until=2025-03-14T10%3A00%3A00%2E000Z\
             &severity=warn&contains=a%20b%26c&process=worker&release=3",
        ]
    );
    let output = run(&daemon, &["logs", "web", "--since", "1h"]).await;
    assert_exit(&output, 0);
    assert_says(&daemon.lines()[2], "?limit=100&since=20");
    for (arguments, said) in [
        (
            &["logs", "web", "--since", "soon"][..],
            "--since 'soon' is no time",
        ),
        (
            &["logs", "web", "--severity", "loud"],
            "possible values: debug, info, warn, error",
        ),
        (&["logs", "web", "-n", "1001"], "1001 is not in 0..=1000"),
        (
            &["logs", "web", "--deployment", "--grep", "x"],
            "--grep is for what running containers print",
        ),
        (
            &["logs", "dep_9x2m4p", "--since", "1h"],
            "--since is for what running containers print",
        ),
    ] {
        let output = run(&daemon, arguments).await;
        assert_exit(&output, 2);
        assert_says(stderr(&output), said);
    }
    let nothing = json!({"data": [], "meta": {"next": 0}});
    let daemon = Daemon::start(&[(PRINTED, &[ok(nothing)])]);
    let output = run(&daemon, &["logs", "web"]).await;
    assert_exit(&output, 0);
    assert_says(stderr(&output), "no lines");
}

#[tokio::test]
async fn an_apps_lines_are_followed_past_a_restart_of_the_daemon_without_a_gap() {
    let event = |next: u64, line: &Value| format!("id: {next}\ndata: {line}\n\n");
    let (one, two, three) = (printed(0, "one"), printed(90, "two"), printed(180, "three"));
    let page = json!({"data": [one], "meta": {"next": 90}});
    let mut daemon = Daemon::start(&[(
        PRINTED,
        &[
            ok(page),
            Answer::OpenEvents(event(180, &two)),
            Answer::OpenEvents(event(270, &three)),
        ],
    )]);
    let mut child = start(&daemon, &["logs", "web", "-f", "-n", "1", "--grep", "t"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    for expected in ["one", "two"] {
        let line = lines.next_line().await.unwrap().unwrap();
        assert!(line.ends_with(expected), "{line}");
    }
    daemon.go_away().await;
    read_until(&mut errors, "the daemon is not answering; waiting…").await;
    daemon.come_back();
    let line = lines.next_line().await.unwrap().unwrap();
    assert!(line.ends_with("three"), "{line}");
    let asked = daemon.asked();
    let places: Vec<_> = asked[1..]
        .iter()
        .map(|asked| {
            (
                asked.line.as_str(),
                asked.headers["last-event-id"].to_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            ("GET /v1/apps/web/logs?from=90&contains=t", "90"),
            ("GET /v1/apps/web/logs?from=180&contains=t", "180"),
        ]
    );
}
