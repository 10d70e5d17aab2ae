//! What the program tells of itself: completions for shells, manual pages, explanations.

use super::{assert_exit, assert_says, longshore, stderr, stdout};
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

async fn script(shell: &str) -> String {
    let output = longshore(&["completions", shell]).output().await.unwrap();
    assert_exit(&output, 0);
    assert_eq!(stderr(&output), "");
    stdout(&output).to_owned()
}

/// What bash offers at the end of that line.
async fn offered(line: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("longshore.bash");
    std::fs::write(&file, script("bash").await).unwrap();
    let ask = r#"
        source "$1"
        COMP_LINE=$2 COMP_POINT=${#2}
        read -ra COMP_WORDS <<< "$2"
        [[ $2 == *" " ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        name=$(complete -p longshore | sed 's/.*-F \([^ ]*\).*/\1/')
        "$name" longshore "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash")
        .args(["--norc", "-c", ask, "ask"])
        .arg(&file)
        .arg(line)
        .output()
        .await
        .unwrap();
    assert_exit(&output, 0);
    assert_eq!(stderr(&output), "");
    stdout(&output).lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn every_shell_gets_a_script_and_bash_reads_its_own() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = script(shell).await;
        for word in ["rollback", "token-file", "revoke"] {
            assert_says(&script, word);
        }
    }
    let mut check = Command::new("bash");
    check.arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = check.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = script("bash").await;
    tokio::io::AsyncWriteExt::write_all(&mut stdin, text.as_bytes())
        .await
        .unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert_exit(&output, 0);
    assert_eq!(stderr(&output), "");
}

#[tokio::test]
async fn bash_completes_commands_options_and_their_values() {
    assert_eq!(offered("longshore roll").await, ["rollback"]);
    assert_eq!(offered("longshore token re").await, ["revoke"]);
    assert_eq!(offered("longshore deploy --pl").await, ["--plan"]);
    assert_eq!(offered("longshore ls --status fa").await, ["failed"]);
    assert_eq!(offered("longshore completions z").await, ["zsh"]);
    let commands = offered("longshore ").await;
    for command in ["deploy", "explain", "events", "status"] {
        assert!(
            commands.iter().any(|offer| offer == command),
            "{commands:?}"
        );
    }
}

#[tokio::test]
async fn each_command_has_a_manual_page_that_groff_reads_without_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let into = directory.path().to_str().unwrap();
    let output = longshore(&["man", into]).output().await.unwrap();
    assert_exit(&output, 0);
    assert_says(stderr(&output), "pages are in");
    let mut names: Vec<String> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for name in [
        "longshore.1",
        "longshore-deploy.1",
        "longshore-token-create.1",
        "longshore-app-rm.1",
    ] {
        assert!(names.iter().any(|found| found == name), "{names:?}");
    }
    let has_groff = Path::new("/usr/bin/groff").exists();
    for name in &names {
        let path = directory.path().join(name);
        let page = std::fs::read_to_string(&path).unwrap();
        for section in [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS"] {
            assert_says(&page, section);
        }
        assert_eq!(
            page.matches("\n.nf\n").count(),
            page.matches("\n.fi").count(),
            "{name}"
        );
        if has_groff {
            let mut groff = Command::new("groff");
            let output = groff
                .args(["-man", "-ww", "-Tutf8"])
                .arg(&path)
                .output()
                .await
                .unwrap();
            assert_exit(&output, 0);
            assert_eq!(stderr(&output), "", "{name}");
        }
    }
    let page = std::fs::read_to_string(directory.path().join("longshore-deploy.1")).unwrap();
    assert_says(&page, ".SH \"EXIT STATUS\"\n.nf\n");
    assert_says(&page, "longshore deploy proxy \\-\\-image nginx:1.27\n");
    let main = longshore(&["man"]).output().await.unwrap();
    assert_exit(&main, 0);
    assert_says(stdout(&main), ".TH longshore 1");
    assert_says(stdout(&main), "LONGSHORE_TOKEN_FILE");
    let nowhere = longshore(&["man", "/nonexistent"]).output().await.unwrap();
    assert_exit(&nowhere, 1);
    assert_says(
        stderr(&nowhere),
        "cannot write the pages into /nonexistent: No such file",
    );
}

#[tokio::test]
async fn a_code_is_explained_without_a_daemon() {
    let output = longshore(&["explain", "not_ready"]).output().await.unwrap();
    assert_exit(&output, 0);
    assert_says(
        stdout(&output),
        "not_ready: the container ran and did not get ready in time\n  told of a deployment that failed\n",
    );
    assert_says(stdout(&output), "\n  - An app must listen on 0.0.0.0");
    // As it is copied from a message.
    for typed in ["(not_ready)", "NOT_READY", "not-ready"] {
        let same = longshore(&["explain", typed]).output().await.unwrap();
        assert_eq!(stdout(&same), stdout(&output), "{typed}");
    }
    let output = longshore(&["explain", "disk_full", "--json"])
        .output()
        .await
        .unwrap();
    let document: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(document["code"], "disk_full");
    assert_eq!(
        document["of"],
        serde_json::json!(["deployment", "request", "health"])
    );
    let list = longshore(&["explain"]).output().await.unwrap();
    assert_exit(&list, 0);
    let json = longshore(&["explain", "--json"]).output().await.unwrap();
    let all: Value = serde_json::from_str(stdout(&json)).unwrap();
    let all = all["data"].as_array().unwrap();
    assert_eq!(stdout(&list).lines().count(), all.len() + 1);
    for explanation in all {
        assert_says(stdout(&list), explanation["meaning"].as_str().unwrap());
    }
}
