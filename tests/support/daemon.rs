//! The whole of longshore for a test: the real program as daemon and as command line, a repository behind a real
//! transport, and a part of the real engine of its own. At the end nothing of it is left.

use crate::docker::{self, client};
use crate::git_server::{GitServer, Repository};
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, ListImagesOptions,
    ListImagesOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveContainerOptions, RemoveImageOptions, RemoveVolumeOptions,
};
use ipnet::Ipv4Net;
use longshore::core::address::overlaps;
use longshore::engine::pool;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};

/// How long anything may take before the test says that it never came. The machine may be busy with other tests.
const LIMIT: Duration = Duration::from_secs(120);

/// How often something is looked at that nobody tells about.
const LOOK: Duration = Duration::from_millis(50);

/// Fails the test if that takes too long; `what` says for what it waited.
pub async fn within<T>(limit: Duration, what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, work).await {
        Ok(value) => value,
        Err(_) => panic!("after {limit:?} still waiting for {what}"),
    }
}

/// A daemon with everything around it.
pub struct World {
    /// The test's part of the engine: its base image, its random word.
    pub base: docker::World,
    /// The repository of the app `web`.
    pub repository: Repository,
    server: GitServer,
    dir: TempDir,
    pool: Ipv4Net,
    daemon: Option<Child>,
    /// What the daemon's environment has besides the path to git.
    pub environment: Vec<(&'static str, String)>,
}

impl World {
    /// Makes everything but a configuration and a running daemon, with room for four environments.
    pub async fn new() -> Self {
        Self::with_pool(24).await
    }

    /// The same with an address pool of this size.
    pub async fn with_pool(prefix: u8) -> Self {
        let base = docker::World::new().await;
        let dir = tempfile::tempdir().unwrap();
        let repository = Repository::create(dir.path().join("web.git"));
        let server = GitServer::start(dir.path(), None).await;
        let pool = free_pool(&base, prefix).await;
        Self {
            base,
            repository,
            server,
            dir,
            pool,
            daemon: None,
            environment: Vec::new(),
        }
    }

    /// One with the app `web`, built from its repository, and a running daemon.
    pub async fn with_web(keys: &str) -> Self {
        let mut world = Self::new().await;
        world.configure(&world.web(keys));
        world.start().await;
        world
    }

    /// The app `web` with these keys besides those that every test needs.
    pub fn web(&self, keys: &str) -> String {
        let url = self.url("web.git");
        format!(
            "[[app]]\nname = \"web\"\nrepository = \"{url}\"\nport = 8080\nstop_grace = \"1s\"\n{keys}\n"
        )
    }

    /// Writes the configuration of a daemon with these apps.
    pub fn configure(&self, apps: &str) {
        self.configure_engine(&format!("host = \"{}\"", docker::HOST), apps);
    }

    /// Writes the configuration of a daemon with these keys of `[docker]`.
    pub fn configure_engine(&self, engine: &str, apps: &str) {
        let text = format!(
            "data_dir = \"{}\"\n[api]\nlisten = \"\"\nsocket = \"{}\"\n[ingress]\nlisten = []\n[docker]\naddress_pool = \"{}\"\n{engine}\n{apps}",
            self.data_dir().display(),
            self.socket().display(),
            self.pool,
        );
        std::fs::write(self.config(), text).unwrap();
    }

    /// A path in the test's own directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn data_dir(&self) -> PathBuf {
        self.path("data")
    }

    fn config(&self) -> PathBuf {
        self.path("config.toml")
    }

    pub fn socket(&self) -> PathBuf {
        self.path("api.sock")
    }

    /// Where a repository in the test's own directory is served.
    pub fn url(&self, repository: &str) -> String {
        self.server.url(repository)
    }

    /// Starts the daemon and waits until it answers.
    pub async fn start(&mut self) {
        self.begin();
        self.ready().await;
    }

    /// Starts the daemon.
    pub fn begin(&mut self) {
        assert!(self.daemon.is_none(), "it runs");
        self.daemon = Some(self.serve());
    }

    /// Waits until the daemon answers.
    pub async fn ready(&mut self) {
        within(LIMIT, "the daemon's socket", async {
            while UnixStream::connect(self.socket()).await.is_err() {
                if let Some(status) = self.daemon.as_mut().unwrap().try_wait().unwrap() {
                    panic!("the daemon ended with {status}:\n{}", self.told());
                }
                tokio::time::sleep(LOOK).await;
            }
        })
        .await;
    }

