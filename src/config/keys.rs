//! The keys this version knows, table by table. The readers may ask for nothing else, what is not listed here is an
//! unknown key, and the example file is tested against it.

/// The keys of one table, in groups that several tables share.
pub type Keys = &'static [&'static [&'static str]];

/// The file's top.
pub const TOP: Keys = &[&[
    "data_dir",
    "api",
    "ingress",
    "docker",
    "limits",
    "retention",
    "app",
]];
/// `[api]`.
pub const API: Keys = &[&[
    "listen",
    "socket",
    "public_url",
    "domains",
    "trusted_proxies",
    "gitlab_strict",
]];
/// `[ingress]`.
pub const INGRESS: Keys = &[&[
    "embedded",
    "listen",
    "socket",
    "data_dir",
    "trusted_proxies",
    "access_log",
    "max_connections",
    "max_header_size",
    "max_body_size",
    "header_timeout",
    "idle_timeout",
    "read_timeout",
    "write_timeout",
    "upstream_timeout",
    "wait_timeout",
    "shutdown_timeout",
]];
/// `[docker]`.
pub const DOCKER: Keys = &[&[
    "host",
    "address_pool",
    "registries",
    "unavailable_timeout",
    "prune_build_cache",
    "build_cache",
]];
/// An entry of `docker.registries`.
pub const REGISTRY: Keys = &[&["host", "username", "password"]];
/// `[limits]`.
pub const LIMITS: Keys = &[&["max_concurrent", "preview_check"]];
/// `[retention]`.
pub const RETENTION: Keys = &[&["keep_releases", "logs", "runtime_logs"]];
/// What an app has to say that is not deployed here: deployments of its project are only recorded.
pub const RECORDER: &[&str] = &["name", "id", "kind", "project"];
/// `[[app]]`.
pub const APP: Keys = &[APP_ONLY, LAYER];
/// `[app.environments.NAME]`.
pub const ENVIRONMENT: Keys = &[LAYER];
/// `credentials` of an app.
pub const CREDENTIALS: Keys = &[&["token", "ssh_key"]];
/// `health` of an app.
pub const HEALTH: Keys = &[&[
    "path", "tcp", "image", "stays_up", "port", "interval", "timeout",
]];
/// `previews` of an app.
pub const PREVIEWS: Keys = &[&["domain", "max", "ttl", "secrets"]];
/// `[app.processes.NAME]`.
pub const PROCESS: Keys = &[&[
    "command",
    "entrypoint",
    "memory",
    "cpus",
    "stop_grace",
    "health",
]];
/// An entry of `release` that is a table, and `[app.tasks.NAME]`.
pub const COMMAND: Keys = &[&["command", "retry"]];
/// `on_start`, `on_stop` and `on_delete` of an app.
pub const JOB_COMMAND: Keys = &[&["entrypoint", "command"]];
/// `schedule` of an app.
pub const SCHEDULE: Keys = &[&["cron", "time_zone", "missed"]];
/// `payload` of an app.
pub const PAYLOAD: Keys = &[&["env", "file"]];
/// `health` of a process.
pub const PROCESS_HEALTH: Keys = &[&["image", "stays_up"]];
/// `deadlines` of an app.
pub const DEADLINES: Keys = &[&["checkout", "build", "rollout"]];
/// `logging` of an app.
pub const LOGGING: Keys = &[&["driver", "options"]];

/// What an app says of itself and no environment can say otherwise.
pub const APP_ONLY: &[&str] = &[
    "name",
    "id",
    "kind",
    "project",
    "environment",
    "environments",
    "previews",
];

/// What an app says for all its environments, and each of them for itself.
pub const LAYER: &[&str] = &[
    "repository",
    "image",
    "pull",
    "credentials",
    "branch",
    "auto_merge",
    "dockerfile",
    "context",
    "target",
    "build_args",
    "command",
    "entrypoint",
    "port",
    "domains",
    "publish",
    "strategy",
    "health",
    "drain_timeout",
    "stop_grace",
    "deadlines",
    "env",
    "env_file",
    "secrets",
    "volumes",
    "memory",
    "cpus",
    "logging",
    "processes",
    "release",
    "tasks",
    "payload",
    "connections",
    "connect_env",
    "on_start",
    "on_stop",
    "on_delete",
    "schedule",
    "overlap",
    "max_duration",
    "retries",
    "keep_runs",
];

/// Every table with its keys, by the name a person would look for; `app.environments` is [`APP`]'s second group.
pub const TABLES: &[(&str, Keys)] = &[
    ("", TOP),
    ("api", API),
    ("ingress", INGRESS),
    ("docker", DOCKER),
    ("docker.registries", REGISTRY),
    ("limits", LIMITS),
    ("retention", RETENTION),
    ("app", APP),
    ("app.credentials", CREDENTIALS),
    ("app.health", HEALTH),
    ("app.previews", PREVIEWS),
    ("app.processes", PROCESS),
    ("app.processes.health", PROCESS_HEALTH),
    ("app.release", COMMAND),
    ("app.tasks", COMMAND),
    ("app.payload", PAYLOAD),
    ("app.on_start", JOB_COMMAND),
    ("app.on_stop", JOB_COMMAND),
    ("app.on_delete", JOB_COMMAND),
    ("app.schedule", SCHEDULE),
    ("app.deadlines", DEADLINES),
    ("app.logging", LOGGING),
];

/// What to say of a key that `keys` does not hold, to be read after the key's name.
pub(super) fn advice(key: &str, keys: Keys) -> String {
    let known = || keys.iter().copied().flatten().copied();
    let lower = key.to_ascii_lowercase().replace('-', "_");
    let near = known()
        .map(|known| (strsim::osa_distance(&lower, known), known))
        .min()
        // A third of the letters may be wrong; more, and the guess would mislead.
        .filter(|(distance, known)| *distance <= (known.len() / 3).max(1));
    if let Some((_, near)) = near {
        return format!("is not a known key; did you mean \"{near}\"?");
    }
    if keys == ENVIRONMENT && APP_ONLY.contains(&key) {
        return "belongs to the whole app and cannot be set for one environment".to_owned();
    }
    let elsewhere = TABLES.iter().find(|(table, keys)| {
        !table.contains('.') && keys.iter().any(|group| group.contains(&key))
    });
    let known = known().collect::<Vec<_>>().join(", ");
    match elsewhere {
        Some((table, _)) if *table == "app" => {
            format!("is not a known key here; it belongs under [[app]]; known here: {known}")
        }
        Some((table, _)) if !table.is_empty() => {
            format!("is not a known key here; it belongs under [{table}]; known here: {known}")
        }
        Some(_) => format!(
            "is not a known key here; it belongs to the top of the file, before the first [table]; known here: {known}"
        ),
        None => format!("is not a known key; known here: {known}"),
    }
}
