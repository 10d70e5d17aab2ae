//! A campaign: the real daemon on the real engine, and the ingress beside it, are killed with signal 9 again and again
//! during a stream of deployments, cancels, rollbacks, restarts, stops and removals. Everything that was accepted must
//! come to its end once, requests must be led where the database says, and no swap may fail one.
//! `make campaign-kill KILLS=200 SEED=1` runs a long one. The seed decides what is asked and when it is killed; how
//! far the daemon and the engine are by then, only time does, so a replay comes close and is not the same to the bit.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in what the tests share, a panic is a failed test too"
)]

#[path = "campaign/book.rs"]
mod book;
#[path = "campaign/chance.rs"]
mod chance;
#[expect(dead_code, reason = "shared with other tests, which need more of it")]
#[path = "support/daemon.rs"]
mod daemon;
#[expect(dead_code, reason = "shared with other tests, which need more of it")]
#[path = "support/docker.rs"]
mod docker;
#[path = "support/git_server.rs"]
mod git_server;
#[path = "campaign/harbour.rs"]
mod harbour;
#[path = "campaign/http.rs"]
mod http;
#[path = "campaign/moment.rs"]
mod moment;
#[path = "campaign/objects.rs"]
mod objects;
#[path = "campaign/plan.rs"]
mod plan;
#[path = "campaign/routes.rs"]
mod routes;
#[path = "campaign/rows.rs"]
mod rows;
#[path = "campaign/stage.rs"]
mod stage;
#[path = "campaign/tally.rs"]
mod tally;
#[path = "campaign/work.rs"]
mod work;

use work::Campaign;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_accepted_survives_a_few_kills() {
    Campaign::run(8, 13).await;
}

/// `KILLS` and `SEED` say how long and which one. With `KEEP` a failed one leaves its data directory there.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make campaign-kill"]
async fn whatever_is_accepted_survives_a_campaign_of_kills() {
    let number = |name, default| {
        variable(name).map_or(default, |text| {
            text.parse().expect("KILLS and SEED are numbers")
        })
    };
    let kills = usize::try_from(number("KILLS", 200)).unwrap();
    Campaign::run(kills, number("SEED", 1)).await;
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is how a campaign is told how long it is"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}
