//! The real program as daemon and as command line. No engine is asked: what a reload does is done without one.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// How long the daemon may take for anything; the machine may be busy with other tests.
const LIMIT: u32 = 1200;
/// How often something is looked at that nobody tells about.
const LOOK: Duration = Duration::from_millis(50);

struct Daemon {
    directory: tempfile::TempDir,
    child: Child,
}

const WEB: &str = "[[app]]\nname = \"web\"\nimage = \"nginx:1\"\nport = 80\n";

impl Daemon {
    fn start(apps: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        write_config(&directory, "", apps);
        let log = std::fs::File::create(directory.path().join("daemon.log")).unwrap();
        let child = longshore(&["serve", "--config"])
            .arg(directory.path().join("config.toml"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut daemon = Self { directory, child };
        daemon.tells("ready: the API is at");
        daemon
    }

    fn told(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("daemon.log")).unwrap()
    }

    /// Waits until the daemon has said this.
    fn tells(&mut self, text: &str) {
        for _ in 0..LIMIT {
            if self.told().contains(text) {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the daemon ended with {status}:\n{}", self.told());
            }
            std::thread::sleep(LOOK);
        }
        panic!("'{text}' was not said:\n{}", self.told());
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let socket = self.directory.path().join("api.sock");
        let Output {
            status,
            stdout,
            stderr,
        } = longshore(arguments)
            .env("LONGSHORE_SOCKET", socket)
            .output()
            .unwrap();
        (
            status.code().unwrap(),
            String::from_utf8(stdout).unwrap(),
            String::from_utf8(stderr).unwrap(),
        )
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_config(directory: &tempfile::TempDir, top: &str, apps: &str) {
    let path = |name: &str| directory.path().join(name).display().to_string();
    let text = format!(
        "data_dir = \"{}\"\n{top}[api]\nlisten = \"\"\nsocket = \"{}\"\n[ingress]\nlisten = []\n[docker]\nhost = \"unix://{}\"\n{apps}",
        path("data"),
        path("api.sock"),
        path("no.sock"),
    );
    std::fs::write(path("config.toml"), text).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "these tests run the program")]
fn longshore(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
    command.env_clear().args(arguments).stdin(Stdio::null());
    command
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "'{part}' is not in:\n{text}");
    }
}

