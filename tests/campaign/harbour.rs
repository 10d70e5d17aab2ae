//! The ingress of a campaign, a process of its own, and a prober whose requests it must never fail.

use crate::daemon::{World, program};
use crate::stage::{PLACES, Place};
use longshore::core::route::Table;
use longshore::ingress::Client;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Between the beginnings of two probes of one environment.
const STEADY: Duration = Duration::from_millis(20);

/// How long a request may take.
const LIMIT: Duration = Duration::from_secs(10);

/// How long the ingress may take to begin.
const BEGIN: Duration = Duration::from_secs(20);

/// What was answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// `x-longshore-error`: the ingress itself answered.
    pub error: Option<String>,
    pub body: String,
}

/// What the prober may count on, and what it found.
#[derive(Default)]
struct Watch {
    /// Grows before the ingress is killed and when it answers again; odd while it may be dead.
    ingress: u64,
    /// Grows whenever a place begins or ceases to be one that must answer.
    epochs: [u64; PLACES.len()],
    live: [bool; PLACES.len()],
    judged: usize,
    unjudged: usize,
    failed: Vec<String>,
}

/// What held when a request began; it is judged only if the same holds at its end.
#[derive(PartialEq, Eq)]
struct Then(Option<(u64, u64)>);

impl Watch {
    fn then(&self, index: usize) -> Then {
        let counts = self.live[index] && self.ingress.is_multiple_of(2);
        Then(counts.then(|| (self.ingress, self.epochs[index])))
    }
}

pub struct Harbour {
    pub address: SocketAddr,
    config: std::path::PathBuf,
    log: std::path::PathBuf,
    client: Client,
    process: Option<Child>,
    watch: Arc<Mutex<Watch>>,
    _probers: JoinSet<()>,
}

impl Harbour {
    /// Adds an ingress to the configuration, starts it, and begins to probe.
    pub async fn set(world: &World) -> Self {
        let (config, socket) = (world.path("config.toml"), world.path("ingress.sock"));
        let address = free_address();
        let text = std::fs::read_to_string(&config).unwrap();
        let with = text.replace(
            "[ingress]\nlisten = []",
            &format!(
                "[ingress]\nembedded = false\nlisten = [\"{address}\"]\nsocket = \"{}\"\ndata_dir = \"{}\"",
                socket.display(),
                world.path("ingress").display()
            ),
        );
        assert_ne!(text, with);
        std::fs::write(&config, with).unwrap();
        let watch = Arc::new(Mutex::new(Watch {
            ingress: 1,
            ..Watch::default()
        }));
        let mut probers = JoinSet::new();
        for (index, place) in PLACES.iter().enumerate().filter(|(_, one)| one.swaps()) {
            probers.spawn(probe(address, *place, index, Arc::clone(&watch)));
        }
        let mut harbour = Self {
            address,
            config,
            log: world.path("ingress.log"),
            client: Client::new(socket),
            process: None,
            watch,
            _probers: probers,
        };
        harbour.start().await;
        harbour
    }

    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Starts it and waits until it answers.
    pub async fn start(&mut self) {
        assert!(self.process.is_none(), "it runs");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        let child = program()
            .args(["ingress", "--config"])
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(child);
        let begun = tokio::time::timeout(BEGIN, async {
            while self.client.health().await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(begun.await.is_ok(), "it does not begin:\n{}", self.told());
        look(&self.watch).ingress += 1;
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        look(&self.watch).ingress += 1;
        let mut process = self.process.take().expect("it runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    pub fn told(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The table it holds.
    pub async fn table(&self) -> Option<Table> {
        let held = self.client.table().await;
        held.unwrap_or_else(|error| panic!("{error}:\n{}", self.told()))
    }

    pub async fn get(&self, place: Place) -> Result<Answer, String> {
        get(self.address, &place.domain()).await
    }

    /// From now on requests for this place must be answered, or need not be.
    pub fn must_answer(&self, place: Place, live: bool) {
        let index = PLACES.iter().position(|one| *one == place).unwrap();
        let mut watch = look(&self.watch);
        if watch.live[index] != live {
            watch.live[index] = live;
            watch.epochs[index] += 1;
        }
    }

    /// How many probes had to be answered and were, and how many did not have to; fails if one had to and was not.
    pub fn probed(&self) -> (usize, usize) {
        let watch = look(&self.watch);
        assert!(
            watch.failed.is_empty(),
            "requests failed: {:#?}",
            watch.failed
        );
        (watch.judged, watch.unjudged)
    }
}

impl Drop for Harbour {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn look(watch: &Mutex<Watch>) -> std::sync::MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One fresh connection after the other, until the campaign ends. One that must not fail shows a page of the place.
async fn probe(address: SocketAddr, place: Place, index: usize, watch: Arc<Mutex<Watch>>) {
    let page = format!("{}-{}-", place.app, place.environment);
    let mut steady = tokio::time::interval(STEADY);
    steady.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        steady.tick().await;
        let then = look(&watch).then(index);
        let answer = get(address, &place.domain()).await;
        let mut watch = look(&watch);
        if then.0.is_none() || watch.then(index) != then {
            watch.unjudged += 1;
            continue;
        }
        watch.judged += 1;
        let fine =
            matches!(&answer, Ok(answer) if answer.status == 200 && answer.body.starts_with(&page));
        if !fine {
            watch.failed.push(format!("{}: {answer:?}", place.domain()));
        }
    }
}

async fn get(address: SocketAddr, host: &str) -> Result<Answer, String> {
    let work = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET / HTTP/1.0\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(LIMIT, work)
        .await
        .map_err(|_| format!("no answer within {LIMIT:?}"))?
        .map_err(|error| error.to_string())?;
    let cut = || format!("cut off: {answer:?}");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(cut)?;
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
    let error = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("x-longshore-error")
            .then(|| value.to_owned())
    });
    Ok(Answer {
        status: status.ok_or_else(cut)?,
        error,
        body: body.trim().to_owned(),
    })
}

/// An address that nobody else uses: other tests run in other processes at the same time.
fn free_address() -> SocketAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let host = Ipv4Addr::from([127, 128 | (high ^ middle) & 63, low, 7]);
    let listener = TcpListener::bind((host, 0)).unwrap();
    listener.local_addr().unwrap()
}
