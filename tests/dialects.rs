//! Each dialect through the real router, against pairs of request and answer that were written from its contract.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "dialects/golden.rs"]
mod golden;
#[path = "dialects/schema.rs"]
mod schema;
#[path = "dialects/stage.rs"]
mod stage;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use golden::Bound;
use schema::Schemas;
use serde_json::{Value, json};
use stage::{Dialect, Stage};
use std::path::Path;

/// Plays one file: requests in order, with what happens in the world between them.
fn play(file: &str) {
    let dialect = match file.split_once('/') {
        Some(("gitdev", _)) => Dialect::Gitdev,
        Some(("sevalla", _)) => Dialect::Sevalla,
        Some(("gitlab", file)) => Dialect::Gitlab {
            strict: file == "strict",
        },
        Some(("github", _)) => Dialect::Github,
        Some(("qovery", _)) => Dialect::Qovery,
        _ => panic!("{file} is of no dialect"),
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/dialects/{file}.json"));
    let text = std::fs::read_to_string(&path).unwrap();
    let scenes: Vec<Value> = serde_json::from_str(&text).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut stage = Stage::set(dialect).await;
        for (index, scene) in scenes.iter().enumerate() {
            let at = format!("{file} {index}");
            match scene.get("world") {
                Some(event) => stage.happen(event.as_str().unwrap()).await,
                None => stage.exchange(&at, scene).await,
            }
        }
    });
}

