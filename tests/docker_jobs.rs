//! Runs of jobs, with the real program on a real engine.
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
use serde_json::Value;
use std::time::Duration;

/// What is run at a deployment, and what a run by hand of `delete` tells: everything that runs wrote down.
const TELL: &str = "cat /data/log";

/// A daemon with the app `report`, a job that runs this at `stop`, and its first deployment.
async fn world(stop: &str, keys: &str) -> World {
    let mut world = World::new().await;
    let command = |words: &str| format!("{{ command = [\"/bin/sh\", \"-c\", \"{words}\"] }}");
    let app = format!(
        "[[app]]\nname = \"report\"\nkind = \"job\"\nimage = \"{}\"\npull = \"never\"\nvolumes = [\"data:/data\"]\nstop_grace = \"1s\"\n\
         on_start = {}\non_stop = {}\non_delete = {}\n{keys}\n",
        world.base.image,
        command("echo prepared"),
        command(stop),
        command(TELL),
    );
    world.configure(&app);
    world.start().await;
    let ran = world.run(&["deploy", "report"]).await.ok();
    assert!(ran.stdout.contains("prepared"), "{}", ran.stdout);
    world.containers(0).await;
    world
}

/// Begins a run and waits until it has printed that it is at work.
async fn begun(world: &World) -> String {
    let ran = world.run(&["run", "report", "--event", "stop", "--detach"]);
    let id = ran.await.ok().stdout.trim().to_owned();
    let at_work = async {
        while !world
            .run(&["logs", &id])
            .await
            .stdout
            .contains("stdout at work")
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    daemon::within(Duration::from_secs(60), "the run to be at work", at_work).await;
    id
}

/// How a run stands, when it is as it is to be.
async fn when(world: &World, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let looked = async {
        loop {
            let run = world.run(&["show", id, "--json"]).await.ok().document();
            if is_so(&run) {
                return run;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    daemon::within(Duration::from_secs(60), "the run to be so", looked).await
}

async fn ended(world: &World, id: &str) -> Value {
    when(world, id, |run| !run["completed_at"].is_null()).await
}

/// What runs wrote into the volume.
async fn written(world: &World) -> String {
    let told = world.run(&["run", "report", "--event", "delete"]);
    told.await.ok().stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runs_exit_status_and_output_are_in_the_history_and_the_log() {
    let world = world("echo counting; echo oops >&2; exit 7", "retries = 1").await;
    let ran = world.run(&["run", "report", "--event", "stop"]).await;
    ran.ended(1).says(&["(job_failed)", "status 7", "counting"]);
    let list = world
        .run(&["runs", "report", "--json"])
        .await
        .ok()
        .document();
    let run = &list["data"][0];
    assert_eq!(run["exit_status"], 7, "{run}");
    assert_eq!(run["status"], "failed", "{run}");
    assert_eq!(run["attempts"], 2, "{run}");
    assert_eq!(run["error"]["code"], "job_failed", "{run}");
    let output = run["error"]["output"].to_string();
    assert!(
        output.contains("counting") && output.contains("oops"),
        "{run}"
    );
    assert_eq!(list["data"][1]["status"], "succeeded", "the deployment's");
    let id = run["id"].as_str().unwrap();
    let log = world.run(&["logs", id]).await.ok().stdout;
    for line in ["stdout counting", "stderr oops"] {
        assert_eq!(log.matches(line).count(), 2, "once for each attempt: {log}");
    }
    world.containers(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_while_the_daemon_is_killed_and_is_not_run_twice() {
    let slow = "echo begun >> /data/log; echo at work; sleep 4; echo done >> /data/log; exit 3";
    let mut world = world(slow, "").await;
    // It is found at work …
    let id = begun(&world).await;
    world.kill();
    world.start().await;
    let run = ended(&world, &id).await;
    assert_eq!(
        (&run["exit_status"], &run["attempts"]),
        (&3.into(), &1.into())
    );
    // … or ended meanwhile: its exit status is read.
    let id = begun(&world).await;
    world.kill();
    tokio::time::sleep(Duration::from_secs(6)).await;
    world.start().await;
    let run = ended(&world, &id).await;
    assert_eq!(
        (&run["exit_status"], &run["attempts"]),
        (&3.into(), &1.into())
    );
    let log = world.run(&["logs", &id]).await.ok().stdout;
    assert_eq!(log.matches("stdout at work").count(), 1, "{log}");
    let written = written(&world).await;
    for word in ["begun", "done"] {
        assert_eq!(written.matches(word).count(), 2, "{written}");
    }
    world.containers(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_takes_too_long_or_is_cancelled_is_killed_with_what_it_runs() {
    let deaf = "trap : TERM; echo at work; while :; do sleep 1; done";
    let world = world(deaf, "retries = 3\nmax_duration = \"3s\"").await;
    let id = begun(&world).await;
    let run = ended(&world, &id).await;
    assert_eq!(run["error"]["code"], "deadline_exceeded", "{run}");
    assert_eq!(run["attempts"], 1, "{run}");
    world.containers(0).await;
    let ran = world.run(&["run", "report", "--event", "stop", "--detach"]);
    let id = ran.await.ok().stdout.trim().to_owned();
    world.run(&["cancel", &id]).await.ok();
    assert_eq!(ended(&world, &id).await["status"], "cancelled");
    world.containers(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_and_a_removal_run_their_commands_and_nothing_is_left() {
    let world = world("echo stopped >> /data/log", "").await;
    world.run(&["stop", "report"]).await.ok();
    let list = world
        .run(&["runs", "report", "--json"])
        .await
        .ok()
        .document();
    let run = &list["data"][0];
    assert_eq!(
        (&run["event"], &run["cause"]),
        (&"stop".into(), &"change".into())
    );
    assert_eq!(run["exit_status"], 0, "{run}");
    let removed = ["app", "rm", "report", "--yes", "--volumes"];
    world.run(&removed).await.ok();
    world.containers(0).await;
    world.nothing_is_left().await;
    // Its history is told of by the events.
    let events = world.run(&["events", "--json"]).await.ok().document();
    let all = events["data"].as_array().unwrap();
    let of_runs = all.iter().filter(|event| event["type"] == "run");
    let ends = of_runs.filter(|event| event["status"] == "success").count();
    assert_eq!(ends, 3, "a start, a stop and a removal: {events}");
}
