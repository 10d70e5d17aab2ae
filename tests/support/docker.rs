//! A real engine for a test: an instance of its own, an image of its own, a network of its own, and at the end
//! nothing of it is left. Whatever a test makes carries the run's random word in its name, and only that is removed.

use bollard::Docker as Client;
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptionsBuilder, ListContainersOptionsBuilder,
    ListImagesOptionsBuilder, RemoveContainerOptions, RemoveImageOptions,
};
use futures_util::StreamExt;
use ipnet::Ipv4Net;
use longshore::core::address;
use longshore::core::name::VariableName;
use longshore::core::ports::{
    Build, ContainerSpec, Engine, EngineError, Labels, Network, RegistryCredential,
};
use longshore::core::secret::Secret;
use longshore::core::spec::{BuildSpec, Logging};
use longshore::engine::{Docker, pool};
use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Where the engine listens.
pub const HOST: &str = "unix:///var/run/docker.sock";

/// The programs of the base image.
const PROGRAMS: [&str; 26] = [
    "sh", "sleep", "echo", "cat", "nc", "httpd", "true", "false", "ls", "find", "id", "touch",
    "dd", "kill", "seq", "printf", "env", "mkdir", "rm", "test", "head", "tail", "sort", "tr",
    "usleep", "wget",
];

/// A random word: part of the name of everything a test makes.
#[expect(
    clippy::disallowed_methods,
    reason = "each run of a test must have names of its own"
)]
pub fn random() -> Uuid {
    Uuid::new_v4()
}

/// One test's part of the engine.
pub struct World {
    /// The engine under test.
    pub docker: Docker,
    /// The test's own hands.
    pub client: Client,
    /// The instance the engine acts for.
    pub instance: Uuid,
    /// The deployment its objects are labelled with.
    pub deployment: Uuid,
    /// The random word.
    pub run: String,
    /// An image with a shell and little else.
    pub image: String,
}

impl World {
    /// Connects and makes the base image.
    pub async fn new() -> Self {
        let client = client();
        assert!(
            client.ping().await.is_ok(),
            "no Docker engine answers at {HOST}: run scripts/engine-up as root, or start Docker"
        );
        let (instance, run) = (random(), random().simple().to_string()[..12].to_owned());
        let docker = Docker::new(HOST, instance).unwrap();
        let world = Self {
            docker,
            image: format!("longshore-test/base:{run}"),
            client,
            instance,
            deployment: random(),
            run,
        };
        world.import(&world.image, "").await;
        world
    }

    /// Makes an image of the base image's files, and one more with this text.
    async fn import(&self, tag: &str, text: &str) {
        let (repository, tag) = tag.rsplit_once(':').unwrap();
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(repository)
            .tag(tag)
            .build();
        let body = bollard::body_full(root_file_system(text).into());
        let mut stream = self.client.create_image(Some(options), Some(body), None);
        while let Some(item) = stream.next().await {
            item.unwrap();
        }
    }

    /// A name nothing else has.
    pub fn name(&self, what: &str) -> String {
        format!("{what}-{}", self.run)
    }

    /// Labels as a deployment's.
    pub fn labels(&self) -> Labels {
        Labels {
            app: "web".to_owned(),
            environment: "production".to_owned(),
            deployment: self.deployment,
            serial: 7,
            generation: 3,
            role: "web".to_owned(),
        }
    }

