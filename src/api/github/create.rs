//! What a create asks for. Where the environment is one of ours, or may become one, it is executed; in a project of which
//! nothing can be deployed here it is written down for whoever does that.

use super::body::{Fields, wrong};
use super::error::{Refusal, Resource};
use super::wire::deployment::TASK;
use crate::core::action::{Action, AppRef, CreateDeployment, Target};
use crate::core::commit_status::Contexts;
use crate::core::deployment::Trigger;
use crate::core::error::Error;
use crate::core::name::{EnvironmentName, RefName, Reported, Sha, TaskName};
use crate::core::particulars::{Conditions, Particulars};
use crate::core::project::{Bound, ProjectView};
use crate::core::recorded::{Record, ReportedState};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Where a deployment goes that says nothing of it.
const ENVIRONMENT: &str = "production";

/// The longest payload, in bytes; and the longest description, in characters, of which GitHub says no number.
const MAX_PAYLOAD: usize = 64 * 1024;
const MAX_DESCRIPTION: usize = 10_000;

/// A create, before it is known what its environment is.
pub(super) struct Wanted {
    reference: String,
    environment: EnvironmentName,
    particulars: Particulars,
    conditions: Conditions,
}

impl Wanted {
    pub(super) fn of(fields: &Fields) -> Result<Self, Refusal> {
        let reference = fields.required("ref")?;
        let task = task(fields)?;
        let conditions = Conditions {
            auto_merge: fields.flag("auto_merge")?.unwrap_or(true),
            contexts: match fields.texts("required_contexts")? {
                None => Contexts::All,
                Some(labels) if labels.is_empty() => Contexts::Skip,
                Some(labels) => Contexts::These(labels),
            },
            idle: false,
        };
        let payload = payload(fields)?;
        let environment = fields.present("environment")?;
        let environment = EnvironmentName::any(environment.as_deref().unwrap_or(ENVIRONMENT));
        let environment = environment.map_err(|fault| {
            Refusal::invalid(
                Resource::Deployment,
                "environment",
                format!("environment {fault}"),
            )
        })?;
        let description = fields.text("description")?;
        if description
            .as_ref()
            .is_some_and(|text| text.chars().count() > MAX_DESCRIPTION)
        {
            return Err(Refusal::too_long(
                Resource::Deployment,
                "description",
                MAX_DESCRIPTION,
            ));
        }
        Ok(Self {
            particulars: Particulars {
                written: Some(reference.clone()),
                sha: None,
                task,
                payload,
                description,
                transient: fields.flag("transient_environment")?.unwrap_or(false),
                production: fields.flag("production_environment")?,
            },
            reference,
            environment,
            conditions,
        })
    }

    /// Its environment, as the caller wrote it.
    pub(super) fn environment(&self) -> &EnvironmentName {
        &self.environment
    }

    /// The same for an environment that is called so already, whatever the case.
    pub(super) fn of_environment(self, environment: EnvironmentName) -> Self {
        Self {
            environment,
            ..self
        }
    }

    /// What is to be done in this project.
    pub(super) fn action(self, project: &ProjectView) -> Result<Action, Refusal> {
        if let Some((name, bound)) = bound(project, &self.environment) {
            return self.execute(name, bound);
        }
        if !project.has_source {
            return self.record(project);
        }
        let known: Vec<&str> = project.bound.keys().map(EnvironmentName::as_str).collect();
        let known = known.join(", ");
        match (self.particulars.transient, project.previews) {
            (true, Some(bound)) => {
                let name = self.environment.clone();
                self.execute(name, bound)
            }
            (true, None) => Err(Refusal::from(Error::PreviewsOff {
                project: project.path.to_string(),
                environment: self.environment.to_string(),
                known,
            })),
            // A mistyped name must not vanish into a record.
            (false, Some(_) | None) => Err(Refusal::unprocessable(format!(
                "Environment '{}' is not configured for {}; it has: {known}",
                self.environment, project.path
            ))),
        }
    }

