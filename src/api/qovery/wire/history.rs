//! What was done, in both versions of the list.

use super::Time;
use super::job::{Command, LifecycleType, icon};
use super::status::{Details, execution, seconds};
use super::word::{JobType, Origin, ScheduleEvent, ServiceType, State};
use crate::api::qovery::source::name_and_tag;
use crate::api::qovery::state::Standing;
use crate::core::action::{DeploymentView, Past, PastKind, RunView, ServiceView};
use crate::core::deployment::{CommitInfo, Trigger, Wanted};
use crate::core::job::{JobCommand, JobEvent, JobSpec, Occasion};
use crate::core::reference::Reference;
use crate::core::run::Cause;
use crate::core::service::JobThen;
use crate::core::time::Timestamp;
use serde::Serialize;
use uuid::Uuid;

/// An item of the first version.
#[derive(Serialize)]
pub(in crate::api::qovery) struct JobDeployment {
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<Vec<String>>,
    commit: Option<Commit>,
    created_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    entrypoint: Option<String>,
    id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_name: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<Occurrence>,
    status: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    updated_at: Time,
}

/// What it ran at.
#[derive(Serialize)]
struct Occurrence {
    event: ScheduleEvent,
    schedule_at: Option<String>,
}

#[derive(Clone, Serialize)]
struct Commit {
    author_name: String,
    created_at: Time,
    git_commit_id: String,
    message: String,
    tag: String,
}

/// An item of the second.
#[derive(Serialize)]
pub(in crate::api::qovery) struct ServiceDeployment {
    auditing_data: Auditing,
    details: JobDetails,
    icon_uri: &'static str,
    identifier: Identifier,
    status: State,
    status_details: Details,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_duration: Option<String>,
}

#[derive(Serialize)]
struct Auditing {
    created_at: Time,
    origin: Origin,
    triggered_by: String,
    updated_at: Time,
}

#[derive(Serialize)]
struct Identifier {
    execution_id: String,
    name: String,
    service_id: Uuid,
    service_type: ServiceType,
}

#[derive(Serialize)]
struct JobDetails {
    build_pod_name: Option<String>,
    commit: Option<Commit>,
    image_name: String,
    job_type: JobType,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<Schedule>,
    tag: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Schedule {
    Cron {
        cron_job: CronJob,
    },
    Lifecycle {
        lifecycle_type: LifecycleType,
        #[serde(skip_serializing_if = "Option::is_none")]
        on_delete: Option<Command>,
        #[serde(skip_serializing_if = "Option::is_none")]
        on_start: Option<Command>,
        #[serde(skip_serializing_if = "Option::is_none")]
        on_stop: Option<Command>,
    },
}

#[derive(Serialize)]
struct CronJob {
    #[serde(flatten)]
    command: Command,
    scheduled_at: String,
    timezone: String,
}

/// What both versions say, of either kind.
struct Item {
    id: Uuid,
    standing: Standing,
    created_at: Timestamp,
    updated_at: Timestamp,
    ended_at: Option<Timestamp>,
    by: String,
    origin: Origin,
    /// What it ran at; `None`: nothing.
    event: Option<JobEvent>,
    image: Option<String>,
    commit: Option<Commit>,
}

impl Item {
    fn of(past: &Past) -> Self {
        match &past.what {
            PastKind::Deployment(view, run) => {
                let job = past.job.as_ref().map(|then| &then.job);
                Self::deployment(view, run.as_deref(), job)
            }
            PastKind::Run(view, of) => Self::run(view, of),
        }
    }

    fn deployment(view: &DeploymentView, run: Option<&RunView>, job: Option<&JobSpec>) -> Self {
        let deployment = &view.deployment;
        let at_deployment = job.and_then(JobSpec::at_deployment);
        Self {
            id: deployment.id,
            standing: Standing::of_deployment(view, run, true),
            created_at: deployment.created_at,
            updated_at: view.updated_at,
            ended_at: deployment.phase.ended_at(),
            by: view.by.name.clone(),
            origin: match deployment.request.trigger {
                Trigger::Manual => Origin::Api,
                Trigger::Automatic => Origin::Git,
            },
            event: run
                .map(|run| run.run.event)
                .or(deployment.request.event)
                .or(at_deployment),
            image: image(view),
            commit: commit(view),
        }
    }