macro_rules! play {
    ($($name:ident: $file:literal,)*) => {
        $(#[test] fn $name() { play($file); })*

        #[test]
        fn every_golden_file_is_played() {
            let mut played = vec![$(concat!($file, ".json")),*];
            let mut there: Vec<String> = Vec::new();
            for dialect in ["github", "gitdev", "gitlab", "qovery", "sevalla"] {
                let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialects");
                for entry in std::fs::read_dir(folder.join(dialect)).unwrap() {
                    let name = entry.unwrap().file_name();
                    there.push(format!("{dialect}/{}", name.to_str().unwrap()));
                }
            }
            played.sort_unstable();
            there.sort_unstable();
            assert_eq!(there, played);
        }
    };
}

play! {
    gitdev_creates_a_deployment: "gitdev/create",
    gitdev_refuses_a_body_that_breaks_a_rule: "gitdev/create_refused",
    gitdev_shows_a_deployment_in_every_state: "gitdev/get",
    gitdev_lists_deployments_in_pages: "gitdev/list",
    gitdev_gives_logs_in_each_form: "gitdev/logs",
    gitdev_cancels_until_the_commit: "gitdev/cancel",
    gitdev_shows_what_others_executed_and_neither_cancels_it_nor_has_its_log: "gitdev/recorded",
    gitdev_deletes_what_has_ended_and_what_is_live_only_by_force: "gitdev/delete",
    gitdev_changes_environments_and_goes_back_to_what_was_there: "gitdev/operations",
    gitdev_asks_who_it_is_and_what_they_may: "gitdev/access",
    gitdev_makes_lists_and_revokes_tokens_within_their_reach: "gitdev/tokens",
    gitdev_shows_a_token_of_one_environment_nothing_else: "gitdev/environment_tokens",
    gitdev_limits_how_often_somebody_asks_and_says_so_on_every_answer: "gitdev/limits",
    gitdev_gives_a_repeated_request_its_first_answer: "gitdev/keys",
    gitdev_checks_in_the_contracts_order: "gitdev/order",
    gitdev_takes_what_is_just_within_its_limits: "gitdev/edges",
    gitdev_names_the_methods_a_path_has: "gitdev/methods",
    gitdev_admits_its_own_faults: "gitdev/faults",
    gitdev_answers_in_its_own_shape_where_there_is_nothing: "gitdev/routes",
    gitdev_keeps_secrets_and_never_shows_them: "gitdev/secrets",
    gitdev_explains_and_collects_garbage: "gitdev/gc",
    gitdev_leads_to_an_apps_domain_where_it_has_one: "gitdev/domains",
    gitdev_says_when_something_outside_is_away: "gitdev/unavailable",
    sevalla_triggers_with_200_and_the_whole_deployment: "sevalla/trigger",
    sevalla_refuses_a_trigger_that_breaks_a_rule: "sevalla/trigger_refused",
    sevalla_restarts_what_is_live_and_says_where_nothing_is: "sevalla/restart",
    sevalla_has_a_word_for_every_state: "sevalla/states",
    sevalla_cancels_what_waits_at_once_and_what_runs_soon: "sevalla/cancel",
    sevalla_rolls_back_with_and_without_a_body: "sevalla/rollback",
    sevalla_lists_an_applications_deployments_in_pages: "sevalla/list",
    sevalla_shows_environments_as_applications: "sevalla/applications",
    sevalla_shows_what_others_executed_and_neither_cancels_it_nor_has_its_log: "sevalla/recorded",
    sevalla_suspends_and_activates: "sevalla/suspend",
    sevalla_keeps_one_deployment_hook: "sevalla/hook",
    sevalla_answers_in_its_own_shape_at_every_path_of_its: "sevalla/routes",
    sevalla_says_whose_key_it_is: "sevalla/keys",
    sevalla_limits_before_anything_is_done: "sevalla/limits",
    sevalla_admits_faults_with_documented_statuses: "sevalla/faults",
    sevalla_gives_a_deployments_log_as_entries: "sevalla/logs",
    sevalla_gives_what_runs_prints: "sevalla/runtime_logs",
    sevalla_lists_processes_and_has_none_to_trigger: "sevalla/processes",
    gitlab_executes_what_is_created_and_records_what_is_reported: "gitlab/create",
    gitlab_refuses_a_create_that_breaks_a_rule: "gitlab/create_refused",
    gitlab_executes_nothing_in_strict_mode: "gitlab/strict",
    gitlab_lists_in_every_order_by_every_filter_in_pages: "gitlab/list",
    gitlab_takes_reports_by_its_rules_and_cancels_what_is_executed: "gitlab/update",
    gitlab_deletes_what_has_ended_and_is_not_deployed: "gitlab/delete",
    gitlab_makes_stops_and_deletes_environments: "gitlab/environments",
    gitlab_says_who_one_is_and_which_projects_there_are: "gitlab/about",
    gitlab_finds_a_token_wherever_it_may_be: "gitlab/auth",
    gitlab_limits_before_anything_is_done: "gitlab/limits",
    gitlab_admits_its_own_faults: "gitlab/faults",
    gitlab_has_two_shapes_for_what_is_not_there: "gitlab/routes",
    github_says_what_is_where_and_who_one_is: "github/about",
    github_finds_a_token_in_every_form: "github/auth",
    github_finds_its_places_however_they_are_written: "github/routes",
    github_begins_urls_as_their_requests_did: "github/urls",
    github_says_in_every_head_what_clients_read_there: "github/headers",
    github_does_not_repeat_what_was_seen: "github/conditional",
    github_counts_what_is_asked_and_says_so: "github/limits",
    github_executes_where_it_can_and_writes_down_where_it_cannot: "github/create",
    github_refuses_a_create_that_breaks_a_rule: "github/create_refused",
    github_merges_and_looks_at_checks_before_it_deploys: "github/gate",
    github_lists_deployments_by_every_filter_in_pages: "github/list",
    github_deletes_records_and_nothing_that_runs: "github/delete",
    github_says_how_a_deployment_walks: "github/walk",
    github_keeps_statuses_of_deployments: "github/statuses",
    github_keeps_statuses_of_commits: "github/commit_statuses",
    github_shows_commits_by_whatever_names_them: "github/commits",
    github_lists_makes_and_takes_down_environments: "github/environments",
    github_admits_its_own_faults: "github/faults",
    qovery_shows_jobs_and_what_is_around_them: "qovery/jobs",
    qovery_takes_a_deployment_with_any_body_or_none_and_one_at_a_time: "qovery/deploy",
    qovery_refuses_a_deployment_that_breaks_a_rule: "qovery/deploy_refused",
    qovery_takes_the_same_token_under_either_scheme: "qovery/auth",
    qovery_answers_in_its_own_shape_at_every_path_of_its: "qovery/routes",
    qovery_limits_before_anything_is_done: "qovery/limits",
    qovery_admits_its_own_faults: "qovery/faults",
    qovery_says_how_a_job_walks: "qovery/walk",
    qovery_forces_an_event_that_a_job_has_and_no_other: "qovery/events",
    qovery_stops_a_job_once: "qovery/stop",
    qovery_uninstalls_a_job_and_knows_it_by_the_same_id_ever_after: "qovery/uninstall",
    qovery_keeps_a_history_in_both_versions: "qovery/history",
    qovery_deploys_and_cancels_the_services_of_an_environment_together: "qovery/environments",
    qovery_shows_what_is_gone_to_whoever_could_see_it: "qovery/gone",
    qovery_says_of_a_run_by_its_schedule_only_in_the_history: "qovery/schedules",
}

#[test]
fn an_answer_that_differs_from_the_contract_is_noticed() {
    let expected = json!({
        "id": "{dep:one}", "same": "{dep:one}", "at": "{time}", "none": null, "list": [1, "..."], "open": {"a": 1, "...": true},
    });
    let good = json!({
        "id": "dep_0123456789", "same": "dep_0123456789", "at": "2025-03-14T10:32:00Z", "none": null, "list": [1, 2],
        "open": {"a": 1, "b": 2},
    });
    let compare = |found: &Value| Bound::default().compare("body", &expected, found);
    assert_eq!(compare(&good), Ok(()));
    let mutations: [(&str, Value); 9] = [
        ("/id", json!("dep_0")),
        ("/id", json!("proj_0123456789")),
        ("/same", json!("dep_1123456789")),
        ("/at", json!("2025-03-14 10:32:00")),
        ("/none", json!("")),
        ("/list", json!([])),
        ("/list/0", json!("1")),
        ("/open/a", json!(2)),
        ("/open", json!({})),
    ];
    for (place, value) in mutations {
        let mut bad = good.clone();
        *bad.pointer_mut(place).unwrap() = value;
        assert!(compare(&bad).is_err(), "{place}: {bad}");
    }
    let mut more = good.clone();
    more["more"] = json!(1);
    assert!(compare(&more).is_err(), "a key the contract does not have");
    let mut less = good;
    less.as_object_mut().unwrap().remove("none");
    assert!(
        compare(&less).is_err(),
        "a key that is absent instead of null"
    );
}

#[test]
fn an_answer_that_breaks_its_schema_anywhere_is_noticed() {
    let schemas = Schemas::gitdev();
    let mut tried = 0;
    for (name, example) in schemas.examples() {
        assert_eq!(schemas.check(name, example), Ok(()), "{name}");
        for (what, mutated) in schema::mutations(example) {
            // What a client need not know may also be absent, and be anything where nothing is said of it.
            let optional = ["cancelled_by", "cancelled_at", "error", "rollback", "image"];
            let is_free = name == "deployment" || name == "created";
            let (place, change) = what.split_once(' ').unwrap();
            let top = place.strip_prefix('/').unwrap_or_default();
            let may_be = change == "is absent" || change == "is null" || top == "image";
            if is_free && optional.contains(&top) && may_be {
                continue;
            }
            assert!(schemas.check(name, &mutated).is_err(), "{name}: {what}");
            tried += 1;
        }
    }
    assert!(tried > 400, "only {tried} mutations were tried");
    // Of the right type, and still not what the contract says.
    let forms = [
        ("deployment", "/status", json!("canceled")),
        ("deployment", "/id", json!("9x2m4p0000")),
        ("deployment", "/commit_sha", json!("HEAD")),
        ("deployment", "/build_duration", json!("2m5s")),
        ("deployment", "/created_at", json!("2025-03-14 10:32:00")),
        ("deployment", "/logs_url", json!("/logs")),
        ("created", "/status", json!("building")),
        ("created", "/project_id", json!("8f3k29")),
        ("list", "/meta/more", json!(1)),
        ("list", "/data", json!([{}])),
        ("cancelled", "/more", json!(1)),
        ("cancelled", "/status", json!("success")),
        ("error_400", "/more", json!(1)),
        ("error_400", "/error/more", json!(1)),
        ("error_400", "/error/details/more", json!(1)),
        ("error_400", "/error/code", json!("other")),
        ("error_404", "/error/code", json!("missing_field")),
        ("error_429", "/error/details/retry_after", json!(0)),
        ("error_500", "/error/message", json!("")),
    ];
    for (name, place, value) in forms {
        let examples = schemas.examples().into_iter();
        for (_, example) in examples.filter(|(known, _)| *known == name) {
            let mut bad = example.clone();
            let (parent, key) = place.rsplit_once('/').unwrap();
            bad.pointer_mut(parent).unwrap()[key] = value.clone();
            assert!(schemas.check(name, &bad).is_err(), "{name}{place}: {value}");
        }
    }
}

#[test]
fn a_github_answer_that_breaks_its_schema_anywhere_is_noticed() {
    let schemas = Schemas::github();
    let mut tried = 0;
    for (name, example) in schemas.examples() {
        assert_eq!(schemas.check(name, example), Ok(()), "{name}");
        for (what, mutated) in schema::mutations(example) {
            let (place, change) = what.split_once(' ').unwrap();
            let key = place.rsplit('/').next().unwrap();
            let may_be_null = match name.trim_end_matches('s') {
                "deployment" => key == "description",
                "commit_statu" | "combined" => {
                    ["description", "target_url", "avatar_url"].contains(&key)
                }
                _ => false,
            };
            // A payload is an object or a text, and what is in it is nobody's business.
            let is_payload = key == "payload"
                && (change == "is \"x\"" || change.starts_with("is {"))
                || place.contains("/payload/");
            let is_optional = change == "is absent"
                && (key == "installed_version" || (name.starts_with("error_") && key == "errors"));
            // What is wrong with a request may be said of a field, or only said.
            let is_said = name == "error_422" && place == "/errors/0" && change == "is \"x\"";
            if (change == "is null" && may_be_null) || is_payload || is_optional || is_said {
                continue;
            }
            assert!(schemas.check(name, &mutated).is_err(), "{name}: {what}");
            tried += 1;
        }
        if let Some(object) = example.as_object() {
            let mut more = object.clone();
            more.insert("state_reason".into(), json!(0));
            assert!(schemas.check(name, &more.into()).is_err(), "{name}: a key");
        }
    }
    assert!(tried > 400, "only {tried} mutations were tried");
    // Of the right type, and still not what the contract says: its traps.
    let forms = [
        ("deployment", "/id", json!(0)),
        ("deployment", "/id", json!(9_007_199_254_740_992_u64)),
        ("deployment", "/sha", json!("a84d88e")),
        ("deployment", "/task", json!("")),
        (
            "deployment",
            "/created_at",
            json!("2012-07-20T01:19:13.123Z"),
        ),
        (
            "deployment",
            "/updated_at",
            json!("2012-07-20T01:19:13+00:00"),
        ),
        (
            "deployment",
            "/statuses_url",
            json!("/repos/octocat/example/deployments/1/statuses"),
        ),
        (
            "deployment",
            "/repository_url",
            json!("https://deploy.example/api/v3/octocat/example"),
        ),
        ("deployment", "/node_id", json!("MDEwOlJlcG9zaXRvcnkx")),
        ("deployment", "/performed_via_github_app", json!({})),
        ("deployment", "/state", json!("success")),
        ("status", "/state", json!("cancelled")),
        ("status", "/description", Value::Null),
        ("status", "/log_url", Value::Null),
        ("status", "/target_url", json!("/log")),
        ("status", "/description", json!("x".repeat(141))),
        ("commit_status", "/state", json!("in_progress")),
        ("commit_status", "/target_url", json!("")),
        ("combined", "/state", json!("error")),
        ("combined", "/statuses/0/creator", json!({})),
        (
            "repository",
            "/commits_url",
            json!("https://deploy.example/repos/octocat/example/commits"),
        ),
        ("repository", "/permissions/admin", Value::Null),
        ("rate_limit", "/rate/limit", json!("unlimited")),
        ("error_404", "/status", json!(404)),
        ("error_404", "/message", json!("404 Not Found")),
        ("error_404", "/errors", json!([])),
        ("error_401", "/message", json!("401 Unauthorized")),
        ("error_409", "/message", json!("conflict")),
        ("error_422", "/errors", json!([{ "field": "ref" }])),
    ];
    for (name, place, value) in forms {
        let all = schemas.examples().into_iter();
        for (_, example) in all.filter(|(known, _)| *known == name) {
            let mut bad = example.clone();
            let (parent, key) = place.rsplit_once('/').unwrap();
            bad.pointer_mut(parent).unwrap()[key] = value.clone();
            assert!(schemas.check(name, &bad).is_err(), "{name}{place}: {value}");
        }
    }
}

#[test]
fn a_gitlab_answer_that_breaks_its_schema_anywhere_is_noticed() {
    let schemas = Schemas::gitlab();
    // What may be null.
    let nullable = [
        "user",
        "external_url",
        "deployable",
        "started_at",
        "finished_at",
        "duration",
        "queued_duration",
        "commit",
        "description",
        "default_branch",
        "ssh_url_to_repo",
        "http_url_to_repo",
        "last_deployment",
    ];
    let mut tried = 0;
    for (name, example) in schemas.examples() {
        assert_eq!(schemas.check(name, example), Ok(()), "{name}");
        for (what, mutated) in schema::mutations(example) {
            let (place, change) = what.split_once(' ').unwrap();
            let key = place.rsplit('/').next().unwrap();
            let is_free = (change == "is null" && nullable.contains(&key))
                || (change == "is 0.5" && key.ends_with("duration"))
                // What is wrong is said of some fields, whichever.
                || (name == "error_400" && place == "/message/sha" && change == "is absent");
            if is_free {
                continue;
            }
            assert!(schemas.check(name, &mutated).is_err(), "{name}: {what}");
            tried += 1;
        }
        if let Some(object) = example.as_object() {
            let mut more = object.clone();
            more.insert("pending_approval_count".into(), json!(0));
            assert!(schemas.check(name, &more.into()).is_err(), "{name}: a key");
        }
    }
    assert!(tried > 400, "only {tried} mutations were tried");
    // Of the right type, and still not what the contract says: its traps.
    let forms = [
        ("deployment", "/status", json!("cancelled")),
        ("deployment", "/status", json!("recorded_success")),
        ("deployment", "/id", json!("42")),
        ("deployment", "/iid", json!(0)),
        ("deployment", "/created_at", json!("2016-08-11T11:32:35Z")),
        (
            "deployment",
            "/updated_at",
            json!("2016-08-11 11:32:35.444"),
        ),
        ("deployment", "/sha", json!("")),
        ("deployment", "/environment/slug", json!("review/feature")),
        ("deployment", "/environment/external_url", json!("")),
        ("deployments", "/0", json!({})),
        ("environment", "/state", json!("running")),
        ("environment", "/tier", json!("best")),
        ("environments", "/0/project", Value::Null),
        ("project", "/path_with_namespace", json!("web")),
        ("merge_requests", "", json!([{}])),
        ("error_400", "", json!({ "error": "404 Not Found" })),
        ("error_400", "", json!({ "message": "sha is missing" })),
        ("error_403", "", json!({ "error": "403 Forbidden" })),
        ("error_404", "", json!({ "error": "404 Not found" })),
        ("error_404", "", json!({ "message": "404 Not Found" })),
        ("error_405", "", json!({ "message": "405 Not Allowed" })),
    ];
    for (name, place, value) in forms {
        let all = schemas.examples().into_iter();
        for (_, example) in all.filter(|(known, _)| *known == name) {
            let mut bad = example.clone();
            *bad.pointer_mut(place).unwrap() = value.clone();
            assert!(schemas.check(name, &bad).is_err(), "{name}{place}: {value}");
        }
    }
}

#[test]
fn a_sevalla_answer_that_breaks_its_schema_anywhere_is_noticed() {
    let schemas = Schemas::sevalla();
    let mut tried = 0;
    for (name, example) in schemas.examples() {
        assert_eq!(schemas.check(name, example), Ok(()), "{name}");
        for (what, mutated) in schema::mutations(example) {
            // What may be null, and what an error and a probe need not have.
            let (place, change) = what.split_once(' ').unwrap();
            let key = place.rsplit('/').next().unwrap();
            let nullable = ["scaling_strategy", "readiness_probe", "httpGet"];
            let optional = ["data", "code", "path", "port", "scheme", "httpGet"];
            let in_error_or_probe = name == "error" || place.contains("_probe/");
            if (change == "is null" && nullable.contains(&key))
                || (change == "is absent"
                    && in_error_or_probe
                    && (optional.contains(&key) || place == "/data/message"))
            {
                continue;
            }
            assert!(schemas.check(name, &mutated).is_err(), "{name}: {what}");
            tried += 1;
        }
        if let Some(object) = example.as_object() {
            let mut more = object.clone();
            more.insert("wait_for_checks".into(), json!(false));
            assert!(schemas.check(name, &more.into()).is_err(), "{name}: a key");
        }
    }
    assert!(tried > 400, "only {tried} mutations were tried");
    // Of the right type, and still not what the contract says: its traps.
    let forms = [
        ("deployment", "/status", json!("canceled")),
        ("deployment", "/status", json!("in_progress")),
        ("deployment", "/status", json!("queued")),
        (
            "deployment",
            "/created_at",
            json!("2025-01-30T00:00:00.000+00:00"),
        ),
        ("deployment", "/created_at", Value::Null),
        ("deployment", "/updated_at", Value::Null),
        ("deployment", "/steps", json!([{ "name": "rollout" }])),
        ("deployment", "/steps", json!(["deploy"])),
        ("deployment", "/id", json!("dep_1")),
        ("deployment", "/commit_sha", json!("a1b2c3d")),
        ("deployments", "/limit", json!(101)),
        ("deployments", "/total", json!(10_001)),
        ("deployments", "/data", json!([{}])),
        ("applications", "/data/0/status", json!("success")),
        ("application", "/source", json!("git")),
        ("application", "/buildpacks", json!([{ "id": 1 }])),
        ("processes", "/data/0/type", json!("release")),
        ("processes", "/data/0/port", json!(0)),
        ("lines", "/0/timestamp", json!("2026-02-22T15:30:00.000Z")),
        ("lines", "/0/unix_timestamp", json!(1_740_236_400_000_u64)),
        ("hook", "/url", json!("/apps/x/deploy/y")),
        ("message", "/message", json!("")),
        ("error", "/status", json!(200)),
    ];
    for (name, place, value) in forms {
        for (_, example) in schemas
            .examples()
            .into_iter()
            .filter(|(known, _)| *known == name)
        {
            let mut bad = example.clone();
            let target = bad.pointer_mut(place);
            *target.unwrap() = value.clone();
            assert!(schemas.check(name, &bad).is_err(), "{name}{place}: {value}");
        }
    }
    let wrapped = json!({ "deployment": schemas.examples()[0].1 });
    assert!(
        schemas.check("deployment", &wrapped).is_err(),
        "an envelope"
    );
}

#[test]
fn a_qovery_answer_that_breaks_its_schema_anywhere_is_noticed() {
    let schemas = Schemas::qovery();
    // What may be null, and what need not be there.
    let nullable = [
        "deployment_request_id",
        "total_duration_sec",
        "port",
        "dockerfile_path",
        "dockerfile_raw",
        "docker_target_build_stage",
        "commit",
        "schedule_at",
        "build_pod_name",
        "last_deployment_date",
        "last_deployment_id",
        "total_deployment_duration_in_seconds",
        "origin",
        "triggered_by",
    ];
    let optional = |place: &str, key: &str, name: &str| {
        let of_environment = name.starts_with("environment_status") && !place.contains("/jobs/");
        let in_environment = of_environment && !place.contains("/containers/");
        match key {
            "last_deployment_date" | "steps" | "execution_id" | "updated_at" => true,
            "status" | "duration_sec" if place.contains("/steps/details/") => true,
            "description" | "max_nb_restart" | "max_duration_seconds" | "port" | "auto_deploy" => {
                true
            }
            "registry_id" | "branch" | "root_path" | "deployed_commit_id" => true,
            "on_start" | "on_stop" | "on_delete" | "lifecycle_type" | "entrypoint" => true,
            "origin" | "total_duration" | "build_pod_name" | "cluster_name" => true,
            "provider" | "cluster" => place.contains("/cloud_provider/"),
            "commit" | "schedule" => name.starts_with("history"),
            "name" | "status" | "image_name" | "tag" | "arguments" => {
                name == "history" && !place.contains("/commit/")
            }
            "last_deployment_id"
            | "total_deployment_duration_in_seconds"
            | "triggered_by"
            | "deployment_status"
            | "deployment_request_id" => in_environment,
            _ => false,
        }
    };
    let mut tried = 0;
    for (name, example) in schemas.examples() {
        assert_eq!(schemas.check(name, example), Ok(()), "{name}");
        for (what, mutated) in schema::mutations(example) {
            let (place, change) = what.split_once(' ').unwrap();
            let key = place.rsplit('/').next().unwrap();
            let is_required_date = key == "updated_at" && name == "history_v2";
            let is_free = (change == "is null"
                && nullable.contains(&key)
                && !(name.starts_with("status") && key == "last_deployment_date")
                && !(place.contains("/jobs/") && key == "last_deployment_date")
                && !(name == "history_v2" && ["origin", "triggered_by"].contains(&key)))
                || (change == "is absent" && optional(place, key, name) && !is_required_date);
            if is_free {
                continue;
            }
            assert!(schemas.check(name, &mutated).is_err(), "{name}: {what}");
            tried += 1;
        }
        if let Some(object) = example.as_object() {
            let mut more = object.clone();
            more.insert("restarted_at".into(), json!(0));
            assert!(schemas.check(name, &more.into()).is_err(), "{name}: a key");
        }
    }
    assert!(tried > 400, "only {tried} mutations were tried");
    // Of the right type, and still not what the contract says: its traps.
    let both = json!({ "image": null, "docker": {} });
    let forms = [
        ("status", "/state", json!("QUEUED")),
        ("status", "/state", json!("RESTARTED")),
        ("status", "/state", json!("UNAVAILABLE")),
        ("status", "/state", json!("SUPERSEDED")),
        ("status", "/status_details/status", json!("CANCELLED")),
        ("status", "/status_details/sub_action", Value::Null),
        ("status", "/id", json!("dep_1")),
        (
            "status",
            "/last_deployment_date",
            json!("2023-11-07 05:31:56"),
        ),
        (
            "status",
            "/last_deployment_date",
            json!("2023-11-07T05:31:56"),
        ),
        ("status", "/steps", json!({ "details": [] })),
        (
            "status",
            "/steps",
            json!({ "total_duration_sec": null, "total_computing_duration_sec": 0, "details": [{ "status": "CANCELED" }] }),
        ),
        ("job", "/source", both),
        ("job", "/source", json!({})),
        ("job", "/job_type", json!("TASK")),
        ("job", "/service_type", json!("APPLICATION")),
        ("job", "/schedule", json!({ "on_start": { "command": [] } })),
        (
            "job",
            "/schedule",
            json!({ "cronjob": { "timezone": "UTC" } }),
        ),
        ("history", "/results/0/schedule/event", json!("START")),
        ("history", "/page", Value::Null),
        ("history_v2", "/results/0/total_duration", json!("12s")),
        (
            "history_v2",
            "/results/0/auditing_data/origin",
            json!("WEBHOOK"),
        ),
        (
            "environment_status",
            "/last_deployment_state",
            json!("QUEUED"),
        ),
        ("environment_statuses", "/helms", json!([{}])),
        ("error_400", "/detail", json!("tag 'x' does not exist")),
        ("error_400", "/status", json!(404)),
        ("error_404", "/title", json!("Not found")),
    ];
    for (name, place, value) in forms {
        let all = schemas.examples().into_iter();
        for (_, example) in all.filter(|(known, _)| *known == name) {
            let mut bad = example.clone();
            let (parent, key) = place.rsplit_once('/').unwrap();
            bad.pointer_mut(parent).unwrap()[key] = value.clone();
            assert!(schemas.check(name, &bad).is_err(), "{name}{place}: {value}");
        }
    }
    // No word of ours is one that Qovery does not know.
    let words = |name: &str| schemas.words(name);
    let (ours, theirs) = (words("state"), words("vendors_state"));
    assert_eq!((ours.len(), theirs.len()), (18, 29));
    assert!(ours.iter().all(|word| theirs.contains(word)));
}
