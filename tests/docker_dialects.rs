//! One history: what is deployed through one dialect, or on the command line, is in every list, in that one's words. The app
//! is a job, because Qovery's dialect shows services only by how they stand, and lists the deployments of jobs.
#![expect(
    clippy::unwrap_used,
    reason = "in what the tests share, a panic is a failed test too"
)]

#[path = "support/daemon.rs"]
#[expect(dead_code, reason = "shared with other tests, which need more of it")]
mod daemon;
#[expect(dead_code, reason = "shared with other tests, which need more of it")]
#[path = "support/docker.rs"]
mod docker;
#[path = "support/git_server.rs"]
mod git_server;

use daemon::World;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// The status and the document of an answer.
async fn ask(world: &World, method: &str, path: &str, body: &str) -> (u16, Value) {
    let answer = world.ask(method, path, body).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let document = serde_json::from_str(body).unwrap_or_else(|error| panic!("{answer}: {error}"));
    (status, document)
}

async fn get(world: &World, path: &str) -> Value {
    let (status, document) = ask(world, "GET", path, "").await;
    assert_eq!(status, 200, "{path}: {document}");
    document
}

/// A deployment's id as git.dev writes it.
fn gitdev_id(id: &str) -> String {
    let mut value = id.parse::<Uuid>().unwrap().as_u128();
    let mut digits = Vec::new();
    while value > 0 {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(value % 36) as usize]);
        value /= 36;
    }
    digits.reverse();
    format!("dep_{}", String::from_utf8(digits).unwrap())
}

fn column(list: &Value, key: &str) -> Vec<Value> {
    let list = list.as_array().unwrap().iter();
    list.map(|one| one[key].clone()).collect()
}

const EVENTS: &str = r#"on_start = { entrypoint = ["/bin/sh"], command = ["/job.sh"] }"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deployed_through_any_dialect_or_the_command_line_is_in_every_list_in_its_words() {
    let mut world = World::new().await;
    let url = world.url("web.git");
    world.configure(&format!(
        "[[app]]\nname = \"task\"\nkind = \"job\"\nproject = \"acme/task\"\nrepository = \"{url}\"\n{EVENTS}\n"
    ));
    world.start().await;
    let job = |status: u8| format!("RUN (echo 'echo ran'; echo 'exit {status}') > /job.sh");
    let sha = world.commit("one", &job(0), "true");

    let apps = get(&world, "/v1/apps").await;
    let project = apps["data"][0]["id"].as_str().unwrap();
    let application = get(&world, "/applications").await["data"][0]["id"].clone();
    let application = application.as_str().unwrap();
    let gitdev = json!({ "project_id": project, "branch": "main" }).to_string();
    let gitlab = format!("status=created&sha={sha}&ref=main&tag=false&environment=production");
    let creates = [
        ("/v1/deployments".to_owned(), gitdev.as_str(), 201),
        (
            "/repos/acme/task/deployments".to_owned(),
            r#"{"ref":"main"}"#,
            201,
        ),
        (
            "/api/v4/projects/acme%2Ftask/deployments".to_owned(),
            gitlab.as_str(),
            201,
        ),
        (
            format!("/applications/{application}/deployments"),
            "{}",
            200,
        ),
        (format!("/job/{application}/deploy"), "null", 202),
    ];
    world.run(&["deploy", "task"]).await.ok();
    for (path, body, expected) in &creates {
        let (status, made) = ask(&world, "POST", path, body).await;
        assert_eq!(status, *expected, "{path}: {made}");
        let rest = async {
            while get(&world, &format!("/job/{application}/status")).await["state"] != "DEPLOYED" {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        daemon::within(Duration::from_secs(60), path, rest).await;
    }
    // One that fails.
    world.commit("two", &job(3), "true");
    world.run(&["deploy", "task"]).await.ended(1);

    let all = creates.len() + 2;
    let words = |failed: &str, well: &str| {
        let mut words = vec![json!(failed)];
        words.resize(all, json!(well));
        words
    };
    let own = get(&world, "/v1/deployments").await["data"].take();
    assert_eq!(column(&own, "status"), words("failed", "success"));
    let cli = world.run(&["ls", "--json"]).await.ok().document()["data"].take();
    assert_eq!(column(&cli, "id"), column(&own, "id"));
    let shown = world.run(&["ls"]).await.ok().stdout;
    assert_eq!(shown.matches("success").count(), all - 1, "{shown}");
    assert_eq!(shown.matches("failed").count(), 1, "{shown}");

    let path = format!("/applications/{application}/deployments");
    let sevalla = get(&world, &path).await["data"].take();
    assert_eq!(column(&sevalla, "status"), words("failed", "success"));
    let ids = column(&sevalla, "id");
    let as_gitdev = ids.iter().map(|id| json!(gitdev_id(id.as_str().unwrap())));
    assert_eq!(as_gitdev.collect::<Vec<_>>(), column(&own, "id"));

    let path = format!("/job/{application}/deploymentHistory");
    let first = get(&world, &path).await["results"].take();
    assert_eq!(
        column(&first, "status"),
        words("DEPLOYMENT_ERROR", "DEPLOYED")
    );
    assert_eq!(column(&first, "id"), ids);
    let second = get(&world, &format!("{path}V2")).await["results"].take();
    assert_eq!(column(&second, "status"), column(&first, "status"));

    let path = "/api/v4/projects/acme%2Ftask/deployments?order_by=id&sort=desc";
    let gitlab = get(&world, path).await;
    assert_eq!(column(&gitlab, "status"), words("failed", "success"));
    let github = get(&world, "/repos/acme/task/deployments").await;
    assert_eq!(column(&github, "id"), column(&gitlab, "id"));
    let mut states = Vec::new();
    for id in column(&github, "id") {
        let path = format!("/repos/acme/task/deployments/{id}/statuses");
        states.push(get(&world, &path).await[0]["state"].take());
    }
    assert_eq!(states, words("failure", "success"));
    let commits = column(&github, "sha");
    assert_eq!(commits[1..], vec![json!(sha); all - 1]);
    for list in [&own, &sevalla] {
        assert_eq!(column(list, "commit_sha"), commits);
    }
}
