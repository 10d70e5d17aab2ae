//! The configuration: what good files say, and that of a bad file every fault is named at its line and column.

use longshore::config::keys::TABLES;
use longshore::config::{Config, Fault, parse};
use longshore::core::app::{App, derived_id};
use longshore::core::command::PayloadPlace;
use longshore::core::connection::Connect;
use longshore::core::ingress::{AccessLog, ProxyLimits};
use longshore::core::job::{JobCommand, JobEvent, JobSpec, Missed, Occasion, Overlap};
use longshore::core::name::{AppName, EnvironmentName, ProcessName, VariableName};
use longshore::core::process::ProcessSpec;
use longshore::core::route::Domain;
use longshore::core::secret::{Secret, SecretRef};
use longshore::core::spec::{
    Check, GitCredentials, GitSource, MountSource, Protocol, PullPolicy, SourceSpec, Spec,
    Strategy as RolloutStrategy,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

const EXAMPLE: &str = include_str!("../config.example.toml");

#[track_caller]
fn good(text: &str) -> Config {
    parse("config.toml", text).unwrap_or_else(|faults| panic!("{faults}\nin\n{text}"))
}

#[track_caller]
fn bad(text: &str) -> Vec<Fault> {
    match parse("config.toml", text) {
        Ok(config) => panic!("taken:\n{text}\nas {config:?}"),
        Err(faults) => faults.faults,
    }
}

/// The text has these faults and no others: line, column, and a part of the message.
#[track_caller]
fn assert_faults(text: &str, expected: &[(usize, usize, &str)]) {
    let found = bad(text);
    let matches = found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(fault, (line, column, part))| {
                (fault.line, fault.column) == (*line, *column) && fault.message.contains(part)
            });
    assert!(matches, "{text}\nexpected {expected:#?}\nfound {found:#?}");
}

/// The only app of a file with these lines, that runs an image.
#[track_caller]
fn image_app(lines: &str) -> App {
    good(&format!(
        "[[app]]\nname = \"web\"\nimage = \"nginx\"\n{lines}"
    ))
    .apps
    .remove(0)
}

/// The same for an app that is built.
#[track_caller]
fn git_app(lines: &str) -> App {
    good(&format!("[[app]]\nname = \"web\"\n{lines}"))
        .apps
        .remove(0)
}

/// An environment's spec.
#[track_caller]
fn spec<'a>(app: &'a App, environment: &str) -> &'a Spec {
    let name = EnvironmentName::parse(environment).expect("the tests use valid names");
    &app.environments[&name]
}

