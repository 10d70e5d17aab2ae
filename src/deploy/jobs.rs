//! Requests for runs of jobs: making one of what is live, looking at them, ending one. And the runs that belong to deployments
//! and changes, as these begin.

use super::Agent;
use super::answered::Kind;
use super::dispatch::internal;
use super::interrupt::Work;
use crate::core::access::{Caller, Scope};
use crate::core::action::{ListRuns, Reply, RunJob};
use crate::core::admission::Desired;
use crate::core::change::{Change, EnvironmentChange};
use crate::core::deployment::{Deployment, Phase, Step, Wanted};
use crate::core::error::Error;
use crate::core::failure::{Failure, FailureCode};
use crate::core::id::DeploymentSerial;
use crate::core::job::{JobEvent, JobSpec, Overlap};
use crate::core::run::{Cancellation, Cause, Run, RunPhase};
use crate::core::spec::Spec;
use crate::store::{NewRun, OwnRun, Place, RunTaken, StoreError};
use uuid::Uuid;

/// How many runs a page has at most.
const MOST_RUNS: u32 = 1000;

impl Agent {
    pub(super) fn run_job(&self, caller: &Caller, asked: RunJob) -> Result<Reply, Error> {
        if let Some(reply) = self.answered(caller, asked.key.as_ref(), Kind::Run)? {
            return Ok(reply);
        }
        let place = self.place(caller, &asked.app, asked.environment.as_ref())?;
        let now = self.ports.clock.now();
        let new = NewRun {
            id: self.new_id(now),
            environment: place.environment,
            event: asked.event,
            cause: Cause::Hand,
            by: caller.principal.serial,
            overlap: self.overlap(&place).map_err(internal)?,
            key: asked.key,
        };
        let taken = self.store.intend_run(&new, None, now).map_err(internal)?;
        let app = place.app_name.to_string();
        match taken {
            RunTaken::New(run) | RunTaken::Known(run) | RunTaken::Skipped(run) => {
                self.shown_run(&run)
            }
            RunTaken::AtWork(number) => Err(Error::RunAtWork { number }),
            RunTaken::KeyReused => Err(Error::KeyReused),
            RunTaken::NothingLive => Err(Error::Refused(
                "nothing is live in this environment: deploy first".into(),
            )),
            RunTaken::NotAJob => Err(Error::NotAJob { app }),
            RunTaken::NoSuchEvent { event, known } => Err(no_such_event(app, event, &known)),
            RunTaken::NotRunning(desired) => Err(not_running(app, desired)),
        }
    }

    pub(super) fn list_runs(&self, caller: &Caller, list: &ListRuns) -> Result<Reply, Error> {
        let place = self.place(caller, &list.app, list.environment.as_ref())?;
        let limit = list.limit.min(MOST_RUNS);
        let found = self.store.runs(place.environment, limit, list.offset);
        let (items, total) = found.map_err(internal)?;
        Ok(Reply::Runs { items, total })
    }

    pub(super) fn show_run(&self, caller: &Caller, id: Uuid) -> Result<Reply, Error> {
        self.shown_run(&self.visible_run(caller, id)?)
    }

    /// Writes the cancellation down; the run's walk sees it and ends. First recorded wins. One that belongs to a deployment
    /// ends with it; of a change only the run ends, and the change has failed, unless it is a removal.
    pub(super) fn cancel_run(&self, caller: &Caller, id: Uuid) -> Result<Reply, Error> {
        loop {
            let run = self.visible_run(caller, id)?;
            match (&run.phase, run.cause) {
                (RunPhase::Cancelled { .. }, _) => return self.shown_run(&run),
                (
                    RunPhase::Succeeded { .. } | RunPhase::Failed { .. } | RunPhase::Skipped { .. },
                    _,
                ) => {
                    let how = run.phase.as_str();
                    return Err(Error::Refused(format!(
                        "the run can no longer be cancelled: it has {how}"
                    )));
                }
                // Whoever may not remove the environment may not leave out what a removal runs either.
                (RunPhase::Queued | RunPhase::Running, Cause::Change(_))
                    if run.event == JobEvent::Delete && caller.scope < Scope::Admin =>
                {
                    return Err(Error::Forbidden(Scope::Admin));
                }
                (RunPhase::Queued | RunPhase::Running, Cause::Deployment(deployment)) => {
                    let id = self.store.deployment(deployment).map_err(internal)?.id;
                    self.cancel(caller, id.into())?;
                }
                (
                    RunPhase::Queued | RunPhase::Running,
                    Cause::Change(_) | Cause::Schedule(_) | Cause::Hand,
                ) => {
                    let now = self.ports.clock.now();
                    let why = Cancellation::By(caller.principal.serial);
                    let cancelled = run
                        .clone()
                        .cancel(why, now)
                        .map_err(|error| Error::Internal(error.to_string()))?;
                    match self.store.end_run(&run, &cancelled, now) {
                        Ok(()) | Err(StoreError::Moved(_)) => {}
                        Err(error) => return Err(internal(error)),
                    }
                }
            }
        }
    }

    /// A run the caller can see.
    pub(super) fn visible_run(&self, caller: &Caller, id: Uuid) -> Result<Run, Error> {
        let found = self.store.find_run(id).map_err(internal)?;
        let found = found.ok_or(Error::RunNotFound)?;
        let place = self.store.place_of(found.environment).map_err(internal)?;
        match caller.reach.includes(place.app, place.environment) {
            true => Ok(found),
            false => Err(Error::RunNotFound),
        }
    }

    fn shown_run(&self, run: &Run) -> Result<Reply, Error> {
        let view = self.store.run_view(run.serial).map_err(internal)?;
        Ok(Reply::Run(Box::new(view)))
    }

