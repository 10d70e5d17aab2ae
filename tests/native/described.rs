//! The OpenAPI description against what is served.

use super::stage::{As, Stage};
use super::world::git_app;
use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use longshore::api::Peer;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

async fn description(stage: &Stage) -> Value {
    stage.get("/v1/openapi.json").await.ok()
}

/// Every described path with its methods.
fn paths(description: &Value) -> Vec<(String, BTreeSet<String>)> {
    let paths = description["paths"].as_object().unwrap();
    let methods = |item: &Value| {
        let item = item.as_object().unwrap();
        item.keys().map(|method| method.to_uppercase()).collect()
    };
    paths
        .iter()
        .map(|(path, item)| (path.clone(), methods(item)))
        .collect()
}

/// A path as a client would ask for it.
fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| match part.strip_prefix('{') {
        Some("app}") => "web",
        Some("environment}") => "production",
        Some(_) => "nothing",
        None => part,
    });
    format!("/v1{}", parts.collect::<Vec<_>>().join("/"))
}

#[tokio::test]
async fn every_described_path_answers_to_the_described_methods_and_no_other() {
    let stage = Stage::set(vec![git_app("web")]);
    let paths = paths(&description(&stage).await);
    assert!(paths.len() > 10, "{paths:?}");
    for (path, described) in paths {
        for slash in ["", "/"] {
            let asked = filled(&path) + slash;
            let mut served = BTreeSet::new();
            for method in METHODS {
                let request = Stage::request(method, &asked, &As::Ann, Value::Null);
                let answer = stage.send(request).await;
                let at = format!("{method} {asked}: {} {}", answer.status, answer.text);
                assert!(!answer.text.contains("nothing at this path"), "{at}");
                if answer.status == StatusCode::METHOD_NOT_ALLOWED {
                    let allow = answer.headers["allow"].to_str().unwrap();
                    let allowed: BTreeSet<String> = allow
                        .split(',')
                        .map(|word| word.trim().to_owned())
                        .collect();
                    let mut wanted = described.clone();
                    if wanted.contains("GET") {
                        wanted.insert("HEAD".into());
                    }
                    assert_eq!(allowed, wanted, "{at}");
                } else {
                    served.insert(method.to_owned());
                }
            }
            assert_eq!(served, described, "{asked}");
        }
    }
}

#[tokio::test]
async fn nothing_is_told_without_a_token_that_holds() {
    let stage = Stage::set(vec![git_app("web")]);
    let mut address: u32 = 0x0A00_0000;
    for (path, methods) in paths(&description(&stage).await) {
        for method in methods {
            for by in [As::Nobody, As::Token("lsh_of_nobody".into())] {
                let mut request = Stage::request(&method, &filled(&path), &by, Value::Null);
                address += 1;
                let peer = Peer::Remote(IpAddr::V4(Ipv4Addr::from(address)));
                request.extensions_mut().insert(ConnectInfo(peer));
                let answer = stage.send(request).await;
                let at = format!("{method} {path} {by:?}: {}", answer.text);
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{at}");
                assert_eq!(answer.headers["www-authenticate"], "Bearer", "{at}");
            }
        }
    }
}

/// Routes are served where they are described, in one function; nothing else under `/v1` adds one.
#[test]
fn there_is_one_place_where_routes_are_served() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api/gitdev");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            let places = [".route(", ".route_service(", ".nest(", ".nest_service("];
            let count: usize = places.iter().map(|place| text.matches(place).count()).sum();
            found.extend(std::iter::repeat_n(
                path.file_name().unwrap().to_owned(),
                count,
            ));
        }
    }
    assert_eq!(found, ["mod.rs"]);
}

#[tokio::test]
async fn every_operation_says_who_may_ask_what_it_answers_and_what_can_go_wrong() {
    let stage = Stage::set(vec![git_app("web")]);
    let description = description(&stage).await;
    assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        description["components"]["securitySchemes"]["bearer"]["scheme"],
        "bearer"
    );
    assert_eq!(
        description["security"][0]["bearer"],
        Value::Array(Vec::new())
    );
    let mut ids = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let at = format!("{method} {path}");
            let id = operation["operationId"].as_str().unwrap().to_owned();
            assert!(ids.insert(id), "{at}: an operation's id is used twice");
            assert!(operation["summary"].is_string(), "{at}");
            assert_eq!(operation["tags"].as_array().unwrap().len(), 1, "{at}");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.keys().any(|status| status.starts_with('2')), "{at}");
            for (status, answer) in answers {
                for header in ["x-request-id", "x-ratelimit-limit"] {
                    assert!(answer["headers"][header].is_object(), "{at} {status}");
                }
                if !status.starts_with('2') {
                    let shape = &answer["content"]["application/json"]["schema"]["$ref"];
                    assert_eq!(shape, "#/components/schemas/Problem", "{at} {status}");
                }
            }
            for status in ["401", "403", "429", "500", "503"] {
                assert!(answers.contains_key(status), "{at} {status}");
            }
            let named = operation["parameters"].as_array().into_iter().flatten();
            let named = named.filter(|parameter| parameter["in"] == "path");
            let in_path: BTreeSet<&str> = named.map(|it| it["name"].as_str().unwrap()).collect();
            let holes: BTreeSet<&str> = path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
                .collect();
            assert_eq!(in_path, holes, "{at}");
        }
    }
}

/// Every `$ref` leads somewhere.
#[tokio::test]
async fn every_reference_in_the_description_leads_to_a_schema() {
    let stage = Stage::set(vec![git_app("web")]);
    let description = description(&stage).await;
    let text = description.to_string();
    let references: BTreeSet<&str> = text
        .split("\"$ref\":\"#")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(references.len() > 15, "{references:?}");
    for reference in references {
        assert!(description.pointer(reference).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn the_description_is_for_whoever_may_ask_anything() {
    let stage = Stage::set(vec![git_app("web")]);
    let request = Stage::request("GET", "/v1/openapi.json", &As::Nobody, Value::Null);
    assert_eq!(stage.send(request).await.status, StatusCode::UNAUTHORIZED);
}
