//! Jobs in answers.

use super::word::{JobType, ServiceType};
use super::{Reference, Time};
use crate::api::qovery::source::{GitProvider, RegistryKind, Repository, name_and_tag};
use crate::core::action::ServiceView;
use crate::core::job::{JobCommand, JobEvent, JobSpec, Occasion};
use crate::core::name::ImageReference;
use crate::core::service::id_of_name;
use crate::core::spec::{GitSource, RunSpec, SourceSpec};
use serde::Serialize;
use uuid::Uuid;

/// A job. What there is no such thing as here is left out, or empty where the key must be there.
#[derive(Serialize)]
pub(in crate::api::qovery) struct Job {
    auto_deploy: bool,
    auto_preview: bool,
    /// Thousandths of a CPU; 0: as many as there are.
    cpu: u32,
    created_at: Time,
    description: &'static str,
    environment: Reference,
    gpu: u32,
    healthchecks: Healthchecks,
    icon_uri: &'static str,
    id: Uuid,
    job_type: JobType,
    max_duration_seconds: u64,
    max_nb_restart: u32,
    maximum_cpu: u32,
    maximum_gpu: u32,
    maximum_memory: u64,
    /// In MiB; 0: as much as there is.
    memory: u64,
    name: String,
    port: Option<u16>,
    schedule: Schedule,
    service_type: ServiceType,
    source: Source,
    updated_at: Time,
}

/// Nobody asks a job whether it is ready.
#[derive(Serialize)]
struct Healthchecks {}

/// Either of the two; what has both keys, be it as null, is neither to a generated client.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    Image(Image),
    Docker(Docker),
}

#[derive(Serialize)]
struct Image {
    image_name: String,
    registry: Registry,
    registry_id: Uuid,
    tag: String,
}

#[derive(Serialize)]
struct Registry {
    id: Uuid,
    kind: RegistryKind,
    name: String,
    url: String,
}

#[derive(Serialize)]
struct Docker {
    docker_target_build_stage: Option<String>,
    dockerfile_path: Option<String>,
    dockerfile_raw: Option<String>,
    git_repository: Git,
}

#[derive(Serialize)]
struct Git {
    branch: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployed_commit_id: Option<String>,
    name: String,
    owner: String,
    provider: GitProvider,
    root_path: String,
    url: String,
}

/// What it runs, and when.
#[derive(Serialize)]
#[serde(untagged)]
enum Schedule {
    Cron { cronjob: CronJob },
    Lifecycle(Lifecycle),
}

#[derive(Serialize)]
struct Lifecycle {
    lifecycle_type: LifecycleType,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_delete: Option<Command>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_start: Option<Command>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_stop: Option<Command>,
}

/// The other kinds are Qovery's own templates.
#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum LifecycleType {
    Generic,
}

#[derive(Serialize)]
struct CronJob {
    #[serde(flatten)]
    command: Command,
    scheduled_at: String,
    timezone: String,
}

/// What one event runs. An entrypoint is one text.
#[derive(Serialize)]
pub(super) struct Command {
    pub(super) arguments: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entrypoint: Option<String>,
}

const LIFECYCLE_ICON: &str = "app://qovery-console/lifecycle-job";
const CRON_ICON: &str = "app://qovery-console/cron-job";

/// The picture of a kind.
pub(super) fn icon(kind: JobType) -> &'static str {
    match kind {
        JobType::Lifecycle => LIFECYCLE_ICON,
        JobType::Cron => CRON_ICON,
    }
}

impl JobType {
    pub(super) fn of(job: &JobSpec) -> Self {
        match job.occasion {
            Occasion::Lifecycle(_) => Self::Lifecycle,
            Occasion::Scheduled(_) => Self::Cron,
        }
    }
}

