//! Asks longshore and the minimal server in turn, and prints what came of it.

use crate::load::{Client, Round, round};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// How many requests are under way at once: as many as a busy dashboard and a few pipelines make.
const CONNECTIONS: usize = 8;
/// How long one round of one server lasts.
const LASTING: Duration = Duration::from_secs(2);
/// How often a deep page is asked for.
const PAGES: usize = 40;

pub(crate) struct Options {
    longshore: String,
    minimal: String,
    token: String,
    deployments: u64,
    apps: usize,
    environments: usize,
    rounds: usize,
    /// Where the figures are kept for the next size to be compared with.
    figures: PathBuf,
}

impl Options {
    pub(crate) fn of(words: &[&str]) -> Self {
        let [
            longshore,
            minimal,
            token,
            deployments,
            apps,
            environments,
            rounds,
            figures,
        ] = words
        else {
            panic!("compare LONGSHORE MINIMAL TOKEN DEPLOYMENTS APPS ENVIRONMENTS ROUNDS FIGURES");
        };
        Self {
            longshore: (*longshore).to_owned(),
            minimal: (*minimal).to_owned(),
            token: (*token).to_owned(),
            deployments: deployments.parse().unwrap(),
            apps: apps.parse().unwrap(),
            environments: environments.parse().unwrap(),
            rounds: rounds.parse().unwrap(),
            figures: figures.into(),
        }
    }

    fn get(&self, path: &str) -> Vec<u8> {
        format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n",
            self.token
        )
        .into_bytes()
    }

    fn post(&self, path: &str, body: &str) -> Vec<u8> {
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        )
        .into_bytes()
    }

    /// A create for one environment after the other, so that no queue grows long.
    fn create(&self, connection: usize, number: usize) -> Vec<u8> {
        let place = number * CONNECTIONS + connection;
        let app = place % self.apps;
        let environment = place / self.apps % self.environments;
        let body = format!(
            r#"{{"project_id":"app-{app}","environment":"env-{environment}","image":"registry.example.com/acme/web:{number}"}}"#
        );
        self.post("/v1/deployments", &body)
    }
}

/// A kind of request, and its rounds on both servers.
struct Kind {
    name: &'static str,
    longshore: Vec<Round>,
    minimal: Vec<Round>,
}

pub(crate) fn compare(options: &Options) {
    let ids = ids(options);
    same_answers(options, &ids);
    let shown = |connection: usize, number: usize| {
        let id = &ids[(connection * 7919 + number) % ids.len()];
        options.get(&format!("/v1/deployments/{id}"))
    };
    let listed = |_, _| options.get("/v1/deployments");
    let created = |connection, number| options.create(connection, number);
    println!(
        "\n{} deployments, {CONNECTIONS} connections, {} rounds of {} s each in turn",
        options.deployments,
        options.rounds,
        LASTING.as_secs()
    );
    println!(
        "{:<14}{:>22}{:>22}{:>10}{:>26}",
        "", "longshore", "minimal server", "ratio", "p99: longshore, minimal"
    );
    let kinds = [
        run(options, "get", 200, &shown),
        run(options, "list", 200, &listed),
        run(options, "create", 201, &created),
    ];
    for kind in &kinds {
        told(kind);
    }
    let first = median(
        kinds[1]
            .longshore
            .iter()
            .map(|round| round.percentile(50).as_secs_f64())
            .collect(),
    );
    let alone = alone(options, "/v1/deployments");
    against_fewer(options, first, alone);
    deep(options);
}

fn run(
    options: &Options,
    name: &'static str,
    expected: u16,
    request: &(impl Fn(usize, usize) -> Vec<u8> + Sync),
) -> Kind {
    let mut kind = Kind {
        name,
        longshore: Vec::new(),
        minimal: Vec::new(),
    };
    let ask = |address: &str, lasting| round(address, CONNECTIONS, lasting, expected, request);
    // The first answers fill caches and are not counted.
    for address in [&options.longshore, &options.minimal] {
        ask(address, LASTING / 8);
    }
    for number in 0..options.rounds {
        if number % 2 == 0 {
            kind.longshore.push(ask(&options.longshore, LASTING));
            kind.minimal.push(ask(&options.minimal, LASTING));
        } else {
            kind.minimal.push(ask(&options.minimal, LASTING));
            kind.longshore.push(ask(&options.longshore, LASTING));
        }
    }
    kind
}

