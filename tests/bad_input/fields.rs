//! Fields of bodies, paths and queries, and the configuration's addresses.

use super::Attacked;
use crate::program::command;

const CREATE: &str = "/v1/deployments";

#[test]
fn json_that_is_deep_doubled_or_beyond_its_numbers_gets_a_clear_answer() {
    let attacked = Attacked::begin();
    let deep = |open: &str, close: &str| {
        let (open, close) = (open.repeat(100_000), close.repeat(100_000));
        format!("{{\"project_id\":\"cache\",\"x\":{open}1{close}}}")
    };
    for body in [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
    ] {
        attacked.post(CREATE, &body).is(400, "invalid_json");
    }
    for body in [
        "",
        "null",
        "[]",
        "1e999",
        "\"x\"",
        "{",
        "{\"a\":1}}",
        "\u{feff}{}",
    ] {
        attacked.post(CREATE, body).is(400, "invalid_json");
    }
    for number in [
        "9223372036854775808",
        "-9223372036854775809",
        "1e400",
        "99999999999999999999999999",
        "0.5",
        "-1",
    ] {
        let answer = attacked.post(
            "/v1/apps/cache/rollback",
            &format!("{{\"release\":{number}}}"),
        );
        assert_eq!(answer.status, 400, "{number}: {}", answer.body);
        for parameter in ["limit", "offset"] {
            let path = format!("{CREATE}?{parameter}={number}");
            attacked.get(&path).is(400, "invalid_parameter");
        }
        let path = format!("/v1/operations/{number}");
        attacked.get(&path).is(404, "operation_not_found");
    }
    // The last of two keys counts, for every reader of the body alike.
    let doubled = r#"{"project_id":"cache","project_id":"nothing","from_config":true}"#;
    attacked.post(CREATE, doubled).is(404, "project_not_found");
    attacked.stays_unharmed();
}