#[track_caller]
fn git(spec: &Spec) -> &GitSource {
    match &spec.source {
        SourceSpec::Git(git) => git,
        SourceSpec::Image(image) => panic!("{image:?}"),
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Good files.

#[test]
fn an_empty_file_is_all_defaults() {
    let config = good("");
    assert_eq!(config.data_dir, Path::new("/var/lib/longshore"));
    assert_eq!(config.api.listen, Some("127.0.0.1:7470".parse().unwrap()));
    assert_eq!(config.api.socket, Path::new("/run/longshore/api.sock"));
    assert_eq!(config.api.public_url, None);
    assert_eq!(config.api.domains, []);
    assert_eq!(config.api.trusted_proxies, []);
    assert!(!config.api.gitlab_strict);
    assert!(config.ingress.embedded);
    assert_eq!(config.ingress.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(
        config.ingress.socket,
        Path::new("/run/longshore/api.ingress.sock")
    );
    let settings = &config.ingress.settings;
    assert_eq!(settings.data_dir, Path::new("/var/lib/longshore/ingress"));
    assert_eq!(settings.trusted_proxies, []);
    assert_eq!(settings.access_log, AccessLog::Off);
    assert_eq!(settings.limits, ProxyLimits::default());
    assert_eq!(config.docker.host, "unix:///var/run/docker.sock");
    assert_eq!(config.docker.address_pool, "10.213.0.0/16".parse().unwrap());
    assert_eq!(config.docker.registries, []);
    assert_eq!(config.docker.unavailable_timeout, Duration::from_secs(120));
    assert_eq!(config.limits.max_concurrent, 2);
    assert_eq!(config.limits.preview_check, Duration::from_secs(60));
    assert_eq!(config.retention.keep_releases, 5);
    assert_eq!(config.retention.logs, Duration::from_secs(90 * 24 * 3600));
    assert_eq!(config.retention.runtime_logs, 64 << 20);
    assert_eq!(config.retention.build_cache, None);
    assert_eq!(config.apps, []);
}

#[test]
fn an_app_needs_only_a_name_and_a_source() {
    let app = git_app("repository = \"https://github.com/acme/web.git\"");
    assert_eq!(app.id, derived_id(&AppName::parse("web").unwrap()));
    assert_eq!(app.project.as_str(), "acme/web");
    assert_eq!(app.default_environment.as_str(), "production");
    assert_eq!(app.environments.len(), 1);
    let spec = spec(&app, "production");
    assert_eq!(git(spec).branch.as_str(), "main");
    assert!(git(spec).auto_merge);
    assert_eq!(git(spec).build.context, ".");
    assert_eq!(git(spec).build.dockerfile, "Dockerfile");
    assert_eq!(git(spec).repository.credentials, None);
    assert_eq!(
        spec.rollout.health.check,
        Check::StaysUp(Duration::from_secs(5))
    );
    assert_eq!(spec.rollout.health.interval, Duration::from_secs(1));
    assert_eq!(spec.rollout.health.timeout, Duration::from_secs(60));
    assert_eq!(spec.domains, []);
    assert_eq!(spec.rollout.strategy, RolloutStrategy::Recreate);
    assert_eq!(spec.rollout.drain_timeout, Duration::from_secs(30));
    assert_eq!(spec.run.stop_grace, Duration::from_secs(10));
    assert_eq!(spec.deadlines.checkout, Duration::from_secs(600));
    assert_eq!(spec.deadlines.build, Duration::from_secs(3600));
    assert_eq!(spec.deadlines.rollout, Duration::from_secs(600));
    assert_eq!(spec.run.logging.driver, "json-file");
    assert_eq!(spec.run.logging.options["max-size"], "10m");
    assert_eq!(spec.run.logging.options["max-file"], "3");
}

#[test]
fn apps_are_found_by_name_and_id() {
    let config = good(
        "[[app]]\nname = \"a\"\nimage = \"a\"\n[[app]]\nname = \"b\"\nimage = \"b\"\nid = \"0d6c8b3e-5f0a-4f5e-9a57-3c1f0e9b7a21\"",
    );
    let name = AppName::parse("b").unwrap();
    let app = config.app(&name).unwrap();
    assert_eq!(app.id.to_string(), "0d6c8b3e-5f0a-4f5e-9a57-3c1f0e9b7a21");
    assert_eq!(config.app_by_id(app.id), Some(app));
    assert_eq!(config.app_by_id(derived_id(&name)), None);
}

#[test]
fn an_environment_replaces_keys_and_merges_variables_by_name() {
    let app = git_app(
        r#"
repository = "https://example.com/acme/web"
environment = "live"
port = 80
env = { A = "1", B = "1" }
secrets = { S = "file:/s" }
build_args = { X = "1", Y = "1" }
deadlines = { build = "2h", rollout = "1m" }
publish = ["80:80"]
[app.environments.staging]
branch = "develop"
auto_merge = false
port = 81
env = { B = "2", C = "2" }
secrets = { T = "credential:t" }
build_args.Y = "2"
deadlines.build = "3h"
publish = []
"#,
    );
    assert_eq!(app.default_environment.as_str(), "live");
    let (live, staging) = (spec(&app, "live"), spec(&app, "staging"));
    assert_eq!(git(live).branch.as_str(), "main");
    assert_eq!(git(staging).branch.as_str(), "develop");
    assert_eq!(
        [git(live).auto_merge, git(staging).auto_merge],
        [true, false]
    );
    assert_eq!((live.run.port, staging.run.port), (Some(80), Some(81)));
    assert_eq!(staging.rollout.health.check, Check::Tcp { port: 81 });
    let env = |spec: &Spec| {
        spec.run
            .env
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(env(live), ["A=1", "B=1"]);
    assert_eq!(env(staging), ["A=1", "B=2", "C=2"]);
    assert_eq!((live.run.secrets.len(), staging.run.secrets.len()), (1, 2));
    assert_eq!(
        git(staging)
            .build
            .args
            .clone()
            .into_iter()
            .collect::<Vec<_>>(),
        [
            ("X".to_owned(), "1".to_owned()),
            ("Y".to_owned(), "2".to_owned())
        ]
    );
    assert_eq!(staging.deadlines.build, Duration::from_secs(3 * 3600));
    assert_eq!(
        staging.deadlines.rollout,
        Duration::from_secs(600),
        "replaced, not merged"
    );
    assert_eq!((live.run.publish.len(), staging.run.publish.len()), (1, 0));
}

#[test]
fn the_default_environment_can_have_keys_of_its_own() {
    let app = image_app("[app.environments.production]\nport = 80");
    assert_eq!(app.environments.len(), 1);
    assert_eq!(spec(&app, "production").run.port, Some(80));
}

#[test]
fn a_project_is_named_after_the_repository() {
    for (repository, project) in [
        ("https://github.com/acme/web.git", "acme/web"),
        ("https://github.com/acme/web/", "acme/web"),
        ("https://gitlab.example:8443/group/sub/web", "sub/web"),
        ("http://[::1]:3000/acme/web", "acme/web"),
        ("git@github.com:acme/web.git", "acme/web"),
        ("git@host:web.git", "local/web"),
        ("ssh://git@host:22/~acme/w%20b.git", "acme/w-20b"),
        ("git://host/a/b", "a/b"),
        ("file:///srv/git/acme/web.git", "acme/web"),
        ("/srv/git/acme/web/.git", "acme/web"),
        ("/srv/Ünï/.web", "n-/web"),
        ("/web.git", "local/web"),
        ("https://host/?x=/a/b", "local/web"),
    ] {
        let app = git_app(&format!("repository = {repository:?}"));
        assert_eq!(app.project.as_str(), project, "{repository}");
        assert_eq!(git(spec(&app, "production")).repository.url, repository);
    }
    assert_eq!(image_app("").project.as_str(), "images/web");
    assert_eq!(image_app("project = \"a/b/c\"").project.as_str(), "a/b/c");
}

#[test]
fn credentials_go_with_the_way_a_repository_is_reached() {
    let credentials = |repository: &str, credentials: &str| {
        let app = git_app(&format!(
            "repository = {repository:?}\ncredentials = {credentials}"
        ));
        git(spec(&app, "production"))
            .repository
            .credentials
            .clone()
            .unwrap()
    };
    let key = SecretRef::File(PathBuf::from("/k"));
    assert_eq!(
        credentials("https://h/a/b", "{ token = \"file:/k\" }"),
        GitCredentials::Token(key.clone())
    );
    for remote in ["ssh://h/a/b", "git@h:a/b"] {
        assert_eq!(
            credentials(remote, "{ ssh_key = \"file:/k\" }"),
            GitCredentials::SshKey(key.clone())
        );
    }
    assert_eq!(
        credentials("http://h/a/b", "{ token = \"credential:git.token\" }"),
        GitCredentials::Token(SecretRef::Credential("git.token".to_owned()))
    );
}

#[test]
fn health_follows_the_port_unless_it_says_otherwise() {
    let check = |lines: &str| {
        spec(&image_app(lines), "production")
            .rollout
            .health
            .clone()
            .check
    };
    let http = |port, path: &str| Check::Http {
        port,
        path: path.to_owned(),
    };
    assert_eq!(check("port = 80"), Check::Tcp { port: 80 });
    assert_eq!(
        check("port = 80\nhealth.interval = \"5s\""),
        Check::Tcp { port: 80 }
    );
    assert_eq!(
        check("port = 80\nhealth.path = \"/up?x=1\""),
        http(80, "/up?x=1")
    );
    assert_eq!(check("health = { path = \"/\", port = 81 }"), http(81, "/"));
    assert_eq!(
        check("port = 80\nhealth = { tcp = true, port = 81 }"),
        Check::Tcp { port: 81 }
    );
    assert_eq!(check("health.port = 81"), Check::Tcp { port: 81 });
    assert_eq!(check("port = 80\nhealth.image = true"), Check::Image);
    assert_eq!(
        check("health.stays_up = \"2s\""),
        Check::StaysUp(Duration::from_secs(2))
    );
    let short = image_app("port = 80\nhealth.timeout = \"200ms\"");
    assert_eq!(
        spec(&short, "production").rollout.health.interval,
        Duration::from_millis(200)
    );
}

#[test]
fn values_of_every_form_are_read() {
    let app = image_app(
        r#"
pull = "missing"
publish = ["127.0.0.1:5432:5433", "8081:80", "[::1]:80:81/tcp", "53:53/udp"]
volumes = ["data:/data/", "/srv//./x:/x:ro", "external:shared:/y:ro"]
memory = "256MiB"
cpus = 0.5
stop_grace = "1m 30s"
command = ["a", ""]
entrypoint = []
env_file = ["/etc/x.env"]
logging = { driver = "journald" }
"#,
    );
    let run = &spec(&app, "production").run;
    match &spec(&app, "production").source {
        SourceSpec::Image(image) => assert_eq!(image.pull, PullPolicy::Missing),
        SourceSpec::Git(git) => panic!("{git:?}"),
    }
    let ports: Vec<_> = run
        .publish
        .iter()
        .map(|p| {
            (
                p.address.to_string(),
                p.host_port,
                p.container_port,
                p.protocol,
            )
        })
        .collect();
    assert_eq!(
        ports,
        [
            ("127.0.0.1".to_owned(), 5432, 5433, Protocol::Tcp),
            ("0.0.0.0".to_owned(), 8081, 80, Protocol::Tcp),
            ("::1".to_owned(), 80, 81, Protocol::Tcp),
            ("0.0.0.0".to_owned(), 53, 53, Protocol::Udp),
        ]
    );
    let mounts: Vec<_> = run
        .volumes
        .iter()
        .map(|m| (m.source.clone(), m.target.as_str(), m.read_only))
        .collect();
    assert_eq!(
        mounts,
        [
            (MountSource::Volume("data".to_owned()), "/data", false),
            (MountSource::Host(PathBuf::from("/srv/x")), "/x", true),
            (MountSource::External("shared".to_owned()), "/y", true),
        ]
    );
    assert_eq!((run.memory, run.millicpus), (Some(256 << 20), Some(500)));
    assert_eq!(run.stop_grace, Duration::from_secs(90));
    assert_eq!(run.command, ["a", ""]);
    assert_eq!(run.env_files, [Path::new("/etc/x.env")]);
    assert_eq!(run.logging.driver, "journald");
    assert!(run.logging.options.is_empty());
    for (cpus, expected) in [
        ("2", 2000),
        ("0x2", 2000),
        ("1.2345", 1235),
        ("0.01", 10),
        ("1e1", 10_000),
    ] {
        let app = image_app(&format!("cpus = {cpus}"));
        assert_eq!(
            spec(&app, "production").run.millicpus,
            Some(expected),
            "{cpus}"
        );
    }
}

#[test]
fn the_agents_own_tables_are_read() {
    let config = good(
        r#"
data_dir = "/srv/longshore/"
[api]
listen = ""
socket = "/tmp/s"
public_url = "https://deploy.example.com/base"
[docker]
host = "tcp://127.0.0.1:2375"
address_pool = "172.20.0.0/14"
unavailable_timeout = "30s"
registries = [
  { host = "localhost:5000", username = "u", password = "credential:r" },
  { host = "docker.io", username = "u", password = "file:/p" },
]
[limits]
max_concurrent = 64
"#,
    );
    assert_eq!(config.data_dir, Path::new("/srv/longshore"));
    assert_eq!(config.api.listen, None);
    assert_eq!(
        config.api.public_url.as_deref(),
        Some("https://deploy.example.com/base")
    );
    assert_eq!(config.docker.host, "tcp://127.0.0.1:2375");
    assert_eq!(config.docker.unavailable_timeout, Duration::from_secs(30));
    assert_eq!(config.docker.registries[0].host, "localhost:5000");
    assert_eq!(
        config.docker.registries[1].password,
        SecretRef::File(PathBuf::from("/p"))
    );
    assert_eq!(config.limits.max_concurrent, 64);
}

#[test]
fn the_ingress_and_the_proxies_before_it_are_read() {
    let config = good(
        r#"
[api]
domains = ["Deploy.Example.com", "*.deploy.example.com"]
trusted_proxies = ["10.0.0.5", "fd00::/8"]
gitlab_strict = true
[ingress]
embedded = false
listen = ["0.0.0.0:80", "[::]:80", "127.0.0.1:0", "127.0.0.1:0"]
trusted_proxies = ["0.0.0.0/0", "::1", "192.168.0.0/16"]
access_log = "json"
max_connections = 1048576
max_header_size = "1MiB"
max_body_size = "2GiB"
header_timeout = "1h"
idle_timeout = "1d"
read_timeout = "1ms"
write_timeout = "2m"
upstream_timeout = "3m"
wait_timeout = "1m"
shutdown_timeout = "4m"
"#,
    );
    let written = |domains: &[Domain]| domains.iter().map(Domain::to_string).collect::<Vec<_>>();
    assert_eq!(
        written(&config.api.domains),
        ["deploy.example.com", "*.deploy.example.com"]
    );
    let nets = |nets: &[&str]| {
        let nets = nets.iter().map(|net| net.parse().unwrap());
        nets.collect::<Vec<ipnet::IpNet>>()
    };
    assert_eq!(
        config.api.trusted_proxies,
        nets(&["10.0.0.5/32", "fd00::/8"])
    );
    let ingress = &config.ingress;
    assert!(!ingress.embedded);
    assert_eq!(ingress.listen.len(), 4);
    assert_eq!(ingress.listen[1], "[::]:80".parse().unwrap());
    assert_eq!(
        ingress.socket,
        Path::new("/run/longshore-ingress/control.sock")
    );
    let settings = &ingress.settings;
    assert_eq!(settings.data_dir, Path::new("/var/lib/longshore-ingress"));
    assert_eq!(
        settings.trusted_proxies,
        nets(&["0.0.0.0/0", "::1/128", "192.168.0.0/16"])
    );
    assert_eq!(settings.access_log, AccessLog::Json);
    let seconds = Duration::from_secs;
    assert_eq!(
        settings.limits,
        ProxyLimits {
            connections: 1 << 20,
            head: 1 << 20,
            body: Some(2 << 30),
            head_timeout: seconds(3600),
            idle_timeout: seconds(24 * 3600),
            read_timeout: Duration::from_millis(1),
            write_timeout: seconds(120),
            upstream_timeout: seconds(180),
            wait_timeout: seconds(60),
            shutdown_timeout: seconds(240),
        }
    );
}

#[test]
fn an_embedded_ingress_keeps_its_things_beside_the_daemons_unless_told_otherwise() {
    let own = "[ingress]\nlisten = []\nsocket = \"/s/i.sock\"\ndata_dir = \"/s/i\"\n";
    for embedded in ["", "embedded = false\n", "embedded = true\n"] {
        let config = good(&format!("{own}{embedded}"));
        assert_eq!(config.ingress.listen, []);
        assert_eq!(config.ingress.socket, Path::new("/s/i.sock"));
        assert_eq!(config.ingress.settings.data_dir, Path::new("/s/i"));
    }
    let config = good("data_dir = \"/srv/l\"\n[api]\nsocket = \"/tmp/l.d/api\"\n");
    assert_eq!(
        config.ingress.socket,
        Path::new("/tmp/l.d/api.ingress.sock")
    );
    assert_eq!(
        config.ingress.settings.data_dir,
        Path::new("/srv/l/ingress")
    );
}

#[test]
fn releases_swap_where_two_containers_can_do_no_harm_to_each_other() {
    use RolloutStrategy::{Recreate, Swap};
    for (lines, expected) in [
        ("", Recreate),
        ("port = 80", Swap),
        ("port = 80\npublish = []\nvolumes = []", Swap),
        ("port = 80\npublish = [\"80:80\"]", Recreate),
        ("port = 80\nvolumes = [\"data:/data\"]", Recreate),
        ("port = 80\nvolumes = [\"data:/data:ro\"]", Swap),
        (
            "port = 80\nvolumes = [\"data:/data\"]\nstrategy = \"swap\"",
            Swap,
        ),
        ("port = 80\nstrategy = \"recreate\"", Recreate),
    ] {
        let app = image_app(lines);
        let rollout = &spec(&app, "production").rollout;
        assert_eq!(rollout.strategy, expected, "{lines}");
    }
    let app = image_app(
        "port = 80\ndrain_timeout = \"1h\"\npublish = [\"80:80\"]\n[app.environments.staging]\npublish = []\ndrain_timeout = \"1s\"",
    );
    let rollout = |name| &spec(&app, name).rollout;
    assert_eq!(rollout("production").strategy, Recreate);
    assert_eq!(rollout("staging").strategy, Swap);
    assert_eq!(
        rollout("production").drain_timeout,
        Duration::from_secs(3600)
    );
    assert_eq!(rollout("staging").drain_timeout, Duration::from_secs(1));
}

#[test]
fn the_build_cache_has_a_budget_only_where_it_may_be_pruned() {
    for (docker, expected) in [
        ("build_cache = \"1GiB\"", None),
        ("prune_build_cache = false\nbuild_cache = \"1GiB\"", None),
        ("prune_build_cache = true", Some(10 << 30)),
        (
            "prune_build_cache = true\nbuild_cache = \"1GiB\"",
            Some(1 << 30),
        ),
    ] {
        let config = good(&format!(
            "[docker]\n{docker}\n[retention]\nkeep_releases = 1\nlogs = \"1h\""
        ));
        assert_eq!(config.retention.build_cache, expected, "{docker}");
        assert_eq!(config.retention.keep_releases, 1);
        assert_eq!(config.retention.logs, Duration::from_secs(3600));
    }
    assert_faults(
        "[docker]\nprune_build_cache = 1\nbuild_cache = \"10MiB\"\n[retention]\nkeep_releases = 0\nlogs = \"never\"",
        &[
            (2, 21, "must be true or false"),
            (3, 15, "must be at least \"100MiB\""),
            (5, 17, "an integer from 1 to 1000"),
            (6, 8, "is not a duration"),
        ],
    );
    let config = good("[retention]\nruntime_logs = \"1GiB\"");
    assert_eq!(config.retention.runtime_logs, 1 << 30);
    for (value, message) in [
        ("\"3MiB\"", "must be at least \"4MiB\""),
        ("\"2PiB\"", "must be at most \"1PiB\""),
        ("\"all\"", "is not a size"),
        ("64", "must be a string in quotes"),
    ] {
        assert_faults(
            &format!("[retention]\nruntime_logs = {value}"),
            &[(2, 16, message)],
        );
    }
}

#[test]
fn what_only_looks_like_a_conflict_is_taken() {
    good(
        r#"
[[app]]
name = "a"
repository = "https://h/acme/mono"
publish = ["53:53/tcp", "53:53/udp", "127.0.0.1:80:80", "[::]:80:80"]
volumes = ["data:/data", "/srv/a:/a", "/srv/a:/b", "/srv/ro:/ro:ro", "external:v:/v:ro"]
[[app]]
name = "b"
repository = "https://h/acme/mono"
environment = "live"
publish = ["127.0.0.2:80:80", "[::]:8080:80"]
volumes = ["data:/data", "/srv/b:/b", "/srv/ro:/ro:ro", "external:v:/v"]
"#,
    );
    good(
        r#"
[api]
listen = "0.0.0.0:7470"
domains = ["deploy.example.com", "example.com/deploy"]
[ingress]
listen = ["0.0.0.0:80", "[::]:80", "[::]:7470", "0.0.0.0:443"]
[[app]]
name = "a"
image = "x"
port = 80
domains = ["*.example.com", "web.example.com", "example.com", "example.com/docs", "*"]
[app.environments.staging]
domains = []
[app.environments.test]
domains = ["test.example.com"]
[[app]]
name = "b"
image = "x"
publish = ["80:80/udp"]
"#,
    );
}

// ---------------------------------------------------------------------------------------------------------------
// Bad files.

#[test]
fn values_that_cannot_be_used_are_named_with_what_is_expected() {
    for (table, line, column, part) in [
        (
            "",
            "data_dir = \"var\"",
            12,
            "data_dir must be an absolute path, not \"var\"",
        ),
        ("", "data_dir = \"/\"", 12, "directory of its own"),
        ("", "data_dir = \"/a/../b\"", 12, "must not hold \"..\""),
        (
            "",
            "data_dir = 5",
            12,
            "must be a string in quotes, not an integer",
        ),
        ("", "data_dir = \"/a\\u0000\"", 12, "control characters"),
        ("", "api = 5", 7, "api must be a table, not an integer"),
        (
            "",
            "app = 5",
            7,
            "app must be a list of tables, not an integer",
        ),
        ("", "app = [5]", 8, "app[0] must be a table, not an integer"),
        (
            "",
            "app = { name = \"x\" }",
            7,
            "[[app]] in double brackets",
        ),
        (
            "api",
            "listen = \"localhost:1\"",
            10,
            "api.listen must be an address and a port",
        ),
        ("api", "listen = \"127.0.0.1\"", 10, "an address and a port"),
        (
            "api",
            "socket = \"x\"",
            10,
            "api.socket must be an absolute path",
        ),
        ("api", "public_url = \"ftp://h\"", 14, "http or https URL"),
        (
            "api",
            "domains = [\"https://h\"]",
            12,
            "api.domains[0] must be a host without a scheme",
        ),
        (
            "api",
            "trusted_proxies = [\"10.0.0.1/8\"]",
            20,
            "api.trusted_proxies[0] is \"10.0.0.1/8\", which lies inside a network: write \"10.0.0.0/8\"",
        ),
        ("ingress", "embedded = 1", 12, "true or false"),
        ("ingress", "listen = \"[::]:80\"", 10, "a list of strings"),
        (
            "ingress",
            "listen = [\"localhost:80\"]",
            11,
            "ingress.listen[0] must be an address and a port, like \"0.0.0.0:80\" or \"[::]:80\"",
        ),
        (
            "ingress",
            "listen = [\"::1:80\", \"80\"]",
            11,
            "not \"::1:80\"",
        ),
        ("ingress", "socket = \"x\"", 10, "an absolute path"),
        ("ingress", "data_dir = \"/\"", 12, "directory of its own"),
        (
            "ingress",
            "trusted_proxies = [\"proxy\"]",
            20,
            "an address or a network, like",
        ),
        (
            "ingress",
            "access_log = \"combined\"",
            14,
            "must be \"off\", \"common\" or \"json\"",
        ),
        (
            "ingress",
            "max_connections = 0",
            19,
            "an integer from 1 to 1048576",
        ),
        (
            "ingress",
            "max_header_size = \"8191B\"",
            19,
            "must be from \"8KiB\" to \"1MiB\"",
        ),
        (
            "ingress",
            "max_header_size = \"2MiB\"",
            19,
            "must be from \"8KiB\" to \"1MiB\"",
        ),
        (
            "ingress",
            "max_body_size = \"0B\"",
            17,
            "must not be zero; leave it out",
        ),
        (
            "ingress",
            "max_body_size = \"2PiB\"",
            17,
            "at most \"1PiB\"",
        ),
        ("ingress", "header_timeout = \"2h\"", 18, "at most 1h"),
        ("ingress", "idle_timeout = \"2d\"", 16, "at most 1day"),
        ("ingress", "read_timeout = \"2d\"", 16, "at most 1day"),
        ("ingress", "write_timeout = \"2d\"", 17, "at most 1day"),
        ("ingress", "upstream_timeout = \"2d\"", 20, "at most 1day"),
        ("ingress", "wait_timeout = \"61s\"", 16, "at most 1m"),
        ("ingress", "wait_timeout = \"0s\"", 16, "longer than zero"),
        ("ingress", "shutdown_timeout = \"2h\"", 20, "at most 1h"),
        (
            "api",
            "public_url = \"https://h/\"",
            14,
            "must not end with a slash",
        ),
        ("api", "public_url = \"https://h?a\"", 14, "before any '?'"),
        (
            "api",
            "public_url = \"https://u:p@h\"",
            14,
            "without user and password",
        ),
        (
            "docker",
            "host = \"/var/run/docker.sock\"",
            8,
            "docker.host must be the engine's address",
        ),
        ("docker", "host = \"unix://x\"", 8, "the engine's address"),
        (
            "docker",
            "address_pool = \"10.0.0.0/7\"",
            16,
            "from /8 to /24, not /7",
        ),
        (
            "docker",
            "address_pool = \"10.0.0.0/25\"",
            16,
            "from /8 to /24, not /25",
        ),
        (
            "docker",
            "address_pool = \"10.0.0.1/16\"",
            16,
            "write \"10.0.0.0/16\"",
        ),
        (
            "docker",
            "address_pool = \"8.8.0.0/16\"",
            16,
            "private network",
        ),
        (
            "docker",
            "address_pool = \"172.16.0.0/8\"",
            16,
            "write \"172.0.0.0/8\"",
        ),
        (
            "docker",
            "address_pool = \"172.0.0.0/8\"",
            16,
            "private network",
        ),
        ("docker", "address_pool = \"fd00::/16\"", 16, "IPv4 network"),
        (
            "docker",
            "unavailable_timeout = \"0s\"",
            23,
            "longer than zero and at most 1day",
        ),
        (
            "docker",
            "unavailable_timeout = \"2 parsecs\"",
            23,
            "not a duration",
        ),
        (
            "docker",
            "unavailable_timeout = \"99999999999999999999y\"",
            23,
            "not a duration",
        ),
        (
            "docker",
            "registries = [{}]",
            15,
            "docker.registries[0] needs",
        ),
        (
            "docker",
            "registries = [5]",
            15,
            "docker.registries[0] must be a table",
        ),
        (
            "limits",
            "max_concurrent = 0",
            18,
            "an integer from 1 to 64",
        ),
        (
            "limits",
            "max_concurrent = 65",
            18,
            "an integer from 1 to 64",
        ),
        (
            "limits",
            "max_concurrent = 99999999999999999999",
            18,
            "an integer from 1 to 64",
        ),
        ("limits", "max_concurrent = 2.0", 18, "not a float"),
    ] {
        let header = if table.is_empty() {
            "# \n".to_owned()
        } else {
            format!("[{table}]\n")
        };
        let faults = bad(&format!("{header}{line}\n"));
        let fault = &faults[0];
        assert_eq!((fault.line, fault.column), (2, column), "{line}: {fault:?}");
        assert!(fault.message.contains(part), "{line}: {fault:?}");
    }
}

#[test]
fn an_apps_values_that_cannot_be_used_are_named_with_what_is_expected() {
    for (line, column, part) in [
        ("id = \"5\"", 6, "app \"web\": id must be a UUID"),
        (
            "id = \"00000000-0000-0000-0000-000000000000\"",
            6,
            "must be a UUID",
        ),
        (
            "kind = \"x\"",
            8,
            "must be \"service\" or \"job\", not \"x\"",
        ),
        ("project = \"web\"", 11, "must look like owner/name"),
        ("environment = \"Live\"", 15, "lower-case letters"),
        (
            "pull = \"sometimes\"",
            8,
            "\"always\", \"missing\" or \"never\"",
        ),
        (
            "command = \"x\"",
            11,
            "a list of strings, like [\"…\", \"…\"], not a string",
        ),
        (
            "command = [1]",
            12,
            "command[0] must be a string in quotes, not an integer",
        ),
        ("entrypoint = [\"a\\u0000\"]", 15, "NUL"),
        ("port = 0", 8, "from 1 to 65535"),
        ("port = 65536", 8, "from 1 to 65535"),
        ("port = \"80\"", 8, "not a string"),
        ("publish = [\"80\"]", 12, "needs a port of the host as well"),
        ("publish = [\"0:80\"]", 12, "a port from 1 to 65535"),
        ("publish = [\"+1:80\"]", 12, "a port from 1 to 65535"),
        ("publish = [\"80:80/sctp\"]", 12, "tcp or udp"),
        ("publish = [\"::1:80:80\"]", 12, "[::1]"),
        (
            "publish = [\"localhost:80:80\"]",
            12,
            "an address of the host",
        ),
        ("publish = [\"80-90:80-90\"]", 12, "one by one"),
        (
            "strategy = \"swap\"",
            12,
            "app \"web\": strategy cannot be \"swap\" without a port",
        ),
        (
            "strategy = \"x\"",
            12,
            "must be \"swap\" or \"recreate\", not \"x\"",
        ),
        ("domains = \"a.b\"", 11, "a list of strings"),
        (
            "domains = [\"a.b:80\"]",
            12,
            "app \"web\": domains[0] must be a host name or an IPv4 address without a port",
        ),
        (
            "domains = [\"a.b\", \"c.d\"]",
            12,
            "app \"web\": domains[0] leads nowhere without a port",
        ),
        ("drain_timeout = \"2h\"", 17, "at most 1h"),
        ("drain_timeout = 30", 17, "string in quotes"),
        ("health = \"x\"", 10, "must be a table, not a string"),
        (
            "health.path = \"/up\"",
            15,
            "app \"web\": health.path needs a port to ask",
        ),
        ("health = { path = \"up\", port = 1 }", 19, "like \"/up\""),
        (
            "health = { path = \"/a b\", port = 1 }",
            19,
            "without spaces",
        ),
        ("health.tcp = true", 14, "needs a port to connect to"),
        ("health.tcp = false", 14, "can only be true"),
        ("health.image = 1", 16, "true or false, not an integer"),
        (
            "health = { image = true, stays_up = \"1s\" }",
            37,
            "cannot stand beside app \"web\": health.image",
        ),
        ("health = { image = true, port = 1 }", 33, "has no effect"),
        (
            "health.interval = \"2m\"",
            19,
            "must not be longer than the health's timeout, 1m",
        ),
        (
            "health.stays_up = \"1m\"",
            19,
            "must be shorter than the health's timeout",
        ),
        ("health.timeout = \"5s\"", 18, "must be longer than the 5s"),
        ("stop_grace = \"10\"", 14, "not a duration"),
        ("stop_grace = \"2h\"", 14, "at most 1h"),
        ("stop_grace = \"1ns\"", 14, "longer than zero"),
        ("stop_grace = 10", 14, "string in quotes"),
        (
            "deadlines = { build = \"8d\" }",
            23,
            "app \"web\": deadlines.build must be",
        ),
        (
            "env = { A = 1 }",
            13,
            "app \"web\": env.A must be a string in quotes, not an integer",
        ),
        ("env = { A = true }", 13, "string in quotes, not a boolean"),
        (
            "env = { \"a b\" = \"\" }",
            9,
            "env.\"a b\" has a name that must match",
        ),
        ("env = { \"\" = \"\" }", 9, "has a name that must match"),
        ("env.A = \"a\\u0000\"", 9, "NUL"),
        ("env = []", 7, "must be a table, like { NAME = \"value\" }"),
        (
            "env_file = [\"x\"]",
            13,
            "env_file[0] must be an absolute path",
        ),
        (
            "credentials = { token = \"store\" }",
            25,
            "only works in an app's secrets",
        ),
        (
            "secrets = { A = \"stor\" }",
            17,
            "\"store\", \"file:/path\" or \"credential:NAME\"",
        ),
        ("secrets = { A = \"file:x\" }", 17, "an absolute path"),
        (
            "secrets = { A = \"credential:a/b\" }",
            17,
            "systemd credential",
        ),
        ("volumes = [\"/data\"]", 12, "is not a mount"),
        ("volumes = [\"a:/\"]", 12, "whole file system"),
        ("volumes = [\"a:/x/../y\"]", 12, "must not hold \"..\""),
        ("volumes = [\"a:x\"]", 12, "absolute path"),
        (
            "volumes = [\"./a:/x\"]",
            12,
            "host path that must be an absolute path",
        ),
        (
            "volumes = [\"/a/..:/x\"]",
            12,
            "host path that must not hold",
        ),
        (
            "volumes = [\"a:/x:rw\"]",
            12,
            "the only one there is is \"ro\"",
        ),
        ("volumes = [\"external:/x\"]", 12, "is not a mount"),
        ("volumes = [\"-a:/x\"]", 12, "names the volume"),
        (
            "volumes = [\"a:/x\", \"b:/x/\"]",
            20,
            "as app \"web\": volumes[0] is already",
        ),
        ("memory = \"5MiB\"", 10, "at least \"6MiB\""),
        ("memory = \"1EiB\"", 10, "at most \"64TiB\""),
        ("memory = \"much\"", 10, "not a size"),
        ("memory = 5", 10, "string in quotes"),
        ("cpus = 0", 8, "from 0.01"),
        ("cpus = -1", 8, "from 0.01"),
        ("cpus = nan", 8, "from 0.01"),
        ("cpus = inf", 8, "from 0.01"),
        ("cpus = 99999999999999999999", 8, "from 0.01"),
        ("cpus = \"1\"", 8, "a number, not a string"),
        (
            "logging.driver = \"syslog\"",
            18,
            "\"json-file\", \"local\" or \"journald\"",
        ),
        (
            "logging.options.max-file = 3",
            28,
            "logging.options.max-file must be a string in quotes",
        ),
        (
            "branch = \"main\"",
            10,
            "has no effect on an app that runs an image",
        ),
        (
            "auto_merge = false",
            14,
            "has no effect on an app that runs an image",
        ),
        (
            "auto_merge = \"no\"",
            14,
            "auto_merge must be true or false, not a string",
        ),
        (
            "build_args.A = \"1\"",
            16,
            "has no effect on an app that runs an image",
        ),
        ("credentials.token = \"file:/x\"", 1, "docker.registries"),
        (
            "repository = \"https://h/a/b\"",
            14,
            "cannot stand beside app \"web\": image",
        ),
        ("image = \"x\"", 1, "duplicate key"),
    ] {
        assert_faults(
            &format!("[[app]]\nname = \"web\"\nimage = \"nginx\"\n{line}\n"),
            &[(4, column, part)],
        );
    }
}

#[test]
fn what_an_app_is_built_from_is_checked() {
    for (line, column, part) in [
        ("repository = \"\"", 14, "must not be empty"),
        ("repository = \"-x\"", 14, "must not begin with a dash"),
        ("repository = \"ext::sh\"", 14, "remote helper"),
        ("repository = \"ext::https://h/a\"", 14, "has the scheme"),
        (
            "repository = \"github.com/acme/web\"",
            14,
            "is not a git remote",
        ),
        ("repository = \"./web\"", 14, "is not a git remote"),
        ("repository = \"ftp://h/a/b\"", 14, "has the scheme \"ftp\""),
        ("repository = \"https://h\"", 14, "a host and a path"),
        ("repository = \"https:///a/b\"", 14, "a host and a path"),
        ("repository = \"https://-h/a/b\"", 14, "a host and a path"),
        (
            "repository = \"https://u:p@h/a/b\"",
            14,
            "credentials = { token",
        ),
        (
            "repository = \"https://token@h/a/b\"",
            14,
            "credentials = { token",
        ),
        ("repository = \"ssh://u:p@h/a/b\"", 14, "holds a password"),
        (
            "repository = \"ssh://-oX=y@h/a/b\"",
            14,
            "strange user name",
        ),
        ("repository = \"ssh://-oX/a/b\"", 14, "a host and a path"),
        ("repository = \"-oX@h:a/b\"", 14, "dash"),
        ("repository = \"g@-oX:a/b\"", 14, "is not a git remote"),
        ("repository = \"g@h:-x\"", 14, "is not a git remote"),
        ("repository = \"file://h/a\"", 14, "three slashes"),
        ("repository = \"https://h/a b\"", 14, "spaces"),
        ("repository = \"https://h/a\\n\"", 14, "spaces"),
        (
            "repository = \"/a\"\nbranch = \"-x\"",
            10,
            "app \"web\": branch must not begin with a dash",
        ),
        (
            "repository = \"/a\"\npull = \"never\"",
            8,
            "has no effect on an app that is built",
        ),
        (
            "repository = \"/a\"\ndockerfile = \"../D\"",
            14,
            "must not hold \"..\"",
        ),
        (
            "repository = \"/a\"\ndockerfile = \"/D\"",
            14,
            "inside the repository",
        ),
        (
            "repository = \"/a\"\ndockerfile = \"d/\"",
            14,
            "must be a file",
        ),
        (
            "repository = \"/a\"\ndockerfile = \".\"",
            14,
            "must be a file",
        ),
        (
            "repository = \"/a\"\ncontext = \"\"",
            11,
            "must not be empty",
        ),
        (
            "repository = \"/a\"\ncontext = \"-\"",
            11,
            "neither '/' nor '-'",
        ),
        (
            "repository = \"/a\"\ntarget = \"--x\"",
            10,
            "one of the Dockerfile's stages",
        ),
        (
            "repository = \"/a\"\ncredentials = {}",
            15,
            "either a token or an ssh_key",
        ),
        (
            "repository = \"/a\"\ncredentials = { token = \"file:/a\", ssh_key = \"file:/b\" }",
            15,
            "not both",
        ),
        (
            "repository = \"/a\"\ncredentials = { token = \"file:/a\" }",
            15,
            "only with an https:// or http://",
        ),
        (
            "repository = \"https://h/a/b\"\ncredentials = { ssh_key = \"file:/a\" }",
            15,
            "only with an ssh://",
        ),
        (
            "repository = \"g@h:a/b\"\ncredentials = { token = \"file:/a\" }",
            15,
            "only with an https:// or http://",
        ),
    ] {
        let text = format!("[[app]]\nname = \"web\"\n{line}\n");
        assert_faults(&text, &[(text.lines().count(), column, part)]);
    }
    let clean = git_app(
        "repository = \"/a\"\ncontext = \"./a//b/\"\ndockerfile = \"./d/Dockerfile\"\ntarget = \"0\"",
    );
    let build = &git(spec(&clean, "production")).build;
    assert_eq!(
        (build.context.as_str(), build.dockerfile.as_str()),
        ("a/b", "d/Dockerfile")
    );
}

#[test]
fn unknown_keys_name_the_nearest_known_key_or_where_they_belong_or_all_known_keys() {
    assert_faults(
        r#"
data-dir = "/x"
listen = "x"
prot = 1
[api]
lisen = "x"
reserve = 5
[docker]
adress_pool = "x"
data_dir = "x"
[[app]]
name = "web"
image = "nginx"
Prot = 1
max_concurrent = 1
health = { tpc = true }
"a\u001b\nb" = 1
[app.environments.staging]
kind = "service"
volume = []
"#,
        &[
            (
                2,
                1,
                "data-dir is not a known key; did you mean \"data_dir\"?",
            ),
            (
                3,
                1,
                "it belongs under [api]; known here: data_dir, api, ingress, docker, limits, retention, app",
            ),
            (4, 1, "prot is not a known key; known here: data_dir"),
            (
                6,
                1,
                "api.lisen is not a known key; did you mean \"listen\"?",
            ),
            (
                7,
                1,
                "api.reserve is not a known key; known here: listen, socket, public_url, domains, trusted_proxies, gitlab_strict",
            ),
            (9, 1, "did you mean \"address_pool\"?"),
            (10, 1, "it belongs to the top of the file"),
            (
                14,
                1,
                "app \"web\": Prot is not a known key; did you mean \"port\"?",
            ),
            (15, 1, "it belongs under [limits]"),
            (
                16,
                12,
                "app \"web\": health.tpc is not a known key; did you mean \"tcp\"?",
            ),
            (17, 1, "app \"web\": \"a\\u{1b}\\nb\" is not a known key"),
            (
                19,
                1,
                "app \"web\", environment \"staging\": kind belongs to the whole app",
            ),
            (
                20,
                1,
                "app \"web\", environment \"staging\": volume is not a known key; did you mean \"volumes\"?",
            ),
        ],
    );
}

#[test]
fn keys_of_later_versions_are_unknown_keys() {
    for key in ["webhook_secret", "auto_deploy"] {
        assert_faults(
            &format!("[[app]]\nname = \"web\"\nimage = \"nginx\"\n{key} = 1"),
            &[(4, 1, &format!("app \"web\": {key} is not a known key"))],
        );
    }
    assert_faults(
        "[ingress]\ntls = true",
        &[(2, 1, "ingress.tls is not a known key; known here: embedded")],
    );
}

#[test]
fn what_is_missing_is_named_at_its_table() {
    assert_faults(
        "[docker]\nregistries = [{ host = \"h\" }]\n\n[[app]]\n\n[[app]]\nname = \"web\"\n",
        &[
            (2, 15, "docker.registries[0] needs a password"),
            (2, 15, "docker.registries[0] needs a username"),
            (4, 1, "app number 1 needs a name, like name = \"web\""),
            (4, 1, "app number 1 needs a source"),
            (
                6,
                1,
                "app \"web\" needs a source: repository = \"https://…\" to build from, or image",
            ),
        ],
    );
}

#[test]
fn two_apps_cannot_have_the_same_name_id_or_environment_of_a_project() {
    let b_id = derived_id(&AppName::parse("b").unwrap());
    assert_faults(
        &format!(
            r#"
[[app]]
name = "a"
image = "x"
id = "{b_id}"
[[app]]
name = "b"
image = "x"
[[app]]
name = "b"
image = "x"
id = "0d6c8b3e-5f0a-4f5e-9a57-3c1f0e9b7a21"
[[app]]
name = "c"
image = "x"
id = "0d6c8b3e-5f0a-4f5e-9a57-3c1f0e9b7a21"
[[app]]
name = "d"
repository = "https://h/acme/mono"
[[app]]
name = "e"
repository = "git@other:acme/mono.git"
environment = "live"
[app.environments.production]
[[app]]
name = "f"
image = "x"
project = "acme/mono"
environment = "live"
"#
        ),
        &[
            (
                5,
                6,
                "app \"a\": id is the id that app \"b\" gets from its name",
            ),
            (10, 8, "app \"b\": name is \"b\" a second time"),
            (16, 6, "app \"c\": id is the id of app \"b\" too"),
            (
                20,
                1,
                "app \"e\" has environment \"production\" of project \"acme/mono\", as app \"d\" has",
            ),
            (
                28,
                11,
                "app \"f\" has environment \"live\" of project \"acme/mono\", as app \"e\" has",
            ),
        ],
    );
}

#[test]
fn a_port_of_the_host_belongs_to_one_environment() {
    assert_faults(
        r#"
[[app]]
name = "a"
image = "x"
publish = ["80:80", "127.0.0.1:80:81", "53:53/udp", "7470:1", "[::1]:7470:1"]
[[app]]
name = "b"
image = "x"
publish = ["127.0.0.1:80:80", "81:80"]
[app.environments.staging]
[app.environments.test]
publish = ["10.0.0.1:81:1", "53:1"]
"#,
        &[
            (
                5,
                21,
                "publish[1] takes 127.0.0.1:80/tcp of the host, which app \"a\": publish[0] takes already, as 0.0.0.0:80/tcp",
            ),
            (
                5,
                53,
                "takes 0.0.0.0:7470/tcp of the host, where longshore's own API listens",
            ),
            (
                9,
                12,
                "app \"b\": publish[0] takes 127.0.0.1:80/tcp of the host, which app \"a\": publish[0]",
            ),
            (
                9,
                12,
                "would publish 127.0.0.1:80/tcp of the host for more than one environment",
            ),
            (
                9,
                31,
                "would publish 0.0.0.0:81/tcp of the host for more than one environment",
            ),
            (
                12,
                12,
                "app \"b\", environment \"test\": publish[0] takes 10.0.0.1:81/tcp of the host, which app \"b\": publish[1]",
            ),
        ],
    );
}

#[test]
fn longshore_cannot_listen_where_it_or_an_app_listens() {
    assert_faults(
        r#"
[ingress]
listen = ["127.0.0.1:80", "0.0.0.0:80", "[::1]:80", "[::1]:80", "127.0.0.1:7470"]
[[app]]
name = "a"
image = "x"
publish = ["127.0.0.2:80:80", "7471:1"]
[api]
listen = "[::]:80"
"#,
        &[
            (
                3,
                27,
                "ingress.listen[1] takes 0.0.0.0:80/tcp, which ingress.listen[0] takes already, as 127.0.0.1:80/tcp",
            ),
            (3, 53, "ingress.listen[3] takes [::1]:80/tcp"),
            (
                7,
                12,
                "takes 127.0.0.2:80/tcp of the host, where longshore's ingress listens (ingress.listen)",
            ),
            (
                9,
                10,
                "api.listen takes [::]:80/tcp, which ingress.listen[2] takes already, as [::1]:80/tcp",
            ),
        ],
    );
    assert_faults(
        "[ingress]\nlisten = [\"0.0.0.0:7470\"]\n",
        &[(
            2,
            11,
            "ingress.listen[0] takes 0.0.0.0:7470/tcp, which api.listen by default takes already, as 127.0.0.1:7470/tcp",
        )],
    );
    assert_faults(
        "[api]\nlisten = \"127.0.0.1:8080\"\n[[app]]\nname = \"a\"\nimage = \"x\"\npublish = [\"8080:80\"]\n",
        &[
            (
                2,
                10,
                "api.listen takes 127.0.0.1:8080/tcp, which ingress.listen by default takes already",
            ),
            (
                6,
                12,
                "takes 0.0.0.0:8080/tcp of the host, where longshore's ingress listens by default; set ingress.listen",
            ),
        ],
    );
    assert_faults(
        "[api]\nsocket = \"/s/a.sock\"\n[ingress]\nsocket = \"/s//a.sock\"\n",
        &[(4, 10, "ingress.socket is the API's socket, too")],
    );
    let long = format!("/{}.sock", "x".repeat(100));
    assert_faults(
        &format!("[api]\nsocket = \"{long}\"\n"),
        &[(
            2,
            10,
            "api.socket leaves no room for the ingress's socket beside it",
        )],
    );
    for ingress in ["socket = \"/i.sock\"", "embedded = false"] {
        good(&format!(
            "[api]\nsocket = \"{long}\"\n[ingress]\n{ingress}\n"
        ));
    }
}

#[test]
fn a_domain_belongs_to_one_environment_or_to_the_api() {
    assert_faults(
        r#"
[[app]]
name = "a"
image = "x"
port = 80
domains = ["web.example.com", "example.com/docs/", "WEB.example.com"]
[app.environments.staging]
[[app]]
name = "b"
image = "x"
port = 80
domains = ["example.com", "example.com/docs"]
[app.environments.staging]
domains = ["deploy.example.com", "*.example.com"]
[app.environments.test]
domains = ["*.example.com"]
[api]
domains = ["deploy.example.com", "deploy.example.com"]
"#,
        &[
            (
                6,
                12,
                "app \"a\": domains[0] would lead \"web.example.com\" to more than one environment, as they inherit it; write domains = [] for the others",
            ),
            (
                6,
                31,
                "domains[1] would lead \"example.com/docs\" to more than one environment",
            ),
            (
                6,
                52,
                "app \"a\": domains[2] is \"web.example.com\", as app \"a\": domains[0] is already",
            ),
            (
                12,
                27,
                "app \"b\": domains[1] is \"example.com/docs\", as app \"a\": domains[1] is already",
            ),
            (
                16,
                12,
                "app \"b\", environment \"test\": domains[0] is \"*.example.com\", as app \"b\", environment \"staging\": domains[1] is already",
            ),
            (
                18,
                12,
                "api.domains[0] is \"deploy.example.com\", as app \"b\", environment \"staging\": domains[0] is already",
            ),
            (18, 34, "api.domains[1] is \"deploy.example.com\", as"),
        ],
    );
}

#[test]
fn the_api_has_no_domains_without_an_address_to_bring_them_to() {
    assert_faults(
        "[api]\nlisten = \"\"\ndomains = [\"a.b\", \"c.d\"]\n",
        &[(
            3,
            12,
            "api.domains[0] needs the API's TCP address, which api.listen = \"\" turns off",
        )],
    );
    assert_faults(
        "[api]\nlisten = \"127.0.0.1:0\"\ndomains = [\"a.b\"]\n",
        &[(
            3,
            12,
            "api.domains[0] needs a port in api.listen that is the same",
        )],
    );
    good("[api]\nlisten = \"\"\ndomains = []\n");
}

#[test]
fn a_swap_needs_a_port_that_is_not_the_hosts_in_every_environment() {
    assert_faults(
        r#"
[[app]]
name = "a"
image = "x"
strategy = "swap"
port = 80
[app.environments.staging]
publish = ["80:80"]
[[app]]
name = "b"
image = "x"
[app.environments.production]
strategy = "swap"
domains = ["a.b"]
port = 80
[app.environments.staging]
strategy = "swap"
domains = ["c.d"]
"#,
        &[
            (
                5,
                12,
                "app \"a\": strategy cannot be \"swap\" beside app \"a\", environment \"staging\": publish[0]",
            ),
            (
                17,
                12,
                "app \"b\", environment \"staging\": strategy cannot be \"swap\" without a port",
            ),
            (
                18,
                12,
                "app \"b\", environment \"staging\": domains[0] leads nowhere without a port",
            ),
        ],
    );
}

#[test]
fn a_host_path_or_external_volume_is_writable_in_one_environment() {
    assert_faults(
        r#"
[[app]]
name = "a"
image = "x"
volumes = ["/srv/a/:/a", "external:v:/v", "own:/own"]
[[app]]
name = "b"
image = "x"
volumes = ["/srv/./a:/b", "external:v:/v:ro", "/srv/c:/c"]
[app.environments.staging]
volumes = ["external:v:/v"]
[app.environments.test]
"#,
        &[
            (
                9,
                12,
                "app \"b\": volumes[0] makes the host's \"/srv/a\" writable in more than one environment",
            ),
            (
                9,
                12,
                "makes the host's \"/srv/a\" writable, which app \"a\": volumes[0] does for another environment",
            ),
            (
                9,
                47,
                "makes the host's \"/srv/c\" writable in more than one environment",
            ),
            (
                11,
                12,
                "app \"b\", environment \"staging\": volumes[0] makes the external volume \"v\" writable, which app \"a\": volumes[1]",
            ),
        ],
    );
}

#[test]
fn a_directory_that_is_writable_here_holds_nothing_that_is_writable_elsewhere() {
    assert_faults(
        r#"
[[app]]
name = "a"
image = "x"
volumes = ["/srv/a/deep:/a", "/srv/apart:/b"]
[[app]]
name = "b"
image = "x"
volumes = ["/srv/a:/a", "/srv/a/deep:/ro:ro", "/srv/ap:/c", "external:srv:/d"]
[app.environments.staging]
volumes = ["/srv/a/deep/er:/a", "/srv/b:/b", "/srv/b/own:/c"]
"#,
        &[
            (
                9,
                12,
                "app \"b\": volumes[0] makes the host's \"/srv/a\" writable, which overlaps the host's \"/srv/a/deep\", writable by app \"a\": volumes[0] in another environment",
            ),
            (
                11,
                12,
                "volumes[0] makes the host's \"/srv/a/deep/er\" writable, which overlaps the host's \"/srv/a/deep\", writable by app \"a\": volumes[0]",
            ),
        ],
    );
}

#[test]
fn two_environments_of_one_app_cannot_share_a_port_or_a_volume_either() {
    assert_faults(
        r#"
[[app]]
name = "a"
image = "x"
[app.environments.production]
publish = ["0.0.0.0:53:53/udp", "[::1]:80:80"]
volumes = ["external:data:/data"]
[app.environments.staging]
publish = ["127.0.0.1:53:53/udp", "[::]:80:80", "127.0.0.1:53:53/tcp"]
volumes = ["external:data:/data"]
"#,
        &[
            (
                9,
                12,
                "takes 127.0.0.1:53/udp of the host, which app \"a\", environment \"production\": publish[0] takes already",
            ),
            (
                9,
                35,
                "takes [::]:80/tcp of the host, which app \"a\", environment \"production\": publish[1] takes already",
            ),
            (
                10,
                12,
                "makes the external volume \"data\" writable, which app \"a\", environment \"production\": volumes[0] does",
            ),
        ],
    );
}

#[test]
fn previews_are_the_app_without_its_host_ports_volumes_files_and_unnamed_secrets() {
    let app = git_app(
        r#"
repository = "https://github.com/acme/web.git"
port = 80
domains = ["web.example.com"]
publish = ["127.0.0.1:80:80"]
volumes = ["data:/data", "/srv/x:/x:ro"]
env = { LOG = "info" }
env_file = ["/etc/web.env"]
secrets = { A = "file:/a", B = "store" }
memory = "64MiB"
previews = { domain = "{environment}.preview.example.com", secrets = ["B"] }
[app.environments.production]
memory = "128MiB"
env = { LOG = "error" }
"#,
    );
    let previews = app.previews.clone().unwrap();
    assert_eq!(
        (previews.max, previews.ttl),
        (10, Duration::from_secs(7 * 24 * 3600))
    );
    let name = EnvironmentName::reported("feature/x").unwrap();
    let preview = previews.spec_of(&name);
    let [domain] = preview.domains.as_slice() else {
        panic!("{:?}", preview.domains);
    };
    assert!(
        domain.to_string().starts_with("feature-x--")
            && domain.to_string().ends_with(".preview.example.com")
    );
    let run = &preview.run;
    assert!(run.publish.is_empty() && run.volumes.is_empty() && run.env_files.is_empty());
    let secrets: Vec<&str> = run.secrets.keys().map(|name| name.as_str()).collect();
    assert_eq!(secrets, ["B"]);
    // What keeps the app itself from a swap is not there, and what an environment says is for that one.
    assert_eq!(preview.rollout.strategy, RolloutStrategy::Swap);
    assert_eq!(
        spec(&app, "production").rollout.strategy,
        RolloutStrategy::Recreate
    );
    assert_eq!(run.memory, Some(64 << 20));
    assert!(run.env.values().eq(["info"]));
    assert_eq!(app.spec_of(&name, true), Some(preview));
    assert_eq!(app.spec_of(&name, false), None);

    let app = image_app("previews = {}");
    let previews = app.previews.clone().unwrap();
    assert_eq!(previews.domain, None);
    assert_eq!(previews.spec_of(&name), *spec(&app, "production"));
    assert_eq!(image_app("").previews, None);
}

#[test]
fn every_fault_of_previews_is_named_at_its_place() {
    assert_faults(
        r#"
[[app]]
name = "a"
image = "x"
project = "o/r"
secrets = { A = "store" }
previews = { domain = "a.{environment}.example.com", max = 0, ttl = "30s", secrets = ["A", "B", "c d"], x = 1 }
[[app]]
name = "b"
image = "x"
project = "o/r"
environment = "b"
previews = { domain = "{environment}.b.example.com", secrets = ["A"] }
[[app]]
name = "c"
project = "o/c"
previews = {}
[app.environments.production]
image = "x"
previews = {}
[[app]]
name = "d"
image = "x"
port = 80
project = "o/d"
previews = { domain = "{environment}.b.example.com" }
[limits]
preview_check = "1s"
"#,
        &[
            (
                7,
                23,
                "app \"a\": previews.domain must have \"{environment}\" in its first label",
            ),
            (
                7,
                60,
                "app \"a\": previews.max must be an integer from 1 to 1000",
            ),
            (7, 69, "app \"a\": previews.ttl must be at least \"1m\""),
            (
                7,
                92,
                "app \"a\": previews.secrets[1] is \"B\", which is no secret of the app itself; it has A",
            ),
            (7, 97, "app \"a\": previews.secrets[2] must match"),
            (7, 105, "app \"a\": previews.x is not a known key"),
            (
                13,
                12,
                "app \"b\": previews takes the previews of project \"o/r\", as app \"a\" does",
            ),
            (
                13,
                23,
                "app \"b\": previews.domain leads nowhere without a port",
            ),
            (
                13,
                65,
                "app \"b\": previews.secrets[0] is \"A\", which is no secret of the app itself; it has none",
            ),
            (
                17,
                12,
                "app \"c\": previews needs a source that the app itself has",
            ),
            (
                20,
                1,
                "app \"c\", environment \"production\": previews belongs to the whole app",
            ),
            (
                26,
                23,
                "app \"d\": previews.domain is \"{environment}.b.example.com\", as app \"b\": previews.domain is already",
            ),
            (28, 17, "limits.preview_check must be at least \"5s\""),
        ],
    );
}

#[test]
fn an_environment_cannot_change_between_repository_and_image() {
    assert_faults(
        "[[app]]\nname = \"a\"\nrepository = \"/a/b\"\n[app.environments.s]\nimage = \"x\"\n[[app]]\nname = \"b\"\nimage = \"x\"\n[app.environments.s]\nrepository = \"/a/b\"\n",
        &[
            (
                5,
                9,
                "app \"a\", environment \"s\": image cannot stand beside app \"a\": repository",
            ),
            (
                10,
                14,
                "app \"b\", environment \"s\": repository cannot stand beside app \"b\": image",
            ),
        ],
    );
}

#[test]
fn syntax_errors_are_named_together_with_the_faults_of_sound_lines() {
    assert_faults(
        "data_dir = x\nfoo = 1\n[api]\nlisten = \"x\"\nlisten = \"y\"\n[limits\nmax_concurrent = 500\n[docker]\nhost = 3\n[[app]]\n",
        &[
            (1, 12, "quoted"),
            (2, 1, "foo is not a known key"),
            (4, 10, "api.listen"),
            (5, 1, "duplicate key"),
            (6, 8, "unclosed table"),
            // Not line 7: its table is unknown. Not the app without a name: it could be on a broken line.
            (9, 8, "docker.host"),
        ],
    );
    assert_faults(
        "a = \"\"\"\nb\n",
        &[(2, 2, "invalid multi-line basic string")],
    );
    for text in [
        "[",
        "=",
        "a",
        "a = [",
        "\u{feff}=",
        "[[app]\nname = \"x\"",
        "\0",
        "a = 1\ra = 2",
    ] {
        bad(text);
    }
}

#[test]
fn lines_and_columns_count_characters_whatever_the_line_ends_are() {
    assert_faults("\u{feff}foo = 1", &[(1, 1, "foo")]);
    assert_faults("# ü\r\n[api]\r\n  'fü' = 1\r\n", &[(3, 3, "api.\"fü\"")]);
    assert_faults(
        "docker = { 'ü' = 'ü', foo = 1 }",
        &[(1, 12, "ü"), (1, 23, "foo")],
    );
}

#[test]
fn faults_print_one_a_line_with_the_files_name() {
    let faults = parse("/etc/x.toml", "b = 1\na = 1")
        .unwrap_err()
        .to_string();
    let lines: Vec<_> = faults.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].starts_with("/etc/x.toml:1:1: b is not"),
        "{faults}"
    );
    assert!(
        lines[1].starts_with("/etc/x.toml:2:1: a is not"),
        "{faults}"
    );
}

#[test]
fn what_may_be_a_secret_is_never_repeated() {
    let text = r#"
[api]
public_url = "https://u:hunter2@h"
[docker]
registries = [
  { host = "r", username = "u", password = "hunter2" },
  { host = "https://u:hunter2@h/x", username = "u:hunter2", password = "file:hunter2" },
]
[[app]]
name = "a"
repository = "https://u:hunter2@h/a/b"
credentials = { token = "hunter2" }
env = { A = "hunter2\u0000" }
build_args = { A = "hunter2\u0000" }
secrets = { A = "hunter2", B = "credential:hunter2/x", C = "file:hunter2" }
command = ["hunter2\u0000"]
[app.environments.b]
repository = "u:hunter2@h:a/b"
[app.environments.c]
repository = "u:hunter2@h"
credentials = "hunter2"
[app.environments.d]
repository = "ssh://u:hunter2@h/x"
credentials = { ssh_key = "-----BEGIN hunter2" }
"#;
    let faults = parse("c", text).unwrap_err();
    assert_eq!(faults.faults.len(), 18, "{faults}");
    assert!(!faults.to_string().contains("hunter2"), "{faults}");
    let syntax = parse("c", "password = hunter2\n").unwrap_err().to_string();
    assert!(!syntax.contains("hunter2"), "{syntax}");
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    for text in [
        format!("a = {}", "[".repeat(10_000)),
        format!("a = {}", "{ a = ".repeat(10_000)),
        format!("a{} = 1", ".a".repeat(10_000)),
        format!("[a{}]", ".a".repeat(10_000)),
    ] {
        bad(&text);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// The example, and the readers' own list of keys.

/// `#key = …`, as opposed to prose.
fn uncommented(line: &str) -> Option<&str> {
    line.strip_prefix('#')
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
}

fn whole_example() -> String {
    EXAMPLE
        .lines()
        .map(|line| uncommented(line).unwrap_or(line).to_owned() + "\n")
        .collect()
}

#[test]
fn the_example_is_good_with_its_comments_and_without() {
    assert_eq!(good(EXAMPLE).apps.len(), 4);
    // A schedule and events are for two jobs.
    let whole = whole_example();
    let on_events: Vec<&str> = whole
        .lines()
        .filter(|line| !line.starts_with("schedule ="))
        .collect();
    good(&on_events.join("\n"));
    let scheduled: Vec<&str> = whole
        .lines()
        .filter(|line| !line.starts_with("on_"))
        .collect();
    good(&scheduled.join("\n"));
}

#[test]
fn each_commented_line_of_the_example_is_good_alone_and_is_the_default_unless_it_says_example() {
    let lines: Vec<&str> = EXAMPLE.lines().collect();
    let default = good(EXAMPLE);
    let mut tried = 0;
    for (index, line) in lines.iter().enumerate() {
        let Some(setting) = uncommented(line) else {
            continue;
        };
        tried += 1;
        let mut with = lines.clone();
        with[index] = setting;
        let config = good(&with.join("\n"));
        let paragraph = lines[..index]
            .iter()
            .rev()
            .take_while(|line| !line.is_empty());
        let is_example = paragraph
            .into_iter()
            .any(|line| line.to_lowercase().contains("example"));
        assert_eq!(config == default, !is_example, "{setting}");
    }
    assert!(tried > 30, "{tried}");
}

#[test]
fn the_example_shows_every_key_there_is() {
    let whole: toml::Table = whole_example().parse().unwrap();
    let mut shown: BTreeSet<(String, String)> = BTreeSet::new();
    for (name, value) in &whole {
        shown.insert((String::new(), name.clone()));
        for table in value
            .as_array()
            .into_iter()
            .flatten()
            .chain([value])
            .filter_map(|v| v.as_table())
        {
            shown.extend(table.keys().map(|key| (name.clone(), key.clone())));
        }
    }
    for (table, keys) in TABLES {
        for key in keys.iter().copied().flatten() {
            // The keys of tables inside tables may stand in prose: not all of them go together.
            let is_shown = if table.contains('.') {
                [format!("{{ {key} = "), format!(", {key} = ")]
                    .iter()
                    .any(|k| EXAMPLE.contains(k))
            } else {
                shown.contains(&((*table).to_owned(), (*key).to_owned()))
            };
            assert!(
                is_shown,
                "config.example.toml does not show '{key}' of [{table}]"
            );
        }
    }
}

#[test]
fn every_key_that_is_listed_is_read() {
    for (table, keys) in TABLES {
        for key in keys.iter().copied().flatten() {
            // No key takes a date.
            let setting = format!("{key} = 2025-03-14");
            let (text, line) = match *table {
                "" => (setting, 1),
                "app" => (format!("[[app]]\n{setting}"), 2),
                "docker.registries" => (format!("[[docker.registries]]\n{setting}"), 2),
                "app.tasks" => (format!("[[app]]\n[app.tasks.seed]\n{setting}"), 3),
                "app.release" => (format!("[[app]]\n[[app.release]]\n{setting}"), 3),
                "app.processes" => (format!("[[app]]\n[app.processes.worker]\n{setting}"), 3),
                "app.processes.health" => (
                    format!("[[app]]\n[app.processes.worker.health]\n{setting}"),
                    3,
                ),
                table => match table.strip_prefix("app.") {
                    Some(inner) => (format!("[[app]]\n[app.{inner}]\n{setting}"), 3),
                    None => (format!("[{table}]\n{setting}"), 2),
                },
            };
            let column = key.len() + 4;
            let is_read = bad(&text).iter().any(|fault| {
                (fault.line, fault.column) == (line, column) && fault.message.contains("not a date")
            });
            assert!(is_read, "{text}\n{:?}", bad(&text));
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Nonsense.

/// Whatever the text, there is an answer, and its faults are in order and inside the text.
fn check_answer(text: &str) {
    let answer = parse("c", text);
    if let Ok(config) = &answer {
        let tree: toml::Table = text.parse().expect("the text was taken");
        let apps = tree.get("app").and_then(|apps| apps.as_array());
        assert_eq!(config.apps.len(), apps.map_or(0, Vec::len), "{text}");
    }
    if let Err(faults) = answer {
        assert!(!faults.faults.is_empty(), "{text}");
        assert!(faults.faults.is_sorted(), "{faults}");
        let lines: Vec<&str> = text.split('\n').collect();
        for fault in &faults.faults {
            let line = lines
                .get(fault.line - 1)
                .unwrap_or_else(|| panic!("{fault:?}\n{text}"));
            assert!(
                fault.column <= line.chars().count() + 1,
                "{fault:?}\n{text}"
            );
        }
    }
}

/// Values of all types and forms, good and bad.
fn any_value() -> impl Strategy<Value = String> {
    let words = [
        "always",
        "-x",
        "",
        "/",
        "/a",
        "a:/b",
        "80:80",
        "[::1]:1:1/udp",
        "1s",
        "1h 1m",
        "256MiB",
        "file:/x",
        "credential:x",
        "store",
        "https://h/a/b",
        "g@h:a/b",
        "10.0.0.0/8",
        "x/y",
        "main",
        "service",
        "recreate",
        "swap",
        "web.example.com/docs",
        "*.example.com",
        "127.0.0.1:80",
        "::1",
        "external:v:/x:ro",
        "web",
    ];
    let leaf = prop_oneof![
        prop::sample::select(words.to_vec()).prop_map(|word| format!("{word:?}")),
        "[ -~äß\u{1F6A2}]{0,12}".prop_map(|text| toml::Value::String(text).to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        (-10i32..70000).prop_map(|number| number.to_string()),
        any::<bool>().prop_map(|value| value.to_string()),
        Just("1.5".to_owned()),
        Just("nan".to_owned()),
        Just("2025-03-14".to_owned()),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|list| format!("[{}]", list.join(", "))),
            prop::collection::btree_map(any_key(), inner, 0..4).prop_map(|table| {
                let entries: Vec<_> = table.iter().map(|(k, v)| format!("{k} = {v}")).collect();
                format!("{{ {} }}", entries.join(", "))
            }),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    let known: Vec<String> = TABLES
        .iter()
        .flat_map(|(_, keys)| keys.iter().copied().flatten())
        .map(|key| (*key).to_owned())
        .collect();
    prop_oneof![9 => prop::sample::select(known), 1 => "[a-zA-Z_]{1,8}"]
}

fn any_header() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "[[app]]",
        "[[app]]\nname = \"web\"",
        "[app.environments.staging]",
        "[api]",
        "[ingress]",
        "[docker]",
        "[limits]",
        "[app.health]",
        "[[docker.registries]]",
        "[app]",
        "[x",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn no_text_brings_the_parser_down(text in "\\PC{0,200}|[\\[\\]{}=\"'.,#\n\r\t a-c1\u{0}\u{feff}]{0,120}") {
        check_answer(&text);
    }

    #[test]
    fn no_mutilated_example_brings_the_parser_down(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..40, "\\PC{0,3}|[\\[\\]{}=\"\n#]{0,3}"), 1..6),
        uncomment in any::<bool>(),
    ) {
        let mut text: Vec<char> = if uncomment { whole_example() } else { EXAMPLE.to_owned() }.chars().collect();
        for (at, length, put) in cuts {
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, put.chars());
        }
        check_answer(&text.into_iter().collect::<String>());
    }

    #[test]
    fn no_mix_of_keys_and_values_brings_the_parser_down(
        lines in prop::collection::vec(
            prop_oneof![1 => any_header(), 4 => (any_key(), any_value()).prop_map(|(k, v)| format!("{k} = {v}"))],
            0..30,
        )
    ) {
        check_answer(&lines.join("\n"));
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Processes.

const PROCESSES: &str = r#"
[[app]]
name = "web"
image = "web:1"
port = 8080
memory = "512MiB"
stop_grace = "30s"
entrypoint = ["./run"]
[app.processes.worker]
command = ["worker", "--all"]
memory = "128MiB"
health = { stays_up = "2s" }
[app.processes.mail]
command = ["mail"]
cpus = 0.5
health = { image = true }
[app.environments.staging.processes.worker]
command = ["worker", "--few"]
[app.environments.staging.processes.cron]
command = ["cron"]
"#;

#[test]
fn a_process_has_what_it_says_itself_over_what_its_app_says_and_an_environment_says_it_key_by_key()
{
    let config = parse("c", PROCESSES).unwrap();
    let app = &config.apps[0];
    let shown = |environment: &str| -> Vec<String> {
        let processes = &spec(app, environment).processes;
        let show = |(name, process): (&ProcessName, &ProcessSpec)| {
            format!(
                "{name}: {} {} {:?} {:?} {:?} {:?}",
                process.entrypoint.join(" "),
                process.command.join(" "),
                process.memory.map(|bytes| bytes >> 20),
                process.millicpus,
                process.stop_grace.as_secs(),
                process.check
            )
        };
        processes.iter().map(show).collect()
    };
    let mail = "mail: ./run mail Some(512) Some(500) 30 Image";
    assert_eq!(
        shown("production"),
        [
            mail,
            "worker: ./run worker --all Some(128) None 30 StaysUp(2s)"
        ]
    );
    assert_eq!(
        shown("staging"),
        [
            "cron: ./run cron Some(512) None 30 StaysUp(5s)",
            mail,
            "worker: ./run worker --few Some(128) None 30 StaysUp(2s)"
        ]
    );
}

#[test]
fn faults_of_processes_are_named_where_they_stand() {
    assert_faults(
        r#"[[app]]
name = "web"
image = "web:1"
[app.processes.web]
command = ["again"]
[app.processes."a b"]
command = ["x"]
[app.processes.idle]
memory = "128MiB"
[app.processes.both]
command = ["x"]
port = 80
health = { image = true, stays_up = "1s" }
[app.processes.probed]
command = ["x"]
health = { path = "/up" }
"#,
        &[
            (
                4,
                16,
                "app \"web\": processes.web has a name that cannot be \"web\": that is the app itself",
            ),
            (
                6,
                16,
                "app \"web\": processes.\"a b\" has a name that may hold only lower-case letters, digits and dashes",
            ),
            (
                8,
                16,
                "app \"web\": processes.idle needs a command, like command = [\"./worker\"]",
            ),
            (12, 1, "app \"web\": processes.both.port is not a known key"),
            (
                13,
                10,
                "app \"web\": processes.both.health must have image or stays_up, not both",
            ),
            (
                16,
                12,
                "app \"web\": processes.probed.health.path is not a known key",
            ),
        ],
    );
    let many: String = (0..9)
        .map(|index| format!("[app.processes.p{index}]\ncommand = [\"x\"]\n"))
        .collect();
    assert_faults(
        &format!("[[app]]\nname = \"web\"\nimage = \"web:1\"\n{many}"),
        &[(
            20,
            16,
            "app \"web\": processes.p8 is one too many: an app may have 8 processes beside itself",
        )],
    );
}

const COMMANDS: &str = r#"
[[app]]
name = "web"
image = "web:1"
release = [["./migrate", "--all"], { command = ["./warm"], retry = true }]
payload = { env = "DEPLOY_PAYLOAD" }
[app.tasks."deploy:seed"]
command = ["./seed"]
[app.tasks.clean]
command = ["./clean"]
[app.environments.staging]
release = []
payload = { file = "/run/deploy//payload.json" }
[app.environments.staging.tasks.clean]
retry = true
[app.environments.staging.tasks.only]
command = ["./only"]
"#;

#[test]
fn commands_are_what_an_environment_says_over_what_its_app_says() {
    let config = parse("c", COMMANDS).unwrap();
    let app = &config.apps[0];
    let shown = |environment: &str| -> String {
        let spec = spec(app, environment);
        let release = spec
            .release
            .iter()
            .map(|one| format!("{one} {}", one.retry));
        let tasks = spec.tasks.iter();
        let tasks = tasks.map(|(name, one)| format!("{name}: {one} {}", one.retry));
        let all: Vec<String> = release.chain(tasks).collect();
        format!("{}; {:?}", all.join(", "), spec.run.payload)
    };
    assert_eq!(
        shown("production"),
        "./migrate --all false, ./warm true, clean: ./clean false, deploy:seed: ./seed false; \
         Some(Env(VariableName(\"DEPLOY_PAYLOAD\")))"
    );
    assert_eq!(
        shown("staging"),
        "clean: ./clean true, deploy:seed: ./seed false, only: ./only false; \
         Some(File(\"/run/deploy/payload.json\"))"
    );
    let file = PayloadPlace::File("/run/deploy/payload.json".into());
    assert_eq!(spec(app, "staging").run.payload, Some(file));
}

#[test]
fn faults_of_commands_and_of_the_payloads_place_are_named_where_they_stand() {
    assert_faults(
        r#"[[app]]
name = "web"
image = "web:1"
release = ["./migrate", [], [1], { retry = true }, { command = ["x"], again = true }]
payload = { env = "LOG", file = "/x" }
[app.tasks.deploy]
command = ["again"]
[app.tasks."two words"]
command = ["x"]
[app.tasks.idle]
retry = false
[app.tasks.both]
command = "./seed"
"#,
        &[
            (
                4,
                12,
                "app \"web\": release[0] must be a list of words, like [\"./migrate\", \"--all\"], not a string",
            ),
            (
                4,
                25,
                "app \"web\": release[1] must begin with the program to run",
            ),
            (
                4,
                30,
                "app \"web\": release[2][0] must be a string in quotes, not an integer",
            ),
            (
                4,
                34,
                "app \"web\": release[3] needs a command, like command = [\"./migrate\"]",
            ),
            (4, 71, "app \"web\": release[4].again is not a known key"),
            (
                5,
                11,
                "app \"web\": payload must have an env or a file, not both",
            ),
            (
                6,
                12,
                "app \"web\": tasks.deploy has a name that is what every deployment does",
            ),
            (
                8,
                12,
                "app \"web\": tasks.\"two words\" has a name that may hold only letters",
            ),
            (
                10,
                12,
                "app \"web\": tasks.idle needs a command, like command = [\"./seed\"]",
            ),
            (
                13,
                11,
                "app \"web\": tasks.both.command must be a list of words",
            ),
        ],
    );
    for (payload, column, fault) in [
        ("{}", 11, "needs an env or a file"),
        ("{ env = \"A B\" }", 19, "payload.env must match"),
        (
            "{ env = \"LOG\" }",
            11,
            "cannot be in LOG, which app \"web\": env.LOG sets to something else",
        ),
        (
            "{ file = \"run/x\" }",
            20,
            "payload.file must be an absolute path",
        ),
        (
            "{ file = \"/run/\" }",
            20,
            "must be a file, not the directory",
        ),
        ("{ file = \"/proc/x\" }", 20, "cannot lie below \"/proc\""),
        (
            "{ file = \"/data/x\" }",
            11,
            "cannot be inside the mount of app \"web\": volumes[0]",
        ),
    ] {
        let text = format!(
            "[[app]]\nname = \"web\"\nimage = \"web:1\"\npayload = {payload}\nenv = {{ LOG = \"x\" }}\nvolumes = [\"data:/data\"]\n"
        );
        assert_faults(&text, &[(4, column, fault)]);
    }
}

const CONNECTED: &str = r#"
[[app]]
name = "db"
image = "postgres:16"
port = 5432
[app.environments.staging]
port = 5433

[[app]]
name = "cache"
image = "redis:7"

[[app]]
name = "web"
image = "web:1"
connections = ["db", "cache"]
secrets = { PASSWORD = "store" }
[app.connect_env]
DATABASE_URL = "postgres://app:{secrets.PASSWORD}@{db.host}:{ db.port }/app"
CACHE = "{cache.host}:6379"
PLAIN = 'a\{b\}\\'
[app.environments.staging]
connections = ["db"]
env = { CACHE = "none" }
[app.environments.staging.connect_env]
PLAIN = "db"
[app.previews]
"#;

#[test]
fn a_connection_is_told_by_what_its_provider_is_in_the_environment_of_the_same_name() {
    let config = parse("c", CONNECTED).unwrap();
    let web = &config.apps[2];
    let secrets = BTreeMap::from([(VariableName::parse("PASSWORD").unwrap(), Secret::new("x"))]);
    let shown = |connect: &Connect| {
        let to: Vec<&str> = connect.to.iter().map(AppName::as_str).collect();
        let env = connect.env.iter();
        let env = env.map(|(name, value)| {
            let secret = if value.is_secret() { " (secret)" } else { "" };
            format!("{name}={}{secret}", value.render(&secrets).expose())
        });
        format!("{}: {}", to.join(", "), env.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(
        shown(&spec(web, "production").run.connect),
        r"cache, db: CACHE=cache:6379 DATABASE_URL=postgres://app:x@db:5432/app (secret) PLAIN=a{b}\"
    );
    assert_eq!(
        shown(&spec(web, "staging").run.connect),
        "db: DATABASE_URL=postgres://app:x@db:5433/app (secret) PLAIN=db"
    );
    let previews = web.previews.as_ref().unwrap();
    assert_eq!(previews.spec.run.connect, Connect::default());
}

#[test]
fn two_apps_may_be_connected_to_each_other() {
    let text = r#"
[[app]]
name = "a"
image = "a:1"
connections = ["b"]
[[app]]
name = "b"
image = "b:1"
connections = ["a"]
"#;
    assert_eq!(parse("c", text).unwrap().apps.len(), 2);
}

#[test]
fn faults_of_connections_are_named_where_they_stand() {
    assert_faults(
        r#"[[app]]
name = "db"
image = "db:1"
[[app]]
name = "told"
project = "acme/told"
[[app]]
name = "web"
image = "web:1"
connections = ["db", "web", "bd", "told", "db", "no name", "clock"]
[app.environments.staging]
connections = ["db"]
[[app]]
name = "clock"
kind = "job"
image = "clock:1"
"#,
        &[
            (
                10,
                22,
                "app \"web\": connections[1] is \"web\", the app itself",
            ),
            (
                10,
                29,
                "connections[2] is \"bd\", and there is no such app; did you mean \"db\"?",
            ),
            (
                10,
                35,
                "connections[3] is \"told\", of which deployments are only recorded",
            ),
            (10, 43, "connections[4] is \"db\" a second time"),
            (10, 49, "connections[5]"),
            (
                10,
                60,
                "connections[6] is \"clock\", a job: nothing of it runs on",
            ),
            (
                12,
                16,
                "app \"web\", environment \"staging\": connections[0] is \"db\", which has no environment \"staging\"; it has production",
            ),
        ],
    );
}

#[test]
fn faults_of_what_a_consumer_is_told_are_named_where_they_stand() {
    for (value, fault) in [
        ("{db.port}", "has {db.port}, and \"db\" has no port"),
        (
            "{cache.host}",
            "names \"cache\", which is none of the environment's connections; it has db",
        ),
        (
            "{secrets.PASSWORD}",
            "has {secrets.PASSWORD}, which is no secret of the app; it has KEY",
        ),
        (
            "{db.name}",
            "has {db.name}, which is none of {app.host}, {app.port} and {secrets.NAME}",
        ),
        ("{db}", "has {db}, which is none of"),
        ("{secrets.a b}", "has {secrets.a b}, which is none of"),
        ("{db.host", "has braces or a backslash that do not fit"),
        ("db.host}", "has braces or a backslash that do not fit"),
        ("{}", "has braces or a backslash that do not fit"),
        ("a\\\\b", "has braces or a backslash that do not fit"),
    ] {
        let text = format!(
            "[[app]]\nname = \"db\"\nimage = \"db:1\"\n[[app]]\nname = \"web\"\nimage = \"web:1\"\nconnections = [\"db\"]\nsecrets = {{ KEY = \"store\" }}\n[app.connect_env]\nURL = \"{value}\"\n"
        );
        assert_faults(
            &text,
            &[(10, 7, &format!("app \"web\": connect_env.URL {fault}"))],
        );
    }
}

#[test]
fn a_connection_cannot_have_the_name_of_an_own_process() {
    let text = "[[app]]\nname = \"web-mail\"\nimage = \"mail:1\"\nport = 25\n[[app]]\nname = \"web\"\nimage = \"web:1\"\nconnections = [\"web-mail\"]\n[app.processes.mail]\ncommand = [\"./mail\"]\n";
    assert_faults(
        text,
        &[(
            8,
            16,
            "app \"web\": connections[0] is \"web-mail\", the name by which the app's own process \"mail\" is found: give one of them another",
        )],
    );
}

// ---------------------------------------------------------------------------------------------------------------
// Jobs.

/// The job of a file with these lines, in `production`.
#[track_caller]
fn job(lines: &str) -> JobSpec {
    let app = image_app(&format!("kind = \"job\"\n{lines}"));
    spec(&app, "production").job.clone().expect("it is a job")
}

fn words(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_job_that_says_nothing_runs_its_own_command_when_it_is_deployed() {
    let plain = job("");
    let own = [(JobEvent::Start, JobCommand::default())];
    assert_eq!(plain.occasion, Occasion::Lifecycle(own.into()));
    assert_eq!(plain.overlap, Overlap::Forbid);
    assert_eq!(plain.max_duration, Duration::from_secs(3600));
    assert_eq!((plain.retries, plain.keep_runs), (0, 50));
    // A service is none, whatever its kind is called.
    assert_eq!(spec(&image_app(""), "production").job, None);
    assert_eq!(
        spec(&image_app("kind = \"service\""), "production").job,
        None
    );
}

#[test]
fn a_job_has_a_schedule_or_commands_for_events_and_an_environment_says_them_anew() {
    let events = job(
        "on_start = { entrypoint = [\"sh\", \"-c\"], command = [\"up\"] }\non_delete = {}\noverlap = \"allow\"\nmax_duration = \"90s\"\nretries = 3\nkeep_runs = 7",
    );
    let up = JobCommand {
        entrypoint: words("sh -c"),
        command: words("up"),
    };
    let commands = [
        (JobEvent::Start, up),
        (JobEvent::Delete, JobCommand::default()),
    ];
    assert_eq!(events.occasion, Occasion::Lifecycle(commands.into()));
    assert_eq!(events.overlap, Overlap::Allow);
    assert_eq!(events.max_duration, Duration::from_secs(90));
    assert_eq!((events.retries, events.keep_runs), (3, 7));
    // Only a stop: its deployment runs nothing.
    let only_stop = job("on_stop = { command = [\"down\"] }");
    assert_eq!(only_stop.events(), [JobEvent::Stop]);

    let app = image_app(
        r#"kind = "job"
schedule = { cron = "0  3 * * MON-FRI" }
overlap = "replace"
[app.environments.staging]
schedule = { cron = "*/5 * * * *", time_zone = "europe/berlin", missed = "once" }
retries = 1
"#,
    );
    let job = |environment| spec(&app, environment).job.clone().expect("it is a job");
    let schedule = |environment| {
        let job: JobSpec = job(environment);
        job.schedule().expect("it has one").clone()
    };
    let shown = |environment| {
        let one = schedule(environment);
        format!("{} {} {:?}", one.cron, one.time_zone, one.missed)
    };
    assert_eq!(shown("production"), "0 3 * * MON-FRI UTC Skip");
    assert_eq!(shown("staging"), "*/5 * * * * Europe/Berlin Once");
    assert_eq!(schedule("staging").missed, Missed::Once);
    assert_eq!(
        (job("staging").overlap, job("staging").retries),
        (Overlap::Replace, 1)
    );
    assert_eq!(job("production").retries, 0);
}

#[test]
fn every_fault_of_a_job_is_named_at_its_place() {
    assert_faults(
        r#"[[app]]
name = "report"
image = "report:1"
kind = "job"
schedule = { cron = "0 25 * * *", time_zone = "Europe/Berln", missed = "twice" }
overlap = "wait"
max_duration = "8d"
retries = -1
keep_runs = 0
on_start = { command = "up", shell = true }
on_stop = ["down"]
"#,
        &[
            (
                5,
                21,
                "app \"report\": schedule.cron has \"25\" for the hour: \"25\" is none of 0 to 23",
            ),
            (
                5,
                47,
                "app \"report\": schedule.time_zone must be a time zone's name, like \"Europe/Berlin\" or \"UTC\", not \"Europe/Berln\"; did you mean \"Europe/Berlin\"?",
            ),
            (
                5,
                72,
                "app \"report\": schedule.missed must be \"skip\" or \"once\", not \"twice\"",
            ),
            (
                6,
                11,
                "app \"report\": overlap must be \"forbid\", \"replace\" or \"allow\", not \"wait\"",
            ),
            (
                7,
                16,
                "app \"report\": max_duration must be longer than zero and at most 7days",
            ),
            (
                8,
                11,
                "app \"report\": retries must be an integer from 0 to 100",
            ),
            (
                9,
                13,
                "app \"report\": keep_runs must be an integer from 1 to 100000",
            ),
            (
                10,
                24,
                "app \"report\": on_start.command must be a list of strings",
            ),
            (10, 30, "app \"report\": on_start.shell is not a known key"),
            (
                11,
                11,
                "app \"report\": on_stop must be a table, not a list",
            ),
        ],
    );
    for (schedule, column, fault) in [
        (
            "\"0 3 * * *\"",
            12,
            "schedule must be a table, not a string",
        ),
        (
            "{ time_zone = \"UTC\" }",
            12,
            "schedule needs a cron, like cron = \"0 3 * * *\"",
        ),
        (
            "{ cron = \"0 0 3 * * *\" }",
            21,
            "schedule.cron must have five fields (minute, hour, day of the month, month, day of the week)",
        ),
        ("{ cron = \"@daily\" }", 21, "not the nickname \"@daily\""),
        ("{ cron = \"0 3 30 2 *\" }", 21, "its time would never come"),
        (
            "{ cron = \"0 3 * * FUN\" }",
            21,
            "has \"FUN\" for the day of the week",
        ),
        (
            "{ cron = \"0 3 * * *\", time_zone = \"Mars/Olympus\" }",
            46,
            "schedule.time_zone must be a time zone's name, like \"Europe/Berlin\" or \"UTC\", not \"Mars/Olympus\"",
        ),
    ] {
        let text = format!(
            "[[app]]\nname = \"report\"\nimage = \"report:1\"\nkind = \"job\"\nschedule = {schedule}\n"
        );
        assert_faults(&text, &[(5, column, fault)]);
    }
}

#[test]
fn a_schedule_and_events_cannot_stand_beside_each_other_in_any_environment() {
    assert_faults(
        r#"[[app]]
name = "report"
image = "report:1"
kind = "job"
on_start = {}
schedule = { cron = "0 3 * * *" }
on_stop = {}
"#,
        &[
            (
                6,
                12,
                "app \"report\": schedule cannot stand beside app \"report\": on_start: a job runs either by a schedule or on events",
            ),
            (
                7,
                11,
                "app \"report\": on_stop cannot stand beside app \"report\": schedule",
            ),
        ],
    );
    assert_faults(
        "[[app]]\nname = \"report\"\nimage = \"report:1\"\nkind = \"job\"\nschedule = { cron = \"0 3 * * *\" }\n[app.environments.staging]\non_start = {}\n",
        &[(
            7,
            12,
            "app \"report\", environment \"staging\": on_start cannot stand beside app \"report\": schedule",
        )],
    );
}

#[test]
fn what_only_a_service_has_a_use_for_is_a_fault_of_a_job_and_the_other_way_round() {
    assert_faults(
        r#"[[app]]
name = "report"
image = "report:1"
kind = "job"
port = 8080
domains = ["report.example.com"]
publish = ["9090:8080"]
strategy = "swap"
health = { path = "/up" }
drain_timeout = "5s"
release = [["./migrate"]]
previews = { domain = "{environment}.example.com" }
deadlines = { rollout = "5m" }
stop_grace = "5s"
volumes = ["data:/data"]
payload = { env = "PAYLOAD" }
memory = "64MiB"
[app.processes.worker]
command = ["./worker"]
[app.tasks.seed]
command = ["./seed"]
"#,
        &[
            (
                5,
                8,
                "app \"report\": port has no effect on a job; take it out",
            ),
            (6, 11, "app \"report\": domains has no effect on a job"),
            (7, 11, "app \"report\": publish has no effect on a job"),
            (8, 12, "app \"report\": strategy has no effect on a job"),
            (9, 10, "app \"report\": health has no effect on a job"),
            (
                10,
                17,
                "app \"report\": drain_timeout has no effect on a job",
            ),
            (11, 11, "app \"report\": release has no effect on a job"),
            (12, 12, "app \"report\": previews has no effect on a job"),
            (
                18,
                16,
                "app \"report\": processes.worker has no effect on a job",
            ),
            (20, 12, "app \"report\": tasks.seed has no effect on a job"),
        ],
    );
    assert_faults(
        r#"[[app]]
name = "web"
image = "web:1"
schedule = { cron = "0 3 * * *" }
retries = 1
[app.environments.staging]
on_stop = {}
"#,
        &[
            (
                4,
                12,
                "app \"web\": schedule has no effect on a service; take it out, or give the app kind = \"job\"",
            ),
            (5, 11, "app \"web\": retries has no effect on a service"),
            (
                7,
                11,
                "app \"web\", environment \"staging\": on_stop has no effect on a service",
            ),
        ],
    );
    assert_faults(
        "[[app]]\nname = \"report\"\nimage = \"report:1\"\nkind = \"job\"\n[app.environments.staging]\nport = 8081\n",
        &[(
            6,
            8,
            "app \"report\", environment \"staging\": port has no effect on a job",
        )],
    );
    // A kind that is none says nothing of which keys there may be.
    assert_faults(
        "[[app]]\nname = \"web\"\nimage = \"web:1\"\nkind = \"cron\"\nretries = 1\nport = 80\n",
        &[(4, 8, "kind must be \"service\" or \"job\", not \"cron\"")],
    );
}