    fn run(view: &RunView, of: &DeploymentView) -> Self {
        let ended_at = view.run.phase.ended_at();
        let began_at = view.began_at.unwrap_or(view.run.created_at);
        Self {
            id: view.run.id,
            standing: Standing::of_run(view),
            created_at: view.run.created_at,
            updated_at: ended_at.unwrap_or(began_at),
            ended_at,
            by: view.by.name.clone(),
            origin: match view.run.cause {
                Cause::Schedule(_) => Origin::QoveryInternal,
                Cause::Hand | Cause::Change(_) | Cause::Deployment(_) => Origin::Api,
            },
            event: Some(view.run.event),
            image: image(of),
            commit: commit(of),
        }
    }
}

/// Its image, as soon as it is known which it will be.
fn image(view: &DeploymentView) -> Option<String> {
    let wanted = match &view.deployment.request.wanted {
        Wanted::Image(image) => Some(image.with_tag()),
        Wanted::Commit { .. } | Wanted::Release(_) | Wanted::Restart => None,
    };
    view.origin.image.clone().or(wanted)
}

/// Its commit, once that was looked at.
fn commit(view: &DeploymentView) -> Option<Commit> {
    let deployment = &view.deployment;
    let (sha, reference) = match &deployment.request.wanted {
        Wanted::Commit { sha, reference, .. } => (sha.to_string(), Some(reference)),
        Wanted::Image(_) => return None,
        Wanted::Release(_) | Wanted::Restart => match view.version.as_ref()? {
            crate::core::action::Version::Commit(sha) => {
                (sha.to_string(), view.origin.reference.as_ref())
            }
            crate::core::action::Version::Image(_) => return None,
        },
    };
    let info: &CommitInfo = deployment.commit.as_ref().or(view.origin.commit.as_ref())?;
    let tag = match reference {
        Some(Reference::Tag(tag)) => tag.to_string(),
        Some(Reference::Branch(_) | Reference::Commit(_) | Reference::Other(_)) | None => {
            String::new()
        }
    };
    Some(Commit {
        author_name: info.author.clone(),
        created_at: info.committed_at.unwrap_or(deployment.created_at).into(),
        git_commit_id: sha,
        message: info.message.clone(),
        tag,
    })
}

fn word(event: JobEvent) -> ScheduleEvent {
    match event {
        JobEvent::Start => ScheduleEvent::OnStart,
        JobEvent::Stop => ScheduleEvent::OnStop,
        JobEvent::Delete => ScheduleEvent::OnDelete,
        JobEvent::Cron => ScheduleEvent::Cron,
    }
}

impl JobDeployment {
    pub(in crate::api::qovery) fn new(past: &Past, service: &ServiceView) -> Self {
        let item = Item::of(past);
        let (image_name, tag) = item.image.as_deref().map(name_and_tag).unzip();
        let own = item.event.zip(past.job.as_ref());
        let own = own.and_then(|(event, then)| then.command(event));
        let (arguments, entrypoint) = match own.map(Command::from) {
            Some(own) => (Some(own.arguments), own.entrypoint),
            None => (None, None),
        };
        let cron = past.job.as_ref().and_then(|then| then.job.schedule());
        Self {
            arguments,
            commit: item.commit,
            created_at: item.created_at.into(),
            entrypoint,
            id: item.id,
            image_name,
            name: service.environment.app.to_string(),
            schedule: item.event.map(|event| Occurrence {
                event: word(event),
                schedule_at: cron.map(|schedule| schedule.cron.to_string()),
            }),
            status: item.standing.state,
            tag,
            updated_at: item.updated_at.into(),
        }
    }
}

impl ServiceDeployment {
    /// `id`: by what the client knows the job.
    pub(in crate::api::qovery) fn new(past: &Past, service: &ServiceView, id: Uuid) -> Self {
        let item = Item::of(past);
        let (image_name, tag) = item.image.as_deref().map(name_and_tag).unzip();
        let then = past.job.as_ref().map(|then| &then.job);
        let kind = then.or(service.job()).map(JobType::of);
        let kind = kind.unwrap_or(JobType::Lifecycle);
        let total = seconds(item.created_at, item.ended_at);
        Self {
            auditing_data: Auditing {
                created_at: item.created_at.into(),
                origin: item.origin,
                triggered_by: item.by,
                updated_at: item.updated_at.into(),
            },
            details: JobDetails {
                build_pod_name: None,
                commit: item.commit,
                image_name: image_name.unwrap_or_default(),
                job_type: kind,
                schedule: past.job.as_ref().map(schedule),
                tag: tag.unwrap_or_default(),
            },
            icon_uri: icon(kind),
            identifier: Identifier {
                execution_id: execution(item.id),
                name: service.environment.app.to_string(),
                service_id: id,
                service_type: ServiceType::Job,
            },
            status: item.standing.state,
            status_details: item.standing.into(),
            total_duration: total.map(|seconds| format!("PT{seconds}S")),
        }
    }
}

fn schedule(then: &JobThen) -> Schedule {
    match &then.job.occasion {
        Occasion::Lifecycle(events) => {
            let event = |event| Some(Command::of(events.get(&event)?.clone(), &then.run));
            Schedule::Lifecycle {
                lifecycle_type: LifecycleType::Generic,
                on_delete: event(JobEvent::Delete),
                on_start: event(JobEvent::Start),
                on_stop: event(JobEvent::Stop),
            }
        }
        Occasion::Scheduled(schedule) => Schedule::Cron {
            cron_job: CronJob {
                command: Command::of(JobCommand::default(), &then.run),
                scheduled_at: schedule.cron.to_string(),
                timezone: schedule.time_zone.to_string(),
            },
        },
    }
}