    /// Makes a network in a part of the private ranges that nothing on this host uses.
    pub async fn network(&self) -> Network {
        loop {
            let network = self.network_value(&self.name("net"), self.free_subnet().await);
            match self.docker.ensure_network(&network).await {
                Ok(()) => return network,
                // Another test was quicker to take it.
                Err(EngineError::Refused(said)) if said.contains("already used") => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// A network that is not made yet.
    pub fn network_value(&self, name: &str, subnet: Ipv4Net) -> Network {
        Network {
            name: name.to_owned(),
            subnet,
            engine_half: address::engine_half(subnet).unwrap(),
            app: "web".to_owned(),
            environment: "production".to_owned(),
            internal: false,
        }
    }

    /// A /26 that no route and no network of this host has.
    pub async fn free_subnet(&self) -> Ipv4Net {
        let table = std::fs::read_to_string("/proc/net/route").unwrap();
        let mut taken: Vec<Ipv4Net> = pool::parse_routes(&table)
            .iter()
            .map(|route| route.to)
            .collect();
        for network in self.client.list_networks(None).await.unwrap() {
            let configs = network
                .ipam
                .and_then(|ipam| ipam.config)
                .unwrap_or_default();
            taken.extend(
                configs
                    .iter()
                    .filter_map(|config| config.subnet.as_ref()?.parse::<Ipv4Net>().ok()),
            );
        }
        let pool = pool::free_pool(&taken).expect("a private /16 is free");
        let nth = u16::from_be_bytes([random().as_bytes()[0], random().as_bytes()[1]]) % 1024;
        pool.subnets(26).unwrap().nth(usize::from(nth)).unwrap()
    }

    /// A container that runs this shell script.
    pub fn container(&self, name: &str, network: &Network, script: &str) -> ContainerSpec {
        ContainerSpec {
            name: self.name(name),
            image: self.image.clone(),
            command: vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()],
            entrypoint: Vec::new(),
            env: vec![(
                VariableName::parse("GREETING").unwrap(),
                Secret::new("hello"),
            )],
            labels: self.labels(),
            network: network.name.clone(),
            address: free_address(network.subnet),
            alias: name.to_owned(),
            connections: Vec::new(),
            publish: Vec::new(),
            mounts: Vec::new(),
            memory: None,
            millicpus: None,
            logging: Logging {
                driver: "json-file".to_owned(),
                options: BTreeMap::new(),
            },
            stop_grace: Duration::from_secs(1),
            health_start_interval: None,
            files: Vec::new(),
        }
    }

    /// Makes and starts it.
    pub async fn run(&self, container: &ContainerSpec) {
        self.docker.create(container).await.unwrap();
        self.docker.start(&container.name).await.unwrap();
    }

    /// Waits until it has ended.
    pub async fn ended(&self, name: &str) {
        // A container that failed is an error to bollard, and that it ended is all that is asked here.
        let mut stream = self.client.wait_container(
            name,
            None::<bollard::query_parameters::WaitContainerOptions>,
        );
        let _ = stream.next().await;
    }

    /// A build of this tree, its `Dockerfile` in the root.
    pub fn build(&self, tree: &Path) -> Build {
        Build {
            tree: tree.to_owned(),
            spec: BuildSpec {
                context: ".".to_owned(),
                dockerfile: "Dockerfile".to_owned(),
                target: None,
                args: BTreeMap::new(),
            },
            tag: format!("longshore-test/built:{}", self.run),
            labels: self.labels(),
            registries: Vec::new(),
        }
    }
}

/// An address of our half that this subnet's tests have not used: the half has 30, the first two are others'.
fn free_address(subnet: Ipv4Net) -> Ipv4Addr {
    let nth = 2 + u32::from(random().as_bytes()[0]) % 30;
    Ipv4Addr::from(u32::from(subnet.network()) + nth)
}

/// A client of the test's own.
#[expect(
    clippy::disallowed_methods,
    reason = "a test arranges and checks past the engine under test"
)]
pub fn client() -> Client {
    Client::connect_with_unix(HOST, 120, bollard::API_DEFAULT_VERSION).unwrap_or_else(|error| {
        panic!(
            "no Docker engine at {HOST} ({error}): run scripts/engine-up as root, or start Docker"
        )
    })
}

/// busybox under the names of its programs, as a tar. It must be a static one (Debian: busybox-static).
pub fn root_file_system(text: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let busybox = std::fs::read("/bin/busybox").expect("the tests need busybox-static");
    let mut header = tar::Header::new_gnu();
    header.set_size(busybox.len() as u64);
    header.set_mode(0o755);
    tar.append_data(&mut header, "bin/busybox", busybox.as_slice())
        .unwrap();
    for program in PROGRAMS {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, format!("bin/{program}"), "busybox")
            .unwrap();
    }
    for (directory, mode) in [("tmp", 0o1777), ("data", 0o755)] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(mode);
        header.set_size(0);
        tar.append_data(&mut header, directory, std::io::empty())
            .unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "text", text.as_bytes())
        .unwrap();
    tar.into_inner().unwrap()
}

impl Drop for World {
    fn drop(&mut self) {
        let (run, instance) = (self.run.clone(), self.instance);
        // The test's own runtime may be the one that is unwinding.
        let swept = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(sweep(&run, instance));
        })
        .join();
        if !std::thread::panicking() {
            swept.expect("everything the test made can be removed");
        }
    }
}

