//! Random words go into longshore on every way that a secret can go, an app prints them in every way that an app
//! might, deployments fail over them; then they are looked for everywhere longshore writes.
#![expect(
    clippy::unwrap_used,
    reason = "in what the tests share, a panic is a failed test too"
)]

#[path = "canaries/looking.rs"]
mod looking;

#[expect(dead_code, reason = "shared with other tests, which need more of it")]
#[path = "support/daemon.rs"]
mod daemon;
#[expect(dead_code, reason = "shared with other tests, which need more of it")]
#[path = "support/docker.rs"]
mod docker;
#[path = "support/git_server.rs"]
mod git_server;

use daemon::{World, within};
use git_server::{Behaviour, GitServer, Repository};
use longshore::core::ports::RegistryCredential;
use longshore::core::secret::Secret;
use looking::{Canary, CommandLines, Finds};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Prints a variable by name, as programs do: as it is, in base64 (alone, after a user's name, and in one line), in a
/// URL, in JSON, and in two writes.
const PRINT: &str = r#"
print() {
    eval "value=\$$1"
    tail=${value#????????????}
    echo "raw $1 $value"
    echo "error $1: $value" >&2
    echo "base64 $1"; printf %s "$value" | busybox base64
    echo "wrapped $1"; printf %s "user:$value" | busybox base64 -w 64
    echo "basic $1 $(printf %s "us:$value" | busybox base64 -w 0)"
    echo "url $1 https://example.com/?a=1&b=$(printf %s "$value" | busybox od -An -v -tx1 | busybox tr -d '\n' | busybox sed 's/ /%/g')&c=2"
    echo "json $1 {\"value\":\"$(printf %s "$value" | busybox sed 's/\\/\\\\/g; s/"/\\"/g' | busybox tr '\n' '~' | busybox sed 's/~/\\n/g')\"}"
    printf %s "split $1 ${value%"$tail"}"
    printf '%s, and on\n' "$tail"
}
for name in $NAMES; do print $name; done
"#;

/// What the app has in its environment that is no secret: it shows that looking finds things.
const INNOCENT: &str = "INNOCENT";

/// Where the values come from.
struct Canaries {
    variable: Canary,
    env_file: Canary,
    file: Canary,
    key: Canary,
    store: Canary,
    replaced: Canary,
    credential: Canary,
    git: Canary,
    wrong_git: Canary,
    registry: Canary,
    wrong_registry: Canary,
}

impl Canaries {
    fn new() -> Self {
        Self {
            variable: Canary::text("a deployment's variable"),
            env_file: Canary::text("an env_file"),
            file: Canary::text("a secret in a file"),
            key: Canary::key("a key in a file"),
            store: Canary::text("a secret kept here"),
            replaced: Canary::text("a secret kept here before it was set again"),
            credential: Canary::text("a systemd credential"),
            git: Canary::word("a git token"),
            wrong_git: Canary::word("a wrong git token"),
            registry: Canary::word("a registry's password"),
            wrong_registry: Canary::word("a registry's wrong password"),
        }
    }

    fn all(&self) -> [&Canary; 11] {
        [
            &self.variable,
            &self.env_file,
            &self.file,
            &self.key,
            &self.store,
            &self.replaced,
            &self.credential,
            &self.git,
            &self.wrong_git,
            &self.registry,
            &self.wrong_registry,
        ]
    }

    /// Those the app has, by its variables.
    fn of_the_app(&self) -> [(&'static str, &Canary); 6] {
        [
            ("VARIABLE", &self.variable),
            ("ENV_FILE", &self.env_file),
            ("FILE", &self.file),
            ("KEY", &self.key),
            ("STORE", &self.store),
            ("CREDENTIAL", &self.credential),
        ]
    }
}

/// Everything a test needs, in place.
struct Scene {
    world: World,
    server: GitServer,
    registry: docker::Registry,
    repository: Repository,
    canaries: Canaries,
    innocent: String,
    names: String,
}

impl Scene {
    async fn set() -> Self {
        let mut world = World::new().await;
        let canaries = Canaries::new();
        let innocent = docker::random().simple().to_string();
        let registry = docker::Registry::private("deploy", &canaries.registry.value).await;
        let credential = RegistryCredential {
            host: registry.host.clone(),
            username: "deploy".to_owned(),
            password: Secret::new(&*canaries.registry.value),
        };
        let image = registry.push(&world.base, Some(&credential)).await;
        let directory = world.path("repositories");
        std::fs::create_dir(&directory).unwrap();
        let repository = Repository::create(directory.join("app.git"));
        let server = GitServer::start(&directory, Some(&canaries.git.value)).await;
        let credentials = world.path("credentials");
        std::fs::create_dir(&credentials).unwrap();
        write(&credentials.join("app"), &canaries.credential.value);
        let key = [docker::random(), docker::random()];
        let key: Vec<u8> = key.iter().flat_map(|half| *half.as_bytes()).collect();
        std::fs::write(credentials.join("longshore-key"), key).unwrap();
        world.environment = vec![
            ("CREDENTIALS_DIRECTORY", credentials.display().to_string()),
            ("LONGSHORE_LOG", "trace".to_owned()),
        ];
        write(&world.path("git-token"), &canaries.git.value);
        write(&world.path("registry-password"), &canaries.registry.value);
        write(&world.path("secret"), &canaries.file.value);
        write(&world.path("key"), &canaries.key.value);
        // The form of these files has quotes around what is quoted, and nothing else.
        let line = format!("ENV_FILE='{}'", canaries.env_file.value);
        write(&world.path("env"), &line);
        let names = canaries.of_the_app().map(|(name, _)| name).join(" ");
        let names = format!("{INNOCENT} {names}");
        let path = |name: &str| world.path(name).display().to_string();
        let config = format!(
            r#"
[[app]]
name = "built"
repository = "{url}"
credentials = {{ token = "file:{token}" }}
port = 8080
stop_grace = "1s"
health = {{ tcp = true, timeout = "30s" }}
env = {{ {INNOCENT} = "{innocent}", NAMES = "{names}" }}
env_file = ["{env}"]
secrets = {{ FILE = "file:{secret}", KEY = "file:{key}", STORE = "store", CREDENTIAL = "credential:app" }}

[[app]]
name = "pulled"
image = "{image}"
health = {{ stays_up = "1s" }}
command = ["/bin/sh", "-c", "exec sleep 600"]
stop_grace = "1s"
"#,
            url = server.url("app.git"),
            token = path("git-token"),
            env = path("env"),
            secret = path("secret"),
            key = path("key"),
        );
        let engine = format!(
            "host = \"{}\"\nregistries = [{{ host = \"{}\", username = \"deploy\", password = \"file:{}\" }}]",
            docker::HOST,
            registry.host,
            path("registry-password"),
        );
        world.configure_engine(&engine, &config);
        Self {
            world,
            server,
            registry,
            repository,
            canaries,
            innocent,
            names,
        }
    }

    /// Commits an app that prints what it has and then does this.
    fn commit(&self, then: &str) {
        let script = format!("{PRINT}\n{then}\n");
        let dockerfile = format!(
            "FROM {}\nLABEL innocent={}\nCOPY start /start\nCMD [\"/bin/sh\", \"/start\"]\n",
            self.world.base.image, self.innocent
        );
        let files = [
            ("Dockerfile", dockerfile.as_str()),
            ("start", script.as_str()),
        ];
        self.repository.commit("main", &files, "an app that talks");
    }

    /// Asks for a deployment with the variable, which has no place on a command line, and waits for its end.
    async fn deploy(&self, app: &str) -> Value {
        let body = json!({
            "project_id": app,
            "from_config": true,
            "env_vars": { "VARIABLE": self.canaries.variable.value },
        });
        let answer = self
            .world
            .ask("POST", "/v1/deployments", &body.to_string())
            .await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let made: Value = serde_json::from_str(body).unwrap();
        let id = made["id"].as_str().unwrap_or_else(|| panic!("{answer}"));
        self.world.run(&["logs", id, "-f"]).await;
        let shown = self.world.run(&["show", id, "--json"]).await.ok();
        shown.document()
    }
}

fn write(path: &Path, value: &str) {
    std::fs::write(path, format!("{value}\n")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_a_log_an_answer_an_error_the_database_an_argument_or_an_image() {
    let mut scene = Scene::set().await;
    scene.commit("exec httpd -f -p 8080 -h /tmp");
    scene.world.start().await;
    let (world, canaries) = (&scene.world, &scene.canaries);
    let mut finds = Finds::new(canaries.all());
    let arguments = CommandLines::watch();

    // Set, and set again.
    for value in [&canaries.replaced.value, &canaries.store.value] {
        let set = world
            .run_with_input(&["secret", "set", "built", "STORE", "--json"], value)
            .await
            .ok();
        assert_eq!(set.document()["used"], true, "{}", set.stdout);
        finds.look("secret set", &format!("{}{}", set.stdout, set.stderr));
    }

    // A deployment that works. Its fetch is held until it was seen among the running programs.
    scene.server.behave(Behaviour::Hold);
    let before = scene.server.seen().len();
    let url = scene.server.url("app.git");
    let deployed = async {
        let (deployed, ()) = tokio::join!(scene.deploy("built"), async {
            scene.server.arrived(before + 1).await;
            arguments.until_seen(&url).await;
            scene.server.behave(Behaviour::Serve);
        });
        deployed
    };
    let deployed = within(Duration::from_secs(120), "the deployment", deployed).await;
    assert_eq!(deployed["status"], "success", "{deployed:#}");
    let container = world.only_container().await;
    let image = container.image.clone().unwrap();
    let env = container.config.unwrap().env.unwrap();
    for (name, canary) in canaries.of_the_app() {
        let wanted = format!("{name}={}", canary.value);
        assert!(env.contains(&wanted), "the app has no {}", canary.what);
    }
    finds.look_below(&world.data_dir());

    // One that fails over what it printed.
    scene.commit("exit 7");
    let failed = scene.deploy("built").await;
    assert_eq!(failed["error"]["code"], "container_exited", "{failed:#}");
    let output = failed["error"]["output"].as_array().unwrap();
    let last = output.last().unwrap().as_str().unwrap();
    assert!(last.contains("[redacted]"), "{failed:#}");

    // Ones that cannot begin, because of a token or a secret.
    write(&world.path("git-token"), &canaries.wrong_git.value);
    let refused = world.run(&["deploy", "built"]).await;
    refused.says(&["app.git"]);
    assert_ne!(refused.status, 0);
    write(&world.path("git-token"), &canaries.git.value);
    world.run(&["secret", "rm", "built", "STORE"]).await.ok();
    let unset = world.run(&["deploy", "built"]).await.ended(1);
    unset.says(&[
        "(secret_unreadable)",
        "STORE of production of built is not set",
        "longshore secret set built STORE --environment production",
    ]);
    finds.look("deploy", &format!("{}{}", refused.stderr, unset.stderr));

    // A registry's password, right and wrong.
    let pulled = scene.deploy("pulled").await;
    assert_eq!(pulled["status"], "success", "{pulled:#}");
    write(
        &world.path("registry-password"),
        &canaries.wrong_registry.value,
    );
    let denied = scene.deploy("pulled").await;
    assert_eq!(denied["error"]["code"], "pull_failed", "{denied:#}");

    // Requests that are refused for what they hold.
    let nul = format!("{}\0", canaries.variable.value);
    for (method, path, body) in [
        (
            "PUT",
            "/v1/apps/built/secrets/STORE",
            json!({ "value": nul }).to_string(),
        ),
        (
            "PUT",
            "/v1/apps/built/secrets/STORE",
            json!({ "value": [canaries.variable.value] }).to_string(),
        ),
        (
            "PUT",
            "/v1/apps/built/secrets/STORE",
            format!("{{\"value\": {}}}", canaries.variable.value),
        ),
        (
            "POST",
            "/v1/deployments",
            json!({ "project_id": "built", "from_config": true, "env_vars": { "A": nul } })
                .to_string(),
        ),
    ] {
        let answer = world.ask(method, path, &body).await;
        assert!(answer.starts_with("HTTP/1.0 400"), "{answer}");
        finds.look(path, &answer);
    }

    // A hook's address, called and miscalled.
    let hook = world.run(&["hook", "enable", "built", "-q"]).await.ok();
    let (_, path) = hook.stdout.trim().split_once("/hooks/").unwrap();
    let (_, secret) = path.rsplit_once('/').unwrap();
    for (method, path, status) in [
        ("GET", format!("/hooks/{path}"), 405),
        ("POST", format!("/hooks/apps/web/deploy/{secret}"), 404),
        ("POST", format!("/Hooks/{path}"), 404),
    ] {
        let answer = world.ask(method, &path, "").await;
        assert!(
            answer.starts_with(&format!("HTTP/1.0 {status}")),
            "{answer}"
        );
        assert!(!answer.contains(secret), "{answer}");
    }
    let on_disk = looking::read_below(&world.data_dir());
    assert!(!String::from_utf8_lossy(&on_disk).contains(secret));

    // Everything that can be read.
    for arguments in [
        &["ls"][..],
        &["ls", "--json"],
        &["apps"],
        &["apps", "--json"],
        &["secret", "ls", "built"],
        &["secret", "ls", "built", "--json"],
    ] {
        let ran = world.run(arguments).await.ok();
        finds.look(
            &arguments.join(" "),
            &format!("{}{}", ran.stdout, ran.stderr),
        );
    }
    let list = world.run(&["ls", "--json"]).await.ok().document();
    let mut logs = String::new();
    for deployment in list["data"].as_array().unwrap() {
        let id = deployment["id"].as_str().unwrap();
        for command in ["show", "logs"] {
            for form in ["--json", "--socket"] {
                let socket = world.path("api.sock").display().to_string();
                let mut arguments = vec![command, id, form];
                arguments.extend((form == "--socket").then_some(socket.as_str()));
                let ran = world.run(&arguments).await;
                finds.look(command, &format!("{}{}", ran.stdout, ran.stderr));
                logs += &ran.stdout;
            }
        }
        let pages = format!("/v1/deployments/{id}/logs?limit=1000");
        for path in [&pages, pages.split_once('?').unwrap().0] {
            finds.look(path, &world.ask("GET", path, "").await);
        }
    }
    // What the running app printed was read beside all that; the last of it is the last name's.
    let (mut printed, mut next) = (String::new(), 0);
    while !printed.contains("split CREDENTIAL") {
        let path = format!("/v1/apps/built/logs?from={next}&wait=true&limit=1000");
        let answer = world.ask("GET", &path, "").await;
        finds.look("the runtime log", &answer);
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let page: Value = serde_json::from_str(body).unwrap();
        next = page["meta"]["next"].as_u64().unwrap();
        printed += body;
    }
    for form in [&["--json"][..], &[]] {
        let arguments = [&["logs", "built", "-n", "1000"][..], form].concat();
        let ran = world.run(&arguments).await.ok();
        finds.look("logs of an app", &format!("{}{}", ran.stdout, ran.stderr));
        assert!(ran.stdout.contains("[redacted], and on"), "{}", ran.stdout);
    }
    let told = world.told();
    finds.look("what the daemon tells of itself", &told);
    assert!(told.contains("/hooks/***"));
    assert!(!told.contains(secret), "a hook's address is in the log");
    finds.look_below(&world.data_dir());
    let arguments = arguments.end();
    for line in &arguments {
        finds.look_at_bytes("a command line", line);
    }
    let inspected = world.base.client.inspect_image(&image).await.unwrap();
    let history = world.base.client.image_history(&image).await.unwrap();
    let of_the_image = format!(
        "{}{}",
        serde_json::to_string(&inspected).unwrap(),
        serde_json::to_string(&history).unwrap()
    );
    finds.look("the image", &of_the_image);

    // Looking finds what is there: in each place something that is no secret, and in the log in every form.
    assert!(told.contains("DEBUG"), "{told}");
    assert!(of_the_image.contains(&scene.innocent));
    let innocent = Canary::of("what is innocent", &scene.innocent);
    let shown = innocent.forms_in(logs.as_bytes());
    assert_eq!(shown, innocent.all_forms(), "{logs}");
    let on_disk = looking::read_below(&world.data_dir().join("logs"));
    assert_eq!(innocent.forms_in(&on_disk), innocent.all_forms());
    let printed = looking::read_below(&world.data_dir().join("runtime"));
    assert_eq!(innocent.forms_in(&printed), innocent.all_forms());
    for name in scene.names.split(' ') {
        for form in ["raw", "base64", "wrapped", "basic", "url", "json", "split"] {
            assert!(logs.contains(&format!("{form} {name}")), "{form} {name}");
        }
    }
    assert!(logs.contains("[redacted], and on"), "{logs}");
    // The key was the credential: none lies beside the database.
    assert!(!world.data_dir().join("key").exists());
    assert!(scene.registry.host.contains(':'));
    finds.are_none();
}
