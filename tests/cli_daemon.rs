//! The command line against the real daemon, without an engine: what both sides make of the native additions.
#![expect(
    clippy::unwrap_used,
    reason = "in what the tests share, a panic is a failed test too"
)]

#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod program;

use nix::sys::signal::Signal;
use program::{Daemon, Stage, command};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};

const APPS: &str = "[[app]]\nname = \"web\"\nimage = \"registry.invalid/web:1\"\n[[app]]\nname = \"cache\"\nimage = \"registry.invalid/cache:1\"\n";

fn begin(stage: &Stage) -> Daemon {
    let mut daemon = stage.run(stage.serve());
    daemon.tells("ready: the API is at");
    daemon
}

fn longshore(stage: &Stage, arguments: &[&str]) -> Command {
    let mut longshore = command(env!("CARGO_BIN_EXE_longshore"));
    longshore
        .env("LONGSHORE_SOCKET", stage.socket())
        .args(arguments);
    longshore
}

fn ends(mut command: Command, status: i32) -> (String, String) {
    let Output {
        status: ended,
        stdout,
        stderr,
    } = command.output().unwrap();
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert_eq!(ended.code(), Some(status), "{stdout}{stderr}");
    (stdout, stderr)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn run(stage: &Stage, arguments: &[&str], status: i32) -> (String, String) {
    ends(longshore(stage, arguments), status)
}

/// Asks over TCP with the token in that file.
fn remote(stage: &Stage, file: &str, arguments: &[&str], status: i32) -> (String, String) {
    let url = format!("http://127.0.0.1:{}", stage.port);
    let mut command = command(env!("CARGO_BIN_EXE_longshore"));
    command
        .env("LONGSHORE_URL", url)
        .env("LONGSHORE_TOKEN_FILE", stage.path(file))
        .args(arguments);
    ends(command, status)
}

/// Makes a token and keeps it in a file.
fn token(stage: &Stage, name: &str, more: &[&str]) {
    let arguments = [&["token", "create", name, "-q"][..], more].concat();
    let (secret, said) = run(stage, &arguments, 0);
    assert_eq!(said, "");
    let file = stage.path(name);
    std::fs::write(&file, secret).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_token_works_until_it_is_revoked_and_is_listed_with_what_it_may() {
    let stage = Stage::set(APPS);
    let _daemon = begin(&stage);
    token(
        &stage,
        "ci",
        &[
            "--scope",
            "read",
            "--app",
            "web",
            "--plan",
            "starter",
            "--expires",
            "2999-01-31",
        ],
    );
    token(
        &stage,
        "slow",
        &["--scope", "read", "--rate", "1", "--burst", "2"],
    );
    let (apps, said) = remote(&stage, "ci", &["apps"], 0);
    assert!(apps.contains("web") && !apps.contains("cache"), "{apps}");
    assert_eq!(said, "");
    let (list, _) = run(&stage, &["token", "ls"], 0);
    let line = |name: &str| {
        list.lines()
            .find(|line| line.contains(name))
            .unwrap()
            .to_owned()
    };
    for (name, part) in [
        (" ci ", "deploy:read  web       starter"),
        (" ci ", "2999-01-31T00:00:00Z"),
        (" slow ", "all apps  1/min"),
    ] {
        assert!(line(name).contains(part), "{list}");
    }
    let (_, said) = remote(&stage, "ci", &["deploy", "web"], 5);
    assert!(said.contains("(insufficient_scope)\nnext: "), "{said}");

    // The third within a minute.
    for _ in 0..2 {
        remote(&stage, "slow", &["apps", "--patience", "0s"], 0);
    }
    let (_, said) = remote(&stage, "slow", &["apps", "--patience", "0s"], 5);
    assert!(
        said.contains("(rate_limit_exceeded)\nnext: ask again in "),
        "{said}"
    );

    run(&stage, &["token", "revoke", "ci"], 0);
    let (_, said) = remote(&stage, "ci", &["apps"], 5);
    assert!(said.contains("(invalid_token)"), "{said}");
    let (list, _) = run(&stage, &["token", "ls"], 0);
    assert!(!list.contains(" ci "), "{list}");
    let (list, _) = run(&stage, &["token", "ls", "--all"], 0);
    assert!(list.contains("revoked "), "{list}");
    let (_, said) = run(&stage, &["token", "revoke", "ci"], 5);
    assert!(said.contains("there is no token 'ci' that holds"), "{said}");
}

#[test]
fn a_deployment_is_planned_taken_in_and_cancelled_and_removed() {
    let stage = Stage::set(APPS);
    let _daemon = begin(&stage);
    let (plan, _) = run(&stage, &["deploy", "web", "--plan"], 0);
    assert!(
        plan.starts_with("production of web would be deployed; nothing was changed\n"),
        "{plan}"
    );
    assert!(plan.contains("\n  downtime  none: "), "{plan}");
    let (none, said) = run(&stage, &["events"], 0);
    assert_eq!((none.as_str(), said.as_str()), ("", "no events\n"));

    let (id, _) = run(&stage, &["deploy", "web", "--no-wait"], 0);
    let id = id.trim_end();
    let (plan, _) = run(&stage, &["deploy", "web", "--plan", "--json"], 0);
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["waits_for"], 1, "{plan}");
    let (_, said) = run(&stage, &["rm", id, "--yes"], 5);
    assert!(
        said.contains("`longshore explain deployment_in_progress` says more"),
        "{said}"
    );
    run(&stage, &["cancel", id], 0);
    let (events, _) = run(&stage, &["events", "--deployment", id, "--json"], 0);
    let events: Value = serde_json::from_str(&events).unwrap();
    let told: Vec<&str> = events["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["status"].as_str().unwrap())
        .collect();
    assert_eq!(
        (told.first(), told.last()),
        (Some(&"queued"), Some(&"cancelled")),
        "{told:?}"
    );
    let (said, _) = run(&stage, &["rm", id, "--yes"], 0);
    assert_eq!(said, format!("{id} is removed\n"));
    let (_, said) = run(&stage, &["show", id], 5);
    assert!(said.contains("deployment_not_found"), "{said}");

    let (app, _) = run(&stage, &["app", "show", "web"], 0);
    assert!(
        app.starts_with("web\n  project      images/web\n  environment  production\n"),
        "{app}"
    );
    let (_, said) = run(&stage, &["deploy", "wbe"], 5);
    assert!(said.contains("next: did you mean web?"), "{said}");
    run(&stage, &["suspend", "web", "--no-wait"], 0);
    let (plan, _) = run(&stage, &["deploy", "web", "--plan"], 5);
    assert!(plan.contains("would be refused"), "{plan}");
}

#[test]
fn a_daemon_without_its_engine_says_that_it_is_not_well() {
    let stage = Stage::set(APPS);
    let _daemon = begin(&stage);
    let (told, _) = run(&stage, &["status"], 1);
    assert!(told.contains("unavailable\n"), "{told}");
    assert!(told.contains("(engine_unavailable)\n"), "{told}");
    assert!(
        told.contains(&format!("\n  version      {}\n", env!("CARGO_PKG_VERSION"))),
        "{told}"
    );
    assert!(
        told.contains("\n  next: longshore explain engine_unavailable\n"),
        "{told}"
    );
}

#[test]
fn events_are_followed_over_a_kill_of_the_daemon() {
    let stage = Stage::set(APPS);
    let mut daemon = begin(&stage);
    run(&stage, &["deploy", "web", "--no-wait"], 0);
    let mut following = longshore(&stage, &["events", "-f", "-n", "1", "--json"]);
    let mut child = following
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = move || -> Value {
        let line = lines.next().unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    };
    let mut last = next()["id"].as_i64().unwrap();
    daemon.signal(Signal::SIGKILL);
    daemon.ends();
    let _daemon = begin(&stage);
    run(&stage, &["deploy", "cache", "--no-wait"], 0);
    loop {
        let event = next();
        let id = event["id"].as_i64().unwrap();
        assert_eq!(id, last + 1, "{event}");
        last = id;
        if event["app"] == "cache" {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_hook_is_made_called_renewed_and_taken_away() {
    let stage = Stage::set(APPS);
    let _daemon = begin(&stage);
    let (_, said) = run(&stage, &["hook", "show", "web"], 5);
    assert!(
        said.contains("environment 'production' of app 'web' has no deployment hook"),
        "{said}"
    );
    let (url, said) = run(&stage, &["hook", "enable", "web"], 0);
    assert!(said.contains("keep it secret"), "{said}");
    let (again, _) = run(&stage, &["hook", "show", "web", "-q"], 0);
    assert_eq!(again, url);
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    let (renewed, said) = run(&stage, &["hook", "renew", "web"], 0);
    assert!(renewed != url && said.contains("leads nowhere"), "{said}");
    let (document, _) = run(&stage, &["hook", "show", "web", "--json"], 0);
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["url"], renewed.trim());
    run(&stage, &["hook", "disable", "web"], 0);
    run(&stage, &["hook", "disable", "web"], 0);
    run(&stage, &["hook", "show", "web"], 5);
    let (_, said) = run(&stage, &["hook", "enable", "wbe"], 5);
    assert!(said.contains("web"), "{said}");
}
