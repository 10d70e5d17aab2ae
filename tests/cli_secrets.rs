//! `longshore secret` as its users meet it: the real program against a scripted daemon on a real socket.
#![expect(clippy::disallowed_methods, reason = "these tests run the program")]
#![expect(
    clippy::unwrap_used,
    reason = "in what the tests share, a panic is a failed test too"
)]

#[path = "cli/daemon.rs"]
#[expect(dead_code, reason = "shared with the other tests of the command line")]
mod daemon;

use daemon::{Answer, Daemon};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Command, Output, Stdio};

const SET: &str = "PUT /v1/apps/web/secrets/DATABASE_URL";
const SET_STAGING: &str = "PUT /v1/apps/web/environments/staging/secrets/DATABASE_URL";
const LIST: &str = "GET /v1/apps/web/secrets";
const REMOVE: &str = "DELETE /v1/apps/web/environments/staging/secrets/DATABASE_URL";

fn secret(environment: &str, used: bool) -> Value {
    json!({"name": "DATABASE_URL", "app": "web", "environment": environment, "set_at": "2025-03-14T10:32:00Z",
        "set_by": "ann", "used": used})
}

fn longshore(daemon: &Daemon, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
    command
        .env_clear()
        .env("LONGSHORE_SOCKET", daemon.socket())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the program to its end with this on its standard input.
async fn run(daemon: &Daemon, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = longshore(daemon, arguments).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // One that reads nothing closes it.
    std::thread::spawn(move || drop(stdin.write_all(&input)));
    tokio::task::spawn_blocking(move || child.wait_with_output().unwrap())
        .await
        .unwrap()
}

#[track_caller]
fn assert_ends(output: &Output, status: i32, parts: &[&str]) {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{stdout}{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "'{part}' is not in: {stderr}");
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn bodies(daemon: &Daemon) -> Vec<Value> {
    daemon.asked().into_iter().map(|asked| asked.body).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_comes_from_a_pipe_or_a_file_without_its_line_end() {
    let daemon = Daemon::start(&[
        (SET, &[Answer::Json(200, secret("production", false))]),
        (SET_STAGING, &[Answer::Json(200, secret("staging", true))]),
    ]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("value");
    std::fs::write(&file, "one\ntwo\n\n").unwrap();

    let arguments = ["secret", "set", "web", "DATABASE_URL"];
    let output = run(&daemon, &arguments, b"hunter22\n").await;
    let parts = [
        "DATABASE_URL of production of web is set",
        "the configuration does not take it yet: it needs secrets = { DATABASE_URL = \"store\" }",
    ];
    assert_ends(&output, 0, &parts);
    assert_eq!(text(&output.stdout), "");

    let file = file.to_str().unwrap();
    let mut arguments = arguments.to_vec();
    arguments.extend(["--environment", "staging", "--from-file", file, "--json"]);
    let output = run(&daemon, &arguments, b"").await;
    let parts = ["`longshore deploy web --environment staging` applies it"];
    assert_ends(&output, 0, &parts);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document, secret("staging", true));
    assert_eq!(
        bodies(&daemon),
        [json!({"value": "hunter22"}), json!({"value": "one\ntwo\n"})]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_cannot_be_or_stands_in_the_arguments_reaches_no_daemon() {
    let daemon = Daemon::start(&[(SET, &[Answer::Json(200, secret("production", true))])]);
    let set = ["secret", "set", "web", "DATABASE_URL"];
    for input in [&b"\n"[..], b"", b"a\0b", b"\xff\xfe"] {
        assert_ends(&run(&daemon, &set, input).await, 2, &["standard input "]);
    }
    let in_arguments = [
        &["secret", "set", "web", "DATABASE_URL", "hunter22"][..],
        &["secret", "set", "web", "DATABASE_URL=hunter22"],
    ];
    for arguments in in_arguments {
        let output = run(&daemon, arguments, b"").await;
        assert_ends(&output, 2, &["stays in the shell's history", "--from-file"]);
        assert!(!text(&output.stderr).contains("hunter22"));
    }
    let missing = ["secret", "set", "web", "A", "--from-file", "/nonexistent/x"];
    let output = run(&daemon, &missing, b"").await;
    assert_ends(&output, 1, &["/nonexistent/x cannot be read"]);
    assert_eq!(daemon.lines(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_typed_is_not_shown() {
    let daemon = Daemon::start(&[(SET, &[Answer::Json(200, secret("production", true))])]);
    let terminal = nix::pty::openpty(None, None).unwrap();
    let mut command = longshore(&daemon, &["secret", "set", "web", "DATABASE_URL"]);
    command
        .stdin(terminal.slave.try_clone().unwrap())
        .stderr(terminal.slave.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut master = File::from(terminal.master.try_clone().unwrap());
    let waited = tokio::task::spawn_blocking(move || {
        let mut seen = Vec::new();
        let mut piece = [0; 256];
        // The question comes after the terminal was told not to show what is typed.
        while !text(&seen).contains("value of DATABASE_URL (not shown): ") {
            let read = master.read(&mut piece).unwrap();
            seen.extend_from_slice(&piece[..read]);
        }
        master.write_all(b"hunter22\n").unwrap();
        while !text(&seen).contains("is set") {
            let read = master.read(&mut piece).unwrap();
            seen.extend_from_slice(&piece[..read]);
        }
        assert!(child.wait().unwrap().success());
        String::from_utf8(seen).unwrap()
    });
    let seen = waited.await.unwrap();
    assert!(!seen.contains("hunter22"), "{seen}");
    assert_eq!(bodies(&daemon), [json!({"value": "hunter22"})]);
    let after = nix::sys::termios::tcgetattr(&terminal.slave).unwrap();
    let echo = nix::sys::termios::LocalFlags::ECHO;
    assert!(after.local_flags.contains(echo));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_listed_without_values_and_forgotten_with_a_warning() {
    let list = json!({"app": "web", "environment": "production", "data": [
        {"name": "COOKIE_KEY", "set_at": null, "set_by": null, "used": true},
        {"name": "OLD", "set_at": "2025-03-14T10:32:00Z", "set_by": "ann", "used": false},
    ]});
    let missing =
        json!({"error": {"code": "secret_not_found", "message": "there is none", "details": {}}});
    let daemon = Daemon::start(&[
        (LIST, &[Answer::Json(200, list.clone())]),
        (
            REMOVE,
            &[
                Answer::Json(200, secret("staging", true)),
                Answer::Json(404, missing),
            ],
        ),
    ]);
    let output = run(&daemon, &["secret", "ls", "web"], b"").await;
    assert_ends(&output, 0, &[]);
    assert_eq!(
        text(&output.stdout),
        "NAME        SET                   BY   USED\n\
         COOKIE_KEY  not set                    yes\n\
         OLD         2025-03-14T10:32:00Z  ann  no\n"
    );
    let output = run(&daemon, &["secret", "ls", "web", "--json"], b"").await;
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document, list);

    let remove = [
        "secret",
        "rm",
        "web",
        "DATABASE_URL",
        "--environment",
        "staging",
    ];
    let output = run(&daemon, &remove, b"").await;
    let parts = [
        "DATABASE_URL of staging of web is forgotten",
        "a deployment will fail until it is set again",
    ];
    assert_ends(&output, 0, &parts);
    let output = run(&daemon, &remove, b"").await;
    assert_ends(
        &output,
        5,
        &["(secret_not_found)", "next: `longshore secret ls"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_for_secrets_explain_themselves() {
    let daemon = Daemon::start(&[]);
    for command in ["set", "ls", "rm"] {
        let output = run(&daemon, &["secret", command, "--help"], b"").await;
        assert_ends(&output, 0, &[]);
        let said = text(&output.stdout);
        assert!(said.contains("Example"), "{said}");
    }
}
