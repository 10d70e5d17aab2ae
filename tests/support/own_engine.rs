//! A host for a test to be rough with: an engine and a longshore in network, process and mount namespaces of their
//! own, with their data in a directory of their own. The machine's own engine is never spoken to. Everything ends
//! with the first process of the namespaces, which ends with the test, however that ends.

use crate::docker::{random, root_file_system};
use crate::git_server::Repository;
use bollard::Docker as Client;
use bollard::models::{ContainerSummary, ContainerSummaryStateEnum as Is};
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptions,
};
use futures_util::StreamExt as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long anything may take before the test says that it never came. The machine may be busy with other tests.
const LIMIT: Duration = Duration::from_secs(120);

/// How often something is looked at that nobody tells about.
const LOOK: Duration = Duration::from_millis(30);

/// A web server that is up at once.
pub const SERVE: &str = "exec httpd -f -p 8080 -h /www";

/// A web server that takes its time, and says so when it begins.
pub const SERVE_SLOWLY: &str = "echo warming up; sleep 3; exec httpd -f -p 8080 -h /www";

/// The host.
pub struct Host {
    /// The repository of the app `web`.
    pub repository: Repository,
    client: Client,
    run: String,
    /// The first process of the namespaces; its input is held open by the test.
    first: Option<Child>,
    engine: Option<Child>,
    longshore: Option<Child>,
    dir: TempDir,
}

