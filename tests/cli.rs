//! The command line as its users meet it: the real program against a scripted daemon on a real socket.
#![expect(clippy::disallowed_methods, reason = "these tests run the program")]
#![expect(
    clippy::unwrap_used,
    reason = "in what the tests share, a panic is a failed test too"
)]

#[path = "cli/daemon.rs"]
mod daemon;
#[path = "cli/documents.rs"]
mod documents;
#[path = "cli/native.rs"]
mod native;
#[path = "cli/recorded.rs"]
mod recorded;
#[path = "cli/remote.rs"]
mod remote;
#[path = "cli/runs.rs"]
mod runs;
#[path = "cli/terminal.rs"]
mod terminal;

use daemon::{Answer, Daemon};
use serde_json::{Value, json};
use std::process::{Output, Stdio};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

const CREATE: &str = "POST /v1/deployments";
const LIST: &str = "GET /v1/deployments";
const GET: &str = "GET /v1/deployments/dep_9x2m4p";
const LOGS: &str = "GET /v1/deployments/dep_9x2m4p/logs";
const CANCEL: &str = "POST /v1/deployments/dep_9x2m4p/cancel";
const APPS: &str = "GET /v1/apps";
const TOKENS: &str = "POST /v1/tokens";

/// The program, which knows nothing of this machine.
fn longshore(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
    command
        .env_clear()
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs the program with that daemon to its end.
async fn run(daemon: &Daemon, arguments: &[&str]) -> Output {
    longshore(arguments)
        .env("LONGSHORE_SOCKET", daemon.socket())
        .output()
        .await
        .unwrap()
}

fn start(daemon: &Daemon, arguments: &[&str]) -> Child {
    let mut command = longshore(arguments);
    command
        .env("LONGSHORE_SOCKET", daemon.socket())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[track_caller]
fn assert_exit(output: &Output, status: i32) {
    assert_eq!(
        output.status.code(),
        Some(status),
        "stdout: {}\nstderr: {}",
        stdout(output),
        stderr(output)
    );
}

#[track_caller]
fn assert_says(text: &str, part: &str) {
    assert!(text.contains(part), "'{part}' is not in: {text}");
}

/// A deployment's document: the usual one, with these keys in place of its own.
fn deployment(with: Value) -> Value {
    let mut document = json!({
        "id": "dep_9x2m4p", "status": "queued", "project_id": "proj_8f3k29", "branch": "main",
        "commit_sha": "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6a1b2", "build_duration": null,
        "deploy_url": "http://127.0.0.1:7470/v1/deployments/dep_9x2m4p",
        "logs_url": "http://127.0.0.1:7470/v1/deployments/dep_9x2m4p/logs",
        "created_at": "2025-03-14T10:32:00Z", "completed_at": null, "app": "web",
        "environment": "production", "image": null, "release": null, "live": false,
        "trigger": "manual", "created_by": "ann", "superseded": false, "commit": null, "steps": [],
        "error": null, "cancelled_by": null, "cancelled_at": null, "restore_failed": [],
    });
    document
        .as_object_mut()
        .unwrap()
        .extend(with.as_object().unwrap().clone());
    document
}

fn steps(build_ended: Option<&str>, rollout_ended: Option<&str>) -> Value {
    json!([
        {"name": "build", "started_at": "2025-03-14T10:32:00Z", "ended_at": build_ended},
        {"name": "rollout", "started_at": build_ended, "ended_at": rollout_ended},
    ])
}

fn success() -> Value {
    deployment(json!({
        "status": "success", "release": 12, "live": true, "completed_at": "2025-03-14T10:32:42Z",
        "steps": steps(Some("2025-03-14T10:32:30Z"), Some("2025-03-14T10:32:42Z")),
    }))
}

fn failure() -> Value {
    deployment(json!({
        "status": "failed", "completed_at": "2025-03-14T10:32:42Z",
        "steps": steps(Some("2025-03-14T10:32:30Z"), Some("2025-03-14T10:32:42Z")),
        "error": {
            "code": "container_exited", "message": "the container ended with status 1",
            "output": ["starting", "no DATABASE_URL"], "next": "set DATABASE_URL and deploy again",
        },
        "restore_failed": ["web-production-00000001"],
    }))
}

fn building() -> Value {
    deployment(json!({"status": "building", "steps": steps(None, None)}))
}

fn apps() -> Value {
    json!({"data": [
        {"name": "web", "id": "proj_8f3k29", "project": "acme/web", "configured": true, "environments": [
            {"name": "production", "desired": "running", "live_release": 12, "live_deployment": "dep_9x2m4p",
             "address": "10.213.0.2:8080", "version": "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6a1b2"},
            {"name": "staging", "desired": "stopped", "live_release": null, "live_deployment": null,
             "address": null, "version": null}]},
        {"name": "old", "id": "proj_2", "project": "acme/old", "configured": false, "environments": []},
    ]})
}

fn refusal(code: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message, "details": {}}})
}

