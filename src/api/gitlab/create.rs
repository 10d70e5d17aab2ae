//! What a create asks for: with `created` that something is executed here, with any other status that something was
//! reported, and never both.

use super::error::Refusal;
use super::parse::Asked;
use crate::core::action::{Action, AppRef, CreateDeployment, Target};
use crate::core::commit_status::Contexts;
use crate::core::deployment::Trigger;
use crate::core::name::{EnvironmentName, ImageReference, Reported};
use crate::core::particulars::{Conditions, Particulars};
use crate::core::project::{Bound, ProjectView};
use crate::core::recorded::{Record, ReportedState};
use crate::core::reference::Reference;
use std::collections::BTreeMap;

/// A status that a client may give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Begin.
    Created,
    /// Somebody else is at it, or was.
    Reported(ReportedState),
}

impl Status {
    pub(super) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "created" => Self::Created,
            "running" => Self::Reported(ReportedState::Running),
            "success" => Self::Reported(ReportedState::Success),
            "failed" => Self::Reported(ReportedState::Failed),
            "canceled" => Self::Reported(ReportedState::Canceled),
            _ => return None,
        })
    }
}

/// What stands for the commit of what has none, in answers and so in requests.
pub(super) const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// A create, before it is known what its environment is.
pub(super) struct Wanted {
    environment: EnvironmentName,
    sha: Reported,
    reference: Reported,
    tag: bool,
    status: Status,
}

impl Wanted {
    /// Everything is required. In strict mode nothing is begun, as at GitLab.
    pub(super) fn of(asked: &mut Asked, strict: bool) -> Result<Self, Refusal> {
        let environment = asked.required("environment");
        let sha = asked.required("sha");
        let reference = asked.required("ref");
        if !asked.has("tag") {
            asked.fault("tag", "is missing");
        }
        let tag = asked.flag("tag").unwrap_or(false);
        let status = asked.required_word("status", |word| match Status::parse(word)? {
            Status::Created if strict => None,
            status @ (Status::Created | Status::Reported(_)) => Some(status),
        });
        asked.checked()?;
        let Some(status) = status else {
            return Err(Refusal::invalid("status is missing"));
        };
        let reported = |field, text: &str| {
            Reported::parse(text).map_err(|fault| Refusal::field(field, fault.to_string()))
        };
        // GitLab looks for the commit before it looks for the environment.
        let reference = reported("ref", &reference)?;
        let sha = reported("sha", &sha)?;
        let environment = EnvironmentName::reported(&environment)
            .map_err(|fault| Refusal::field("name", fault.to_string()))?;
        Ok(Self {
            environment,
            sha,
            reference,
            tag,
            status,
        })
    }

    /// What is to be done in this project.
    pub(super) fn action(self, project: &ProjectView) -> Result<Action, Refusal> {
        let state = match (self.status, project.bound.get(&self.environment)) {
            (Status::Reported(state), _) => state,
            (Status::Created, Some(bound)) => return self.execute(*bound),
            // A mistyped name must not vanish into a record.
            (Status::Created, None) if project.has_source => {
                return Err(Refusal::field(
                    "environment",
                    "is not configured for this project",
                ));
            }
            (Status::Created, None) => ReportedState::Created,
        };
        Ok(Action::Record(Record {
            project: project.serial,
            environment: self.environment,
            reference: self.reference,
            tag: self.tag,
            sha: self.sha,
            state,
            particulars: Particulars::default(),
            contexts: Contexts::Skip,
        }))
    }

    /// To execute. While an equal one has not ended it is the answer: clients repeat requests by themselves.
    fn execute(self, bound: Bound) -> Result<Action, Refusal> {
        let target = match bound.runs_image {
            true => self.image()?,
            false => self.commit()?,
        };
        Ok(Action::CreateDeployment(CreateDeployment {
            app: AppRef::Id(bound.app),
            environment: Some(self.environment),
            target,
            variables: BTreeMap::new(),
            trigger: Trigger::Manual,
            key: None,
            unless_unfinished: true,
            particulars: Particulars::default(),
            conditions: Conditions::default(),
            event: None,
        }))
    }

    fn commit(&self) -> Result<Target, Refusal> {
        let sha = self.sha.as_str().to_ascii_lowercase();
        let is_commit = (7..=40).contains(&sha.len()) && sha.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_commit {
            return Err(Refusal::field(
                "sha",
                "must be 7 to 40 hexadecimal digits to be executed here",
            ));
        }
        let reference = Reference::parse(self.reference.as_str(), self.tag);
        let reference = reference.map_err(|fault| Refusal::field("ref", fault.to_string()))?;
        Ok(Target::Reference(reference, Some(sha)))
    }

    /// Where an image runs there is no commit to name, and a commit that is named would not be what runs.
    fn image(&self) -> Result<Target, Refusal> {
        if self.sha.as_str() != NO_COMMIT {
            return Err(Refusal::field(
                "sha",
                "must be 40 zeros: this environment runs an image, which has no commit, and ref names the image",
            ));
        }
        let image = ImageReference::parse(self.reference.as_str()).map_err(|fault| {
            Refusal::field("ref", format!("must be the image to run: it {fault}"))
        })?;
        Ok(Target::Image(image))
    }
}