impl Host {
    /// A host that has booted, with an engine and the app `web` in the configuration, and longshore running.
    pub async fn with_web(docker: &str, more: &str) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests start a Docker engine of their own in its own namespaces, which only root can: run them as root"
        );
        // Short: below it are unix sockets, whose paths are limited.
        let dir = tempfile::Builder::new()
            .prefix("ls")
            .tempdir_in("/tmp")
            .unwrap();
        let repository = Repository::create(dir.path().join("web.git"));
        let mut host = Self {
            repository,
            client: client(&dir.path().join("d.sock")),
            run: random().simple().to_string()[..12].to_owned(),
            first: None,
            engine: None,
            longshore: None,
            dir,
        };
        host.configure(docker, more);
        host.boot();
        host.start_engine().await;
        host.import_base().await;
        host.start_longshore().await;
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn configure(&self, docker: &str, more: &str) {
        std::fs::write(self.path("engine.json"), "{}").unwrap();
        let dir = self.dir.path().display();
        let text = format!(
            "data_dir = \"{dir}/data\"\n[api]\nlisten = \"\"\nsocket = \"{dir}/api.sock\"\n[ingress]\nlisten = []\n\
             [docker]\nhost = \"unix://{dir}/d.sock\"\naddress_pool = \"10.213.0.0/16\"\n{docker}\n\
             [[app]]\nname = \"web\"\nrepository = \"{dir}/web.git\"\nport = 8080\nstop_grace = \"1s\"\n{more}\n"
        );
        std::fs::write(self.path("config.toml"), text).unwrap();
    }

    /// Begins the namespaces: a network with a loopback device only, and no process but the first.
    pub fn boot(&mut self) {
        // The first process takes in orphans, as that of a real host does, and ends when nobody holds its input.
        let script = "ip link set lo up && echo up && cat; exit";
        let mut first = program("unshare")
            .args([
                "--net",
                "--pid",
                "--mount",
                "--fork",
                "--kill-child",
                "--mount-proc",
            ])
            .args(["sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the tests need unshare (util-linux)");
        let mut said = [0; 3];
        let up = std::io::Read::read_exact(first.stdout.as_mut().unwrap(), &mut said);
        assert!(
            up.is_ok() && said == *b"up\n",
            "no namespaces can be made here; the tests need a machine where root may, and the program ip (iproute2)"
        );
        self.first = Some(first);
    }

    /// A program inside the namespaces.
    fn inside(&self, name: &str) -> Command {
        let first = inner(self.first.as_ref().expect("it has booted"));
        let mut command = program("nsenter");
        command
            .args(["--target", &first.to_string(), "--net", "--pid", "--mount"])
            .arg("--")
            .arg(name)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    fn told_to(&self, name: &str) -> std::fs::File {
        let mut options = std::fs::File::options();
        options
            .create(true)
            .append(true)
            .open(self.path(name))
            .unwrap()
    }

    /// Starts the engine and waits until it answers.
    pub async fn start_engine(&mut self) {
        let engine = self
            .inside("dockerd")
            .arg("--data-root")
            .arg(self.path("e"))
            .arg("--exec-root")
            .arg(self.path("x"))
            .arg("--pidfile")
            .arg(self.path("x.pid"))
            .arg("--config-file")
            .arg(self.path("engine.json"))
            .arg("--cgroup-parent")
            .arg(format!("/{}", self.cgroup()))
            .arg("--host")
            .arg(format!("unix://{}", self.path("d.sock").display()))
            .stderr(self.told_to("engine.log"))
            .spawn()
            .unwrap();
        self.engine = Some(engine);
        self.until("the engine's answer", async || {
            self.client.ping().await.is_ok()
        })
        .await;
    }

    fn cgroup(&self) -> String {
        format!("longshore-test-{}", self.run)
    }

    async fn import_base(&self) {
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo("base")
            .tag("1")
            .build();
        let body = bollard::body_full(root_file_system("").into());
        let mut stream = self.client.create_image(Some(options), Some(body), None);
        while let Some(item) = stream.next().await {
            item.unwrap();
        }
    }

    /// Starts longshore and waits until it answers.
    pub async fn start_longshore(&mut self) {
        let daemon = self
            .inside(env!("CARGO_BIN_EXE_longshore"))
            .args(["serve", "--config"])
            .arg(self.path("config.toml"))
            .stderr(self.told_to("longshore.log"))
            .spawn()
            .unwrap();
        self.longshore = Some(daemon);
        let socket = self.path("api.sock");
        self.until("longshore's socket", async || {
            tokio::net::UnixStream::connect(&socket).await.is_ok()
        })
        .await;
    }

    /// Sends the engine a signal.
    pub fn signal_engine(&self, signal: Signal) {
        let engine = self.engine.as_ref().expect("it runs");
        kill(inner(engine), signal).unwrap();
        if signal == Signal::SIGCONT {
            // nsenter stops itself when what it waits for is stopped.
            kill(outer(engine), signal).unwrap();
        }
    }

    /// Ends the engine as a crash would; what it ran goes on without it.
    pub fn kill_engine(&mut self) {
        self.signal_engine(Signal::SIGKILL);
        self.engine.take().expect("it runs").wait().unwrap();
    }

    /// Ends longshore as a crash would.
    pub fn kill_longshore(&mut self) {
        let longshore = self.longshore.as_mut().expect("it runs");
        kill(inner(longshore), Signal::SIGKILL).unwrap();
        self.longshore.take().expect("it runs").wait().unwrap();
        let _ = std::fs::remove_file(self.path("api.sock"));
    }

    /// What the engine has of a container's output, message by message.
    pub async fn printed(&self, name: &str) -> Vec<String> {
        let options = bollard::query_parameters::LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .build();
        let mut messages = self.client.logs(name, Some(options));
        let mut lines = Vec::new();
        while let Some(Ok(message)) = messages.next().await {
            lines.push(message.to_string().trim_end().to_owned());
        }
        lines
    }

    /// What the runtime log of `web` has, and of which container.
    pub async fn kept(&self) -> Vec<(String, String)> {
        let log = self.ask(&["logs", "web", "-n", "1000"]).await;
        let part = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
        let lines = log["data"].as_array().unwrap().iter();
        lines
            .map(|line| (part(line, "container"), part(line, "message")))
            .collect()
    }

    /// Waits until the runtime log has a line that begins so.
    pub async fn until_kept(&self, text: &str) {
        self.until(text, async || {
            let kept = self.kept().await;
            kept.iter().any(|(_, line)| line.starts_with(text))
        })
        .await;
    }

    /// Waits until a container has printed a line that begins so.
    pub async fn until_printed(&self, name: &str, text: &str) {
        self.until(text, async || {
            let printed = self.printed(name).await;
            printed.iter().any(|line| line.starts_with(text))
        })
        .await;
    }

    /// Ends everything at once, as a power cut would, and boots again with nothing running.
    pub fn power_cycle(&mut self) {
        self.power_off();
        self.boot();
    }

    fn power_off(&mut self) {
        // Those that wait for what they began come first: a stopped one would never let it go.
        let outer = [self.engine.take(), self.longshore.take()];
        for mut outer in outer.into_iter().flatten() {
            let _ = outer.kill();
            let _ = outer.wait();
        }
        if let Some(mut first) = self.first.take() {
            let _ = kill(inner(&first), Signal::SIGKILL);
            let _ = first.wait();
        }
        // What is below /run does not survive a boot.
        let _ = std::fs::remove_dir_all(self.path("x"));
        let _ = std::fs::remove_file(self.path("x.pid"));
        let _ = std::fs::remove_file(self.path("d.sock"));
        let _ = std::fs::remove_file(self.path("api.sock"));
    }

    /// Commits a version of `web` that serves this page.
    pub fn commit(&self, page: &str, lines: &str, command: &str) {
        let dockerfile = format!(
            "FROM base:1\n{lines}\nCOPY index.html /www/index.html\nCMD [\"/bin/sh\", \"-c\", \"{command}\"]\n"
        );
        let files = [("Dockerfile", dockerfile.as_str()), ("index.html", page)];
        self.repository.commit("main", &files, page);
    }

    /// Runs the command line and returns the document it printed.
    pub async fn ask(&self, arguments: &[&str]) -> Value {
        let output = tokio::process::Command::from(program(env!("CARGO_BIN_EXE_longshore")))
            .args(arguments)
            .arg("--json")
            .env("LONGSHORE_SOCKET", self.path("api.sock"))
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{arguments:?}: {said}\n{}",
            self.told()
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Begins a deployment of `web`.
    pub async fn deploy(&self) {
        self.ask(&["deploy", "web", "--no-wait"]).await;
    }

    /// Deploys `web` and waits until it is live.
    pub async fn deploy_to_the_end(&self) {
        self.deploy().await;
        self.ended("success").await;
    }

    /// What the API says of the newest deployment.
    pub async fn newest(&self) -> Value {
        self.ask(&["ls"]).await["data"][0].take()
    }

    /// Waits until the newest deployment has ended, which must be this way, and returns it.
    pub async fn ended(&self, status: &str) -> Value {
        let what = "the deployment's end";
        self.until(what, async || {
            let now = self.newest().await["status"].as_str().unwrap().to_owned();
            ["success", "failed", "cancelled"].contains(&now.as_str())
        })
        .await;
        let newest = self.newest().await;
        assert_eq!(newest["status"], status, "{newest:#}\n{}", self.told());
        newest
    }

    /// Waits until a deployment's log has this line so many times.
    pub async fn logged(&self, text: &str, times: usize) {
        self.until(text, async || self.logs().matches(text).count() >= times)
            .await;
    }

    fn logs(&self) -> String {
        let logs = std::fs::read_dir(self.path("data/logs")).unwrap();
        let read = |log: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(log.unwrap().path()).unwrap_or_default()
        };
        logs.map(read).collect()
    }

    /// All containers, as `name`, and whether it runs, in the order of their names.
    pub async fn containers(&self) -> Vec<(String, bool)> {
        let options = ListContainersOptionsBuilder::new().all(true).build();
        let all = self
            .client
            .list_containers(Some(options))
            .await
            .unwrap_or_default();
        let known = |container: ContainerSummary| {
            let name = container.names.unwrap_or_default().concat();
            let runs = container.state == Some(Is::RUNNING);
            (name.trim_start_matches('/').to_owned(), runs)
        };
        let mut all: Vec<_> = all.into_iter().map(known).collect();
        all.sort();
        all
    }

    /// The names of those that run.
    pub async fn running(&self) -> Vec<String> {
        let all = self.containers().await.into_iter();
        all.filter_map(|(name, runs)| runs.then_some(name))
            .collect()
    }

    /// Waits until these containers exist and run, and no other.
    pub async fn only(&self, names: &[String]) {
        let wanted: Vec<_> = names.iter().map(|name| (name.clone(), true)).collect();
        let what = format!("exactly {names:?} to run");
        self.until(&what, async || self.containers().await == wanted)
            .await;
    }

    /// Waits until each of these has an address on its environment's network and on that of one connection.
    pub async fn are_connected(&self, names: &[String]) {
        for name in names {
            let what = format!("{name} to be in two networks");
            self.until(&what, async || {
                let options = None::<bollard::query_parameters::InspectContainerOptions>;
                let found = self.client.inspect_container(name, options).await.unwrap();
                let networks = found
                    .network_settings
                    .and_then(|settings| settings.networks);
                let all = networks.unwrap_or_default();
                let has_address = |network: &bollard::models::EndpointSettings| {
                    let address = network.ip_address.as_deref();
                    address.is_some_and(|address| !address.is_empty())
                };
                let connections = all.keys().filter(|name| name.contains('.')).count();
                all.values().filter(|one| has_address(one)).count() == 2 && connections == 1
            })
            .await;
        }
    }

    /// Waits until there is exactly one container, which runs and whose name ends like this.
    pub async fn only_one(&self, ending: &str) {
        let what = format!("nothing but a container …{ending} to run");
        self.until(&what, async || {
            matches!(&self.containers().await[..], [(name, true)] if name.ends_with(ending))
        })
        .await;
    }

    /// Waits until the image of no candidate and no scratch tree is left.
    pub async fn no_leftovers(&self) {
        self.until("the leftovers to go", async || {
            let images = self
                .client
                .list_images(None::<ListImagesOptions>)
                .await
                .unwrap();
            let mut tags = images.into_iter().flat_map(|image| image.repo_tags);
            let mut trees = std::fs::read_dir(self.path("data/work")).unwrap();
            tags.all(|tag| !tag.contains("candidate")) && trees.next().is_none()
        })
        .await;
    }

    /// Removes a container behind longshore's back.
    pub async fn remove(&self, name: &str) {
        let options = bollard::query_parameters::RemoveContainerOptions {
            force: true,
            ..Default::default()
        };
        self.client
            .remove_container(name, Some(options))
            .await
            .unwrap();
    }

    /// Stops a container behind longshore's back.
    pub async fn stop(&self, name: &str) {
        let options = bollard::query_parameters::StopContainerOptions {
            t: Some(0),
            ..Default::default()
        };
        self.client
            .stop_container(name, Some(options))
            .await
            .unwrap();
    }

    /// Waits until it is so.
    async fn until(&self, what: &str, so: impl AsyncFn() -> bool) {
        let waited = tokio::time::timeout(LIMIT, async {
            while !so().await {
                tokio::time::sleep(LOOK).await;
            }
        });
        if waited.await.is_err() {
            let containers = tokio::time::timeout(LOOK, self.containers()).await;
            panic!(
                "after {LIMIT:?} still waiting for {what}; {containers:?}\n{}",
                self.told()
            );
        }
    }

    /// What longshore, its deployments and the engine have told.
    fn told(&self) -> String {
        let text = |name: &str| std::fs::read_to_string(self.path(name)).unwrap_or_default();
        let engine = text("engine.log");
        let mut last: Vec<_> = engine.lines().rev().take(20).collect();
        last.reverse();
        format!(
            "{}\n{}\n{}",
            text("longshore.log"),
            self.logs(),
            last.join("\n")
        )
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.power_off();
        // Its control groups are the machine's; they are empty now.
        for kind in std::fs::read_dir("/sys/fs/cgroup")
            .into_iter()
            .flatten()
            .flatten()
        {
            remove_groups(&kind.path().join(self.cgroup()));
        }
        remove_groups(&Path::new("/sys/fs/cgroup").join(self.cgroup()));
    }
}

/// Removes a control group with those below it.
fn remove_groups(group: &Path) {
    for below in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if below.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_groups(&below.path());
        }
    }
    let _ = std::fs::remove_dir(group);
}

fn outer(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

/// The process that unshare or nsenter began and waits for.
fn inner(outer: &Child) -> Pid {
    let file = format!("/proc/{0}/task/{0}/children", outer.id());
    for _ in 0..1000 {
        let text = std::fs::read_to_string(&file).unwrap();
        if let Some(child) = text.split_whitespace().next() {
            return Pid::from_raw(child.parse().unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{file} stays empty");
}

#[expect(clippy::disallowed_methods, reason = "these tests run programs")]
fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = format!("{}:/usr/sbin:/sbin", path.to_string_lossy());
    command.env_clear().env("PATH", path);
    command
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test arranges and checks past the engine under test"
)]
fn client(socket: &Path) -> Client {
    // bollard wants the socket to be there, which it will be by the time it is used.
    std::fs::write(socket, "").unwrap();
    let path = format!("unix://{}", socket.display());
    let client = Client::connect_with_unix(&path, 120, bollard::API_DEFAULT_VERSION).unwrap();
    std::fs::remove_file(socket).unwrap();
    client
}