fn line(step: &str, stream: &str, text: &str) -> String {
    format!("2025-03-14T10:32:00.045Z {step} {stream} {text}\n")
}

fn created() -> Answer {
    Answer::Json(201, deployment(json!({})))
}

fn ok(document: Value) -> Answer {
    Answer::Json(200, document)
}

/// Reads until a line contains that.
async fn read_until(lines: &mut Lines<BufReader<ChildStderr>>, part: &str) {
    loop {
        let line = lines.next_line().await.unwrap();
        if line
            .unwrap_or_else(|| panic!("it ended without '{part}'"))
            .contains(part)
        {
            return;
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------
// deploy

#[tokio::test]
async fn a_deployment_is_followed_to_its_success() {
    let daemon = Daemon::start(&[
        (CREATE, &[created()]),
        (
            LOGS,
            &[
                Answer::Log(
                    line("build", "agent", "building") + &line("build", "stdout", "#1 a  b"),
                    false,
                ),
                Answer::Log(String::new(), false),
                Answer::Log(line("rollout", "agent", "starting"), true),
            ],
        ),
        (GET, &[ok(building()), ok(building()), ok(success())]),
        (APPS, &[ok(apps())]),
    ]);
    let output = run(
        &daemon,
        &[
            "deploy",
            "web",
            "--environment",
            "production",
            "--branch",
            "main",
            "--commit",
            "a1b2c3d",
            "--env",
            "LOG=debug",
            "--env",
            "EMPTY=",
        ],
    )
    .await;
    assert_exit(&output, 0);
    assert_eq!(
        stdout(&output),
        "dep_9x2m4p: deployment of main@a1b2c3d to production of web\n\
         build    > building\nbuild    | #1 a  b\nbuild    done in 30s\n\
         rollout  > starting\nrollout  done in 12s\n\
         success: release 12 is live in production of web after 42s\n  10.213.0.2:8080\n"
    );
    assert_eq!(stderr(&output), "");
    let asked = &daemon.asked()[0];
    assert_eq!(
        asked.body,
        json!({"project_id": "web", "from_config": false, "environment": "production", "branch": "main",
               "commit_sha": "a1b2c3d", "env_vars": {"LOG": "debug", "EMPTY": ""}})
    );
    assert!(asked.headers.contains_key("idempotency-key"));
    assert!(asked.headers.contains_key("host"));
}

#[tokio::test]
async fn asked_to_be_quiet_a_deployment_tells_only_how_it_ended() {
    for (end, status) in [(success(), 0), (failure(), 1)] {
        let daemon = Daemon::start(&[
            (CREATE, &[created()]),
            (
                LOGS,
                &[Answer::Log(line("build", "agent", "building"), true)],
            ),
            (GET, &[Answer::HangUp, ok(end)]),
            (APPS, &[ok(apps())]),
        ]);
        let output = run(&daemon, &["deploy", "web", "-q"]).await;
        assert_exit(&output, status);
        if status == 0 {
            assert!(stdout(&output).starts_with("success: release 12 is live"));
            assert_eq!(stderr(&output), "");
        } else {
            assert_eq!(stdout(&output), "");
            assert!(stderr(&output).starts_with("failed: production of web"));
        }
    }
}

#[tokio::test]
async fn a_failed_deployment_exits_1_and_says_why_and_what_to_do() {
    let daemon = Daemon::start(&[
        (CREATE, &[created()]),
        (
            LOGS,
            &[Answer::Log(
                line("rollout", "stderr", "no DATABASE_URL"),
                true,
            )],
        ),
        (GET, &[ok(failure())]),
    ]);
    let output = run(&daemon, &["deploy", "web", "--image", "nginx:1.27"]).await;
    assert_exit(&output, 1);
    assert_says(stdout(&output), "rollout  failed after 12s\n");
    assert_eq!(
        stderr(&output),
        "failed: production of web after 42s\n  the container ended with status 1 (container_exited)\n  \
         | starting\n  | no DATABASE_URL\n  next: set DATABASE_URL and deploy again\n  \
         whole log: longshore logs dep_9x2m4p\n  could not be put back: web-production-00000001\n"
    );
    assert_eq!(
        daemon.asked()[0].body,
        json!({"project_id": "web", "from_config": false, "image": "nginx:1.27"})
    );
}

/// A script's variable that was never set names no deployment, and not all of them.
#[tokio::test]
async fn an_empty_id_is_refused_before_anybody_is_asked() {
    for command in ["show", "cancel", "rm"] {
        let daemon = Daemon::start(&[]);
        let output = run(&daemon, &[command, ""]).await;
        assert_exit(&output, 2);
        assert_says(stderr(&output), "a value is required for '<ID");
        assert!(daemon.asked().is_empty(), "{command}");
    }
}

#[tokio::test]
async fn cancelled_and_superseded_deployments_exit_3() {
    for (with, words) in [
        (
            json!({"status": "cancelled", "cancelled_by": "bob"}),
            "cancelled by bob",
        ),
        (
            json!({"status": "cancelled", "superseded": true}),
            "a newer deployment took its place",
        ),
    ] {
        let daemon = Daemon::start(&[
            (CREATE, &[created()]),
            (LOGS, &[Answer::Log(String::new(), true)]),
            (GET, &[ok(deployment(with))]),
        ]);
        let output = run(&daemon, &["deploy", "web"]).await;
        assert_exit(&output, 3);
        assert_says(stderr(&output), words);
    }
}

#[tokio::test]
async fn with_json_standard_output_is_the_final_document_and_nothing_else() {
    for (document, status) in [(success(), 0), (failure(), 1)] {
        let daemon = Daemon::start(&[
            (CREATE, &[created()]),
            (LOGS, &[Answer::Log(line("build", "stdout", "hello"), true)]),
            (GET, &[ok(document.clone())]),
            (APPS, &[ok(apps())]),
        ]);
        let output = run(&daemon, &["--json", "deploy", "web"]).await;
        assert_exit(&output, status);
        assert_eq!(
            serde_json::from_str::<Value>(stdout(&output)).unwrap(),
            document
        );
        assert_says(stderr(&output), "build    | hello\n");
    }
}

#[tokio::test]
async fn without_waiting_the_id_alone_is_printed() {
    let daemon = Daemon::start(&[(CREATE, &[created()])]);
    let output = run(&daemon, &["deploy", "web", "--no-wait"]).await;
    assert_exit(&output, 0);
    assert_eq!((stdout(&output), stderr(&output)), ("dep_9x2m4p\n", ""));
    let output = run(&daemon, &["deploy", "web", "--no-wait", "--json"]).await;
    assert_eq!(
        serde_json::from_str::<Value>(stdout(&output)).unwrap(),
        deployment(json!({}))
    );
    assert_eq!(daemon.asked().len(), 2);
}

#[tokio::test]
async fn a_daemon_that_restarts_is_waited_for_and_the_log_goes_on_without_a_gap() {
    let page = line("build", "stdout", "one") + &line("build", "stdout", "two");
    let after = format!(
        "GET /v1/deployments/dep_9x2m4p/logs?from={}&wait=true",
        page.len()
    );
    let mut daemon = Daemon::start(&[
        (CREATE, &[created()]),
        (
            LOGS,
            &[
                Answer::Log(page, false),
                Answer::Hold,
                Answer::Log(line("build", "stdout", "three"), true),
            ],
        ),
        (GET, &[ok(building()), ok(success())]),
        (APPS, &[ok(apps())]),
    ]);
    let mut child = start(&daemon, &["deploy", "web"]);
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    daemon.was_asked(&after).await;
    daemon.go_away().await;
    read_until(&mut errors, "the daemon is not answering; waiting…").await;
    daemon.come_back();
    read_until(&mut errors, "the daemon is back").await;
    let output = child.wait_with_output().await.unwrap();
    assert_exit(&output, 0);
    let lines: Vec<&str> = stdout(&output)
        .lines()
        .filter(|line| line.starts_with("build    |"))
        .collect();
    assert_eq!(
        lines,
        ["build    | one", "build    | two", "build    | three"]
    );
    assert_eq!(
        daemon
            .lines()
            .iter()
            .filter(|asked| **asked == after)
            .count(),
        2
    );
}

#[tokio::test]
async fn a_log_answer_that_breaks_in_the_middle_is_asked_for_again_from_its_beginning() {
    let one = line("build", "stdout", "one");
    let daemon = Daemon::start(&[
        (CREATE, &[created()]),
        (
            LOGS,
            &[
                Answer::CutLog(one.clone()),
                Answer::HangUp,
                Answer::Json(503, refusal("unavailable", "restarting")),
                Answer::Raw(502, "<html>Bad Gateway</html>"),
                Answer::Log(one, true),
                Answer::Log(String::new(), true),
            ],
        ),
        (GET, &[Answer::HangUp, ok(success())]),
        (APPS, &[Answer::HangUp]),
    ]);
    let output = run(&daemon, &["deploy", "web"]).await;
    assert_exit(&output, 0);
    assert_eq!(
        stdout(&output).matches("build    | one").count(),
        1,
        "{}",
        stdout(&output)
    );
    assert_says(stdout(&output), "success: release 12");
}

#[tokio::test]
async fn a_daemon_that_does_not_come_back_exits_4_and_says_that_the_deployment_goes_on() {
    let mut daemon = Daemon::start(&[
        (CREATE, &[created()]),
        (LOGS, &[Answer::Hold]),
        (GET, &[ok(building())]),
    ]);
    let child = start(&daemon, &["deploy", "web", "--json", "--patience", "500ms"]);
    daemon
        .was_asked("GET /v1/deployments/dep_9x2m4p/logs?from=0&wait=true")
        .await;
    daemon.go_away().await;
    let output = child.wait_with_output().await.unwrap();
    assert_exit(&output, 4);
    assert_says(stderr(&output), "the daemon is not answering; waiting…");
    assert_says(stderr(&output), "`longshore logs dep_9x2m4p -f`");
    assert_says(stderr(&output), "cannot reach the daemon at");
    let last = serde_json::from_str::<Value>(stdout(&output)).unwrap();
    assert_eq!(last["id"], "dep_9x2m4p");
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_asked_again_with_the_same_key() {
    let daemon = Daemon::start(&[(CREATE, &[Answer::HangUp, Answer::HangUp, created()])]);
    let output = run(&daemon, &["deploy", "web", "--no-wait"]).await;
    assert_exit(&output, 0);
    assert_eq!(stdout(&output), "dep_9x2m4p\n");
    let asked = daemon.asked();
    assert_eq!(asked.len(), 3);
    let keys: Vec<_> = asked
        .iter()
        .map(|asked| &asked.headers["idempotency-key"])
        .collect();
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[tokio::test]
async fn what_the_api_refuses_exits_5_with_its_words_and_what_it_cannot_do_exits_4() {
    let long = "Branch 'nope' does not exist in https://git.example.com/acme/web.git";
    for (answer, status, words) in [
        (
            Answer::Json(400, refusal("invalid_branch", long)),
            5,
            "does not exist in https://git.example.com/acme/web.git (invalid_branch)",
        ),
        (
            Answer::Json(404, refusal("project_not_found", "there is no app 'web'")),
            5,
            "there is no app 'web'",
        ),
        (
            Answer::Json(401, refusal("invalid_token", "the token is not known")),
            5,
            "LONGSHORE_TOKEN",
        ),
        (
            Answer::Json(503, refusal("unavailable", "the git host is out of reach")),
            4,
            "the git host is out of reach",
        ),
        (Answer::Raw(500, "oops"), 4, "500 Internal Server Error"),
        (Answer::Raw(404, "page not found"), 4, "is not longshore"),
        (Answer::Raw(200, "hello"), 4, "is not longshore"),
        (
            Answer::Json(201, json!({"id": "dep_1", "status": "exploded"})),
            4,
            "exploded",
        ),
    ] {
        let daemon = Daemon::start(&[(CREATE, &[answer])]);
        let output = run(&daemon, &["deploy", "web", "--branch", "nope"]).await;
        assert_exit(&output, status);
        assert_says(stderr(&output), words);
        assert_eq!((stdout(&output), daemon.asked().len()), ("", 1));
    }
}

#[tokio::test]
async fn arguments_that_make_no_sense_exit_2_ask_nothing_and_repeat_no_value_of_a_variable() {
    let daemon = Daemon::start(&[]);
    for (arguments, words) in [
        (&["deploy"][..], "<APP>"),
        (&["deploy", ""], "APP"),
        (
            &["deploy", "web", "--image", "a", "--branch", "b"],
            "cannot be used with",
        ),
        (&["deploy", "web", "--env", "hunter2"], "no '='"),
        (&["deploy", "web", "--env", "A-B=hunter2"], "the name 'A-B'"),
        (&["deploy", "web", "--env", "=hunter2"], "the name ''"),
        (&["ls", "--status", "exploded"], "[possible values: queued"),
        (&["ls", "-n", "101"], "101"),
        (
            &["token", "create", "ci", "--scope", "root"],
            "deploy:read, deploy:write, deploy:admin",
        ),
        (
            &[
                "token",
                "create",
                "ci",
                "--scope",
                "read",
                "--environment",
                "x",
            ],
            "--app",
        ),
        (&["ls", "--url", "ftp://box"], "https:// or http://"),
        (&["ls", "--url", "box:7470"], "http://host:port"),
        (
            &["web", "deploy"],
            "next: the command goes first: longshore deploy web",
        ),
        (
            &["logs", "web", "staging"],
            "next: an environment is named with --environment staging",
        ),
        (
            &["ls", "--patience", "soon"],
            "write numbers with units, like 30s",
        ),
        (&["deplyo", "web"], "a similar subcommand exists: 'deploy'"),
        (&["explain", "not-redy"], "did you mean not_ready?"),
        (&["explain", "x"], "`longshore explain` lists all"),
        (
            &["deploy", "web", "--plan", "--no-wait"],
            "cannot be used with",
        ),
        (
            &["token", "create", "ci", "--scope", "read", "--burst", "5"],
            "--rate",
        ),
        (
            &[
                "token", "create", "ci", "--scope", "read", "--plan", "pro", "--rate", "5",
            ],
            "cannot be used with",
        ),
        (
            &[
                "token",
                "create",
                "ci",
                "--scope",
                "read",
                "--expires",
                "2001-01-01",
            ],
            "past",
        ),
        (&["serve", "--socket", "/x"], "talks to no daemon"),
        (&["check", "--url", "http://x"], "talks to no daemon"),
        (&["frobnicate"], "unrecognized subcommand"),
    ] {
        let output = run(&daemon, arguments).await;
        assert_exit(&output, 2);
        assert_says(stderr(&output), words);
        assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
    }
    assert!(daemon.asked().is_empty());
}

#[tokio::test]
async fn an_interrupt_without_a_terminal_stops_watching_and_says_how_to_go_on() {
    let daemon = Daemon::start(&[
        (CREATE, &[created()]),
        (
            LOGS,
            &[
                Answer::Log(line("build", "stdout", "one"), false),
                Answer::Hold,
            ],
        ),
        (GET, &[ok(building())]),
    ]);
    let child = start(&daemon, &["deploy", "web"]);
    daemon
        .was_asked(&format!(
            "GET /v1/deployments/dep_9x2m4p/logs?from={}&wait=true",
            line("build", "stdout", "one").len()
        ))
        .await;
    interrupt(&child);
    let output = child.wait_with_output().await.unwrap();
    assert_exit(&output, 130);
    assert_says(stderr(&output), "the deployment goes on");
    assert_says(stderr(&output), "`longshore logs dep_9x2m4p -f`");
    assert_says(stderr(&output), "`longshore cancel dep_9x2m4p`");
    assert!(!daemon.lines().iter().any(|line| line.contains("/cancel")));
}

fn interrupt(child: &Child) {
    let pid = nix::unistd::Pid::from_raw(child.id().unwrap().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
}

#[tokio::test]
async fn a_reader_that_has_enough_is_no_error_and_a_deployment_still_tells_how_it_ended() {
    let page = json!({"data": [success()], "meta": {"total": 1, "limit": 20, "offset": 0}});
    let daemon = Daemon::start(&[
        (CREATE, &[created()]),
        (LOGS, &[Answer::Log(line("build", "stdout", "one"), true)]),
        (GET, &[ok(failure())]),
        (LIST, &[ok(page)]),
        (APPS, &[ok(apps())]),
    ]);
    for (arguments, status) in [
        (&["ls"][..], 0),
        (&["apps", "--json"], 0),
        (&["logs", "dep_9x2m4p", "-f"], 0),
        (&["deploy", "web"], 1),
        (&["deploy", "web", "--json"], 1),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = longshore(arguments);
        command
            .env("LONGSHORE_SOCKET", daemon.socket())
            .stdout(writer)
            .stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().await.unwrap();
        assert_exit(&output, status);
        assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
        assert!(
            !stderr(&output).contains("standard output"),
            "{}",
            stderr(&output)
        );
    }
}

// ---------------------------------------------------------------------------------------------------------------
// The daemon's place

#[tokio::test]
async fn a_daemon_that_is_not_there_exits_4_and_says_how_to_start_it() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("none.sock");
    let stale = directory.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    for (socket, cause) in [
        (&missing, "No such file or directory"),
        (&stale, "Connection refused"),
    ] {
        let socket = socket.to_str().unwrap();
        for arguments in [
            &["ls", "--socket", socket][..],
            &["--socket", socket, "deploy", "web"],
        ] {
            let output = longshore(arguments).output().await.unwrap();
            assert_exit(&output, 4);
            assert_says(
                stderr(&output),
                &format!("cannot reach the daemon at {socket}: {cause}"),
            );
            assert_says(
                stderr(&output),
                "is it running? start it with `longshore serve --config FILE`, or name its socket with --socket",
            );
        }
    }
}

#[tokio::test]
async fn where_what_runs_is_not_what_the_configuration_says_the_apps_tell_by_which_keys() {
    let mut apps = apps();
    apps["data"][0]["environments"][0]["drift"] = json!(["env.LOG", "port"]);
    apps["data"][0]["environments"][1]["configured"] = json!(false);
    let daemon = Daemon::start(&[(APPS, &[ok(apps)])]);
    let output = run(&daemon, &["apps"]).await;
    assert_exit(&output, 0);
    assert_eq!(
        stderr(&output),
        "production of web: config changed (env.LOG, port): `longshore deploy web --environment production` to apply\n\
         staging of web: removed from the configuration; what runs there goes on\n"
    );
}

#[tokio::test]
async fn a_token_goes_to_a_url_and_never_to_the_socket() {
    let mut daemon = Daemon::start(&[(APPS, &[ok(apps())])]);
    let url = format!("http://127.0.0.1:{}/", daemon.listen_on_tcp().await);
    for place in [
        &["--url", &url][..],
        &["--socket", daemon.socket().to_str().unwrap()],
    ] {
        let output = longshore(&["apps"])
            .args(place)
            .env("LONGSHORE_TOKEN", "lsh_abc")
            .output()
            .await
            .unwrap();
        assert_exit(&output, 0);
        assert_eq!(stderr(&output), "");
    }
    let tokens: Vec<_> = daemon
        .asked()
        .iter()
        .map(|asked| {
            asked
                .headers
                .get("authorization")
                .map(|value| value.to_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(tokens, [Some("Bearer lsh_abc".to_owned()), None]);
}

// ---------------------------------------------------------------------------------------------------------------
// The other commands

#[tokio::test]
async fn deployments_are_listed_by_filter_with_absolute_times_for_programs() {
    let older = deployment(json!({
        "id": "dep_aaaa11", "status": "cancelled", "superseded": true, "branch": null, "commit_sha": null,
        "image": "nginx:1.27\u{1b}[2J", "created_at": "2025-03-13T10:00:00Z",
    }));
    let page = json!({"data": [success(), older], "meta": {"total": 7, "limit": 2, "offset": 0}});
    let daemon = Daemon::start(&[(LIST, &[ok(page.clone())])]);
    let arguments = [
        "ls",
        "--app",
        "web",
        "--environment",
        "production",
        "--status",
        "success",
        "-n",
        "2",
    ];
    let output = run(&daemon, &arguments).await;
    assert_exit(&output, 0);
    assert_eq!(
        stdout(&output),
        "ID          STATUS      APP  ENVIRONMENT  VERSION       RELEASE    CREATED               TOOK\n\
         dep_9x2m4p  success     web  production   main@a1b2c3d  12 (live)  2025-03-14T10:32:00Z  42s\n\
         dep_aaaa11  superseded  web  production   nginx:1.27               2025-03-13T10:00:00Z\n"
    );
    assert_says(stderr(&output), "2 of 7");
    assert_eq!(
        daemon.lines(),
        ["GET /v1/deployments?limit=2&project_id=web&environment=production&status=success"]
    );
    let output = run(&daemon, &["ls", "--json"]).await;
    assert_eq!(
        serde_json::from_str::<Value>(stdout(&output)).unwrap(),
        page
    );
}

#[tokio::test]
async fn an_empty_list_prints_nothing_on_standard_output() {
    let empty = json!({"data": [], "meta": {"total": 0, "limit": 20, "offset": 0}});
    let daemon = Daemon::start(&[(LIST, &[ok(empty)]), (APPS, &[ok(json!({"data": []}))])]);
    for command in ["ls", "apps"] {
        let output = run(&daemon, &[command]).await;
        assert_exit(&output, 0);
        assert_eq!(stdout(&output), "");
        assert!(stderr(&output).starts_with("no "), "{}", stderr(&output));
    }
}

#[tokio::test]
async fn a_deployment_is_shown_with_its_steps_and_its_error() {
    let daemon = Daemon::start(&[(GET, &[ok(failure())])]);
    let output = run(&daemon, &["show", "dep_9x2m4p"]).await;
    assert_exit(&output, 0);
    for part in [
        "dep_9x2m4p failed\n",
        "  branch       main\n  commit       a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6a1b2\n",
        "  created      2025-03-14T10:32:00Z, manual by ann\n",
        "  build        30s\n",
        "  the container ended with status 1 (container_exited)\n  | starting\n",
        "  next: set DATABASE_URL and deploy again\n",
        "  could not be put back: web-production-00000001\n",
    ] {
        assert_says(stdout(&output), part);
    }
    let output = run(&daemon, &["show", "dep_9x2m4p", "--json"]).await;
    assert_eq!(
        serde_json::from_str::<Value>(stdout(&output)).unwrap(),
        failure()
    );
}

#[tokio::test]
async fn the_beginning_of_an_id_is_enough_if_no_other_begins_so() {
    let other = deployment(json!({"id": "dep_9xzzzz"}));
    let page = json!({"data": [success(), other], "meta": {"total": 2, "limit": 100, "offset": 0}});
    let daemon = Daemon::start(&[(GET, &[ok(success())]), (LIST, &[ok(page)])]);
    for typed in ["dep_9x2", "9x2"] {
        assert_exit(&run(&daemon, &["show", typed]).await, 0);
    }
    let output = run(&daemon, &["show", "dep_9x"]).await;
    assert_exit(&output, 2);
    assert_says(stderr(&output), "dep_9x2m4p, dep_9xzzzz");
    for typed in ["dep_b", "../apps", "dep_9x2m4p/logs"] {
        let output = run(&daemon, &["show", typed]).await;
        assert_exit(&output, 5);
        assert_says(stderr(&output), "not_found");
    }
}

#[tokio::test]
async fn a_log_is_printed_whole_by_id_and_by_app_and_followed_to_its_end() {
    let (one, two) = (line("build", "stdout", "one"), line("-", "agent", "two"));
    let pages = [
        Answer::Log(one.clone(), false),
        Answer::Log(two.clone(), false),
        Answer::Log(String::new(), false),
    ];
    let page = json!({"data": [success()], "meta": {"total": 9, "limit": 1, "offset": 0}});
    for (arguments, wait) in [
        (&["logs", "dep_9x2m4p"][..], "false"),
        (
            &["logs", "web", "--deployment", "--environment", "production"],
            "false",
        ),
    ] {
        let daemon = Daemon::start(&[
            (GET, &[ok(success())]),
            (LIST, &[ok(page.clone())]),
            (LOGS, &pages),
        ]);
        let output = run(&daemon, arguments).await;
        assert_exit(&output, 0);
        assert_eq!(stdout(&output), format!("{one}{two}"));
        let asked: Vec<String> = daemon.lines().split_off(1);
        let from = [0, one.len(), one.len() + two.len()];
        let expected =
            from.map(|from| format!("GET /v1/deployments/dep_9x2m4p/logs?from={from}&wait={wait}"));
        assert_eq!(asked, expected);
    }
    let pages = [
        Answer::Log(one.clone(), false),
        Answer::Log(String::new(), false),
        Answer::HangUp,
        Answer::Log(two.clone(), true),
    ];
    let daemon = Daemon::start(&[(LIST, &[ok(page)]), (LOGS, &pages)]);
    let output = run(&daemon, &["logs", "web", "--deployment", "-f"]).await;
    assert_exit(&output, 0);
    assert_eq!(stdout(&output), format!("{one}{two}"));
    assert_eq!(
        daemon.lines()[0],
        "GET /v1/deployments?limit=100&project_id=web"
    );
}

#[tokio::test]
async fn a_log_as_json_is_one_document_and_one_that_is_followed_an_object_a_line() {
    let log = line("build", "stdout", "one") + "cut sho\n";
    let daemon = Daemon::start(&[(GET, &[ok(success())]), (LOGS, &[Answer::Log(log, true)])]);
    let output = run(&daemon, &["logs", "dep_9x2m4p", "--json"]).await;
    assert_exit(&output, 0);
    assert_eq!(
        serde_json::from_str::<Value>(stdout(&output)).unwrap(),
        json!({"id": "dep_9x2m4p", "data": [
            {"timestamp": "2025-03-14T10:32:00.045Z", "step": "build", "stream": "stdout", "message": "one"},
            {"message": "cut sho"},
        ]})
    );
    let output = run(&daemon, &["logs", "dep_9x2m4p", "-f", "--json"]).await;
    assert_exit(&output, 0);
    let lines: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["message"], "one");
    assert_eq!(lines[1], json!({"message": "cut sho"}));
}

#[tokio::test]
async fn logs_of_an_app_that_was_never_deployed_say_so() {
    let empty = json!({"data": [], "meta": {"total": 0, "limit": 1, "offset": 0}});
    let daemon = Daemon::start(&[(LIST, &[ok(empty)])]);
    let output = run(&daemon, &["logs", "web", "--deployment"]).await;
    assert_exit(&output, 5);
    assert_says(
        stderr(&output),
        "'web' has no deployments yet; `longshore deploy web`",
    );
}

#[tokio::test]
async fn a_log_without_its_offsets_is_refused_instead_of_read_for_ever() {
    let daemon = Daemon::start(&[
        (GET, &[ok(success())]),
        (LOGS, &[Answer::Raw(200, "hello\n")]),
    ]);
    let output = run(&daemon, &["logs", "dep_9x2m4p", "-f"]).await;
    assert_exit(&output, 4);
    assert_says(stderr(&output), "x-longshore-next");
}

#[tokio::test]
async fn a_deployment_is_cancelled_or_the_reason_given_why_not() {
    let done = json!({"id": "dep_9x2m4p", "status": "cancelled", "cancelled_by": "ann", "cancelled_at": "2025-03-14T10:35:00Z"});
    let late = refusal(
        "deployment_not_cancellable",
        "the deployment can no longer be cancelled: it succeeded",
    );
    let daemon = Daemon::start(&[
        (GET, &[ok(building())]),
        (
            CANCEL,
            &[ok(done.clone()), ok(done.clone()), Answer::Json(409, late)],
        ),
    ]);
    let output = run(&daemon, &["cancel", "dep_9x2m4p"]).await;
    assert_exit(&output, 0);
    assert_eq!(stdout(&output), "dep_9x2m4p is cancelled\n");
    let output = run(&daemon, &["cancel", "dep_9x2m4p", "--json"]).await;
    assert_eq!(
        serde_json::from_str::<Value>(stdout(&output)).unwrap(),
        done
    );
    let output = run(&daemon, &["cancel", "dep_9x2m4p"]).await;
    assert_exit(&output, 5);
    assert_says(stderr(&output), "can no longer be cancelled: it succeeded");
}

#[tokio::test]
async fn apps_are_listed_with_what_is_live() {
    let daemon = Daemon::start(&[(APPS, &[ok(apps())])]);
    let output = run(&daemon, &["apps"]).await;
    assert_exit(&output, 0);
    assert_eq!(
        stdout(&output),
        "APP                         ENVIRONMENT  STATE    RELEASE  VERSION  ADDRESS          PROJECT\n\
         web                         production   running  12       a1b2c3d  10.213.0.2:8080  acme/web\n\
         web                         staging      stopped                                     acme/web\n\
         old (not in configuration)                                                           acme/old\n"
    );
    let output = run(&daemon, &["apps", "--json"]).await;
    assert_eq!(
        serde_json::from_str::<Value>(stdout(&output)).unwrap(),
        apps()
    );
}

#[tokio::test]
async fn a_new_tokens_secret_stands_alone_on_standard_output() {
    let made =
        json!({"id": "user_7k2m", "name": "ci", "scope": "deploy:write", "token": "lsh_secret"});
    let daemon = Daemon::start(&[(TOKENS, &[Answer::Json(201, made.clone())])]);
    let arguments = [
        "token",
        "create",
        "ci",
        "--scope",
        "write",
        "--app",
        "web",
        "--environment",
        "staging",
    ];
    let output = run(&daemon, &arguments).await;
    assert_exit(&output, 0);
    assert_eq!(stdout(&output), "lsh_secret\n");
    assert_says(
        stderr(&output),
        "token ci (deploy:write, for staging of web)",
    );
    assert!(!stderr(&output).contains("lsh_secret"));
    let output = run(
        &daemon,
        &["token", "create", "ci", "--scope", "deploy:admin", "--json"],
    )
    .await;
    assert_eq!(
        serde_json::from_str::<Value>(stdout(&output)).unwrap(),
        made
    );
    let bodies: Vec<Value> = daemon.asked().into_iter().map(|asked| asked.body).collect();
    assert_eq!(
        bodies,
        [
            json!({"name": "ci", "scope": "deploy:write", "app": "web", "environment": "staging"}),
            json!({"name": "ci", "scope": "deploy:admin"}),
        ]
    );
}

#[tokio::test]
async fn a_configuration_is_checked_without_a_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = file(
        "good.toml",
        "[[app]]\nname = \"web\"\nimage = \"nginx:1.27\"\n",
    );
    let output = longshore(&["check", &good]).output().await.unwrap();
    assert_exit(&output, 0);
    assert_eq!(
        stdout(&output),
        format!("{good}: ok, 1 app, 1 environment\n")
    );
    let output = longshore(&["check", &good, "--json"])
        .output()
        .await
        .unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(stdout(&output)).unwrap(),
        json!({"file": good, "ok": true, "apps": 1, "environments": 1, "notes": []})
    );
    let previews = file(
        "previews.toml",
        "[[app]]\nname = \"web\"\nimage = \"nginx:1.27\"\npublish = [\"80:80\"]\nsecrets = { A = \"store\" }\npreviews = {}\n",
    );
    let output = longshore(&["check", &previews]).output().await.unwrap();
    assert_exit(&output, 0);
    assert_says(
        stdout(&output),
        "app \"web\" takes previews: at most 10, without a route, as previews has no domain, each until 7days after its last deployment or the end of its branch; they get nothing of its ports of the host, the secrets A",
    );

    let bad = file(
        "bad.toml",
        "nonsense = 1\n\n[[app]]\nname = \"web\"\nimage = \"nginx:1.27\"\nrubbish = 2\n",
    );
    let output = longshore(&["check", &bad]).output().await.unwrap();
    assert_exit(&output, 1);
    assert_eq!(stdout(&output), "");
    for line in [1, 6] {
        assert_says(stderr(&output), &format!("{bad}:{line}:"));
    }
    let output = longshore(&["check", &bad, "--json"])
        .output()
        .await
        .unwrap();
    assert_exit(&output, 1);
    let document: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(document["ok"], false);
    assert_eq!(document["faults"].as_array().unwrap().len(), 2);

    let output = longshore(&["check", "/nonexistent/config.toml"])
        .output()
        .await
        .unwrap();
    assert_exit(&output, 1);
    assert_says(
        stderr(&output),
        "cannot read /nonexistent/config.toml: No such file",
    );
}

#[tokio::test]
async fn every_command_explains_itself() {
    for command in [
        "deploy",
        "ls",
        "show",
        "logs",
        "cancel",
        "rm",
        "events",
        "restart",
        "rollback",
        "stop",
        "start",
        "suspend",
        "activate",
        "apps",
        "ps",
        "app show",
        "app rm",
        "gc",
        "adopt",
        "takeover",
        "reload",
        "status",
        "token create",
        "token ls",
        "token revoke",
        "secret set",
        "secret ls",
        "secret rm",
        "hook show",
        "hook enable",
        "hook renew",
        "hook disable",
        "check",
        "explain",
        "serve",
        "completions",
        "man",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let help = longshore(&words).arg("--help").output().await.unwrap();
        assert_exit(&help, 0);
        assert_says(stdout(&help), &format!("Usage: longshore {command}"));
        assert_says(stdout(&help), "Example");
        let short = longshore(&words).arg("-h").output().await.unwrap();
        assert_exit(&short, 0);
        assert!(stdout(&short).len() < stdout(&help).len(), "{command}");
    }
    let mut child = longshore(&["--help"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .await
        .unwrap();
    assert!(child.wait().await.unwrap().success());
    assert_says(&text, "LONGSHORE_TOKEN");
}
