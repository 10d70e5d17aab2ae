//! The apps of a campaign, and versions of them that say who they are.

use crate::chance::Chance;
use crate::daemon::World;
use crate::docker;
use crate::git_server::Repository;
use serde_json::{Value, json};
use std::path::PathBuf;

/// An environment, by the names requests use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub app: &'static str,
    pub environment: &'static str,
}

/// `web` is built from one repository's two branches and swaps; `api` and `img` are recreated: `api` is built from another
/// one and has a volume, `img` runs an image. `job` runs to its end at what happens to its environment, `tick` every minute.
pub const PLACES: [Place; 6] = [
    place("web", "production"),
    place("web", "staging"),
    place("api", "production"),
    place("img", "production"),
    place("job", "production"),
    place("tick", "production"),
];

/// The one with a volume.
pub const WITH_VOLUME: &str = "api";

impl Place {
    /// Where the ingress leads to it.
    pub fn domain(self) -> String {
        format!("{}.{}.localhost", self.environment, self.app)
    }

    /// Whether what it runs comes to an end.
    pub fn is_job(self) -> bool {
        matches!(self.app, "job" | "tick")
    }

    /// Whether its releases change by a swap.
    pub fn swaps(self) -> bool {
        self.app == "web"
    }
}

const fn place(app: &'static str, environment: &'static str) -> Place {
    Place { app, environment }
}

/// How a version behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Good,
    SlowToBuild,
    SlowToStart,
    FailsToBuild,
    Exits,
    NeverReady,
}

impl Kind {
    /// What its deployment there fails with if it is let; `None` if it must succeed.
    pub fn fails_with(self, place: Place) -> Option<&'static str> {
        match (self, place.app) {
            (Self::Good | Self::SlowToBuild | Self::SlowToStart, _) => None,
            // Its deployments run nothing.
            (_, "tick") => None,
            (Self::Exits, "job") => Some("job_failed"),
            (Self::FailsToBuild, _) => Some("build_failed"),
            (Self::Exits, _) => Some("container_exited"),
            (Self::NeverReady, _) => Some("not_ready"),
        }
    }
}

/// The repositories, and how many versions there were.
pub struct Stage {
    api: Repository,
    versions: u64,
    begun: [PathBuf; 2],
}

impl Stage {
    /// Writes the configuration.
    pub fn set(world: &World) -> Self {
        let api = Repository::create(world.path("api.git"));
        // A server that ignores its end takes the whole grace, one that hears it ends at once.
        let serves = "port = 8080\nstop_grace = \"1s\"\nhealth = { tcp = true, timeout = \"8s\" }";
        let image = "mkdir -p /www; echo $VERSION > /www/index.html; echo begun $VERSION; \
            case $MODE in Exits) echo no >&2; exit 3;; NeverReady) exec sleep 600;; SlowToStart) sleep 1;; esac; \
            exec httpd -f -p 8080 -h /www";
        let runs = ["runs", "ticks"].map(|name| world.path(name));
        for directory in &runs {
            std::fs::create_dir(directory).unwrap();
        }
        let job = "echo $(hostname) >> /runs/begun; echo begun $VERSION; \
            case $MODE in Exits) echo no >&2; exit 3;; SlowToStart) sleep 1;; esac";
        let apps = format!(
            r#"[limits]
max_concurrent = 4
[[app]]
name = "web"
repository = "{web}"
branch = "production"
strategy = "swap"
drain_timeout = "2s"
domains = ["production.web.localhost"]
{serves}
[app.environments.staging]
branch = "staging"
domains = ["staging.web.localhost"]
[[app]]
name = "api"
repository = "{api}"
branch = "production"
volumes = ["data:/data"]
strategy = "recreate"
domains = ["production.api.localhost"]
{serves}
[[app]]
name = "img"
image = "{image_name}"
pull = "never"
strategy = "recreate"
domains = ["production.img.localhost"]
command = ["/bin/sh", "-c", "{image}"]
{serves}
[[app]]
name = "job"
kind = "job"
image = "{image_name}"
pull = "never"
volumes = ["{runs}:/runs"]
command = ["/bin/sh", "-c", "{job}"]
on_start = {{}}
on_stop = {{}}
on_delete = {{}}
[[app]]
name = "tick"
kind = "job"
image = "{image_name}"
pull = "never"
volumes = ["{ticks}:/runs"]
command = ["/bin/sh", "-c", "{job}"]
schedule = {{ cron = "* * * * *" }}
overlap = "replace"
"#,
            runs = runs[0].display(),
            ticks = runs[1].display(),
            web = world.url("web.git"),
            api = world.url("api.git"),
            image_name = world.base.image,
        );
        world.configure_engine(&format!("host = \"{}\"", docker::HOST), &apps);
        Self {
            api,
            versions: 0,
            begun: runs,
        }
    }

    /// The containers in which a job's command began, each time it did.
    pub fn begun(&self) -> Vec<String> {
        let read = |directory: &PathBuf| {
            let text = std::fs::read_to_string(directory.join("begun")).unwrap_or_default();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        self.begun.iter().flat_map(read).collect()
    }

    /// Makes a new version the head of the environment's branch: the page it will show, how it behaves, and the body
    /// that asks for it by its commit.
    pub fn version(
        &mut self,
        world: &World,
        chance: &mut Chance,
        place: Place,
    ) -> (String, Kind, Value) {
        let mut kind = chance.weighted(&[
            (50, Kind::Good),
            (15, Kind::SlowToBuild),
            (15, Kind::SlowToStart),
            (7, Kind::FailsToBuild),
            (9, Kind::Exits),
            (4, Kind::NeverReady),
        ]);
        self.versions += 1;
        let page = format!("{}-{}-{}", place.app, place.environment, self.versions);
        let mut body = json!({
            "project_id": place.app, "environment": place.environment, "from_config": true,
        });
        if place.app == "img" || place.is_job() {
            // Nothing is built.
            kind = match kind {
                Kind::SlowToBuild => Kind::SlowToStart,
                Kind::FailsToBuild => Kind::Exits,
                // A job that does not end is no failure until its time is up.
                Kind::NeverReady if place.is_job() => Kind::Exits,
                other => other,
            };
            body["env_vars"] = json!({ "VERSION": page, "MODE": format!("{kind:?}") });
            return (page, kind, body);
        }
        let repository = match place.app {
            "web" => &world.repository,
            _ => &self.api,
        };
        // The run's word keeps a slow step from being taken out of an earlier run's build cache.
        let unique = format!("{page} of {}", world.base.run);
        let lines = match kind {
            Kind::SlowToBuild => format!("RUN echo {unique}; sleep 1.5"),
            Kind::FailsToBuild => format!("RUN echo {unique}; sleep 0.3; exit 3"),
            _ => String::new(),
        };
        let command = match kind {
            Kind::Exits => "echo no >&2; exit 3",
            Kind::NeverReady => "exec sleep 600",
            Kind::SlowToStart => "sleep 1; exec httpd -f -p 8080 -h /www",
            _ if place.app == WITH_VOLUME => {
                "echo begun >> /data/begun; exec httpd -f -p 8080 -h /www"
            }
            _ => "trap 'exit 0' TERM; httpd -f -p 8080 -h /www & wait",
        };
        let dockerfile = world.dockerfile(&lines, command);
        let files = [
            ("Dockerfile", dockerfile.as_str()),
            ("index.html", page.as_str()),
        ];
        let sha = repository.commit(place.environment, &files, &page);
        body["commit_sha"] = json!(sha);
        (page, kind, body)
    }
}
