//! An ingress of its own with sockets that the test holds, as systemd does: they outlive the process, and what connects
//! meanwhile waits.

use crate::program::{Daemon, Stage, command};
use longshore::core::ports::{Ingress as _, Takeover};
use longshore::core::route::{Domain, Route, Service, Table, Target};
use longshore::ingress::Client;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use uuid::Uuid;

/// Passes standard input and output on as the two sockets systemd gives.
const GIVE: &str =
    "exec 3<&0 4<&1 0</dev/null 1>/dev/null; LISTEN_FDS=2 LISTEN_PID=$$ exec \"$0\" \"$@\"";

pub const INSTANCE: Uuid = Uuid::from_u128(0x1057);

/// The configuration, sockets and data of one ingress.
pub struct Harbour {
    pub stage: Stage,
    /// Where its traffic comes in.
    pub address: SocketAddr,
}

/// Sockets that are held for it.
pub struct Held {
    traffic: TcpListener,
    control: UnixListener,
}

impl Harbour {
    /// With `embedded = false` or `true`.
    pub fn set(embedded: bool) -> Self {
        let stage = Stage::set("");
        let address = address();
        let harbour = Self { stage, address };
        harbour.configure(embedded, "");
        harbour
    }

    pub fn configure(&self, embedded: bool, more: &str) {
        let ingress = format!(
            "embedded = {embedded}\nlisten = [\"{}\"]\nsocket = \"{}\"\ndata_dir = \"{}\"\n{more}",
            self.address,
            self.control().display(),
            self.kept().display()
        );
        self.stage.configure_ingress(&ingress, "");
    }

    pub fn control(&self) -> PathBuf {
        self.stage.path("control.sock")
    }

    pub fn kept(&self) -> PathBuf {
        self.stage.path("kept")
    }

    pub fn client(&self) -> Client {
        Client::new(self.control())
    }

    /// The ingress with sockets it makes itself, when it is ready.
    pub fn begin(&self) -> Daemon {
        let mut ingress = self.stage.run(self.stage.ingress());
        ingress.tells("ready: the ingress is at");
        ingress
    }

    /// Sockets to be held over several processes.
    pub fn hold(&self) -> Held {
        Held {
            traffic: TcpListener::bind(self.address).unwrap(),
            control: UnixListener::bind(self.control()).unwrap(),
        }
    }

    /// The ingress with these sockets; it may not be ready yet.
    pub fn begin_with(&self, held: &Held) -> Daemon {
        let mut given = command("/bin/sh");
        given
            .args(["-c", GIVE, env!("CARGO_BIN_EXE_longshore"), "ingress"])
            .arg("--config")
            .arg(self.stage.path("config.toml"));
        let mut given = given;
        given.stdout(Stdio::from(OwnedFd::from(
            held.control.try_clone().unwrap(),
        )));
        let traffic = OwnedFd::from(held.traffic.try_clone().unwrap());
        self.stage.run_with(given, Stdio::from(traffic))
    }
}

/// An address that nobody else uses: other tests run in other processes at the same time.
fn address() -> SocketAddr {
    static USED: AtomicU8 = AtomicU8::new(0);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let host = [127, 64 | (high & 63), low, 1 + USED.fetch_add(1, Relaxed)];
    let listener = TcpListener::bind((Ipv4Addr::from(host), 0)).unwrap();
    listener.local_addr().unwrap()
}

/// A table of one instance in which these domains lead to these addresses.
pub fn table(generation: i64, routes: &[(&str, SocketAddrV4)]) -> Table {
    let route = |(domain, address): &(&str, SocketAddrV4)| Route {
        domain: Domain::parse(domain).unwrap(),
        service: Service {
            app: domain.split('.').next().unwrap().to_owned(),
            environment: "production".to_owned(),
        },
        target: Target::Container(*address),
    };
    Table {
        instance: INSTANCE,
        generation,
        routes: routes.iter().map(route).collect(),
    }
}

/// Publishes a table, which must be taken.
pub async fn publish(client: &Client, table: &Table) {
    let held = client.publish(table, Takeover::No).await;
    assert_eq!(held, Ok(table.generation));
}