fn told(kind: &Kind) {
    let speed = |rounds: &[Round]| median(rounds.iter().map(|round| round.per_second).collect());
    let slowest = |rounds: &[Round]| {
        median(
            rounds
                .iter()
                .map(|round| round.percentile(99).as_secs_f64())
                .collect(),
        )
    };
    let (ours, theirs) = (speed(&kind.longshore), speed(&kind.minimal));
    println!(
        "{:<14}{:>20.0}/s{:>20.0}/s{:>10.2}{:>14.2}, {:>7.2} ms",
        kind.name,
        ours,
        theirs,
        ours / theirs,
        slowest(&kind.longshore) * 1e3,
        slowest(&kind.minimal) * 1e3
    );
}

/// How much longer the first page takes than it did with fewer deployments.
fn against_fewer(options: &Options, busy: f64, alone: f64) {
    if let Ok(before) = std::fs::read_to_string(&options.figures) {
        let before: Vec<f64> = before
            .split_whitespace()
            .map(|figure| figure.parse().unwrap())
            .collect();
        let [deployments, old_busy, old_alone] = before.as_slice() else {
            panic!(
                "{} is not what an earlier run wrote",
                options.figures.display()
            );
        };
        println!(
            "first page of a list, median: {:.2} ms here, {:.2} ms with {deployments} deployments: {:.2} times (one at a time: {:.2} ms, {:.2} ms: {:.2} times)",
            busy * 1e3,
            old_busy * 1e3,
            busy / old_busy,
            alone * 1e3,
            old_alone * 1e3,
            alone / old_alone
        );
    }
    std::fs::write(
        &options.figures,
        format!("{} {busy} {alone}\n", options.deployments),
    )
    .unwrap();
}

/// The median time of a request when there is no other.
fn alone(options: &Options, path: &str) -> f64 {
    let request = options.get(path);
    let mut client = Client::connect(&options.longshore);
    let times = (0..500).map(|_| {
        let asked = crate::now();
        assert_eq!(client.ask(&request).0, 200);
        asked.elapsed().as_secs_f64()
    });
    median(times.collect())
}

fn deep(options: &Options) {
    let all = options.deployments;
    println!("pages further down, one request at a time, {PAGES} each          median   slowest");
    let queries = [
        format!("offset={}", all / 2),
        format!("offset={}", all.saturating_sub(20)),
        format!("limit=100&offset={}", all / 2),
        format!("status=success&offset={}", all / 3),
        format!("status=failed&offset={}", all / 20),
        format!("status=building&offset={}", all / 2),
        format!("project_id=app-0&offset={}", all / 20),
        format!("project_id=app-0&status=success&offset={}", all / 40),
        format!("environment=env-1&offset={}", all / 10),
        format!(
            "environment=env-1&status=success&limit=100&offset={}",
            all / 10
        ),
        "environment=env-1&status=failed".to_owned(),
        "status=failed&limit=100".to_owned(),
    ];
    for query in queries {
        let request = options.get(&format!("/v1/deployments?{query}"));
        let mut client = Client::connect(&options.longshore);
        let mut times: Vec<f64> = (0..PAGES)
            .map(|_| {
                let asked = crate::now();
                let (status, body) = client.ask(&request);
                let time = asked.elapsed().as_secs_f64();
                assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
                time
            })
            .collect();
        times.sort_unstable_by(f64::total_cmp);
        println!(
            "  {query:<62}{:>7.2} ms{:>7.2} ms",
            times[PAGES / 2] * 1e3,
            times[PAGES - 1] * 1e3
        );
    }
}

/// Ids of deployments from all over the history.
fn ids(options: &Options) -> Vec<String> {
    let mut client = Client::connect(&options.longshore);
    let mut ids = Vec::new();
    for part in 0..50 {
        let offset = options.deployments.saturating_sub(20) * part / 50;
        let (status, body) = client.ask(&options.get(&format!("/v1/deployments?offset={offset}")));
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
        let page: Value = serde_json::from_slice(body).unwrap();
        assert!(page["meta"]["total"].as_u64().unwrap() >= options.deployments);
        let page = page["data"].as_array().unwrap().iter();
        ids.extend(page.map(|one| one["id"].as_str().unwrap().to_owned()));
    }
    ids
}

/// What is compared must be the same work: both servers give the same answers.
fn same_answers(options: &Options, ids: &[String]) {
    let mut answers =
        [&options.longshore, &options.minimal].map(|address| Client::connect(address));
    let paths = ids
        .iter()
        .step_by(17)
        .map(|id| format!("/v1/deployments/{id}"));
    for path in paths.chain([
        "/v1/deployments".to_owned(),
        "/v1/deployments?offset=300&limit=50".to_owned(),
    ]) {
        let [ours, theirs] = answers.each_mut().map(|client| {
            let (status, body) = client.ask(&options.get(&path));
            assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(body));
            serde_json::from_slice::<Value>(body).unwrap()
        });
        assert_eq!(ours, theirs, "{path}");
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}