#[test]
fn absurd_lengths_are_refused_by_every_field() {
    let attacked = Attacked::begin();
    let long = "a".repeat(200_000);
    let create = |fields: &str| attacked.post(CREATE, &format!("{{{fields}}}"));
    create(&format!(r#""project_id":"{long}","branch":"main""#)).is(404, "project_not_found");
    create(&format!(r#""project_id":"web","branch":"{long}""#)).is(400, "invalid_branch");
    create(&format!(
        r#""project_id":"web","branch":"main","commit_sha":"{long}""#
    ))
    .is(400, "invalid_field");
    create(&format!(r#""project_id":"cache","image":"{long}""#)).is(400, "invalid_field");
    create(&format!(
        r#""project_id":"cache","from_config":true,"environment":"{long}""#
    ))
    .is(400, "invalid_field");
    create(&format!(
        r#""project_id":"cache","env_vars":{{"{long}":"x"}}"#
    ))
    .is(400, "invalid_env_vars");
    create(&format!(
        r#""project_id":"cache","env_vars":{{"A":"{long}"}}"#
    ))
    .is(400, "invalid_env_vars");
    let many: Vec<String> = (0..10_000).map(|n| format!("\"A{n}\":\"x\"")).collect();
    create(&format!(
        r#""project_id":"cache","env_vars":{{{}}}"#,
        many.join(",")
    ))
    .is(400, "invalid_env_vars");
    attacked
        .post(
            "/v1/tokens",
            &format!(r#"{{"name":"{long}","scope":"deploy:read"}}"#),
        )
        .is(400, "invalid_field");
    attacked
        .post("/v1/tokens", &format!(r#"{{"name":"t","scope":"{long}"}}"#))
        .is(400, "invalid_field");

    // 7000 bytes are a path that is read, and then no name.
    let name = "a".repeat(7000);
    attacked
        .post(&format!("/v1/apps/{name}/stop"), "")
        .is(404, "project_not_found");
    attacked
        .get(&format!("{CREATE}/dep_{name}"))
        .is(404, "deployment_not_found");
    attacked
        .get(&format!("{CREATE}?status={name}"))
        .is(400, "invalid_parameter");
    attacked
        .get(&format!("{CREATE}?environment={name}"))
        .is(400, "invalid_parameter");
    attacked
        .send(
            "PUT",
            &format!("/v1/apps/cache/secrets/{name}"),
            "",
            br#"{"value":"x"}"#,
        )
        .is(400, "invalid_field");
    let large = format!(r#"{{"value":"{}"}}"#, "x".repeat(2_000_000));
    attacked
        .send("PUT", "/v1/apps/cache/secrets/A", "", large.as_bytes())
        .is(400, "invalid_field");
    let key = format!("Idempotency-Key: {}\r\n", "k".repeat(256));
    attacked
        .send("POST", CREATE, &key, br#"{"project_id":"cache"}"#)
        .is(400, "invalid_parameter");
    attacked.stays_unharmed();
}

#[test]
fn a_nul_is_refused_by_every_field() {
    let attacked = Attacked::begin();
    let create = |fields: &str| attacked.post(CREATE, &format!("{{{fields}}}"));
    create(r#""project_id":"we\u0000b","branch":"main""#).is(404, "project_not_found");
    create(r#""project_id":"web","branch":"ma\u0000in""#).is(400, "invalid_branch");
    create(r#""project_id":"cache","image":"nginx\u0000:1""#).is(400, "invalid_field");
    create(r#""project_id":"cache","from_config":true,"environment":"a\u0000""#)
        .is(400, "invalid_field");
    create(r#""project_id":"cache","env_vars":{"A\u0000":"x"}"#).is(400, "invalid_env_vars");
    create(r#""project_id":"cache","env_vars":{"A":"x\u0000"}"#).is(400, "invalid_env_vars");
    attacked
        .post("/v1/tokens", r#"{"name":"t\u0000","scope":"deploy:read"}"#)
        .is(400, "invalid_field");
    attacked
        .send(
            "PUT",
            "/v1/apps/cache/secrets/A",
            "",
            br#"{"value":"x\u0000y"}"#,
        )
        .is(400, "invalid_field");
    attacked
        .get(&format!("{CREATE}?environment=%00"))
        .is(400, "invalid_parameter");
    attacked.stays_unharmed();
}

#[test]
fn nothing_becomes_an_option_of_another_program() {
    let attacked = Attacked::begin();
    for branch in [
        "--upload-pack=touch /tmp/x",
        "-x",
        "@{",
        "@",
        "main@{1}",
        "a..b",
        "a b",
        "a~1",
        "a^",
        "a:b",
        "a.lock",
        "/a",
        "a//b",
        "a\\\\b",
        "*",
    ] {
        let body = format!(r#"{{"project_id":"web","branch":"{branch}"}}"#);
        attacked.post(CREATE, &body).is(400, "invalid_branch");
    }
    for image in [
        "--privileged",
        "-v",
        "a b",
        "../x",
        "nginx:",
        ":1",
        "nginx:1\\n",
        "http://x/y",
        "nginx@sha256:1",
        "NGINX",
    ] {
        let body = format!(r#"{{"project_id":"cache","image":"{image}"}}"#);
        attacked.post(CREATE, &body).is(400, "invalid_field");
    }
    for commit in ["--help", "HEAD~1", "@{u}", "main"] {
        let body = format!(r#"{{"project_id":"web","branch":"main","commit_sha":"{commit}"}}"#);
        attacked.post(CREATE, &body).is(400, "invalid_field");
    }
    for repository in [
        "-oProxyCommand=touch x",
        "ssh://-oProxyCommand=touch/x",
        "ssh://git@-oProxyCommand=touch/x",
        "git@-oProxyCommand=touch:x",
        "ext::sh -c touch% x",
        "file://-x/etc",
        "https://-x/y.git",
        "--upload-pack=touch:x",
    ] {
        attacked.stage.configure(&format!(
            "[[app]]\nname = \"a\"\nrepository = \"{repository}\"\n"
        ));
        let checked = command(env!("CARGO_BIN_EXE_longshore"))
            .arg("check")
            .arg(attacked.stage.path("config.toml"))
            .output()
            .unwrap();
        assert_eq!(checked.status.code(), Some(1), "{repository}");
        let told = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(told.contains("repository"), "{repository}: {told}");
    }
    attacked.stays_unharmed();
}
