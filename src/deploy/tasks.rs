//! The commands of a deployment: those of `release`, and the task that was asked for. They run in order, each to its end,
//! from the image that is to become live and before anything of it is made or anything that serves is stopped.

use super::containers::one_off_spec;
use super::interrupt::{Interrupt, Stop};
use super::one_off::OneOff;
use super::secrets::unreadable;
use super::walk::Walk;
use crate::core::command::{
    Command, LONGEST_IN_VARIABLE, PayloadPlace, Purpose, commands_of, unknown,
};
use crate::core::container::ContainerRow;
use crate::core::deployment::Step;
use crate::core::error::Error;
use crate::core::failure::{Failure, FailureCode};
use crate::core::name::{TaskName, VariableName};
use crate::core::one_off::{Attempt, Cut, End, Stage};
use crate::core::ports::ContainerSpec;
use crate::core::release::ReleaseContent;
use crate::core::secret::Secret;
use crate::core::spec::Spec;
use crate::store::{ContainerEnv, Owner};
use std::collections::BTreeMap;

/// How often a command that may be run again is tried: what cuts it off more often is no accident.
const MOST_ATTEMPTS: u32 = 3;

/// What the commands of a deployment are run with.
#[derive(Clone, Copy)]
struct Given<'a> {
    content: &'a ReleaseContent,
    variables: &'a BTreeMap<VariableName, Secret>,
}

/// Whether there is such a task.
///
/// # Errors
/// [`Error::UnknownTask`] names those there are.
pub(super) fn known_task(spec: &Spec, task: Option<&TaskName>) -> Result<(), Error> {
    match (unknown(spec, task), task) {
        (Some(known), Some(task)) => Err(Error::UnknownTask {
            task: task.to_string(),
            known,
        }),
        (Some(_) | None, _) => Ok(()),
    }
}

/// Whether a payload can be where the configuration says.
///
/// # Errors
/// [`Error::Invalid`] if it is too long for a variable.
pub(super) fn payload_fits(spec: &Spec, payload: Option<&str>) -> Result<(), Error> {
    match (&spec.run.payload, payload) {
        (Some(PayloadPlace::Env(name)), Some(payload)) if payload.len() > LONGEST_IN_VARIABLE => {
            Err(Error::Invalid {
                field: "payload",
                message: format!(
                    "is longer than the {LONGEST_IN_VARIABLE} bytes that fit into {name}, where the configuration puts it; payload = {{ file = \"…\" }} has no such limit"
                ),
            })
        }
        (Some(PayloadPlace::Env(_) | PayloadPlace::File(_)) | None, _) => Ok(()),
    }
}

impl Walk<'_> {
    /// Runs what is to be run before the release takes over.
    pub(super) async fn run_commands(
        &self,
        interrupt: &Interrupt,
        content: &ReleaseContent,
        variables: &BTreeMap<VariableName, Secret>,
    ) -> Result<(), Stop> {
        let given = Given { content, variables };
        let request = &self.deployment.request;
        if let Some(task) = &request.task
            && unknown(&self.spec, Some(task)).is_some()
        {
            return Err(task_is_gone(task).into());
        }
        let commands = commands_of(&self.spec, &request.wanted, request.task.as_ref());
        let count = commands.len();
        for (index, (purpose, command)) in commands.into_iter().enumerate() {
            let told = format!("{} ({} of {count})", called(&purpose), index + 1);
            self.run_command(interrupt, given, (&purpose, command), &told)
                .await?;
        }
        Ok(())
    }

    async fn run_command(
        &self,
        interrupt: &Interrupt,
        given: Given<'_>,
        (purpose, command): (&Purpose, &Command),
        told: &str,
    ) -> Result<(), Stop> {
        let agent = self.agent;
        let say = |text: String| self.journal.agent(Step::Rollout, &text);
        loop {
            let attempts = agent.store.attempts(self.deployment.serial)?;
            let last = attempts.into_iter().rfind(|one| one.purpose == *purpose);
            let attempt = match last {
                Some(Attempt {
                    stage: Stage::Ended(Some(_)),
                    ..
                }) => return Ok(()),
                Some(Attempt {
                    stage: Stage::Ended(None),
                    number,
                    ..
                }) => self.intend(given, purpose, number + 1)?,
                Some(unfinished) => {
                    // It prints what it was given, which may be known to nobody else by now.
                    let given = agent.store.hidden_values(unfinished.container.serial)?;
                    self.journal.hide(&given);
                    unfinished
                }
                None => self.intend(given, purpose, 1)?,
            };
            match attempt.stage {
                Stage::Intended => say(format!("Running {told}: {command}")),
                Stage::Made | Stage::Starting | Stage::Ended(_) => {
                    say(format!("Going on with {told}: {command}"));
                }
            }
            let number = attempt.number;
            let patience = self.patience(interrupt, Step::Rollout);
            let mut one_off = OneOff::new(patience, self.place, self.owner(), attempt);
            let ended = one_off
                .go(|row| self.one_off_spec(given, command, row))
                .await;
            let status = match ended {
                Ok(End::Done) => Some(0),
                Ok(End::Interrupted(cut)) if command.retry && number < MOST_ATTEMPTS => {
                    say(format!("{}; retry = true: running it again", cut_off(cut)));
                    None
                }
                Ok(end) => {
                    return Err(failed(purpose, command, &end, one_off.last_lines().await).into());
                }
                Err(stop) => return Err(self.cut_short(stop, purpose, command, &one_off).await),
            };
            let now = agent.ports.clock.now();
            agent
                .store
                .end_attempt(self.owner(), &one_off.attempt, status, now)?;
            interrupt.race(agent.settle(self.place)).await??;
        }
    }

    fn owner(&self) -> Owner<'_> {
        Owner::Deployment(&self.deployment)
    }

    /// What a command is given, hidden from here on.
    fn command_env(&self, given: Given<'_>) -> Result<ContainerEnv, Stop> {
        let run = &given.content.run;
        let env = self
            .agent
            .store
            .container_env(self.place, run, given.variables)
            .map_err(unreadable)?;
        self.journal.hide(&env.hidden);
        Ok(env)
    }

    fn intend(&self, given: Given<'_>, purpose: &Purpose, number: u32) -> Result<Attempt, Stop> {
        let env = self.command_env(given)?;
        let now = self.agent.ports.clock.now();
        let slug = self.place.slug();
        let what = (purpose, number);
        let store = &self.agent.store;
        Ok(store.intend_attempt(self.owner(), &slug, what, &env.hidden, now)?)
    }

    fn one_off_spec(
        &self,
        given: Given<'_>,
        command: &Command,
        row: &ContainerRow,
    ) -> Result<ContainerSpec, Stop> {
        let env = self.command_env(given)?;
        // They may have changed since the attempt was written down.
        self.agent.store.hide_too(row.serial, &env.hidden)?;
        let labels = self.labels("task")?;
        Ok(one_off_spec(
            self.place,
            given.content,
            command,
            env,
            row,
            labels,
        ))
    }

    /// It was ended from outside while a command ran, or the time of the rollout is up.
    async fn cut_short(
        &self,
        stop: Stop,
        purpose: &Purpose,
        command: &Command,
        one_off: &OneOff<'_>,
    ) -> Stop {
        let begun = match one_off.attempt.stage {
            Stage::Starting => true,
            Stage::Intended | Stage::Made | Stage::Ended(_) => false,
        };
        match stop {
            Stop::Failed(failure) if begun => Stop::from(Failure {
                message: format!(
                    "{}; {} `{command}` was at work: it is ended, and what it already did is not undone",
                    failure.message,
                    called(purpose),
                ),
                output: one_off.last_lines().await,
                ..*failure
            }),
            Stop::Moved if begun => {
                let text = format!(
                    "Ending {} `{command}`; what it already did is not undone",
                    called(purpose)
                );
                self.journal.agent(Step::Rollout, &text);
                Stop::Moved
            }
            Stop::Failed(_) | Stop::Moved | Stop::Store(_) => stop,
        }
    }
}