    /// What happens where another run is at work, as the configuration says now; where that no longer names the job, as it
    /// said when the live release was made.
    fn overlap(&self, place: &Place) -> Result<Overlap, StoreError> {
        let configured = self.configured(place).and_then(|spec| spec.job);
        if let Some(job) = configured {
            return Ok(job.overlap);
        }
        let live = self.store.live(place.environment)?;
        let job = live.and_then(|live| live.release.content.job);
        Ok(job.map_or(Overlap::Forbid, |job| job.overlap))
    }

    /// What a deployment runs before its commit, by the job it brings to be live.
    pub(super) fn run_of_deployment(
        &self,
        place: &Place,
        deployment: &Deployment,
        spec: Option<&Spec>,
    ) -> Result<Result<Option<OwnRun>, Failure>, StoreError> {
        let job = match deployment.request.wanted {
            Wanted::Release(release) => self.store.release(release)?.content.job,
            Wanted::Commit { .. } | Wanted::Image(_) | Wanted::Restart => {
                spec.and_then(|spec| spec.job.clone())
            }
        };
        let asked = deployment.request.event;
        let own = job.as_ref().and_then(JobSpec::at_deployment);
        let Some(event) = asked.or(own) else {
            return Ok(Ok(None));
        };
        let Some(job) = job.filter(|job| job.command(event).is_some()) else {
            // A spec that is gone is said where it is looked for.
            return Ok(match spec {
                Some(_) => Err(event_is_gone(event)),
                None => Ok(None),
            });
        };
        Ok(Ok(Some(self.own_run(
            place,
            deployment.serial,
            event,
            &job,
        ))))
    }

    /// Waits, in the queue, for the end of runs that stand alone, where a deployment has a run of its own that allows none
    /// beside it. False: the deployment left the queue.
    pub(super) async fn let_runs_end(
        &self,
        place: &Place,
        deployment: &Deployment,
    ) -> Result<bool, StoreError> {
        if deployment.phase != Phase::Queued {
            return Ok(true);
        }
        let spec = self.configured(place);
        let run = self.run_of_deployment(place, deployment, spec.as_ref())?;
        match run {
            Ok(Some(run)) if run.overlap == Overlap::Forbid => {}
            Ok(_) | Err(_) => return Ok(true),
        }
        let work = Work::Step(deployment, Step::Rollout);
        tokio::select! {
            biased;
            left = self.left(work) => left.map(|()| false),
            free = self.free_of_runs(place) => free.map(|()| true),
        }
    }

    /// Returns when no run that stands alone is at work in an environment.
    pub(super) async fn free_of_runs(&self, place: &Place) -> Result<(), StoreError> {
        let mut changes = self.store.changes();
        loop {
            changes.borrow_and_update();
            if !self.store.has_runs(place.environment)? {
                return Ok(());
            }
            // Nothing changes any more: the process ends.
            changes.changed().await.map_err(|_| StoreError::Closed)?;
        }
    }

    /// What a change runs, by the job that is live.
    pub(super) fn run_of_change(
        &self,
        place: &Place,
        change: &EnvironmentChange,
    ) -> Result<Option<OwnRun>, StoreError> {
        let event = match change.change {
            Change::Start | Change::Activate => JobEvent::Start,
            Change::Stop | Change::Suspend => JobEvent::Stop,
            Change::Remove { .. } => JobEvent::Delete,
        };
        let Some(live) = self.store.live(place.environment)? else {
            return Ok(None);
        };
        let job = live.release.content.job;
        let Some(job) = job.filter(|job| job.command(event).is_some()) else {
            return Ok(None);
        };
        Ok(Some(self.own_run(place, live.deployment, event, &job)))
    }

    /// A run of a job's, with what holds where others are at work as the configuration says now.
    fn own_run(
        &self,
        place: &Place,
        deployment: DeploymentSerial,
        event: JobEvent,
        job: &JobSpec,
    ) -> OwnRun {
        let now = self.configured(place).and_then(|spec| spec.job);
        OwnRun {
            id: self.new_id(self.ports.clock.now()),
            deployment,
            event,
            max_duration: job.max_duration,
            retries: job.retries,
            overlap: now.map_or(job.overlap, |now| now.overlap),
        }
    }
}

/// Whether the job of an app has the event that a deployment is to run.
///
/// # Errors
/// [`Error::NotAJob`], [`Error::NoSuchEvent`].
pub(super) fn known_event(
    place: &Place,
    spec: &Spec,
    event: Option<JobEvent>,
) -> Result<(), Error> {
    let Some(event) = event else { return Ok(()) };
    let app = place.app_name.to_string();
    match &spec.job {
        None => Err(Error::NotAJob { app }),
        Some(job) if job.command(event).is_none() => Err(no_such_event(app, event, &job.events())),
        Some(_) => Ok(()),
    }
}

fn no_such_event(app: String, event: JobEvent, known: &[JobEvent]) -> Error {
    let known: Vec<&str> = known.iter().map(|event| event.as_str()).collect();
    Error::NoSuchEvent {
        app,
        event: event.to_string(),
        known: known.join(", "),
    }
}

fn not_running(app: String, desired: Desired) -> Error {
    match desired {
        Desired::Removed => Error::AppNotFound(app),
        Desired::Suspended => {
            Error::Refused("the environment is suspended; activate it first".into())
        }
        Desired::Running | Desired::Stopped => {
            Error::Refused("the environment is stopped; start it first".into())
        }
    }
}

fn event_is_gone(event: JobEvent) -> Failure {
    Failure {
        code: FailureCode::ConfigChanged,
        message: format!("the job no longer runs anything at '{event}', which was asked for"),
        output: Vec::new(),
        next: "Put it back into the configuration, `longshore reload` and deploy again, or deploy without it.".into(),
    }
}
