//! Following a log: what was heard, put together, is the file.

use super::stage::{As, Message, Stage};
use super::world::git_app;
use axum::http::StatusCode;

fn log_file(stage: &Stage, id: &str) -> String {
    let logs = std::fs::read_dir(stage.bench.data_dir.join("logs")).unwrap();
    let files: Vec<_> = logs.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{id}: one deployment has one log");
    std::fs::read_to_string(&files[0]).unwrap()
}

/// A line as it stands in the file.
fn line(message: &Message) -> String {
    let line = message.json();
    let part = |key: &str| line[key].as_str().unwrap().to_owned();
    [
        part("timestamp"),
        part("step"),
        part("stream"),
        part("message"),
    ]
    .join(" ")
        + "\n"
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_followed_is_the_file_and_has_an_end() {
    let stage = Stage::set(vec![git_app("web")]);
    let id = stage.deploy("web").await;
    let mut followed = stage
        .follow(&format!("/v1/deployments/{id}/logs"), &As::Ann, None)
        .await;
    let listen = async {
        let mut heard = Vec::new();
        while let Some(message) = followed.next().await {
            heard.push(message);
        }
        heard
    };
    let (heard, ()) = tokio::join!(listen, stage.drive());
    let (end, lines) = heard.split_last().unwrap();
    assert_eq!(end.event.as_deref(), Some("end"));
    let file = log_file(&stage, &id);
    assert_eq!(end.id, Some(file.len().to_string()));
    let heard: String = lines
        .iter()
        .filter(|it| it.comment.is_none())
        .map(line)
        .collect();
    assert_eq!(heard, file);
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_at_any_line_hears_exactly_the_rest() {
    let stage = Stage::set(vec![git_app("web")]);
    stage.bench.world.state.lock().unwrap().build_prints =
        vec!["ein Zeichen: ü".into(), String::new(), " x ".into()];
    let id = stage.deploy("web").await;
    stage.drive().await;
    let stage = stage.again();
    let path = format!("/v1/deployments/{id}/logs");
    let file = log_file(&stage, &id);
    let all = stage.follow(&path, &As::Ann, None).await.rest().await;
    assert!(all.len() > 5, "{all:?}");
    for message in &all {
        let place = message.id.as_deref().unwrap();
        let rest = stage
            .follow(&format!("{path}?from=0"), &As::Ann, Some(place))
            .await
            .rest()
            .await;
        let (end, lines) = rest.split_last().unwrap();
        assert_eq!(end.event.as_deref(), Some("end"));
        let heard: String = lines.iter().map(line).collect();
        assert_eq!(heard, file[place.parse().unwrap()..]);
        let from = stage
            .follow(&format!("{path}?from={place}"), &As::Ann, None)
            .await
            .rest()
            .await;
        assert_eq!(from, rest);
    }
}

/// A crash cut a line inside a character; what was written after it is found at its place all the same.
#[tokio::test(start_paused = true)]
async fn a_line_that_was_cut_moves_no_place() {
    let stage = Stage::set(vec![git_app("web")]);
    let id = stage.deploy("web").await;
    stage.drive().await;
    let logs = std::fs::read_dir(stage.bench.data_dir.join("logs")).unwrap();
    let path = logs.map(|entry| entry.unwrap().path()).next().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend(b"2025-03-14T10:32:00.123Z build stdout half of it: \xc3\n2025-03-14T10:32:01.123Z build stdout whole\n");
    std::fs::write(&path, &bytes).unwrap();
    let followed = format!("/v1/deployments/{id}/logs");
    let all = stage.follow(&followed, &As::Ann, None).await.rest().await;
    let [.., cut, whole, end] = &all[..] else {
        panic!("{all:?}");
    };
    assert_eq!(cut.json()["message"], "half of it: \u{fffd}");
    assert_eq!(whole.json()["message"], "whole");
    assert_eq!(end.id, Some(bytes.len().to_string()));
    let rest = stage
        .follow(&followed, &As::Ann, cut.id.as_deref())
        .await
        .rest()
        .await;
    assert_eq!(rest, [whole.clone(), end.clone()]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_followed_is_refused_before_the_stream_begins() {
    let stage = Stage::set(vec![git_app("web"), git_app("other")]);
    let id = stage.deploy("web").await;
    let only = stage.token("deploy:read", Some("other")).await;
    let cases = [
        (
            format!("/v1/deployments/{id}/logs"),
            only,
            "",
            StatusCode::NOT_FOUND,
        ),
        (
            "/v1/deployments/dep_1/logs".into(),
            As::Ann,
            "",
            StatusCode::NOT_FOUND,
        ),
        (
            format!("/v1/deployments/{id}/logs"),
            As::Ann,
            "x",
            StatusCode::BAD_REQUEST,
        ),
        (
            format!("/v1/deployments/{id}/logs?from=x"),
            As::Ann,
            "",
            StatusCode::BAD_REQUEST,
        ),
        (
            format!("/v1/deployments/{id}/logs?wait=x"),
            As::Ann,
            "",
            StatusCode::BAD_REQUEST,
        ),
        ("/v1/events".into(), As::Ann, "-1", StatusCode::BAD_REQUEST),
    ];
    for (path, by, last, status) in cases {
        let mut request = Stage::request("GET", &path, &by, serde_json::Value::Null);
        let headers = request.headers_mut();
        headers.insert("accept", "text/event-stream".parse().unwrap());
        headers.insert("last-event-id", last.parse().unwrap());
        let answer = stage.send(request).await;
        assert_eq!(answer.status, status, "{path} {last}: {}", answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_the_end_of_a_log_there_is_nothing_however_far() {
    let stage = Stage::set(vec![git_app("web")]);
    let id = stage.deploy("web").await;
    stage.drive().await;
    for from in ["1000000", "9223372036854775806", "9223372036854775807"] {
        let path = format!("/v1/deployments/{id}/logs?from={from}");
        let answer = stage.get(&path).await;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (StatusCode::OK, ""),
            "{from}"
        );
        assert_eq!(answer.headers["x-longshore-next"], from);
        let followed = stage.follow(&path, &As::Ann, None).await.rest().await;
        assert_eq!(followed.len(), 1, "{followed:?}");
    }
}
