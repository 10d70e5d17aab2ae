//! What running containers print, at `/v1/apps/{app}/logs`.

use super::stage::{As, Message, Stage};
use super::world::git_app;
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

const LOGS: &str = "/v1/apps/web/logs";

impl Stage {
    /// The live container prints these lines, and they are kept.
    async fn print(&self, lines: &[&str]) {
        self.bench.world.change(|state| {
            let made = state.containers.values_mut().next().unwrap();
            made.printed
                .extend(lines.iter().map(|line| (*line).to_owned()));
        });
        let long = tokio::time::sleep(Duration::from_secs(10));
        self.agent.keep_output(long).await;
    }
}

async fn printing() -> Stage {
    let stage = Stage::set(vec![git_app("web"), git_app("other")]);
    stage.deploy("web").await;
    stage.drive().await;
    stage
        .print(&["[warn] slow", "plain", "ERROR: ein Zeichen: ü"])
        .await;
    stage
}

fn messages(page: &Value) -> Vec<&str> {
    let lines = page["data"].as_array().unwrap().iter();
    lines
        .map(|line| line["message"].as_str().unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn lines_are_given_with_all_that_is_known_of_them() {
    let stage = printing().await;
    let page = stage.get(LOGS).await.ok();
    let all = messages(&page);
    assert_eq!((all.len(), all[0], all[2]), (5, "hello", "[warn] slow"));
    let last = &page["data"][4];
    assert_eq!(
        (
            &last["severity"],
            &last["stream"],
            &last["process"],
            &last["release"]
        ),
        (&json!("error"), &json!("stdout"), &json!("web"), &json!(1))
    );
    assert_eq!(page["data"][0]["severity"], Value::Null);
    assert!(last["container"].as_str().unwrap().ends_with("-1-1"));
    assert!(
        last["timestamp"]
            .as_str()
            .unwrap()
            .starts_with("2025-03-14T10:3")
    );
    for (query, expected) in [
        (
            "severity=warn",
            &all[2..3]
                .iter()
                .chain(&all[4..])
                .copied()
                .collect::<Vec<_>>()[..],
        ),
        ("severity=error", &all[4..]),
        ("severity=debug", &all[..]),
        ("contains=%C3%BC", &all[4..]),
        ("contains=", &all[..]),
        ("limit=1", &all[4..]),
        ("process=web", &all[..]),
        ("process=worker", &[]),
        ("release=1", &all[..]),
        ("release=2", &[]),
        (
            "environment=production&since=2025-03-14T10:00:00Z",
            &all[..],
        ),
        ("until=2025-03-14T10:00:00%2B01:00", &[]),
        ("from=0", &all[..]),
        ("from=0&limit=2", &all[..2]),
        ("from=999999", &[]),
    ] {
        let page = stage.get(&format!("{LOGS}?{query}")).await.ok();
        assert_eq!(messages(&page), expected, "{query}");
    }
    // Piece by piece.
    let (mut next, mut pieces) = (0, Vec::new());
    for _ in 0..3 {
        let page = stage.get(&format!("{LOGS}?from={next}&limit=2")).await.ok();
        next = page["meta"]["next"].as_u64().unwrap();
        pieces.extend(messages(&page).into_iter().map(str::to_owned));
    }
    assert_eq!(pieces, all);
    assert_eq!(page["meta"]["next"], next);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_asked_is_refused() {
    let stage = printing().await;
    for (query, parameter) in [
        ("since=yesterday", "since"),
        ("until=1", "until"),
        ("severity=loud", "severity"),
        ("release=0", "release"),
        ("limit=1001", "limit"),
        ("from=-1", "from"),
        ("wait=x", "wait"),
        ("environment=%0A", "environment"),
        (&format!("contains={}", "x".repeat(1025)), "contains"),
    ] {
        let answer = stage.get(&format!("{LOGS}?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.json()["error"]["details"]["parameter"], parameter);
    }
    let only = stage.token("deploy:read", Some("other")).await;
    for (path, by, code) in [
        (LOGS, only, "project_not_found"),
        ("/v1/apps/nothing/logs", As::Ann, "project_not_found"),
        (
            "/v1/apps/web/logs?environment=staging",
            As::Ann,
            "environment_not_found",
        ),
    ] {
        let answer = stage.get_as(path, &by).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.json()["error"]["code"], code, "{path}");
    }
}

fn texts(messages: &[Message]) -> Vec<String> {
    let lines = messages.iter().filter(|message| message.comment.is_none());
    lines
        .map(|message| message.json()["message"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn whoever_follows_hears_every_line_once_also_from_the_next_process() {
    let stage = printing().await;
    let hear = async |stage: &Stage, path: &str, last: Option<&str>, count: usize| {
        let mut followed = stage.follow(path, &As::Ann, last).await;
        let mut heard = Vec::new();
        while heard.len() < count {
            let message = followed.next().await.unwrap();
            heard.extend(message.comment.is_none().then_some(message));
        }
        heard
    };
    let all = hear(&stage, LOGS, None, 5).await;
    // The newest first, where nobody says from where.
    let newest = hear(&stage, &format!("{LOGS}?limit=2"), None, 2).await;
    assert_eq!(texts(&newest), texts(&all)[3..]);
    for (at, message) in all.iter().enumerate() {
        let last = message.id.as_deref();
        let rest = hear(&stage, &format!("{LOGS}?from=0"), last, 4 - at).await;
        assert_eq!(texts(&rest), texts(&all)[at + 1..]);
    }
    let errors = hear(&stage, &format!("{LOGS}?from=0&severity=error"), None, 1).await;
    assert_eq!(texts(&errors), texts(&all)[4..]);
    // What comes while somebody listens, and while nobody does.
    let last = all[4].id.clone();
    let (heard, ()) = tokio::join!(
        hear(&stage, LOGS, last.as_deref(), 2),
        stage.print(&["six", "seven"])
    );
    assert_eq!(texts(&heard), ["six", "seven"]);
    let stage = stage.again();
    stage.drive().await;
    stage.print(&["eight"]).await;
    let heard = hear(&stage, LOGS, heard[1].id.as_deref(), 1).await;
    assert_eq!(texts(&heard), ["eight"]);
}
