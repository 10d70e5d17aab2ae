//! The program at a terminal: how wide it is, what colours it may use, and that a pipe gets everything.

use super::daemon::Daemon;
use super::{APPS, LIST, apps, assert_exit, deployment, longshore, ok, run, stdout, success};
use nix::pty::{Winsize, openpty};
use serde_json::json;
use std::io::Read;
use std::process::Stdio;

fn daemon() -> Daemon {
    let other = deployment(json!({
        "id": "dep_3hab1519hvv3afvodupj0iya", "image": "registry.example.com/acme/web/with/a/long/name:2025-03-14-1",
        "branch": null, "commit_sha": null,
    }));
    let page = json!({"data": [success(), other], "meta": {"total": 2, "limit": 20, "offset": 0}});
    Daemon::start(&[(LIST, &[ok(page)]), (APPS, &[ok(apps())])])
}

/// What the program writes to a terminal of that width.
async fn at_a_terminal(
    daemon: &Daemon,
    width: u16,
    arguments: &[&str],
    with: &[(&str, &str)],
) -> String {
    let size = Winsize {
        ws_row: 24,
        ws_col: width,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let terminal = openpty(&size, None).unwrap();
    let mut command = longshore(arguments);
    command
        .env("LONGSHORE_SOCKET", daemon.socket())
        .env("TERM", "xterm")
        .envs(with.iter().copied())
        .stdout(Stdio::from(terminal.slave))
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // Our own copies of the terminal's other side end with the command.
    drop(command);
    let mut master = std::fs::File::from(terminal.master);
    let read = tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        // A terminal nobody writes to any more ends with an error.
        let _ = master.read_to_end(&mut text);
        String::from_utf8(text).unwrap().replace("\r\n", "\n")
    });
    assert!(child.wait().await.unwrap().success());
    read.await.unwrap()
}

#[tokio::test]
async fn a_table_is_as_wide_as_the_terminal_and_no_id_is_cut() {
    let daemon = daemon();
    for width in [40, 80, 200] {
        let text = at_a_terminal(&daemon, width, &["ls"], &[("NO_COLOR", "1")]).await;
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{width}:\n{text}");
        assert!(lines[1].starts_with("dep_9x2m4p "), "{text}");
        assert!(
            lines[2].starts_with("dep_3hab1519hvv3afvodupj0iya "),
            "{text}"
        );
        for line in &lines {
            assert!(line.chars().count() <= width.into(), "{width}:\n{text}");
        }
        assert_eq!(
            text.contains("with/a/long/name:2025-03-14-1"),
            width == 200,
            "{text}"
        );
    }
    let piped = run(&daemon, &["ls"]).await;
    assert!(stdout(&piped).contains("with/a/long/name:2025-03-14-1"));
}

#[tokio::test]
async fn colours_are_used_at_a_terminal_where_nothing_says_otherwise() {
    let daemon = Daemon::start(&[("GET /v1/deployments/dep_9x2m4p", &[ok(success())])]);
    let show = ["show", "dep_9x2m4p"];
    for (arguments, with, expected) in [
        (&[][..], &[][..], true),
        (&[], &[("NO_COLOR", "1")], false),
        (&[], &[("CLICOLOR", "0")], false),
        (&[], &[("TERM", "dumb")], false),
        (&["--color", "never"], &[], false),
        (&["--color=always"], &[("NO_COLOR", "1")], true),
    ] {
        let arguments = [&show[..], arguments].concat();
        let text = at_a_terminal(&daemon, 80, &arguments, with).await;
        assert_eq!(
            text.contains('\u{1b}'),
            expected,
            "{arguments:?} {with:?}: {text}"
        );
    }
    for (arguments, with, expected) in [
        (&[][..], None, false),
        (&["--color", "always"], None, true),
        (&[], Some(("CLICOLOR_FORCE", "1")), true),
    ] {
        let mut command = longshore(&show);
        command
            .args(arguments)
            .envs(with)
            .env("LONGSHORE_SOCKET", daemon.socket());
        let output = command.output().await.unwrap();
        assert_exit(&output, 0);
        assert_eq!(
            stdout(&output).contains('\u{1b}'),
            expected,
            "{arguments:?} {with:?}"
        );
    }
}
