//! Runs of jobs: made, listed, looked at, read and cancelled; and when a schedule comes next.

use super::stage::{As, Stage};
use super::world::{Behaviour, git_app, image_app};
use axum::http::StatusCode;
use longshore::core::app::App;
use longshore::core::job::{JobCommand, JobEvent, JobSpec, Missed, Occasion, Overlap, Schedule};
use longshore::core::schedule::{Cron, Zone};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

fn job(occasion: Occasion) -> App {
    let mut app = image_app("report", "report:1");
    for spec in app.environments.values_mut() {
        spec.run.port = None;
        spec.run.command = vec!["./report".into()];
        spec.job = Some(JobSpec {
            occasion: occasion.clone(),
            overlap: Overlap::Forbid,
            max_duration: Duration::from_secs(3600),
            retries: 0,
            keep_runs: 50,
        });
    }
    app
}

fn scheduled() -> App {
    job(Occasion::Scheduled(Schedule {
        cron: Cron::parse("0 3 * * *").unwrap(),
        time_zone: Zone::utc(),
        missed: Missed::Skip,
    }))
}

fn on_events() -> App {
    let command = |words: &str| JobCommand {
        entrypoint: Vec::new(),
        command: vec![words.to_owned()],
    };
    job(Occasion::Lifecycle(BTreeMap::from([
        (JobEvent::Start, command("./up")),
        (JobEvent::Stop, command("./down")),
    ])))
}

/// A stage with that app deployed, beside a service.
async fn stage(app: App) -> Stage {
    let stage = Stage::set(vec![app, git_app("web")]);
    stage.deploy("report").await;
    stage.drive().await;
    stage
}

