//! Deployment hooks: addresses whose call deploys, from the request that makes one to the container that runs.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode};
use longshore::api::{Api, Peer, Proxies, routes};
use longshore::core::access::{Caller, Origin, Reach, Scope};
use longshore::core::action::{Action, AppRef, Reply};
use longshore::core::change::Change;
use longshore::core::error::Error;
use longshore::core::hook::{HookChange, HookRequest, HookView};
use longshore::core::name::AppName;
use longshore::core::secret::Secret;
use longshore::deploy::HookFault;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tower::ServiceExt as _;
use uuid::Uuid;
use world::{Bench, Process, git_app, sha};

const STRANGER: Origin = Origin::Remote(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));

fn bench() -> Bench {
    let bench = Bench::new(vec![git_app("web"), git_app("api")]);
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    bench
}

fn request(app: &str, change: HookChange) -> Action {
    Action::Hook(HookRequest {
        app: AppRef::Name(AppName::parse(app).unwrap()),
        environment: None,
        change,
    })
}

async fn hook(process: &Process, app: &str, change: HookChange) -> HookView {
    match process.ask(request(app, change)).await.unwrap() {
        Reply::Hook(view) => view,
        other => panic!("{other:?}"),
    }
}

async fn call(process: &Process, hook: &HookView) -> Result<Uuid, HookFault> {
    match process
        .agent
        .call_hook(&STRANGER, hook.id, &hook.secret)
        .await?
    {
        Reply::Deployment(view) => Ok(view.deployment.id),
        other => panic!("{other:?}"),
    }
}