/// Removes what carries the run's word or the instance's label.
async fn sweep(run: &str, instance: Uuid) {
    let client = client();
    let ours = |name: &str| name.contains(run);
    let options = ListContainersOptionsBuilder::new().all(true).build();
    for container in client.list_containers(Some(options)).await.unwrap() {
        if container
            .names
            .unwrap_or_default()
            .iter()
            .any(|name| ours(name))
        {
            let options = RemoveContainerOptions {
                force: true,
                v: true,
                link: false,
            };
            gone(
                client
                    .remove_container(&container.id.unwrap(), Some(options))
                    .await,
            );
        }
    }
    for network in client.list_networks(None).await.unwrap() {
        if network.name.as_deref().is_some_and(ours) {
            gone(client.remove_network(&network.id.unwrap()).await);
        }
    }
    let volumes = client
        .list_volumes(None::<bollard::query_parameters::ListVolumesOptions>)
        .await
        .unwrap();
    for volume in volumes.volumes.unwrap_or_default() {
        if ours(&volume.name) {
            gone(
                client
                    .remove_volume(
                        &volume.name,
                        None::<bollard::query_parameters::RemoveVolumeOptions>,
                    )
                    .await,
            );
        }
    }
    let label = format!("dev.longshore.instance={instance}");
    let labelled = ListImagesOptionsBuilder::new()
        .filters(&HashMap::from([("label", vec![label])]))
        .build();
    let mut images = client.list_images(Some(labelled)).await.unwrap();
    images.extend(
        client
            .list_images(None::<bollard::query_parameters::ListImagesOptions>)
            .await
            .unwrap(),
    );
    for image in images {
        // The run's own image may have got further names.
        let tags: Vec<_> = match image.repo_tags.iter().any(|tag| ours(tag)) {
            true => image.repo_tags.iter().collect(),
            false => Vec::new(),
        };
        let names = if image.labels.get("dev.longshore.instance") == Some(&instance.to_string()) {
            vec![&image.id]
        } else {
            tags
        };
        for name in names {
            let options = RemoveImageOptions {
                force: true,
                noprune: false,
                platforms: None,
            };
            gone(client.remove_image(name, Some(options), None).await);
        }
    }
}

/// Gone is gone, whoever did it.
pub fn gone<T>(result: Result<T, bollard::errors::Error>) {
    match result {
        Ok(_)
        | Err(bollard::errors::Error::DockerResponseServerError {
            status_code: 404, ..
        }) => {}
        Err(error) => panic!("{error}"),
    }
}

/// A program of the host.
#[expect(
    clippy::disallowed_methods,
    reason = "tests bring their own world, and programs are part of it"
)]
fn program(name: &str) -> Command {
    Command::new(name)
}

/// Builds the directory as the docker program does, which decides by itself what to leave out.
pub async fn docker_build(world: &World, tag: &str, directory: &Path) {
    let label = format!("dev.longshore.instance={}", world.instance);
    let mut command = tokio::process::Command::from(program("docker"));
    command
        .args([
            "--host", HOST, "build", "--quiet", "--label", &label, "--tag", tag,
        ])
        .arg(directory);
    let output = command
        .env("DOCKER_BUILDKIT", "0")
        .output()
        .await
        .expect("the docker program");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The paths of all files of an image, in order.
pub async fn files(world: &World, image: &str) -> Vec<String> {
    let name = world.name(&random().simple().to_string());
    let options = CreateContainerOptions {
        name: Some(name.clone()),
        ..CreateContainerOptions::default()
    };
    let body = bollard::models::ContainerCreateBody {
        image: Some(image.to_owned()),
        cmd: Some(vec!["true".to_owned()]),
        ..Default::default()
    };
    world
        .client
        .create_container(Some(options), body)
        .await
        .unwrap();
    let pieces: Vec<_> = world
        .client
        .export_container(&name)
        .map(Result::unwrap)
        .collect()
        .await;
    gone(
        world
            .client
            .remove_container(&name, None::<RemoveContainerOptions>)
            .await,
    );
    let mut archive = tar::Archive::new(std::io::Cursor::new(pieces.concat()));
    let path = |entry: tar::Entry<'_, _>| entry.path().unwrap().to_string_lossy().into_owned();
    let mut paths: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| path(entry.unwrap()))
        .collect();
    paths.sort();
    paths
}

/// Removes an image that does not carry the run's word.
pub async fn remove_image(client: &Client, name: &str) {
    let options = None::<RemoveImageOptions>;
    gone(client.remove_image(name, options, None).await);
}

/// Takes a context with one big file of this size out of the build cache, by the size of its records.
pub async fn forget_context(world: &World, size: u64) {
    use bollard::query_parameters::PruneBuildOptions;
    for record in build_cache().await {
        let about = record["Size"].as_u64().unwrap_or_default();
        if (size..size + 16 * 1024).contains(&about) {
            let id = record["ID"].as_str().unwrap().to_owned();
            let options = PruneBuildOptions {
                all: Some(true),
                filters: Some(HashMap::from([("id".to_owned(), vec![id])])),
                ..PruneBuildOptions::default()
            };
            world.client.prune_build(Some(options)).await.unwrap();
        }
    }
}

