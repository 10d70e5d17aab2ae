//! `/healthz` and `/metrics`.

use super::stage::{As, Stage};
use super::world::{Behaviour, git_app, image_app};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn codes(health: &Value) -> Vec<&str> {
    let reasons = health["reasons"].as_array().unwrap().iter();
    reasons
        .map(|reason| reason["code"].as_str().unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn health_says_what_is_missing_and_that_nothing_is() {
    let stage = Stage::set(vec![image_app("cache", "redis:7")]);
    let before = stage.get_as("/healthz", &As::Nobody).await;
    assert_eq!(before.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(codes(&before.json()), ["engine_unavailable"]);
    let answered = async { stage.healthy(true).await };
    stage.agent.drive(answered).await.unwrap();
    stage.bench.world.state.lock().unwrap().engine_is_gone = true;
    stage
        .bench
        .world
        .tell(longshore::core::ports::EngineEvent::Made, |_| {});
    let lost = async { stage.healthy(false).await };
    stage.agent.drive(lost).await.unwrap();
    stage.agent.close();
    let ending = stage.get_as("/healthz", &As::Nobody).await.json();
    assert_eq!(codes(&ending), ["shutting_down", "engine_unavailable"]);
    assert!(
        !ending.to_string().contains('/'),
        "no path is told: {ending}"
    );
}

/// One sample, strictly as the format has it.
pub type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// Reads Prometheus' text format 0.0.4 and refuses whatever it does not allow.
pub fn read(text: &str) -> (Samples, BTreeMap<String, String>) {
    let name = regex::Regex::new("^[a-zA-Z_:][a-zA-Z0-9_:]*$").unwrap();
    let sample = regex::Regex::new(r#"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$"#).unwrap();
    let label = regex::Regex::new(r#"^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)"#)
        .unwrap();
    assert!(text.ends_with('\n'));
    let (mut samples, mut types, mut helped) = (Samples::new(), BTreeMap::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (metric, about) = rest.split_once(' ').unwrap();
            assert!(name.is_match(metric) && !about.is_empty(), "{line}");
            assert!(helped.insert(metric.to_owned()), "{line}: told twice");
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (metric, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(helped.contains(metric), "{line}");
            let before = types.insert(metric.to_owned(), kind.to_owned());
            assert_eq!(before, None, "{line}: told twice");
            continue;
        }
        let parts = sample
            .captures(line)
            .unwrap_or_else(|| panic!("no sample: {line}"));
        let metric = parts[1].to_owned();
        let family = types.iter().any(|(family, kind)| match kind.as_str() {
            "histogram" => ["_bucket", "_sum", "_count"]
                .iter()
                .any(|end| metric == format!("{family}{end}")),
            _ => metric == *family,
        });
        assert!(family, "{line}: of no family");
        let mut labels = BTreeMap::new();
        let mut rest = parts.get(2).map_or("", |labels| labels.as_str());
        while !rest.is_empty() {
            let one = label
                .captures(rest)
                .unwrap_or_else(|| panic!("labels: {line}"));
            let twice = labels.insert(one[1].to_owned(), one[2].to_owned());
            assert_eq!(twice, None, "{line}");
            rest = &rest[one[0].len()..];
        }
        let value = match &parts[3] {
            "+Inf" => f64::INFINITY,
            number => number.parse().unwrap(),
        };
        let twice = samples.insert((metric, labels), value);
        assert_eq!(twice, None, "{line}: told twice");
    }
    for (metric, kind) in &types {
        assert!(metric.starts_with("longshore_"), "{metric}");
        assert_eq!(kind == "counter", metric.ends_with("_total"), "{metric}");
    }
    (samples, types)
}

/// A histogram's classes grow and end in all of them.
fn check_histograms(samples: &Samples, types: &BTreeMap<String, String>) {
    for (family, _) in types.iter().filter(|(_, kind)| *kind == "histogram") {
        let mut series: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
        for ((metric, labels), value) in samples {
            if *metric == format!("{family}_bucket") {
                let mut labels = labels.clone();
                let bound = labels.remove("le").unwrap();
                let bound = if bound == "+Inf" {
                    f64::INFINITY
                } else {
                    bound.parse().unwrap()
                };
                series.entry(labels).or_default().push((bound, *value));
            }
        }
        assert!(!series.is_empty(), "{family}");
        for (labels, mut classes) in series {
            classes.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(
                classes.is_sorted_by(|one, other| one.1 <= other.1),
                "{family} {classes:?}"
            );
            let last = classes.last().unwrap();
            assert_eq!(last.0, f64::INFINITY);
            assert_eq!(last.1, samples[&(format!("{family}_count"), labels)]);
        }
    }
}

fn of(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

async fn scrape(stage: &Stage) -> (Samples, BTreeMap<String, String>) {
    let answer = stage.get("/metrics").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let kind = answer.headers["content-type"].to_str().unwrap();
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    read(&answer.text)
}

#[tokio::test(start_paused = true)]
async fn figures_count_what_happened_since_the_process_began() {
    let stage = Stage::set(vec![image_app("cache", "redis:7"), git_app("web")]);
    stage.deploy("cache").await;
    stage.drive().await;
    let stage = stage.again();
    stage.deploy("cache").await;
    stage.deploy("web").await;
    stage.drive().await;
    let state = || stage.bench.world.state.lock().unwrap();
    let image = state()
        .containers
        .values()
        .find(|made| made.spec.labels.app == "cache")
        .unwrap()
        .spec
        .image
        .clone();
    state().behaviours.insert(image, Behaviour::Exits(1));
    stage.deploy("cache").await;
    stage.drive().await;
    stage.deploy("web").await;
    stage.get("/v1/deployments/dep_1").await;
    stage.get("/v1/deployments/dep_2").await;
    stage.get("/nowhere/at/all").await;
    let (samples, types) = scrape(&stage).await;
    check_histograms(&samples, &types);
    let value = |name: &str, labels: &[(&str, &str)]| {
        samples
            .get(&(format!("longshore_{name}"), of(labels)))
            .copied()
    };
    let outcome = |app, outcome| {
        value(
            "deployments_total",
            &[
                ("app", app),
                ("environment", "production"),
                ("outcome", outcome),
            ],
        )
    };
    assert_eq!(
        outcome("cache", "succeeded"),
        Some(1.0),
        "the one before the restart is not counted"
    );
    assert_eq!(outcome("cache", "failed"), Some(1.0));
    assert_eq!(outcome("web", "succeeded"), Some(1.0));
    for (step, count) in [("checkout", 1.0), ("build", 1.0), ("rollout", 3.0)] {
        assert_eq!(
            value("step_duration_seconds_count", &[("step", step)]),
            Some(count),
            "{step}"
        );
    }
    assert_eq!(
        value("operations_unfinished", &[("phase", "queued")]),
        Some(1.0)
    );
    assert_eq!(
        value("build_info", &[("version", env!("CARGO_PKG_VERSION"))]),
        Some(1.0)
    );
    assert!(value("process_start_time_seconds", &[]).unwrap() > 1_000_000.0);
    assert!(value("store_bytes", &[]).unwrap() > 4096.0);
    assert!(value("engine_up", &[]).is_some());
    assert_eq!(value("followers", &[]), Some(0.0));
    let requests = |route, method, status| {
        value(
            "http_requests_total",
            &[("route", route), ("method", method), ("status", status)],
        )
    };
    assert_eq!(
        requests("/v1/deployments/{id}", "GET", "4xx"),
        Some(2.0),
        "{samples:?}"
    );
    assert_eq!(requests("/v1/deployments", "POST", "2xx"), Some(4.0));
    assert_eq!(requests("none", "GET", "4xx"), Some(1.0));
    let (again, _) = scrape(&stage).await;
    let key = (
        "longshore_deployments_total".to_owned(),
        of(&[
            ("app", "web"),
            ("environment", "production"),
            ("outcome", "succeeded"),
        ]),
    );
    assert_eq!(again[&key], 1.0, "nothing is counted twice");
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_was_removed_has_no_figures() {
    let stage = Stage::set(vec![image_app("cache", "redis:7"), git_app("web")]);
    stage.deploy("cache").await;
    stage.deploy("web").await;
    stage.drive().await;
    let request = Stage::request("DELETE", "/v1/apps/cache", &As::Ann, Value::Null);
    stage.send(request).await.ok();
    stage.drive().await;
    let (samples, _) = scrape(&stage).await;
    let apps: BTreeSet<&str> = samples
        .keys()
        .filter_map(|(_, labels)| labels.get("app").map(String::as_str))
        .collect();
    assert_eq!(apps, BTreeSet::from(["web"]));
}

#[tokio::test(start_paused = true)]
async fn nobody_makes_figures_of_their_own_by_asking() {
    let stage = Stage::set(vec![git_app("web")]);
    for number in 0..50 {
        stage.get(&format!("/v1/deployments/dep_{number}")).await;
        stage.get(&format!("/v1/deployments/dep_{number}/")).await;
        stage.get(&format!("/v1/nothing/{number}")).await;
        stage.get(&format!("/{number}")).await;
        let request = Stage::request(&format!("M{number}"), "/v1/apps", &As::Ann, Value::Null);
        stage.send(request).await;
    }
    let (samples, _) = scrape(&stage).await;
    let series = samples
        .keys()
        .filter(|(name, _)| name == "longshore_http_requests_total");
    assert_eq!(series.count(), 3, "{samples:?}");
}

#[tokio::test(start_paused = true)]
async fn figures_are_for_those_who_may_look_at_everything() {
    let stage = Stage::set(vec![git_app("web")]);
    let all = stage.token("deploy:read", None).await;
    let one = stage.token("deploy:admin", Some("web")).await;
    let wrong = As::Token("lsh_wrong".into());
    for (by, status) in [
        (&all, StatusCode::OK),
        (&one, StatusCode::FORBIDDEN),
        (&wrong, StatusCode::UNAUTHORIZED),
        (&As::Nobody, StatusCode::UNAUTHORIZED),
    ] {
        let answer = stage.get_as("/metrics", by).await;
        assert_eq!(answer.status, status, "{by:?} {}", answer.text);
        assert_eq!(
            answer.headers.contains_key("www-authenticate"),
            status == 401
        );
    }
    let put = stage
        .send(Stage::request("PUT", "/metrics", &As::Ann, json!({})))
        .await;
    assert_eq!(put.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(put.headers["allow"], "GET,HEAD");
}