fn leads_nowhere(called: Result<Uuid, HookFault>) {
    assert!(matches!(called, Err(HookFault::Unknown)), "{called:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_deploys_what_the_configuration_says_and_is_its_own_principals() {
    let bench = bench();
    let process = bench.start();
    let made = hook(&process, "web", HookChange::Enable).await;
    let id = call(&process, &made).await.unwrap();
    let view = process.view(id).await;
    assert_eq!(
        (view.app.as_str(), view.by.name.as_str()),
        ("web", "deployment hook")
    );
    process.drive().await;
    assert!(process.view(id).await.live);
}

#[tokio::test(start_paused = true)]
async fn what_was_answered_holds_after_a_restart() {
    let bench = bench();
    let process = bench.start();
    let made = hook(&process, "web", HookChange::Enable).await;
    assert!(made.made);
    drop(process);
    let process = bench.start();
    let again = hook(&process, "web", HookChange::Enable).await;
    assert_eq!((&again.secret, again.made), (&made.secret, false));
    call(&process, &made).await.unwrap();
    assert!(matches!(
        process.ask(request("web", HookChange::Disable)).await,
        Ok(Reply::Gone)
    ));
    drop(process);
    let process = bench.start();
    leads_nowhere(call(&process, &made).await);
    let shown = process.ask(request("web", HookChange::Show)).await;
    assert!(
        matches!(shown, Err(Error::HookNotFound { .. })),
        "{shown:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_address_that_was_renewed_taken_away_or_is_anothers_leads_nowhere() {
    let bench = bench();
    let process = bench.start();
    let web = hook(&process, "web", HookChange::Enable).await;
    let api = hook(&process, "api", HookChange::Enable).await;
    let crossed = HookView {
        secret: api.secret.clone(),
        ..web.clone()
    };
    leads_nowhere(call(&process, &crossed).await);
    let renewed = hook(&process, "web", HookChange::Renew).await;
    assert_ne!(renewed.secret, web.secret);
    leads_nowhere(call(&process, &web).await);
    let first = call(&process, &renewed).await.unwrap();
    process
        .ask(request("web", HookChange::Disable))
        .await
        .unwrap();
    leads_nowhere(call(&process, &renewed).await);
    process
        .ask(request("web", HookChange::Disable))
        .await
        .unwrap();
    let anew = hook(&process, "web", HookChange::Enable).await;
    assert_ne!(
        anew.secret, renewed.secret,
        "a secret that was given up stays so"
    );
    // Renewing makes one where there is none.
    process
        .ask(request("api", HookChange::Disable))
        .await
        .unwrap();
    let api = hook(&process, "api", HookChange::Renew).await;
    assert!(api.made);
    // Nobody else's deployments go with it.
    assert_eq!(process.view(first).await.by.name, "deployment hook");
}

#[tokio::test(start_paused = true)]
async fn a_removed_environments_address_leads_nowhere_and_the_next_of_its_name_has_none() {
    let bench = bench();
    let process = bench.start();
    let made = hook(&process, "web", HookChange::Enable).await;
    let id = call(&process, &made).await.unwrap();
    process.drive().await;
    assert!(process.view(id).await.live);
    process
        .change("web", Change::Remove { volumes: false }, false)
        .await
        .unwrap();
    leads_nowhere(call(&process, &made).await);
    process.drive().await;
    leads_nowhere(call(&process, &made).await);
    process.deploy("web").await.unwrap();
    process.drive().await;
    leads_nowhere(call(&process, &made).await);
    let shown = process.ask(request("web", HookChange::Show)).await;
    assert!(
        matches!(shown, Err(Error::HookNotFound { .. })),
        "{shown:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_starts_what_was_stopped_and_is_refused_where_deploying_is() {
    let bench = bench();
    let process = bench.start();
    let made = hook(&process, "web", HookChange::Enable).await;
    call(&process, &made).await.unwrap();
    process.drive().await;
    process.change("web", Change::Stop, false).await.unwrap();
    process.drive().await;
    let id = call(&process, &made).await.unwrap();
    process.drive().await;
    assert!(process.view(id).await.live);
    process.change("web", Change::Suspend, false).await.unwrap();
    process.drive().await;
    let refused = call(&process, &made).await;
    let Err(HookFault::Refused(Error::Refused(why))) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("suspended"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn ten_calls_a_minute_are_taken_and_guesses_are_counted_by_where_they_come_from() {
    let bench = bench();
    let process = bench.start();
    let made = hook(&process, "web", HookChange::Enable).await;
    for _ in 0..10 {
        call(&process, &made).await.unwrap();
    }
    let Err(HookFault::TooMany(exceeded)) = call(&process, &made).await else {
        panic!("it was taken");
    };
    assert_eq!((exceeded.limit, exceeded.retry_after), (10, 6));
    // Nothing was queued by the one that was refused.
    assert_eq!(process.store.unfinished().unwrap().len(), 1);
    let guess = HookView {
        secret: Secret::new("guess"),
        ..made
    };
    let mut guesses = 0;
    while let Err(HookFault::Unknown) = call(&process, &guess).await {
        guesses += 1;
        assert!(guesses < 100, "guesses are not counted");
    }
    assert_eq!(guesses, 20);
}

#[tokio::test(start_paused = true)]
async fn who_may_not_deploy_does_not_see_the_address() {
    let bench = bench();
    let process = bench.start();
    let made = hook(&process, "web", HookChange::Enable).await;
    let reader = Caller {
        scope: Scope::Read,
        ..process.caller.clone()
    };
    for change in [
        HookChange::Show,
        HookChange::Enable,
        HookChange::Renew,
        HookChange::Disable,
    ] {
        let asked = process
            .agent
            .dispatch(&reader, request("web", change))
            .await;
        assert_eq!(asked.unwrap_err(), Error::Forbidden(Scope::Write));
    }
    let (api, _) = process
        .store
        .app(&AppRef::Name(AppName::parse("api").unwrap()))
        .unwrap()
        .unwrap();
    let elsewhere = Caller {
        reach: Reach::App(api),
        ..process.caller.clone()
    };
    let asked = process
        .agent
        .dispatch(&elsewhere, request("web", HookChange::Show))
        .await;
    assert_eq!(asked.unwrap_err(), Error::AppNotFound("web".into()));
    assert_eq!(
        hook(&process, "web", HookChange::Show).await.secret,
        made.secret
    );
    // The secret is in no file as it is.
    let database = std::fs::read(bench.data_dir.join("longshore.db")).unwrap();
    let log = std::fs::read(bench.data_dir.join("longshore.db-wal")).unwrap();
    let secret = made.secret.expose().as_bytes();
    for file in [database, log] {
        assert!(!file.windows(secret.len()).any(|part| part == secret));
    }
}

/// The router over a process whose work nobody drives.
struct Door {
    router: axum::Router,
}

impl Door {
    async fn ask(&self, method: Method, path: &str, body: &'static str) -> (StatusCode, Value) {
        let peer = match path.starts_with("/hooks") {
            true => Peer::Remote(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            false => Peer::Local("ann".into()),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "deploy.example.com")
            .body(Body::from(body))
            .unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

fn door(process: Process) -> Door {
    let router = routes(Api {
        agent: Arc::new(process.agent),
        random: Arc::new(|bytes: &mut [u8]| bytes.fill(7)),
        public_url: Some("https://deploy.example.com".into()),
        proxies: Proxies::default(),
        gitlab_strict: false,
        resident_bytes: None,
    });
    Door { router }
}

#[tokio::test(start_paused = true)]
async fn the_native_routes_make_show_renew_and_take_away_an_address_that_can_be_called() {
    let bench = bench();
    let door = door(bench.start());
    let at = "/v1/apps/web/hook";
    let (status, _) = door.ask(Method::GET, at, "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, made) = door.ask(Method::POST, at, "").await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let named = "/v1/apps/web/environments/production/hook";
    let (status, again) = door.ask(Method::POST, named, "").await;
    assert_eq!((status, &again), (StatusCode::OK, &made));
    assert_eq!(
        door.ask(Method::GET, named, "").await,
        (StatusCode::OK, made.clone())
    );
    assert_eq!(
        (&made["app"], &made["environment"]),
        (&json!("web"), &json!("production"))
    );
    let path = |made: &Value| {
        let url = made["url"].as_str().unwrap();
        url.strip_prefix("https://deploy.example.com")
            .unwrap()
            .to_owned()
    };
    let first = path(&made);
    // Whatever the caller sends along, and with a slash at the end.
    for (path, body) in [(first.clone(), "{"), (format!("{first}/"), "")] {
        let (status, called) = door.ask(Method::POST, &path, body).await;
        assert_eq!(status, StatusCode::OK, "{called}");
        let id = called["id"].as_str().unwrap();
        Uuid::parse_str(id).unwrap();
        assert_eq!(
            called,
            json!({ "id": id, "deployment": { "id": id }, "deploymentId": id })
        );
    }
    let (status, renewed) = door.ask(Method::PUT, at, "").await;
    assert_eq!(status, StatusCode::OK);
    assert_ne!(renewed["url"], made["url"]);
    let nowhere = json!({ "message": "There is no such deployment hook", "status": 404 });
    assert_eq!(
        door.ask(Method::POST, &first, "").await,
        (StatusCode::NOT_FOUND, nowhere.clone())
    );
    let (status, _) = door.ask(Method::GET, &path(&renewed), "").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    let (status, _) = door.ask(Method::DELETE, at, "").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(
        door.ask(Method::POST, &path(&renewed), "").await,
        (StatusCode::NOT_FOUND, nowhere)
    );
    for (asked, status) in [
        ("/v1/apps/nothing/hook", 404),
        ("/v1/apps/web/environments/nothing/hook", 404),
        ("/hooks/apps/x/deploy/y", 404),
        ("/hooks/apps/x/deploy/%ff", 404),
        ("/hooks/other", 404),
        ("/hooks", 404),
    ] {
        let (found, body) = door.ask(Method::POST, asked, "").await;
        assert_eq!(found.as_u16(), status, "{asked}: {body}");
    }
}