    /// Starts one more daemon with the same configuration, whether one runs or not.
    pub fn serve(&self) -> Child {
        let told = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("daemon.log"))
            .unwrap();
        program()
            .args(["serve", "--config"])
            .arg(self.config())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(told)
            .spawn()
            .unwrap()
    }

    /// What the daemons have told of themselves.
    pub fn told(&self) -> String {
        std::fs::read_to_string(self.path("daemon.log")).unwrap_or_default()
    }

    /// Ends the daemon as a power cut would.
    pub fn kill(&mut self) {
        let mut daemon = self.daemon.take().expect("it runs");
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// Asks the daemon to end, as systemd does, and waits for it.
    pub async fn terminate(&mut self, limit: Duration) -> ExitStatus {
        let mut daemon = self.daemon.take().expect("it runs");
        signal(&daemon, Signal::SIGTERM);
        let ended = tokio::time::timeout(limit, async {
            loop {
                if let Some(status) = daemon.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        let Ok(status) = ended.await else {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
            panic!("{limit:?} after SIGTERM it still ran:\n{}", self.told());
        };
        status
    }

    fn cli(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::from(program());
        command
            .args(arguments)
            .env("LONGSHORE_SOCKET", self.socket())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs the command line to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        let what = format!("longshore {arguments:?}");
        let output = within(LIMIT, &what, self.cli(arguments).output()).await;
        Ran::of(output.unwrap(), self)
    }

    /// Runs the command line to its end with this on its standard input.
    pub async fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let what = format!("longshore {arguments:?}");
        let mut command = self.cli(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        let output = within(LIMIT, &what, child.wait_with_output()).await;
        Ran::of(output.unwrap(), self)
    }

    /// The whole answer to a request on the daemon's socket, status line and headers included.
    pub async fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = UnixStream::connect(self.socket()).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        within(LIMIT, path, stream.read_to_end(&mut answer))
            .await
            .unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// Begins a deployment and watches it as a user does.
    pub fn watch(&self, arguments: &[&str]) -> Watched {
        let mut arguments = arguments.to_vec();
        arguments.insert(0, "deploy");
        arguments.push("--json");
        let mut child = self
            .cli(&arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Watched {
            lines: BufReader::new(child.stderr.take().unwrap()).lines(),
            seen: String::new(),
            child,
        }
    }

    /// What the API says of the newest deployment.
    pub async fn newest(&self) -> Value {
        let mut list = self.run(&["ls", "--json"]).await.ok().document();
        list["data"][0].take()
    }

    /// Where the live container of `web` listens.
    async fn address(&self) -> String {
        let apps = self.run(&["apps", "--json"]).await.ok().document();
        let address = &apps["data"][0]["environments"][0]["address"];
        address.as_str().expect("something is live").to_owned()
    }

    /// Waits until the live container of `web` answers with this text.
    pub async fn serves(&self, path: &str, expected: &str) {
        let address = self.address().await;
        let mut last = String::new();
        let served = tokio::time::timeout(LIMIT, async {
            loop {
                match get(&address, path).await {
                    Ok(text) if text == expected => return,
                    Ok(text) => last = text,
                    Err(error) => last = error.to_string(),
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        assert!(
            served.await.is_ok(),
            "{address}{path} never answered '{expected}', last: {last}\n{}",
            self.told()
        );
    }

    /// Waits until this many containers of the instance exist, running or not, and returns them.
    pub async fn containers(&self, count: usize) -> Vec<ContainerInspectResponse> {
        let what = format!("exactly {count} container(s) of the instance");
        within(LIMIT, &what, async {
            loop {
                let ids = containers(&self.instance()).await;
                if ids.len() == count {
                    let mut all = Vec::new();
                    for id in ids {
                        let options = None::<InspectContainerOptions>;
                        all.extend(self.base.client.inspect_container(&id, options).await.ok());
                    }
                    if all.len() == count {
                        return all;
                    }
                }
                tokio::time::sleep(LOOK).await;
            }
        })
        .await
    }

    /// The containers of the instance there are now, running or not.
    pub async fn all_containers(&self) -> Vec<ContainerInspectResponse> {
        let mut all = Vec::new();
        for id in containers(&self.instance()).await {
            let options = None::<InspectContainerOptions>;
            all.extend(self.base.client.inspect_container(&id, options).await.ok());
        }
        all
    }

    /// Waits until exactly one container of the instance exists, and it runs.
    pub async fn only_container(&self) -> ContainerInspectResponse {
        let only = self.containers(1).await.remove(0);
        let running = only.state.as_ref().and_then(|state| state.running);
        assert_eq!(running, Some(true), "{only:?}");
        only
    }

    /// Waits until no image of the instance is left and no scratch tree.
    pub async fn no_image_and_no_tree(&self) {
        within(LIMIT, "the images and scratch trees to go", async {
            while !images(&self.instance()).await.is_empty()
                || std::fs::read_dir(self.data_dir().join("work"))
                    .unwrap()
                    .next()
                    .is_some()
            {
                tokio::time::sleep(LOOK).await;
            }
        })
        .await;
    }

    /// Waits until no network, volume or image of the instance is left and no scratch tree.
    pub async fn nothing_is_left(&self) {
        self.no_image_and_no_tree().await;
        within(LIMIT, "the networks and volumes to go", async {
            while !networks_and_volumes(&self.instance()).await.is_empty() {
                tokio::time::sleep(LOOK).await;
            }
        })
        .await;
    }

    /// The daemon's instance, by which its objects are labelled.
    pub fn instance(&self) -> String {
        instance(&self.data_dir()).expect("the daemon has started once")
    }

    /// A Dockerfile with a web server of these files below `/www`, and these lines before its command.
    pub fn dockerfile(&self, lines: &str, command: &str) -> String {
        format!(
            "FROM {}\n{lines}\nCOPY index.html /www/index.html\nCMD [\"/bin/sh\", \"-c\", \"{command}\"]\n",
            self.base.image
        )
    }

    /// Commits an app that serves this page.
    pub fn commit(&self, page: &str, lines: &str, command: &str) -> String {
        let dockerfile = self.dockerfile(lines, command);
        let files = [("Dockerfile", dockerfile.as_str()), ("index.html", page)];
        self.repository.commit("main", &files, page)
    }
}

/// A command of the command line that has ended.
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
    told: String,
}

impl Ran {
    fn of(output: Output, world: &World) -> Self {
        Self {
            status: output.status.code().expect("nobody killed it"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            told: world.told(),
        }
    }

    /// It ended with this status.
    #[track_caller]
    pub fn ended(self, status: i32) -> Self {
        assert_eq!(
            self.status, status,
            "stdout:\n{}\nstderr:\n{}\ndaemon:\n{}",
            self.stdout, self.stderr, self.told
        );
        self
    }

    /// It worked.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.ended(0)
    }

    /// The JSON document it printed.
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Its standard error has all these parts. It is printed too, so that it can be read as its user would.
    #[track_caller]
    pub fn says(&self, parts: &[&str]) {
        println!("$ exit status {}\n{}", self.status, self.stderr);
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "'{part}' is not in:\n{}",
                self.stderr
            );
        }
    }
}

/// A deployment somebody watches; it borrows nothing, so that the daemon can be killed under it.
pub struct Watched {
    child: tokio::process::Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStderr>>,
    seen: String,
}

impl Watched {
    /// Waits for a line with this text.
    pub async fn until(&mut self, text: &str) {
        let found = tokio::time::timeout(LIMIT, async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                writeln!(self.seen, "{line}").unwrap();
                if line.contains(text) {
                    return true;
                }
            }
            false
        });
        let found = found.await.unwrap_or(false);
        assert!(found, "'{text}' was not in:\n{}", self.seen);
    }

    /// Waits for its end.
    pub async fn end(mut self, world: &World) -> Ran {
        let mut stdout = self.child.stdout.take().unwrap();
        let mut text = String::new();
        within(LIMIT, "the deployment's end", async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                writeln!(self.seen, "{line}").unwrap();
            }
            stdout.read_to_string(&mut text).await.unwrap();
        })
        .await;
        let output = Output {
            status: self.child.wait().await.unwrap(),
            stdout: text.into_bytes(),
            stderr: self.seen.into_bytes(),
        };
        Ran::of(output, world)
    }
}

/// The program, which knows nothing of this machine but where git is.
#[expect(clippy::disallowed_methods, reason = "these tests run the program")]
pub fn program() -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_longshore"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path);
    command
}

