//! Apps and environments, one by one.

use super::stage::{As, Stage};
use super::world::{git_app, image_app};
use axum::http::StatusCode;

#[tokio::test(start_paused = true)]
async fn an_app_and_its_environments_are_shown_as_in_the_list() {
    let stage = Stage::set(vec![git_app("web"), image_app("cache", "redis:7")]);
    stage.deploy("web").await;
    stage.drive().await;
    let list = stage.get("/v1/apps").await.ok();
    let listed = list["data"].as_array().unwrap().iter();
    let listed = listed.clone().find(|app| app["name"] == "web").unwrap();
    let shown = stage.get("/v1/apps/web").await.ok();
    assert_eq!(&shown, listed);
    let id = shown["id"].as_str().unwrap();
    assert_eq!(stage.get(&format!("/v1/apps/{id}")).await.ok(), shown);
    let environments = stage.get("/v1/apps/web/environments").await.ok();
    assert_eq!(environments["data"], shown["environments"]);
    let one = stage.get("/v1/apps/web/environments/production").await.ok();
    assert_eq!(one, shown["environments"][0]);
    assert_eq!(one["live_release"], 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_token_may_not_see_is_not_there() {
    let stage = Stage::set(vec![git_app("web"), git_app("other")]);
    let only = stage.token("deploy:read", Some("other")).await;
    for path in [
        "/v1/apps/web",
        "/v1/apps/web/environments",
        "/v1/apps/web/environments/production",
        "/v1/apps/nothing",
        "/v1/apps/%FF",
        "/v1/apps/other/environments/nothing",
        "/v1/apps/other/environments/%FF",
    ] {
        let answer = stage.get_as(path, &only).await;
        assert_eq!(
            answer.status,
            StatusCode::NOT_FOUND,
            "{path} {}",
            answer.text
        );
        let code = answer.json()["error"]["code"].clone();
        let is_known = code == "project_not_found" || code == "environment_not_found";
        assert!(is_known, "{path} {code}");
    }
    assert!(
        stage
            .get_as("/v1/apps/other", &only)
            .await
            .status
            .is_success()
    );
    let nobody = stage.get_as("/v1/apps/web", &As::Nobody).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
}
