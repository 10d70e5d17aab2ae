//! A run at work: the command a job has for an event is tried until it ends well or may not be tried again, within the time
//! the run has for all its attempts. Whose run it is, and what its end means for that, is not known here.

use super::Agent;
use super::containers::{as_run, run_spec};
use super::failures;
use super::interrupt::{Interrupt, Stop, Work};
use super::journal::Journal;
use super::one_off::OneOff;
use super::patience::Patience;
use super::secrets::unreadable;
use super::tasks::told;
use super::uphold::NotYet;
use crate::core::command::{Command, Purpose};
use crate::core::container::{ContainerRow, RUN};
use crate::core::deployment::{Deployment, Step};
use crate::core::failure::{Failure, FailureCode};
use crate::core::job::{JobCommand, JobEvent};
use crate::core::name::VariableName;
use crate::core::one_off::{Attempt, End, Stage};
use crate::core::ports::{ContainerSpec, EngineError};
use crate::core::release::ReleaseContent;
use crate::core::run::{Cause, Run};
use crate::core::secret::Secret;
use crate::store::{ContainerEnv, Owner, Place, StoreError};
use std::collections::BTreeMap;

/// What to do about failures that a deployment and a run can have, where it is a run that is to be made again.
const AGAIN: [(FailureCode, &str); 3] = [
    (
        FailureCode::AddressesExhausted,
        "Wait for runs that are at work (each has one of the environment's 30 addresses), look with `docker ps -a` for containers that cannot be removed, then run it again.",
    ),
    (
        FailureCode::EngineUnavailable,
        "Start the engine (`systemctl start docker`) or correct docker.host, then run it again.",
    ),
    (
        FailureCode::SecretUnreadable,
        "Put what the message names in place, readable by the user longshore runs as, then run it again.",
    ),
];

/// A run with everything its command is run with.
pub(super) struct Execution<'a> {
    pub(super) agent: &'a Agent,
    pub(super) place: &'a Place,
    pub(super) run: &'a Run,
    /// The deployment whose release it runs.
    pub(super) of: &'a Deployment,
    pub(super) content: &'a ReleaseContent,
    pub(super) variables: &'a BTreeMap<VariableName, Secret>,
    pub(super) journal: &'a Journal,
}

