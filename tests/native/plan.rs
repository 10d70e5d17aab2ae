//! A plan says what a create then does, and does nothing itself.

use super::stage::{As, Stage};
use super::world::{git_app, image_app, sha};
use axum::http::StatusCode;
use serde_json::{Value, json};

async fn plan(stage: &Stage, app: &str, body: Value) -> Value {
    stage.post(&format!("/v1/apps/{app}/plan"), body).await.ok()
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment_interrupts_nothing_and_the_next_one_does() {
    let stage = Stage::set(vec![git_app("web")]);
    let body = json!({ "from_config": true });
    let planned = plan(&stage, "web", body.clone()).await;
    let why = planned["why"].as_str().unwrap();
    assert!(why.contains("nothing is live"), "{why}");
    let mut expected = planned.clone();
    expected["why"] = json!("");
    let head = planned["commit_sha"].clone();
    assert_eq!(
        expected,
        json!({
            "app": "web", "environment": "production", "steps": ["checkout", "build", "rollout"], "strategy": "recreate",
            "downtime": false, "why": "", "branch": "main", "commit_sha": head, "image": null, "release": null,
            "changes": [], "waits_for": 0, "would": "deploy", "refused": null, "domains": [], "instead": null, "processes": [],
            "commands": [],
        })
    );
    assert_eq!(
        stage.get("/v1/deployments").await.ok()["meta"]["total"],
        0,
        "nothing is made"
    );
    let id = stage.deploy("web").await;
    let shown = stage.get(&format!("/v1/deployments/{id}")).await.ok();
    assert_eq!(shown["commit_sha"], head);
    assert_eq!(plan(&stage, "web", body.clone()).await["waits_for"], 1);
    stage.drive().await;
    let again = plan(&stage, "web", body).await;
    assert_eq!(
        (&again["downtime"], &again["waits_for"]),
        (&json!(true), &json!(0))
    );
    assert!(again["why"].as_str().unwrap().contains("recreate"));
}

#[tokio::test(start_paused = true)]
async fn the_queue_as_it_stands_says_whether_it_would_be_taken_in() {
    let stage = Stage::set(vec![image_app("cache", "redis:7")]);
    stage.deploy("cache").await;
    stage.drive().await;
    stage.post("/v1/apps/cache/stop", json!({})).await.ok();
    let planned = plan(&stage, "cache", json!({})).await;
    assert_eq!(
        (&planned["would"], &planned["downtime"]),
        (&json!("start"), &json!(false))
    );
    assert_eq!(
        (&planned["waits_for"], &planned["image"]),
        (&json!(1), &json!("redis:7"))
    );
    assert_eq!(planned["steps"], json!(["rollout"]));
    stage.drive().await;
    stage.post("/v1/apps/cache/suspend", json!({})).await.ok();
    let planned = plan(&stage, "cache", json!({})).await;
    assert_eq!(planned["would"], "refused");
    let refused = planned["refused"].as_str().unwrap();
    let body = json!({ "project_id": "cache" });
    let created = stage.post("/v1/deployments", body).await;
    assert_eq!(created.status, StatusCode::CONFLICT);
    assert_eq!(created.json()["error"]["message"], refused);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_is_planned_with_the_release_it_goes_back_to() {
    let stage = Stage::set(vec![git_app("web")]);
    stage.deploy("web").await;
    stage.drive().await;
    stage.bench.world.state.lock().unwrap().head = Some(sha('d'));
    stage.deploy("web").await;
    stage.drive().await;
    let planned = plan(&stage, "web", json!({ "release": 1 })).await;
    assert_eq!(
        (&planned["release"], &planned["steps"]),
        (&json!(1), &json!(["rollout"]))
    );
    assert_ne!(planned["commit_sha"], sha('d').as_str());
    assert_eq!(planned["downtime"], true);
    for (body, status) in [
        (json!({ "release": 9 }), StatusCode::BAD_REQUEST),
        (
            json!({ "release": 1, "branch": "main" }),
            StatusCode::BAD_REQUEST,
        ),
        (json!({ "release": 0 }), StatusCode::BAD_REQUEST),
        (json!({}), StatusCode::BAD_REQUEST),
        (json!({ "branch": "..", }), StatusCode::BAD_REQUEST),
        (
            json!({ "branch": "main", "environment": "staging" }),
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let answer = stage.post("/v1/apps/web/plan", body.clone()).await;
        assert_eq!(answer.status, status, "{body} {}", answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_configuration_says_otherwise_is_among_the_changes() {
    let stage = Stage::set(vec![image_app("cache", "redis:7")]);
    stage.deploy("cache").await;
    stage.drive().await;
    let mut changed = image_app("cache", "redis:7");
    for spec in changed.environments.values_mut() {
        spec.run.memory = Some(64 << 20);
    }
    let stage = stage.again_with(vec![changed]);
    let planned = plan(&stage, "cache", json!({})).await;
    let shown = stage
        .get("/v1/apps/cache/environments/production")
        .await
        .ok();
    assert_eq!(planned["changes"], shown["drift"]);
    assert_eq!(planned["changes"].as_array().unwrap().len(), 1, "{planned}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_may_plan_within_its_reach_and_changes_nothing() {
    let stage = Stage::set(vec![git_app("web"), git_app("other")]);
    let reader = stage.token("deploy:read", Some("web")).await;
    let before = stage.store.last_event().unwrap();
    for (app, status) in [("web", StatusCode::OK), ("other", StatusCode::NOT_FOUND)] {
        let body = json!({ "branch": "main" });
        let request = Stage::request("POST", &format!("/v1/apps/{app}/plan"), &reader, body);
        assert_eq!(stage.send(request).await.status, status, "{app}");
    }
    let request = Stage::request("DELETE", "/v1/apps/web", &As::Ann, Value::Null);
    stage.send(request).await.ok();
    stage.drive().await;
    let answer = stage
        .post("/v1/apps/web/plan", json!({ "branch": "main" }))
        .await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    assert!(
        stage.get("/v1/apps").await.ok()["data"]
            .as_array()
            .unwrap()
            .len()
            == 1
    );
    assert!(stage.store.last_event().unwrap() > before);
}
