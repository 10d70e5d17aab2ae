//! Plans in answers.

use super::word::{Step, Strategy};
use crate::core::command::{Command as CoreCommand, Purpose};
use crate::core::planned::{Outcome as CoreOutcome, Planned};
use crate::core::reference::Reference;
use crate::core::route::Domain;
use serde::Serialize;
use utoipa::ToSchema;

/// What a request for a deployment would do now.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Plan {
    app: String,
    #[schema(required)]
    branch: Option<String>,
    /// The keys of the configuration by which what is live differs from what it would make.
    changes: Vec<String>,
    /// What would be run once before the release takes over, in order.
    commands: Vec<Command>,
    #[schema(required)]
    commit_sha: Option<String>,
    /// Where its requests come from.
    domains: Vec<String>,
    /// Whether nothing would serve for a while.
    downtime: bool,
    environment: String,
    #[schema(required)]
    image: Option<String>,
    /// Why the strategy is not the configured one; none if it is.
    #[schema(required)]
    instead: Option<&'static str>,
    /// What would run beside the container that serves.
    processes: Vec<String>,
    /// Why it would not be taken in.
    #[schema(required)]
    refused: Option<String>,
    /// The release that would be live again.
    #[schema(required)]
    release: Option<i64>,
    steps: Vec<Step>,
    strategy: Strategy,
    /// How many operations it would wait for.
    waits_for: usize,
    /// Why there would be a downtime, or none.
    why: &'static str,
    would: Outcome,
}

/// A command that is run once.
#[derive(Serialize, ToSchema)]
struct Command {
    /// The program and its arguments.
    command: Vec<String>,
    /// The task it is; none for a command of `release`.
    #[schema(required)]
    task: Option<String>,
}

impl Command {
    fn new((purpose, command): &(Purpose, CoreCommand)) -> Self {
        Self {
            command: command.words.clone(),
            task: match purpose {
                Purpose::Release(_) | Purpose::Run(_) => None,
                Purpose::Task(name) => Some(name.to_string()),
            },
        }
    }
}

/// What would come of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    /// A deployment.
    Deploy,
    /// A deployment that starts an environment that is stopped.
    Start,
    /// Nothing.
    Refused,
}

impl From<&Planned> for Plan {
    fn from(plan: &Planned) -> Self {
        let (would, refused) = match &plan.outcome {
            CoreOutcome::Deploy => (Outcome::Deploy, None),
            CoreOutcome::Start => (Outcome::Start, None),
            CoreOutcome::Refused(why) => (Outcome::Refused, Some(why.clone())),
        };
        let version = &plan.version;
        Self {
            app: plan.app.to_string(),
            branch: version.reference.as_ref().and_then(Reference::found_on),
            changes: plan.changes.clone(),
            commands: plan.commands.iter().map(Command::new).collect(),
            commit_sha: version.commit.as_ref().map(ToString::to_string),
            domains: plan.domains.iter().map(Domain::to_string).collect(),
            downtime: plan.interruption.is_downtime(),
            environment: plan.environment.to_string(),
            image: version.image.clone(),
            instead: plan.instead,
            processes: plan.processes.iter().map(ToString::to_string).collect(),
            refused,
            release: version.release,
            steps: plan.steps.iter().copied().map(Step::from).collect(),
            strategy: plan.strategy.into(),
            waits_for: plan.waits_for,
            why: plan.interruption.why(),
            would,
        }
    }
}