/// What a command is called in front of its words.
fn called(purpose: &Purpose) -> String {
    match purpose {
        Purpose::Release(_) => "release command".to_owned(),
        Purpose::Task(name) => format!("task {name}"),
        Purpose::Run(event) => format!("the job's command at '{event}'"),
    }
}

fn failed(purpose: &Purpose, command: &Command, end: &End, output: Vec<String>) -> Failure {
    let own = match purpose {
        Purpose::Release(_) => FailureCode::ReleaseFailed,
        Purpose::Task(_) => FailureCode::TaskFailed,
        Purpose::Run(_) => FailureCode::JobFailed,
    };
    let (code, next) = match end {
        End::Done | End::Failed(_) => (own, MEND),
        End::OutOfMemory => (own, "Raise `memory` and deploy again."),
        End::NotStarted(_) => (
            own,
            "Check the command, and the image's entrypoint, which is run before it, and deploy again.",
        ),
        End::Interrupted(_) => (
            FailureCode::Interrupted,
            "Look how far it came, and deploy again when it can be run again; with `retry = true` longshore does so by itself.",
        ),
    };
    let how = told(end);
    let undone = match end {
        End::NotStarted(_) => "nothing was switched",
        End::Done | End::Failed(_) | End::OutOfMemory | End::Interrupted(_) => {
            "nothing was switched, and what it already did is not undone"
        }
    };
    Failure {
        code,
        message: format!("{} `{command}` {how}; {undone}", called(purpose)),
        output,
        next: next.into(),
    }
}

/// How a command ended, to be read after what it is called.
pub(super) fn told(end: &End) -> String {
    match end {
        End::Done => "ended with status 0".to_owned(),
        End::Failed(127) => "ended with status 127: a program in it was not found".to_owned(),
        End::Failed(status) => format!("ended with status {status}"),
        End::OutOfMemory => "was killed because it used more memory than its limit".to_owned(),
        End::NotStarted(why) => format!("could not be started: {why}"),
        End::Interrupted(cut) => cut_off(*cut),
    }
}

const MEND: &str = "Read its output, mend the cause and deploy again.";

fn cut_off(cut: Cut) -> String {
    match cut {
        Cut::Gone => "was cut off: its container was removed by somebody else".to_owned(),
        Cut::Ended(status) => format!(
            "was cut off: it was ended from outside, by signal {} (status {status})",
            status - 128
        ),
        Cut::Unseen => "was cut off: the engine was gone when it ended".to_owned(),
    }
}

fn task_is_gone(task: &TaskName) -> Failure {
    Failure {
        code: FailureCode::ConfigChanged,
        message: format!("the configuration no longer has the task '{task}' that was asked for"),
        output: Vec::new(),
        next: "Put it back under [app.tasks], `longshore reload` and deploy again, or deploy without it.".into(),
    }
}