/// The records of the build cache; bollard knows only where newer engines put them.
async fn build_cache() -> Vec<serde_json::Value> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let path = HOST.trim_start_matches("unix://");
    let mut engine = tokio::net::UnixStream::connect(path).await.unwrap();
    engine
        .write_all(b"GET /system/df HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    engine.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let answer: serde_json::Value = serde_json::from_str(body).unwrap();
    answer["BuildCache"].as_array().cloned().unwrap_or_default()
}

/// A registry on a loopback port, with its data in a directory of its own.
pub struct Registry {
    /// Its address, as references begin.
    pub host: String,
    process: Child,
    _data: tempfile::TempDir,
}

impl Registry {
    /// One that everybody may use.
    pub async fn open() -> Self {
        Self::start("").await
    }

    /// One that asks for a password.
    pub async fn private(user: &str, password: &str) -> Self {
        let output = program("htpasswd")
            .args(["-Bbn", user, password])
            .output()
            .expect("htpasswd (apache2-utils)");
        Self::start(&String::from_utf8(output.stdout).unwrap()).await
    }

    async fn start(passwords: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let path = |name: &str| data.path().join(name).display().to_string();
        let auth = match passwords {
            "" => String::new(),
            _ => format!(
                "auth: {{htpasswd: {{realm: test, path: {}}}}}\n",
                path("passwords")
            ),
        };
        std::fs::write(path("passwords"), passwords).unwrap();
        let config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:0'}}\n{auth}",
            path("data")
        );
        std::fs::write(path("config.yml"), config).unwrap();
        let mut process = program("docker-registry")
            .args(["serve", &path("config.yml")])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the tests need docker-registry");
        let said = std::io::BufReader::new(process.stderr.take().unwrap());
        let (sender, address) = tokio::sync::oneshot::channel();
        // Read to the end, so that the registry never waits for a reader.
        std::thread::spawn(move || {
            let mut sender = Some(sender);
            for line in std::io::BufRead::lines(said).map_while(Result::ok) {
                let address = line
                    .split_once("listening on ")
                    .map(|(_, rest)| rest.split(['"', ' ', ',']).next());
                if let (Some(Some(address)), Some(sender)) =
                    (address, sender.take_if(|_| address.is_some()))
                {
                    let _ = sender.send(address.to_owned());
                }
            }
        });
        Self {
            host: address.await.expect("the registry says where it listens"),
            process,
            _data: data,
        }
    }

    /// Puts an image there that this host does not have afterwards, and returns its name.
    pub async fn push(&self, world: &World, credential: Option<&RegistryCredential>) -> String {
        use bollard::query_parameters::PushImageOptionsBuilder;
        let repository = format!("{}/{}/web", self.host, world.run);
        world
            .import(&format!("{repository}:1"), &random().to_string())
            .await;
        let credentials = credential.map(|credential| bollard::auth::DockerCredentials {
            username: Some(credential.username.clone()),
            password: Some(credential.password.expose().to_owned()),
            ..Default::default()
        });
        let options = PushImageOptionsBuilder::new().tag("1").build();
        let mut stream = world
            .client
            .push_image(&repository, Some(options), credentials);
        while let Some(item) = stream.next().await {
            item.unwrap();
        }
        drop(stream);
        let reference = format!("{repository}:1");
        remove_image(&world.client, &reference).await;
        reference
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A socket behind which the engine is, until it is closed; then everything that went through it is cut.
pub struct Relay(JoinHandle<()>);

impl Relay {
    /// Opens it at this path.
    pub fn open(path: &Path) -> Self {
        let listener = tokio::net::UnixListener::bind(path).unwrap();
        Self(tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                connections.spawn(async move {
                    let engine = HOST.trim_start_matches("unix://");
                    let mut far = tokio::net::UnixStream::connect(engine).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        }))
    }

    /// Cuts everything; the path stays, and nobody listens there.
    pub async fn close(self) {
        self.0.abort();
        let _ = self.0.await;
    }
}

/// Runs the test again as a user without rights, if this one is root; then the caller has nothing left to do.
pub fn as_nobody(test: &str) -> bool {
    use std::os::unix::process::CommandExt;
    if !nix::unistd::geteuid().is_root() {
        return false;
    }
    // A copy: the build directory may be closed to that user.
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("test");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    for path in [directory.path(), &copy] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
    }
    let output = program(copy.to_str().unwrap())
        .args(["--exact", test, "--nocapture"])
        .current_dir("/")
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    true
}