    fn execute(self, environment: EnvironmentName, bound: Bound) -> Result<Action, Refusal> {
        match bound.runs_image {
            true => {
                let sha = self.full_sha("this environment runs an image, which has no branches")?;
                let particulars = Particulars {
                    sha: Some(sha),
                    ..self.particulars.clone()
                };
                let wanted = Self {
                    particulars,
                    ..self
                };
                Ok(wanted.create((bound.app, environment), Target::Configured(None)))
            }
            false => {
                let name = self.ref_name()?;
                Ok(self.create((bound.app, environment), Target::Named(name)))
            }
        }
    }

    /// Each is a deployment of its own, as at GitHub: no request says that it repeats another.
    fn create(self, (app, environment): (Uuid, EnvironmentName), target: Target) -> Action {
        Action::CreateDeployment(CreateDeployment {
            app: AppRef::Id(app),
            environment: Some(environment),
            target,
            variables: BTreeMap::new(),
            trigger: Trigger::Manual,
            key: None,
            unless_unfinished: false,
            particulars: self.particulars,
            conditions: self.conditions,
            event: None,
        })
    }

    fn record(self, project: &ProjectView) -> Result<Action, Refusal> {
        let sha = self.full_sha("this project has no repository here")?;
        let told = |text: &str| Reported::parse(text).map_err(|_| Refusal::no_ref(text));
        Ok(Action::Record(Record {
            project: project.serial,
            environment: self.environment,
            reference: told(&self.reference)?,
            tag: false,
            sha: told(sha.as_str())?,
            state: ReportedState::Created,
            particulars: self.particulars,
            contexts: self.conditions.contexts,
        }))
    }

    /// What can be no name of git's names nothing.
    fn ref_name(&self) -> Result<RefName, Refusal> {
        RefName::parse(&self.reference).map_err(|_| Refusal::no_ref(&self.reference))
    }

    /// Where there is no repository to look into, only a whole commit id says which commit is meant.
    fn full_sha(&self, why: &str) -> Result<Sha, Refusal> {
        let sha = Sha::parse(&self.reference.to_ascii_lowercase());
        sha.map_err(|_| {
            Refusal::unprocessable(format!(
                "No ref found for: {}; {why}, so ref must be a full commit id",
                self.reference
            ))
        })
    }
}

/// The environment of this name that the configuration names, whatever the case.
fn bound(project: &ProjectView, name: &EnvironmentName) -> Option<(EnvironmentName, Bound)> {
    let is_it = |known: &&EnvironmentName| known.as_str().eq_ignore_ascii_case(name.as_str());
    let (known, bound) = match project.bound.get_key_value(name) {
        Some(exact) => exact,
        None => project.bound.iter().find(|(known, _)| is_it(known))?,
    };
    Some((known.clone(), *bound))
}

fn task(fields: &Fields) -> Result<Option<TaskName>, Refusal> {
    match fields.present("task")?.as_deref() {
        None | Some(TASK) => Ok(None),
        Some(text) => match TaskName::parse(text) {
            Ok(task) => Ok(Some(task)),
            Err(fault) => {
                let text = format!("task {fault}");
                Err(Refusal::invalid(Resource::Deployment, "task", text))
            }
        },
    }
}

/// An object or a text, kept as it was written.
fn payload(fields: &Fields) -> Result<Option<String>, Refusal> {
    let Some(raw) = fields.raw("payload") else {
        return Ok(None);
    };
    if !raw.starts_with(['{', '"']) {
        return Err(wrong("payload", raw, "an object"));
    }
    if raw.len() > MAX_PAYLOAD {
        let text = format!("payload is too long (maximum is {MAX_PAYLOAD} bytes)");
        return Err(Refusal::invalid(Resource::Deployment, "payload", text));
    }
    Ok(Some(raw.to_owned()))
}