fn signal(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id()).unwrap();
    kill(Pid::from_raw(id), signal).unwrap();
}

/// The body of the answer to a GET.
pub async fn get(address: &str, path: &str) -> std::io::Result<String> {
    get_from(address, "web", path).await
}

/// The body of the answer to a GET for this host, whatever its status.
pub async fn get_from(address: &str, host: &str, path: &str) -> std::io::Result<String> {
    let work = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.trim());
        Ok(body.unwrap_or_default().to_owned())
    };
    tokio::time::timeout(Duration::from_secs(5), work).await?
}

/// A network of this size that no route and no network of this host overlaps. It is taken at random and away from
/// where other tests begin to look, because nothing holds it until a network is made.
async fn free_pool(base: &docker::World, prefix: u8) -> Ipv4Net {
    let table = std::fs::read_to_string("/proc/net/route").unwrap();
    let mut taken: Vec<Ipv4Net> = pool::parse_routes(&table)
        .iter()
        .map(|route| route.to)
        .collect();
    for network in base.client.list_networks(None).await.unwrap() {
        let ipam = network.ipam.and_then(|ipam| ipam.config);
        let subnets = ipam.unwrap_or_default().into_iter();
        taken.extend(subnets.filter_map(|config| config.subnet?.parse::<Ipv4Net>().ok()));
    }
    for _ in 0..1000 {
        let random = docker::random();
        let [second, third, ..] = *random.as_bytes();
        let address = std::net::Ipv4Addr::new(10, second % 200, third, 0);
        let pool = Ipv4Net::new(address, prefix).unwrap().trunc();
        if !taken.iter().any(|net| overlaps(*net, pool)) {
            return pool;
        }
    }
    panic!("no free /{prefix} of 10.0.0.0/8 was found");
}