async fn made(stage: &Stage, body: Value) -> Value {
    let answer = stage.post("/v1/apps/report/runs", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    answer.json()
}

fn behaves(stage: &Stage, behaviour: Behaviour) {
    let mut state = stage.bench.world.state.lock().unwrap();
    state.behaviours.insert("./report".into(), behaviour);
}

#[tokio::test(start_paused = true)]
async fn a_run_by_hand_is_made_shown_listed_and_read() {
    let stage = stage(scheduled()).await;
    let run = made(&stage, Value::Null).await;
    let id = run["id"].as_str().unwrap();
    assert!(id.starts_with("run_"), "{run}");
    assert_eq!(
        (&run["status"], &run["event"], &run["cause"], &run["number"]),
        (&json!("queued"), &json!("cron"), &json!("hand"), &json!(1))
    );
    stage.drive().await;
    let ended = stage.get(&format!("/v1/runs/{id}")).await.ok();
    assert_eq!(ended["status"], "succeeded");
    assert_eq!(
        (&ended["exit_status"], &ended["attempts"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(
        (&ended["created_by"], &ended["due_at"]),
        (&json!("ann"), &Value::Null)
    );
    assert!(ended["started_at"].is_string() && ended["completed_at"].is_string());
    let list = stage.get("/v1/apps/report/runs").await.ok();
    assert_eq!(list["data"], json!([ended]));
    assert_eq!(
        list["meta"],
        json!({ "limit": 20, "offset": 0, "total": 1 })
    );
    let log = stage.get(&format!("/v1/runs/{id}/logs?from=0")).await;
    assert!(log.text.contains("Succeeded"), "{}", log.text);
    assert_eq!(log.headers["x-longshore-complete"], "false");
    let end = format!(
        "/v1/runs/{id}/logs?from={}",
        log.headers["x-longshore-next"].to_str().unwrap()
    );
    assert_eq!(
        stage.get(&end).await.headers["x-longshore-complete"],
        "true"
    );
    let mut lines = Stage::request("GET", &format!("/v1/runs/{id}/logs"), &As::Ann, Value::Null);
    lines
        .headers_mut()
        .insert("accept", "application/json".parse().unwrap());
    let lines = stage.send(lines).await.ok();
    assert_eq!(lines["data"][0]["message"], "Running the job `./report`");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_fails_tells_its_status_and_why_and_one_at_work_forbids_another_until_it_is_cancelled()
 {
    let stage = stage(scheduled()).await;
    behaves(&stage, Behaviour::Exits(3));
    let run = made(&stage, json!({ "event": "cron" })).await;
    stage.drive().await;
    let path = format!("/v1/runs/{}", run["id"].as_str().unwrap());
    let failed = stage.get(&path).await.ok();
    assert_eq!(
        (&failed["status"], &failed["exit_status"]),
        (&json!("failed"), &json!(3))
    );
    assert_eq!(failed["error"]["code"], "job_failed");

    behaves(&stage, Behaviour::Serves);
    let run = made(&stage, json!({})).await;
    let second = stage.post("/v1/apps/report/runs", json!({})).await;
    assert_eq!(second.status, StatusCode::CONFLICT);
    assert_eq!(second.json()["error"]["code"], "run_at_work");
    let path = format!("/v1/runs/{}/cancel", run["id"].as_str().unwrap());
    let cancelled = stage.post(&path, json!({})).await.ok();
    assert_eq!(
        (&cancelled["status"], &cancelled["cancelled"]),
        (&json!("cancelled"), &json!("hand"))
    );
    stage.drive().await;
    let list = stage.get("/v1/apps/report/runs?limit=1").await.ok();
    assert_eq!(list["data"][0]["status"], "cancelled");
    assert_eq!(list["meta"]["total"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_run_of_a_deployment_or_an_operation_says_so_and_has_its_log() {
    let stage = stage(on_events()).await;
    stage.post("/v1/apps/report/stop", json!({})).await.ok();
    stage.drive().await;
    let list = stage.get("/v1/apps/report/runs").await.ok();
    let [stop, start] = &list["data"].as_array().unwrap()[..] else {
        panic!("{list}");
    };
    assert_eq!(
        (&start["event"], &start["cause"]),
        (&json!("start"), &json!("deployment"))
    );
    assert_eq!(
        (&stop["event"], &stop["cause"]),
        (&json!("stop"), &json!("change"))
    );
    assert!(
        stop["operation"].is_i64() && stop["deployment"].is_null(),
        "{stop}"
    );
    let deployment = start["deployment"].as_str().unwrap();
    let of_run = format!("/v1/runs/{}/logs?from=0", start["id"].as_str().unwrap());
    let of_deployment = format!("/v1/deployments/{deployment}/logs?from=0");
    let (of_run, of_deployment) = (stage.get(&of_run).await, stage.get(&of_deployment).await);
    assert!(of_run.status.is_success());
    assert_eq!(of_run.text, of_deployment.text);
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused_and_what_is_not_to_be_seen_is_not_there() {
    let stage = stage(scheduled()).await;
    stage.deploy("web").await;
    stage.drive().await;
    let refused = [
        (
            "/v1/apps/report/runs",
            json!({ "event": "start" }),
            400,
            "invalid_field",
        ),
        (
            "/v1/apps/report/runs",
            json!({ "event": "noon" }),
            400,
            "invalid_field",
        ),
        (
            "/v1/apps/report/runs",
            json!({ "environment": "nowhere" }),
            400,
            "invalid_field",
        ),
        ("/v1/apps/web/runs", json!({}), 400, "invalid_field"),
        ("/v1/apps/nothing/runs", json!({}), 404, "project_not_found"),
        ("/v1/runs/run_1/cancel", json!({}), 404, "run_not_found"),
        ("/v1/runs/%FF/cancel", json!({}), 404, "run_not_found"),
    ];
    for (path, body, status, code) in refused {
        let answer = stage.post(path, body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]["code"]),
            (status, &json!(code)),
            "{path} {}",
            answer.text
        );
    }
    let run = made(&stage, json!({})).await;
    stage.drive().await;
    let id = run["id"].as_str().unwrap();
    let other = stage.token("deploy:read", Some("web")).await;
    for path in [
        format!("/v1/runs/{id}"),
        format!("/v1/runs/{id}/logs"),
        "/v1/apps/report/runs".to_owned(),
        "/v1/runs/run_".to_owned(),
    ] {
        let answer = stage.get_as(&path, &other).await;
        assert_eq!(
            answer.status,
            StatusCode::NOT_FOUND,
            "{path} {}",
            answer.text
        );
    }
    let reader = stage.token("deploy:read", Some("report")).await;
    assert!(
        stage
            .get_as(&format!("/v1/runs/{id}"), &reader)
            .await
            .status
            .is_success()
    );
    let asked = Stage::request("POST", "/v1/apps/report/runs", &reader, json!({}));
    assert_eq!(stage.send(asked).await.status, StatusCode::FORBIDDEN);
    let nobody = stage.get_as(&format!("/v1/runs/{id}"), &As::Nobody).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    // The same key is the same run.
    let keyed = || {
        let mut request = Stage::request("POST", "/v1/apps/report/runs", &As::Ann, json!({}));
        request
            .headers_mut()
            .insert("idempotency-key", "k".parse().unwrap());
        request
    };
    let first = stage.send(keyed()).await.ok();
    stage.drive().await;
    assert_eq!(stage.send(keyed()).await.ok()["id"], first["id"]);
}

#[tokio::test(start_paused = true)]
async fn apps_tell_what_they_are_and_when_their_schedule_comes_next() {
    let stage = stage(scheduled()).await;
    let report = stage
        .get("/v1/apps/report/environments/production")
        .await
        .ok();
    assert_eq!(
        (&report["kind"], &report["next_run"], &report["address"]),
        (&json!("job"), &json!("2025-03-15T03:00:00Z"), &Value::Null)
    );
    let web = stage.get("/v1/apps/web/environments/production").await.ok();
    assert_eq!(
        (&web["kind"], &web["next_run"]),
        (&json!("service"), &Value::Null)
    );
    stage.post("/v1/apps/report/stop", json!({})).await.ok();
    stage.drive().await;
    let report = stage
        .get("/v1/apps/report/environments/production")
        .await
        .ok();
    assert_eq!(report["next_run"], Value::Null);
}
