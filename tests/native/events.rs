//! What happened: in pages, and as it comes.

use super::stage::{As, Stage};
use super::world::git_app;
use axum::http::StatusCode;
use longshore::core::action::{Action, DeploymentRef, Reply};
use longshore::core::id::ProjectSerial;
use longshore::core::name::{EnvironmentName, Reported};
use longshore::core::recorded::{Record, ReportedState};
use serde_json::{Value, json};

fn phases(page: &Value) -> Vec<&str> {
    let data = page["data"].as_array().unwrap();
    data.iter()
        .map(|event| event["phase"].as_str().unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_deployment_and_a_change_are_told_from_their_beginning_to_their_end() {
    let stage = Stage::set(vec![git_app("web")]);
    let id = stage.deploy("web").await;
    stage.drive().await;
    stage.post("/v1/apps/web/stop", json!({})).await.ok();
    stage.drive().await;
    let page = stage.get("/v1/events").await.ok();
    let told = phases(&page);
    let wanted = [
        "queued",
        "checkout",
        "build",
        "rollout",
        "committed",
        "succeeded",
    ];
    assert_eq!(told, [&wanted[..], &["queued", "running", "done"]].concat());
    let data = page["data"].as_array().unwrap();
    let statuses: Vec<&str> = data
        .iter()
        .map(|event| event["status"].as_str().unwrap())
        .collect();
    let wanted = [
        "queued",
        "building",
        "building",
        "deploying",
        "deploying",
        "success",
    ];
    assert_eq!(
        statuses,
        [&wanted[..], &["queued", "running", "done"]].concat()
    );
    let first = &data[0];
    assert_eq!(first["deployment"], id.as_str());
    assert_eq!(
        (&first["type"], &first["kind"]),
        (&json!("deployment"), &json!("deploy"))
    );
    assert_eq!(
        (&first["app"], &first["environment"]),
        (&json!("web"), &json!("production"))
    );
    assert_eq!(first["operation"], Value::Null);
    let last = &data[8];
    assert_eq!(
        (&last["type"], &last["kind"]),
        (&json!("operation"), &json!("stop"))
    );
    assert_eq!(last["deployment"], Value::Null);
    let operation = format!("/v1/operations/{}", last["operation"]);
    assert_eq!(
        stage.get(&operation).await.ok()["data"][0]["status"],
        "done"
    );
    assert_eq!(page["meta"]["next"], last["id"]);
}

#[tokio::test(start_paused = true)]
async fn what_others_report_is_told_and_is_no_outcome_of_ours() {
    let stage = Stage::set(vec![git_app("web")]);
    stage.deploy("web").await;
    stage.drive().await;
    let told = |state| Record {
        project: ProjectSerial(1),
        environment: EnvironmentName::reported("review/a b").unwrap(),
        reference: Reported::parse("main").unwrap(),
        tag: false,
        sha: Reported::parse("a1b2c3d").unwrap(),
        state,
        particulars: Default::default(),
        contexts: Default::default(),
    };
    let ask = async |action| stage.agent.dispatch(&stage.caller, action).await.unwrap();
    let Reply::Recorded(view) = ask(Action::Record(told(ReportedState::Running))).await else {
        panic!("it is not recorded");
    };
    let which = DeploymentRef::Id(view.recorded.id);
    ask(Action::Report(which, ReportedState::Success)).await;
    let query = "environment=review%2Fa%20b";
    let page = stage.get(&format!("/v1/events?{query}")).await.ok();
    assert_eq!(phases(&page), ["recorded_running", "recorded_success"]);
    let listed = stage.get(&format!("/v1/deployments?{query}")).await.ok();
    assert_eq!(listed["meta"]["total"], 1);
    let page = stage.get("/v1/events").await.ok();
    let last = page["data"].as_array().unwrap().iter().rev().take(2);
    let last: Vec<&Value> = last.collect();
    assert_eq!(
        (&last[1]["phase"], &last[1]["status"]),
        (&json!("recorded_running"), &json!("deploying"))
    );
    assert_eq!(
        (&last[0]["phase"], &last[0]["status"]),
        (&json!("recorded_success"), &json!("success"))
    );
    assert_eq!(last[0]["environment"], "review/a b");
    let figures = stage.get("/metrics").await;
    let counted = figures
        .text
        .lines()
        .filter(|line| line.starts_with("longshore_deployments_total") && !line.ends_with(" 0"));
    assert_eq!(counted.count(), 1, "{}", figures.text);
}

#[tokio::test(start_paused = true)]
async fn a_removal_tells_of_the_changes_it_cancels() {
    let stage = Stage::set(vec![git_app("web")]);
    stage.post("/v1/apps/web/stop", json!({})).await.ok();
    let request = Stage::request("DELETE", "/v1/apps/web", &As::Ann, Value::Null);
    stage.send(request).await.ok();
    stage.drive().await;
    let page = stage.get("/v1/events").await.ok();
    assert_eq!(
        phases(&page),
        ["queued", "cancelled", "queued", "running", "done"]
    );
}

#[tokio::test(start_paused = true)]
async fn pages_joined_are_the_whole_and_filters_leave_the_rest_out() {
    let stage = Stage::set(vec![git_app("web"), git_app("other")]);
    let ids = [stage.deploy("web").await, stage.deploy("other").await];
    stage.drive().await;
    let whole = stage.get("/v1/events?limit=1000").await.ok();
    let (mut joined, mut after) = (Vec::new(), json!(0));
    loop {
        let page = stage
            .get(&format!("/v1/events?limit=5&after={after}"))
            .await
            .ok();
        let data = page["data"].as_array().unwrap();
        if data.is_empty() {
            assert_eq!(page["meta"]["next"], after);
            break;
        }
        joined.extend(data.clone());
        after = page["meta"]["next"].clone();
    }
    assert_eq!(whole["data"], Value::Array(joined));
    for (query, key, value) in [
        ("app=web".to_owned(), "app", "web"),
        (
            format!("deployment={}", ids[1]),
            "deployment",
            ids[1].as_str(),
        ),
        (
            "environment=production&app=other".to_owned(),
            "app",
            "other",
        ),
    ] {
        let page = stage.get(&format!("/v1/events?{query}")).await.ok();
        assert_eq!(page["data"].as_array().unwrap().len(), 6, "{query}");
        for event in page["data"].as_array().unwrap() {
            assert_eq!(event[key], value, "{query}");
        }
    }
    let none = stage.get("/v1/events?environment=staging").await.ok();
    assert_eq!(
        (&none["data"], &none["meta"]["next"]),
        (&json!([]), &json!(12))
    );
    let latest = stage.get("/v1/events?after=latest").await.ok();
    assert_eq!(latest, json!({ "data": [], "meta": { "next": 12 } }));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_told_only_of_what_it_can_see() {
    let stage = Stage::set(vec![git_app("web"), git_app("other")]);
    let ids = [stage.deploy("web").await, stage.deploy("other").await];
    stage.drive().await;
    let only = stage.token("deploy:read", Some("other")).await;
    let page = stage.get_as("/v1/events", &only).await.ok();
    assert_eq!(page["data"].as_array().unwrap().len(), 6);
    for event in page["data"].as_array().unwrap() {
        assert_eq!(event["app"], "other");
    }
    for query in [
        "app=web".to_owned(),
        format!("deployment={}", ids[0]),
        "deployment=x".into(),
    ] {
        let answer = stage.get_as(&format!("/v1/events?{query}"), &only).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{query}");
    }
    for query in [
        "limit=0",
        "limit=1001",
        "after=-1",
        "after=x",
        "environment=%01",
    ] {
        let answer = stage.get_as(&format!("/v1/events?{query}"), &only).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_hears_what_happens_while_it_listens_and_after_it_comes_back() {
    let stage = Stage::set(vec![git_app("web")]);
    stage.deploy("web").await;
    stage.drive().await;
    let mut new = stage
        .follow("/v1/events?after=latest", &As::Ann, None)
        .await;
    let mut all = stage.follow("/v1/events", &As::Ann, None).await;
    for wanted in [
        "queued",
        "checkout",
        "build",
        "rollout",
        "committed",
        "succeeded",
    ] {
        assert_eq!(all.next().await.unwrap().json()["phase"], wanted);
    }
    // Nothing comes for a while: a comment says that somebody is there.
    let quiet = all.next().await.unwrap();
    assert_eq!((quiet.comment.is_some(), quiet.data.as_str()), (true, ""));
    stage.post("/v1/apps/web/stop", json!({})).await.ok();
    let heard = loop {
        let message = new.next().await.unwrap();
        if message.comment.is_none() {
            break message;
        }
    };
    assert_eq!(heard.json()["kind"], "stop");
    assert_eq!(heard.id, Some(heard.json()["id"].to_string()));
    drop((new, all));
    stage.drive().await;
    let stage = stage.again();
    let mut back = stage
        .follow("/v1/events?after=0", &As::Ann, heard.id.as_deref())
        .await;
    assert_eq!(back.next().await.unwrap().json()["phase"], "running");
    assert_eq!(back.next().await.unwrap().json()["phase"], "done");
    stage.agent.close();
    assert_eq!(
        back.next().await,
        None,
        "a daemon that ends lets its followers go"
    );
}

#[tokio::test(start_paused = true)]
async fn a_follower_whose_token_was_revoked_hears_nothing_more() {
    let stage = Stage::set(vec![git_app("web")]);
    let body = json!({ "name": "reader", "scope": "deploy:read" });
    let made = stage.post("/v1/tokens", body).await.ok();
    let reader = As::Token(made["token"].as_str().unwrap().to_owned());
    let mut followed = stage.follow("/v1/events", &reader, None).await;
    stage.deploy("web").await;
    assert_eq!(followed.next().await.unwrap().json()["phase"], "queued");
    let path = format!("/v1/tokens/{}", made["id"].as_str().unwrap());
    let request = Stage::request("DELETE", &path, &As::Ann, Value::Null);
    assert_eq!(stage.send(request).await.status, StatusCode::NO_CONTENT);
    stage.drive().await;
    let heard = followed.rest().await;
    assert!(
        heard.len() < 6,
        "it heard of the deployment's end: {heard:?}"
    );
    let after: Vec<_> = heard
        .iter()
        .filter(|message| message.data.contains("succeeded"))
        .collect();
    assert!(after.is_empty(), "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_deployment_is_told_of_no_more() {
    let stage = Stage::set(vec![git_app("web")]);
    let id = stage.deploy("web").await;
    stage.drive().await;
    stage.deploy("web").await;
    stage.drive().await;
    let request = Stage::request(
        "DELETE",
        &format!("/v1/deployments/{id}"),
        &As::Ann,
        Value::Null,
    );
    assert_eq!(stage.send(request).await.status, StatusCode::NO_CONTENT);
    let page = stage.get("/v1/events").await.ok();
    let data = page["data"].as_array().unwrap();
    assert_eq!(data.len(), 6);
    assert!(
        data.iter().all(|event| event["deployment"] != id.as_str()),
        "{page}"
    );
    let answer = stage.get(&format!("/v1/events?deployment={id}")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn there_is_a_limit_to_how_many_follow_and_a_place_that_was_left_is_free() {
    let stage = Stage::set(vec![git_app("web")]);
    let mut followers = Vec::new();
    for _ in 0..512 {
        followers.push(stage.follow("/v1/events", &As::Ann, None).await);
    }
    let mut request = Stage::request("GET", "/v1/events", &As::Ann, Value::Null);
    request
        .headers_mut()
        .insert("accept", "text/event-stream".parse().unwrap());
    let answer = stage.send(request).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["error"]["code"], "too_many_followers");
    assert!(answer.headers.contains_key("retry-after"));
    followers.pop();
    stage.follow("/v1/events", &As::Ann, None).await;
}