fn instance(data_dir: &Path) -> Option<String> {
    let text = std::fs::read_to_string(data_dir.join("instance")).ok()?;
    Some(text.trim().to_owned())
}

fn labelled(instance: &str) -> HashMap<&'static str, Vec<String>> {
    HashMap::from([("label", vec![format!("dev.longshore.instance={instance}")])])
}

async fn containers(instance: &str) -> Vec<String> {
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&labelled(instance))
        .build();
    let all = client().list_containers(Some(options)).await.unwrap();
    all.into_iter().filter_map(|one| one.id).collect()
}

async fn images(instance: &str) -> Vec<String> {
    let options = ListImagesOptionsBuilder::new()
        .filters(&labelled(instance))
        .build();
    let all = client().list_images(Some(options)).await.unwrap();
    all.into_iter().map(|image| image.id).collect()
}

async fn networks_and_volumes(instance: &str) -> Vec<String> {
    let filters = labelled(instance);
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let networks = client().list_networks(Some(options)).await.unwrap();
    let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let volumes = client().list_volumes(Some(options)).await.unwrap();
    let volumes = volumes.volumes.unwrap_or_default().into_iter();
    networks
        .into_iter()
        .filter_map(|network| network.name)
        .chain(volumes.map(|volume| volume.name))
        .collect()
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let Some(instance) = instance(&self.data_dir()) else {
            return;
        };
        // The test's own runtime may be the one that is unwinding.
        let swept = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(sweep(&instance));
        })
        .join();
        if !std::thread::panicking() {
            swept.expect("everything the daemon made can be removed");
        }
    }
}

/// Removes what carries the instance's label.
async fn sweep(instance: &str) {
    let client = client();
    for id in containers(instance).await {
        let options = RemoveContainerOptions {
            force: true,
            v: true,
            link: false,
        };
        docker::gone(client.remove_container(&id, Some(options)).await);
    }
    let filters = labelled(instance);
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let mut environments = Vec::new();
    for network in client.list_networks(Some(options)).await.unwrap() {
        environments.extend(network.name);
        docker::gone(client.remove_network(&network.id.unwrap()).await);
    }
    let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let volumes = client.list_volumes(Some(options)).await.unwrap();
    for volume in volumes.volumes.unwrap_or_default() {
        let options = None::<RemoveVolumeOptions>;
        docker::gone(client.remove_volume(&volume.name, options).await);
    }
    let mut images = images(instance).await;
    // An image that was not built here carries no label, but is kept by tags that name the environment.
    let all = client.list_images(None::<ListImagesOptions>).await.unwrap();
    let tags = all.into_iter().flat_map(|image| image.repo_tags);
    images.extend(tags.filter(|tag| {
        environments
            .iter()
            .any(|name| tag.starts_with(&format!("longshore/{name}:")))
    }));
    for image in images {
        let options = RemoveImageOptions {
            force: true,
            noprune: false,
            platforms: None,
        };
        docker::gone(client.remove_image(&image, Some(options), None).await);
    }
}
