//! The real program as a daemon on real sockets, without an engine: what is asked of it needs none.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How long the daemon may take for anything; the machine may be busy with other tests.
pub const LIMIT: Duration = Duration::from_secs(60);
/// How often something is looked at that nobody tells about.
pub const LOOK: Duration = Duration::from_millis(20);

/// A directory with a configuration.
pub struct Stage {
    directory: tempfile::TempDir,
    pub port: u16,
    runs: std::sync::atomic::AtomicU32,
}

impl Stage {
    /// With these apps.
    pub fn set(apps: &str) -> Self {
        let stage = Self {
            directory: tempfile::tempdir().unwrap(),
            port: free_port(),
            runs: std::sync::atomic::AtomicU32::new(0),
        };
        stage.configure(apps);
        stage
    }

    pub fn configure(&self, apps: &str) {
        self.configure_ingress("listen = []", apps);
    }

    /// With these keys of `[ingress]`.
    pub fn configure_ingress(&self, ingress: &str, apps: &str) {
        let text = format!(
            "data_dir = \"{}\"\n[api]\nlisten = \"127.0.0.1:{}\"\nsocket = \"{}\"\n[ingress]\n{ingress}\n[docker]\nhost = \"unix://{}\"\n{apps}",
            self.path("data").display(),
            self.port,
            self.socket().display(),
            self.path("no.sock").display(),
        );
        std::fs::write(self.path("config.toml"), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn socket(&self) -> PathBuf {
        self.path("api.sock")
    }

    /// The daemon's command line.
    pub fn serve(&self) -> Command {
        let mut command = command(env!("CARGO_BIN_EXE_longshore"));
        command
            .args(["serve", "--config"])
            .arg(self.path("config.toml"));
        command
    }

    /// The command line of an ingress of its own.
    pub fn ingress(&self) -> Command {
        let mut command = command(env!("CARGO_BIN_EXE_longshore"));
        command
            .args(["ingress", "--config"])
            .arg(self.path("config.toml"));
        command
    }

    /// Runs this, with its standard error kept.
    pub fn run(&self, command: Command) -> Daemon {
        self.run_with(command, Stdio::null())
    }

    /// With something as its standard input.
    pub fn run_with(&self, mut command: Command, stdin: Stdio) -> Daemon {
        // Of each that runs at the same time the log has a name of its own.
        let number = self.runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let log = self.path(&format!("daemon-{number}.log"));
        let told = std::fs::File::create(&log).unwrap();
        let child = command.stdin(stdin).stderr(told).spawn().unwrap();
        Daemon { child, log }
    }

    /// The whole answer to a request on the unix socket.
    pub fn ask(&self, request: &str) -> String {
        let stream = UnixStream::connect(self.socket()).unwrap();
        exchange(stream, request.as_bytes())
    }

    pub fn tcp(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).unwrap()
    }
}

/// Sends this and reads to the end.
pub fn exchange(mut stream: impl std::io::Read + std::io::Write, request: &[u8]) -> String {
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A program, with nothing of our environment but the path.
#[expect(clippy::disallowed_methods, reason = "these tests run programs")]
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).stdin(Stdio::null());
    command
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A daemon that runs. At the end it is killed.
pub struct Daemon {
    pub child: Child,
    log: PathBuf,
}

impl Daemon {
    pub fn told(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the daemon has said this.
    pub fn tells(&mut self, text: &str) {
        self.until(&format!("'{text}'"), |told| told.contains(text));
    }

    fn until(&mut self, what: &str, holds: impl Fn(&str) -> bool) {
        for _ in 0..LIMIT.as_millis() / LOOK.as_millis() {
            if holds(&self.told()) {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the daemon ended with {status}:\n{}", self.told());
            }
            std::thread::sleep(LOOK);
        }
        panic!("{what} never came:\n{}", self.told());
    }

    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(id), signal).unwrap();
    }

    /// Waits for its end.
    pub fn ends(&mut self) -> ExitStatus {
        for _ in 0..LIMIT.as_millis() / LOOK.as_millis() {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(LOOK);
        }
        panic!("it still runs:\n{}", self.told());
    }

    /// Its memory that is not shared with nobody, in KiB.
    pub fn resident(&self) -> u64 {
        self.of_proc("status", "VmRSS:")
    }

    /// A number in one of its files below `/proc`.
    pub fn of_proc(&self, file: &str, key: &str) -> u64 {
        let path = Path::new("/proc")
            .join(self.child.id().to_string())
            .join(file);
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        let number = line[key.len()..].split_whitespace().next().unwrap();
        number.parse().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
