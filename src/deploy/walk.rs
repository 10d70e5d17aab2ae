//! One deployment, from its queue to its commit or its end before it.

use super::Agent;
use super::failures;
use super::interrupt::{Interrupt, Resumed, Stop, Work};
use super::journal::{Journal, Secrets};
use super::patience::Patience;
use super::permits::Permit;
use super::secrets::unreadable;
use crate::core::admission::{DeniedReason, may_begin};
use crate::core::deployment::{Deployment, Phase, Step, Wanted};
use crate::core::failure::{Failure, FailureCode};
use crate::core::id::OperationSerial;
use crate::core::ports::Labels;
use crate::core::run::RunPhase;
use crate::core::spec::Spec;
use crate::store::{Place, StepResult, StoreError};
use std::cell::RefCell;

/// A deployment at work.
pub(super) struct Walk<'a> {
    pub(super) agent: &'a Agent,
    pub(super) place: &'a Place,
    operation: OperationSerial,
    pub(super) deployment: Deployment,
    pub(super) spec: Spec,
    pub(super) secrets: Secrets,
    pub(super) journal: Journal,
    /// The right to check out, build and roll out; given back when a job's run begins.
    pub(super) permit: RefCell<Option<Permit<'a>>>,
}

impl Agent {
    /// Walks a queued or running deployment until it is committed or has ended.
    pub(super) async fn deploy(
        &self,
        place: &Place,
        operation: OperationSerial,
        deployment: Deployment,
    ) -> Result<(), StoreError> {
        let permit = match self.only_runs(&deployment)? {
            true => None,
            false => tokio::select! {
                biased;
                left = self.left(Work::Step(&deployment, Step::Rollout)) => return left,
                permit = self.permits.acquire() => Some(permit),
            },
        };
        match self.prepare(place, operation, deployment) {
            Ok(mut walk) => {
                walk.permit = RefCell::new(permit);
                walk.go().await
            }
            // … for the end of runs that began meanwhile.
            Err(Refusal::Moved | Refusal::Waits) => Ok(()),
            Err(Refusal::Store(error)) => Err(error),
            Err(Refusal::Failed(running, failure)) => {
                let journal = self.journal(running.id, &[])?;
                self.fail(place, &running, &journal, *failure)
            }
        }
    }

    /// Whether all it does is to run what belongs to it: that counts for nobody else.
    fn only_runs(&self, deployment: &Deployment) -> Result<bool, StoreError> {
        if deployment.phase != Phase::Running(Step::Rollout) {
            return Ok(false);
        }
        let run = self.store.run_of_deployment(deployment.serial)?;
        Ok(run.is_some_and(|run| run.phase == RunPhase::Running))
    }