impl Execution<'_> {
    /// Brings the run's command to an end that counts as success, within the run's time, and writes that down of the last
    /// attempt. With `within` it ends with the work whose part it is.
    pub(super) async fn go(&self, within: Option<&Interrupt>) -> Result<(), Stop> {
        let work = Work::Run(self.run);
        let row = self.agent.store.task(work.task())?;
        let row = row.ok_or_else(|| failures::internal("the run has no row"))?;
        let worked = self.agent.guarded(work, row, async |interrupt| {
            let tried = self.try_until_done(interrupt);
            match within {
                None => tried.await,
                Some(within) => tokio::select! {
                    biased;
                    never = within.hand_on(interrupt) => never,
                    ended = tried => ended,
                },
            }
        });
        worked.await.map_err(|stop| self.to_be_run_again(stop))
    }

    /// What failures of deployments say is to be done about them, said of a run that belongs to none.
    fn to_be_run_again(&self, stop: Stop) -> Stop {
        let Stop::Failed(mut failure) = stop else {
            return stop;
        };
        match self.run.cause {
            Cause::Deployment(_) => {}
            Cause::Change(_) | Cause::Schedule(_) | Cause::Hand => {
                let said = AGAIN.iter().find(|(code, _)| *code == failure.code);
                if let Some((_, next)) = said {
                    failure.next = (*next).to_owned();
                }
            }
        }
        Stop::Failed(failure)
    }

    async fn try_until_done(&self, interrupt: &Interrupt) -> Result<(), Stop> {
        let agent = self.agent;
        let command = self.command()?;
        let retries = agent.store.retries(self.run.serial)?;
        loop {
            let Some(attempt) = self.attempt()? else {
                return Ok(());
            };
            self.announce(&attempt, retries, &command);
            if matches!(attempt.stage, Stage::Intended | Stage::Made) {
                self.ensure_image(interrupt).await?;
            }
            let number = attempt.number;
            let patience = self.patience(interrupt);
            let mut one_off = OneOff::new(patience, self.place, self.owner(), attempt);
            let ended = one_off.go(|row| self.spec(&command, row)).await;
            let end = match ended {
                Ok(end) => end,
                Err(stop) => return Err(self.cut_short(stop, &command, &one_off).await),
            };
            let status = status_of(&end);
            if end != End::Done && number > retries {
                let output = one_off.last_lines().await;
                let owner = self.owner();
                agent.store.record_status(owner, &one_off.attempt, status)?;
                return Err(failed(&self.called(&command), &end, number, output).into());
            }
            let now = agent.ports.clock.now();
            agent
                .store
                .end_attempt(self.owner(), &one_off.attempt, status, now)?;
            if end == End::Done {
                return Ok(());
            }
            self.say(&format!(
                "{} {}; running it again",
                self.called(&command),
                told(&end)
            ));
            self.settle(interrupt).await?;
        }
    }

    /// The attempt to go on with; `None` if the last one ended well.
    fn attempt(&self) -> Result<Option<Attempt>, Stop> {
        let store = &self.agent.store;
        let last = store.attempts_of_run(self.run.serial)?.pop();
        let Some(last) = last else {
            return self.intend(1).map(Some);
        };
        match last.stage {
            Stage::Ended(Some(0)) => Ok(None),
            Stage::Ended(_) => self.intend(last.number + 1).map(Some),
            Stage::Intended | Stage::Made | Stage::Starting => {
                // It prints what it was given, which may be known to nobody else by now.
                self.journal
                    .hide(&store.hidden_values(last.container.serial)?);
                Ok(Some(last))
            }
        }
    }

    fn intend(&self, number: u32) -> Result<Attempt, Stop> {
        let env = self.env()?;
        let now = self.agent.ports.clock.now();
        let what = (&Purpose::Run(self.run.event), number);
        let store = &self.agent.store;
        Ok(store.intend_attempt(self.owner(), &self.place.slug(), what, &env.hidden, now)?)
    }

    fn announce(&self, attempt: &Attempt, retries: u32, command: &JobCommand) {
        let which = match attempt.number {
            1 => String::new(),
            number => format!(" (attempt {number} of {})", retries.saturating_add(1)),
        };
        let begins = match attempt.stage {
            Stage::Intended => "Running",
            Stage::Made | Stage::Starting | Stage::Ended(_) => "Going on with",
        };
        self.say(&format!("{begins} {}{which}", self.called(command)));
    }

    /// The release's image is on the host, or pulled again by its digest.
    async fn ensure_image(&self, interrupt: &Interrupt) -> Result<(), Stop> {
        let engine = &self.agent.ports.engine;
        let image = &self.content.image;
        let found = self
            .patience(interrupt)
            .call(async || engine.find_image(&image.id).await)
            .await?;
        if found
            .map_err(|error| failures::engine("look for the image", error))?
            .is_some()
        {
            return Ok(());
        }
        self.say(&format!("Pulling {} again", image.reference));
        // The engine may quote what it was given.
        let registries = self.agent.registry_credentials().map_err(unreadable)?;
        let passwords: Vec<Secret> = registries.into_iter().map(|one| one.password).collect();
        self.journal.hide(&passwords);
        let patience = self.patience(interrupt);
        let pulled =
            patience.call(
                async || match interrupt.race(self.agent.pull_again(image)).await {
                    Ok(Err(NotYet::Engine(error))) => Err(error),
                    Ok(pulled) => Ok(Ok(pulled)),
                    Err(stop) => Ok(Err(stop)),
                },
            );
        match pulled.await? {
            Ok(pulled) => match pulled? {
                Ok(()) => Ok(()),
                Err(NotYet::Store(error)) => Err(error.into()),
                Err(NotYet::Secret(error)) => Err(unreadable(error)),
                Err(why @ (NotYet::Engine(_) | NotYet::Ingress(_) | NotYet::OtherTable { .. })) => {
                    Err(failures::internal(why.to_string()).into())
                }
            },
            Err(EngineError::NotFound(why)) => Err(Stop::from(Failure {
                code: FailureCode::ImageGone,
                message: format!("the release's image cannot be had: {why}"),
                output: Vec::new(),
                next: "Deploy again: that builds or pulls an image.".into(),
            })),
            Err(error) => Err(failures::pull(error, &image.reference, Vec::new()).into()),
        }
    }

    fn spec(&self, command: &JobCommand, row: &ContainerRow) -> Result<ContainerSpec, Stop> {
        let env = self.env()?;
        // They may have changed since the attempt was written down.
        self.agent.store.hide_too(row.serial, &env.hidden)?;
        let labels = self.agent.labels(self.place, self.of, self.role())?;
        Ok(run_spec(
            self.place,
            self.content,
            command,
            env,
            row,
            labels,
        ))
    }

    /// What the command is given, hidden from here on.
    fn env(&self) -> Result<ContainerEnv, Stop> {
        let store = &self.agent.store;
        let env = store.container_env(self.place, &self.content.run, self.variables);
        let env = env.map_err(unreadable)?;
        self.journal.hide(&env.hidden);
        Ok(env)
    }

    fn command(&self) -> Result<JobCommand, Stop> {
        let job = self.content.job.as_ref();
        let command = job.and_then(|job| job.command(self.run.event));
        command.ok_or_else(|| failures::internal("the release does not have the event").into())
    }

    async fn settle(&self, interrupt: &Interrupt) -> Result<(), Stop> {
        match self.run.stands_alone() {
            true => {
                interrupt
                    .race(self.agent.settle_run(self.place, self.run))
                    .await??
            }
            false => interrupt.race(self.agent.settle(self.place)).await??,
        }
        Ok(())
    }

    /// It was ended from outside while the command ran, or its time is up.
    async fn cut_short(&self, stop: Stop, command: &JobCommand, one_off: &OneOff<'_>) -> Stop {
        let begun = match one_off.attempt.stage {
            Stage::Starting => true,
            Stage::Intended | Stage::Made | Stage::Ended(_) => false,
        };
        match stop {
            Stop::Failed(failure) if begun => Stop::from(Failure {
                message: format!(
                    "{}; {} was at work: it is ended, and what it already did is not undone",
                    failure.message,
                    self.called(command)
                ),
                output: one_off.last_lines().await,
                ..*failure
            }),
            Stop::Moved if begun => {
                self.say(&format!(
                    "Ending {}; what it already did is not undone",
                    self.called(command)
                ));
                Stop::Moved
            }
            Stop::Failed(_) | Stop::Moved | Stop::Store(_) => stop,
        }
    }

    fn called(&self, command: &JobCommand) -> String {
        called(self.run.event, self.content, command)
    }

    fn owner(&self) -> Owner<'_> {
        Owner::Run(self.run)
    }

    /// In whose step it is.
    fn step(&self) -> Option<Step> {
        match self.run.cause {
            Cause::Deployment(_) => Some(Step::Rollout),
            Cause::Change(_) | Cause::Schedule(_) | Cause::Hand => None,
        }
    }

    fn role(&self) -> &'static str {
        match self.run.cause {
            Cause::Deployment(_) => "task",
            Cause::Change(_) | Cause::Schedule(_) | Cause::Hand => RUN,
        }
    }

    fn say(&self, text: &str) {
        self.journal.agent(self.step(), text);
    }

    fn patience<'b>(&'b self, interrupt: &'b Interrupt) -> Patience<'b> {
        Patience {
            agent: self.agent,
            interrupt,
            journal: self.journal,
            step: self.step(),
        }
    }
}

