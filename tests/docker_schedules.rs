//! A schedule with the real program, a real engine and the real time: it has its run within the minute, and not twice, also
//! where the daemon is killed as it comes.
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

use daemon::{World, within};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// A minute, and what a busy machine may take for a run.
const LIMIT: Duration = Duration::from_secs(110);

/// The runs of the job, the newest first.
async fn runs(world: &World) -> Vec<Value> {
    let listed = world.run(&["runs", "report", "--json"]).await.ok();
    listed.document()["data"].as_array().unwrap().clone()
}

/// Waits until one has ended.
async fn ended(world: &World) -> Vec<Value> {
    within(LIMIT, "a run of the schedule", async {
        loop {
            let runs = runs(world).await;
            if runs.iter().any(|run| run["status"] == "succeeded") {
                return runs;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_every_minute_has_its_run_within_the_minute_and_not_twice() {
    let mut world = World::new().await;
    let app = format!(
        "[[app]]\nname = \"report\"\nkind = \"job\"\nimage = \"{}\"\npull = \"never\"\n\
         entrypoint = [\"/bin/sh\", \"-c\"]\ncommand = [\"echo the report is written\"]\n\
         schedule = {{ cron = \"* * * * *\", time_zone = \"Europe/Berlin\" }}\noverlap = \"allow\"\n",
        world.base.image
    );
    world.configure(&app);
    world.start().await;
    world.run(&["deploy", "report"]).await.ok();
    let causes = runs(&world).await;
    let by_deployment = causes.iter().filter(|run| run["cause"] == "deployment");
    assert_eq!(by_deployment.count(), 0, "a deployment only installs it");
    let shown = world.run(&["app", "show", "report"]).await.ok();
    assert!(shown.stdout.contains("next run"), "{}", shown.stdout);

    let all = ended(&world).await;
    let run = all.last().unwrap();
    assert_eq!(
        (
            &run["cause"],
            &run["event"],
            &run["exit_status"],
            &run["number"]
        ),
        (&"schedule".into(), &"cron".into(), &0.into(), &1.into())
    );
    let due = run["due_at"].as_str().unwrap();
    assert!(due.ends_with(":00Z"), "{run}");
    let log = world.run(&["logs", "report", "--run", "1"]).await.ok();
    assert!(
        log.stdout.contains("the report is written"),
        "{}",
        log.stdout
    );
    // A daemon that is killed now comes back within the minute that the run was for. One by hand is not the schedule's.
    world.kill();
    world.start().await;
    let ran = world.run(&["run", "report"]).await.ok();
    assert!(ran.stdout.contains("ended with status 0"), "{}", ran.stdout);
    let all = runs(&world).await;
    let due: Vec<&str> = all
        .iter()
        .filter_map(|run| run["due_at"].as_str())
        .collect();
    let different: BTreeSet<&str> = due.iter().copied().collect();
    assert_eq!(due.len(), different.len(), "{all:?}");
    assert_eq!(
        all.iter().filter(|run| run["cause"] == "hand").count(),
        1,
        "{all:?}"
    );
    world.run(&["stop", "report"]).await.ok();
    let none = world.run(&["app", "show", "report"]).await.ok();
    assert!(!none.stdout.contains("next run"), "{}", none.stdout);
}