    /// Starts a queued deployment with the spec of this moment, or picks a running one up with the spec it has.
    fn prepare<'a>(
        &'a self,
        place: &'a Place,
        operation: OperationSerial,
        mut deployment: Deployment,
    ) -> Result<Walk<'a>, Refusal> {
        let (deployment, spec) = match deployment.phase {
            Phase::Queued => {
                let may = may_begin(place.desired, deployment.request.trigger);
                if deployment.request.wanted == Wanted::Restart {
                    self.take_over_variables(place, &mut deployment)?;
                }
                let spec = self
                    .configured(place)
                    .filter(|spec| deployment.request.wanted.fits(&spec.source));
                let from = deployment.phase.clone();
                let run = self.run_of_deployment(place, &deployment, spec.as_ref())?;
                let started = deployment.start().map_err(StoreError::from)?;
                let own = run.as_ref().ok().and_then(Option::as_ref);
                let own = own.filter(|_| may.is_ok());
                let now = self.ports.clock.now();
                let begun =
                    self.store
                        .start_deployment(&from, &started, spec.as_ref(), own, now)?;
                if !begun {
                    return Err(Refusal::Waits);
                }
                let refused = match may {
                    Err(reason) => Err(not_now(reason)),
                    Ok(()) => run.map(drop),
                };
                if let Err(failure) = refused {
                    return Err(Refusal::Failed(Box::new(started), Box::new(failure)));
                }
                (started, spec)
            }
            _ => {
                let spec = self.store.spec(deployment.serial)?;
                (deployment, spec)
            }
        };
        let Some(spec) = spec else {
            let failure = config_changed(place);
            return Err(Refusal::Failed(Box::new(deployment), Box::new(failure)));
        };
        match self.secrets(place, &spec, &deployment) {
            Ok(secrets) => {
                let journal = self.journal(deployment.id, secrets.hidden())?;
                Ok(Walk {
                    agent: self,
                    place,
                    operation,
                    deployment,
                    spec,
                    secrets,
                    journal,
                    permit: RefCell::new(None),
                })
            }
            Err(error) => Err(match unreadable(error) {
                Stop::Failed(failure) => Refusal::Failed(Box::new(deployment), failure),
                Stop::Moved => Refusal::Moved,
                Stop::Store(error) => Refusal::Store(error),
            }),
        }
    }

    /// A restart keeps the variables that belong to the live release, under its own.
    fn take_over_variables(
        &self,
        place: &Place,
        deployment: &mut Deployment,
    ) -> Result<(), StoreError> {
        if let Some(live) = self.store.live(place.environment)? {
            let mut variables = self
                .store
                .deployment(live.release.deployment)?
                .request
                .variables;
            variables.append(&mut deployment.request.variables);
            deployment.request.variables = variables;
        }
        Ok(())
    }

    /// Ends a deployment that has not begun, or does not go on.
    pub(super) fn give_up(
        &self,
        place: &Place,
        deployment: Deployment,
        failure: Failure,
    ) -> Result<(), StoreError> {
        let from = deployment.phase.clone();
        let running = if from == Phase::Queued {
            let started = deployment.start()?;
            let spec = self.configured(place);
            let now = self.ports.clock.now();
            let written = self
                .store
                .start_deployment(&from, &started, spec.as_ref(), None, now);
            match written {
                Ok(_) => started,
                Err(StoreError::Moved(_)) => return Ok(()),
                Err(error) => return Err(error),
            }
        } else {
            deployment
        };
        let journal = self.journal(running.id, &[])?;
        self.fail(place, &running, &journal, failure)
    }

    /// Writes a failure down, with what remains to be undone.
    fn fail(
        &self,
        place: &Place,
        deployment: &Deployment,
        journal: &Journal,
        failure: Failure,
    ) -> Result<(), StoreError> {
        let failure = journal.redact(failure);
        let step = deployment.phase.running_step();
        journal.agent(
            step,
            &format!("Failed ({}): {}", failure.code.as_str(), failure.message),
        );
        journal.agent(step, &failure.next);
        let now = self.ports.clock.now();
        let failed = deployment.clone().fail(failure, now)?;
        match self
            .store
            .end(&deployment.phase, &failed, &place.slug(), now)
        {
            Ok(()) | Err(StoreError::Moved(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl<'a> Walk<'a> {
    async fn go(mut self) -> Result<(), StoreError> {
        while let Some(step) = self.deployment.phase.running_step() {
            match self.take(step).await {
                Ok(next) => self.deployment = next,
                Err(Stop::Failed(failure)) => {
                    return self
                        .agent
                        .fail(self.place, &self.deployment, &self.journal, *failure);
                }
                Err(Stop::Store(error)) => return Err(error),
                Err(Stop::Moved) => {
                    let now = self.agent.store.deployment(self.deployment.serial)?.phase;
                    self.journal
                        .agent(step, &format!("Ended from outside: {}", now.as_str()));
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Takes one step and writes down what it found, together with the phase that follows.
    async fn take(&self, step: Step) -> Result<Deployment, Stop> {
        let agent = self.agent;
        let work = Work::Step(&self.deployment, step);
        let row = agent.store.task(work.task())?;
        let row =
            row.ok_or_else(|| failures::internal(format!("the {} has no row", step.as_str())))?;
        agent.resume(Resumed::Operation(self.operation), work, row)?;
        agent
            .guarded(work, row, async |interrupt| match step {
                Step::Checkout => {
                    let checkout = self.checkout(interrupt, step).await?;
                    self.advance(StepResult::Commit(&checkout.commit))
                }
                Step::Build => {
                    let image = self.build(interrupt).await?;
                    self.advance(StepResult::Image(&image))
                }
                Step::Rollout => self.rollout(interrupt).await,
                Step::SyncConnections => {
                    Err(failures::internal("connections are made when it is committed").into())
                }
            })
            .await
    }

    fn advance(&self, result: StepResult<'_>) -> Result<Deployment, Stop> {
        let next = self
            .deployment
            .clone()
            .advance()
            .map_err(StoreError::from)?;
        let now = self.agent.ports.clock.now();
        self.agent
            .store
            .advance(&self.deployment.phase, &next, result, &self.spec, now)?;
        Ok(next)
    }

    pub(super) fn patience<'b>(&'b self, interrupt: &'b Interrupt, step: Step) -> Patience<'b> {
        Patience {
            agent: self.agent,
            interrupt,
            journal: &self.journal,
            step: Some(step),
        }
    }

    pub(super) fn labels(&self, role: &str) -> Result<Labels, StoreError> {
        self.agent.labels(self.place, &self.deployment, role)
    }
}

impl Agent {
    /// What every object made for a deployment carries.
    pub(super) fn labels(
        &self,
        place: &Place,
        deployment: &Deployment,
        role: &str,
    ) -> Result<Labels, StoreError> {
        Ok(Labels {
            app: place.app_name.as_str().to_owned(),
            environment: place.environment_name.as_str().to_owned(),
            deployment: deployment.id,
            serial: deployment.serial.0,
            generation: self.store.generation()?,
            role: role.to_owned(),
        })
    }
}

/// Why a walk did not begin.
enum Refusal {
    Moved,
    Waits,
    Store(StoreError),
    Failed(Box<Deployment>, Box<Failure>),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Moved(_) => Self::Moved,
            other => Self::Store(other),
        }
    }
}

/// What was before it in the queue left the environment in a state in which it may not begin.
fn not_now(reason: DeniedReason) -> Failure {
    let code = match reason {
        DeniedReason::Stopped => FailureCode::EnvironmentStopped,
        DeniedReason::Suspended => FailureCode::EnvironmentSuspended,
        DeniedReason::NotSuspended
        | DeniedReason::Removed
        | DeniedReason::Collected
        | DeniedReason::QueueFull => FailureCode::Internal,
    };
    Failure {
        code,
        message: reason.to_string(),
        output: Vec::new(),
        next: "Start or activate the environment, or deploy by hand.".into(),
    }
}

fn config_changed(place: &Place) -> Failure {
    Failure {
        code: FailureCode::ConfigChanged,
        message: format!(
            "the configuration no longer has environment '{}' of app '{}' with the kind of source this deployment was asked for",
            place.environment_name, place.app_name
        ),
        output: Vec::new(),
        next: "Correct the configuration, `longshore reload` and deploy again.".into(),
    }
}