impl Agent {
    /// Queued → Running, when those before it have ended for which it waits.
    pub(super) async fn begin_run(&self, run: Run, interrupt: &Interrupt) -> Result<Run, Stop> {
        let mut changes = self.store.changes();
        loop {
            changes.borrow_and_update();
            let now = self.ports.clock.now();
            if let Some(begun) = self.store.begin_run(&run, now)? {
                return Ok(begun);
            }
            let told = interrupt.race(changes.changed()).await?;
            // Nothing changes any more: the process ends.
            told.map_err(|_| StoreError::Closed)?;
        }
    }
}

/// What a run's command is called, with its words as they could be typed.
fn called(event: JobEvent, content: &ReleaseContent, command: &JobCommand) -> String {
    let run = as_run(&content.run, command);
    let words: Vec<String> = run.entrypoint.into_iter().chain(run.command).collect();
    let on = match event {
        JobEvent::Start => "on_start",
        JobEvent::Stop => "on_stop",
        JobEvent::Delete => "on_delete",
        JobEvent::Cron => "the job",
    };
    match words.is_empty() {
        true => format!("{on} (the image's own command)"),
        false => format!(
            "{on} `{}`",
            Command {
                words,
                retry: false
            }
        ),
    }
}

/// The exit status it ended with by itself.
fn status_of(end: &End) -> Option<i64> {
    match end {
        End::Done => Some(0),
        End::Failed(status) => Some(*status),
        End::OutOfMemory | End::NotStarted(_) | End::Interrupted(_) => None,
    }
}

fn failed(called: &str, end: &End, attempts: u32, output: Vec<String>) -> Failure {
    let (code, next) = match end {
        End::Done | End::Failed(_) => (
            FailureCode::JobFailed,
            "Read its output, mend the cause and run it again.",
        ),
        End::OutOfMemory => (
            FailureCode::JobFailed,
            "Raise `memory`, deploy and run it again.",
        ),
        End::NotStarted(_) => (
            FailureCode::JobFailed,
            "Check the command and the image's entrypoint, deploy and run it again.",
        ),
        End::Interrupted(_) => (
            FailureCode::Interrupted,
            "Look how far it came, and run it again when that can be done; with `retries` longshore does so by itself.",
        ),
    };
    let tries = match attempts {
        1 => String::new(),
        attempts => format!(" at the last of {attempts} attempts"),
    };
    Failure {
        code,
        message: format!("{called} {}{tries}", told(end)),
        output,
        next: next.into(),
    }
}