#[test]
fn a_sound_file_is_taken_and_what_changed_is_told() {
    let daemon = Daemon::start(WEB);
    let (status, said, _) = daemon.run(&["reload"]);
    assert_eq!(status, 0);
    assert_says(&said, &["nothing has changed"]);

    let apps = "unavailable_timeout = \"1m\"\naddress_pool = \"10.99.0.0/16\"\n\
        [[app]]\nname = \"shop\"\nimage = \"nginx:1\"\n[[app]]\nname = \"db\"\nimage = \"postgres:17\"\n";
    write_config(&daemon.directory, "", apps);
    let (status, said, complaint) = daemon.run(&["reload"]);
    assert_eq!(status, 0, "{complaint}");
    assert_says(
        &said,
        &[
            "config.toml is in force",
            "new app shop: `longshore deploy shop` deploys it",
            "new app db",
            "app web is gone from the file: what runs of it goes on until `longshore app rm web`",
            "in force now: docker.unavailable_timeout",
            "in force only after the daemon was started again: docker.address_pool",
            "note: app 'web' is gone and 'shop' is new, with the same source",
        ],
    );
    let (status, listed, notes) = daemon.run(&["apps"]);
    assert_eq!(status, 0);
    assert_says(&listed, &["web (not in configuration)", "shop", "db"]);
    assert_says(
        &notes,
        &["web: removed from the configuration: `longshore app rm web` to remove"],
    );
    let (status, _, refusal) = daemon.run(&["deploy", "web", "--no-wait"]);
    assert_eq!(status, 5);
    assert_says(
        &refusal,
        &["no longer names environment 'production' of app 'web'"],
    );

    // Again: only what still waits for a restart is left to say.
    let (_, said, _) = daemon.run(&["reload", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(document["removed"], serde_json::json!([]));
    assert_eq!(
        document["needs_restart"],
        serde_json::json!(["docker.address_pool"])
    );
}

#[test]
fn what_the_ingress_and_the_api_read_at_their_start_holds_after_a_restart_and_domains_hold_at_once()
{
    let daemon = Daemon::start(WEB);
    let said_of = |ingress: &str, apps: &str| {
        let path = |name: &str| daemon.directory.path().join(name).display().to_string();
        let text = format!(
            "data_dir = \"{}\"\n[api]\nlisten = \"\"\nsocket = \"{}\"\n{ingress}[docker]\nhost = \"unix://{}\"\n{apps}",
            path("data"),
            path("api.sock"),
            path("no.sock"),
        );
        std::fs::write(path("config.toml"), text).unwrap();
        let (status, said, complaint) = daemon.run(&["reload", "--json"]);
        assert_eq!(status, 0, "{complaint}");
        serde_json::from_str::<serde_json::Value>(&said).unwrap()
    };
    let web = format!("{WEB}domains = [\"web.example.com\"]\ndrain_timeout = \"1s\"\n");
    let embedded = "trusted_proxies = [\"::1\"]\n[ingress]\nlisten = []\naccess_log = \"json\"\nmax_body_size = \"1MiB\"\nwait_timeout = \"1s\"\n";
    let said = said_of(embedded, &web);
    assert_eq!(
        said["needs_restart"],
        serde_json::json!([
            "api.trusted_proxies",
            "ingress.access_log",
            "ingress.max_body_size",
            "ingress.wait_timeout"
        ])
    );
    assert_eq!(
        said["changed"][0]["keys"],
        serde_json::json!(["domains", "drain_timeout"])
    );
    let alone = "[ingress]\nembedded = false\nlisten = []\n";
    assert_eq!(
        said_of(alone, &web)["needs_restart"],
        serde_json::json!(["ingress.embedded"])
    );
}

#[test]
fn a_broken_file_is_refused_with_every_fault_and_its_line_and_the_old_configuration_goes_on() {
    let mut daemon = Daemon::start(WEB);
    let broken = "[[app]]\nname = \"web\"\nimage = \"nginx:1\"\nport = 0\nmemroy = \"1MiB\"\n";
    write_config(&daemon.directory, "", broken);
    let (status, _, said) = daemon.run(&["reload"]);
    assert_eq!(status, 1, "{said}");
    assert_says(
        &said,
        &[
            "config.toml:12:8: app \"web\": port",
            "config.toml:13:1: app \"web\": memroy is not a known key; did you mean \"memory\"?",
            "has faults and was not taken; the one before goes on",
        ],
    );
    daemon.tells("config.toml:13:1: app \"web\": memroy");
    let (status, said, _) = daemon.run(&["reload", "--json"]);
    assert_eq!(status, 1);
    let document: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(document["faults"].as_array().map(Vec::len), Some(2));

    let (_, listed, _) = daemon.run(&["apps", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(document["data"][0]["configured"], true);
    let (status, id, said) = daemon.run(&["deploy", "web", "--no-wait"]);
    assert_eq!(status, 0, "{said}");
    assert_says(&id, &["dep_"]);

    std::fs::remove_file(daemon.directory.path().join("config.toml")).unwrap();
    let (status, _, said) = daemon.run(&["reload"]);
    assert_eq!(status, 1);
    assert_says(&said, &["config.toml cannot be read: No such file"]);
}

#[test]
fn a_hangup_reloads_and_its_faults_are_in_the_log() {
    let mut daemon = Daemon::start(WEB);
    let id = Pid::from_raw(i32::try_from(daemon.child.id()).unwrap());
    write_config(&daemon.directory, "max = 1\n", WEB);
    kill(id, Signal::SIGHUP).unwrap();
    daemon.tells("config.toml:2:1: max is not a known key");
    daemon.tells("was not taken; the configuration before it goes on");
    write_config(&daemon.directory, "", "");
    kill(id, Signal::SIGHUP).unwrap();
    daemon.tells("app 'web' is no longer in the configuration");
    let (_, listed, _) = daemon.run(&["apps"]);
    assert_says(&listed, &["web (not in configuration)"]);
}