impl Job {
    /// `None` if it is no job, or nobody knows any more where its image comes from. `id`: by what the client knows it.
    pub(in crate::api::qovery) fn new(service: &ServiceView, id: Uuid) -> Option<Self> {
        let job = service.job()?;
        let environment = &service.environment;
        let run = match (&environment.spec, &service.live, &service.before) {
            (Some(spec), _, _) => &spec.run,
            (None, Some(live), _) => &live.content.run,
            (None, None, Some(before)) => &before.run,
            (None, None, None) => return None,
        };
        let kind = JobType::of(job);
        let cpu = run.millicpus.unwrap_or(0);
        let memory = run.memory.map_or(0, |bytes| bytes.div_ceil(1024 * 1024));
        Some(Self {
            auto_deploy: false,
            auto_preview: false,
            cpu,
            created_at: environment.created_at.into(),
            description: "",
            environment: Reference {
                id: id_of_name(environment.instance, &environment.name),
            },
            gpu: 0,
            healthchecks: Healthchecks {},
            icon_uri: icon(kind),
            id,
            job_type: kind,
            max_duration_seconds: job.max_duration.as_secs(),
            max_nb_restart: job.retries,
            maximum_cpu: cpu,
            maximum_gpu: 0,
            maximum_memory: memory,
            memory,
            name: environment.app.to_string(),
            port: None,
            schedule: schedule(job, run),
            service_type: ServiceType::Job,
            source: source(service)?,
            updated_at: environment.updated_at.into(),
        })
    }
}

fn schedule(job: &JobSpec, run: &RunSpec) -> Schedule {
    match &job.occasion {
        Occasion::Lifecycle(events) => {
            let event = |event| Some(Command::of(events.get(&event)?.clone(), run));
            Schedule::Lifecycle(Lifecycle {
                lifecycle_type: LifecycleType::Generic,
                on_delete: event(JobEvent::Delete),
                on_start: event(JobEvent::Start),
                on_stop: event(JobEvent::Stop),
            })
        }
        Occasion::Scheduled(schedule) => Schedule::Cron {
            cronjob: CronJob {
                command: Command::of(JobCommand::default(), run),
                scheduled_at: schedule.cron.to_string(),
                timezone: schedule.time_zone.to_string(),
            },
        },
    }
}

impl Command {
    /// What an event runs, the app's own where it says nothing.
    pub(super) fn of(own: JobCommand, run: &RunSpec) -> Self {
        own.or_of(run).into()
    }
}

impl From<JobCommand> for Command {
    fn from(whole: JobCommand) -> Self {
        let entrypoint = (!whole.entrypoint.is_empty()).then(|| whole.entrypoint.join(" "));
        Self {
            arguments: whole.command,
            entrypoint,
        }
    }
}

/// What was deployed last, where that is known, as what is configured is what the next deployment takes.
fn source(service: &ServiceView) -> Option<Source> {
    let live = service.live.as_ref();
    // What is live knows better what it is than what was configured before.
    let before = service.before.as_ref().filter(|_| live.is_none());
    let spec = service.environment.spec.as_ref().or(before);
    match (spec.map(|spec| &spec.source), live) {
        (Some(SourceSpec::Git(git)), _) => {
            let sha = live.and_then(|live| live.content.sha.as_ref());
            Some(Source::Docker(docker(
                service,
                git,
                sha.map(ToString::to_string),
            )))
        }
        (Some(SourceSpec::Image(image)), live) => {
            let live = live.filter(|live| live.content.sha.is_none());
            let live = live.map(|live| live.content.image.reference.as_str());
            let reference = live.unwrap_or(image.reference.as_str());
            Some(Source::Image(self::image(service, reference)))
        }
        (None, Some(live)) => Some(Source::Image(image(service, &live.content.image.reference))),
        (None, None) => None,
    }
}

fn docker(service: &ServiceView, git: &GitSource, deployed: Option<String>) -> Docker {
    let repository = Repository::of(&git.repository.url, &service.environment.project);
    let build = &git.build;
    Docker {
        docker_target_build_stage: build.target.clone(),
        dockerfile_path: Some(build.dockerfile.clone()),
        dockerfile_raw: None,
        git_repository: Git {
            branch: git.branch.to_string(),
            deployed_commit_id: deployed,
            name: repository.name,
            owner: repository.owner,
            provider: repository.provider,
            root_path: match build.context.as_str() {
                "." => "/".to_owned(),
                below => format!("/{}", below.trim_start_matches("./")),
            },
            url: repository.url,
        },
    }
}

fn image(service: &ServiceView, reference: &str) -> Image {
    let host = ImageReference::parse(reference);
    let host = host.map_or_else(|_| "docker.io".to_owned(), |image| image.registry().into());
    let (image_name, tag) = name_and_tag(reference);
    let id = Uuid::new_v5(
        &service.environment.instance,
        format!("registry/{host}").as_bytes(),
    );
    Image {
        image_name,
        registry: Registry {
            id,
            kind: RegistryKind::of(&host),
            url: format!("https://{host}"),
            name: host,
        },
        registry_id: id,
        tag,
    }
}
