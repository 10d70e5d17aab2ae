//! The schedules: what is due is made a run of what is live, once for each time. The loop sleeps until the next time, but
//! never long: the clock may be set meanwhile. What is due is decided by [`look`], and written down with the run.

use super::Agent;
use super::drive::REST;
use crate::core::id::EnvironmentSerial;
use crate::core::job::{JobEvent, JobSpec, Missed, Schedule};
use crate::core::run::Cause;
use crate::core::schedule::{Look, MOST_COUNTED, look, upcoming};
use crate::core::time::Timestamp;
use crate::store::{Installed, NewRun, RunTaken, Seen, StoreError};
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest sleep: so much later, at most, a clock that was set forward is noticed. Less than what still counts as due.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// What came out of the last look at a schedule, so that not every commit of the store has all of them looked at.
struct Waiting {
    schedule: Schedule,
    seen: Timestamp,
    next: Timestamp,
}

impl Agent {
    /// Makes the runs that are due. Never ends.
    pub(super) async fn keep_schedules(&self) {
        let mut changes = self.store.changes();
        let mut waiting = BTreeMap::new();
        loop {
            changes.borrow_and_update();
            let clock = &self.ports.clock;
            let next = match self.look_at_schedules(&mut waiting) {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(%error, "schedules cannot be looked at; it is tried again");
                    clock.sleep(REST).await;
                    continue;
                }
            };
            let wait = next.map_or(LONGEST_SLEEP, |next| {
                let millis = u64::try_from(next.millis_since(clock.now())).unwrap_or(0);
                Duration::from_millis(millis).min(LONGEST_SLEEP)
            });
            tokio::select! {
                biased;
                // Also a reload: it writes its apps first, and is waited for by whoever asks what holds.
                changed = changes.changed() => if changed.is_err() {
                    return std::future::pending().await;
                },
                () = clock.sleep(wait) => {}
            }
        }
    }

    /// Looks at every schedule, and makes what is due; the first time that comes after that.
    fn look_at_schedules(
        &self,
        waiting: &mut BTreeMap<EnvironmentSerial, Waiting>,
    ) -> Result<Option<Timestamp>, StoreError> {
        let settings = self.settings();
        let now = self.ports.clock.now();
        let mut known = std::mem::take(waiting);
        for installed in self.store.installed()? {
            let app = settings.apps.iter().find(|app| app.id == installed.app_id);
            let spec = app.and_then(|app| app.environments.get(&installed.environment_name));
            let job = spec.and_then(|spec| spec.job.as_ref());
            let Some((job, schedule)) = job.and_then(|job| Some((job, job.schedule()?))) else {
                if installed.seen.is_any() {
                    self.store.forget_schedule(installed.environment)?;
                }
                continue;
            };
            let seen = installed.seen.of(schedule);
            let before = known.remove(&installed.environment);
            let before = before.filter(|before| {
                before.schedule == *schedule
                    && seen == Some(before.seen)
                    && (before.seen..before.next).contains(&now)
            });
            if let Some(before) = before {
                waiting.insert(installed.environment, before);
                continue;
            }
            let next = self.look_at_one(&installed, job, schedule, now)?;
            // What was just done is written down, and looked at anew by the commit that did it.
            if let (Some(seen), Some(next)) = (seen, next) {
                let one = Waiting {
                    schedule: schedule.clone(),
                    seen,
                    next,
                };
                waiting.insert(installed.environment, one);
            }
        }
        Ok(waiting.values().map(|one| one.next).min())
    }

    /// Looks at one; when it comes next if there was nothing to do.
    fn look_at_one(
        &self,
        installed: &Installed,
        job: &JobSpec,
        schedule: &Schedule,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let environment = installed.environment;
        let (app, name) = (&installed.app_name, &installed.environment_name);
        match look(schedule, installed.seen.of(schedule), now) {
            Look::Waiting { next } => return Ok(next),
            Look::Begin { set_back } => {
                if let Some(millis) = set_back {
                    let by = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
                    let by = humantime::format_duration(Duration::from_secs(by.as_secs()));
                    tracing::warn!(%app, environment = %name, "the clock is {by} before what the schedule has seen: it goes on from now");
                }
                self.store.begin_schedule(environment, schedule, now)?;
            }
            Look::Due { at, missed } => {
                if missed > 0 {
                    let missed = counted(missed);
                    tracing::warn!(%app, environment = %name, "{missed} before {} of the schedule were missed", at.to_seconds_string());
                }
                self.make_run(installed, job, at, now)?;
            }
            Look::Missed { last, count } => {
                let (count, at) = (counted(count), last.to_seconds_string());
                match schedule.missed {
                    Missed::Skip => {
                        tracing::warn!(%app, environment = %name, "{count} of the schedule were missed, the last at {at}; they are left out");
                        self.store.note_schedule(environment, last)?;
                    }
                    Missed::Once => {
                        tracing::warn!(%app, environment = %name, "{count} of the schedule were missed, the last at {at}; one run is made for them");
                        self.make_run(installed, job, last, now)?;
                    }
                }
            }
        }
        Ok(None)
    }

    /// Makes the run for a time. Whatever becomes of it, the time is done with.
    fn make_run(
        &self,
        installed: &Installed,
        job: &JobSpec,
        due: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let new = NewRun {
            id: self.new_id(now),
            environment: installed.environment,
            event: Some(JobEvent::Cron),
            cause: Cause::Schedule(due),
            by: self.store.schedule_principal(now)?,
            overlap: job.overlap,
            key: None,
        };
        let taken = self.store.intend_run(&new, Some(due), now)?;
        let (app, name) = (&installed.app_name, &installed.environment_name);
        let due = due.to_seconds_string();
        match taken {
            RunTaken::New(run) => {
                tracing::info!(%app, environment = %name, run = run.number, "the schedule's run of {due} is made");
            }
            RunTaken::Known(run) => {
                tracing::debug!(%app, environment = %name, run = run.number, "the schedule's run of {due} was made before");
            }
            RunTaken::Skipped(run) => {
                tracing::warn!(%app, environment = %name, run = run.number, "the schedule's run of {due} is skipped: another is at work");
            }
            RunTaken::AtWork(_) | RunTaken::KeyReused => {}
            RunTaken::NothingLive | RunTaken::NotRunning(_) => {
                tracing::info!(%app, environment = %name, "the schedule's run of {due} is not made: the environment does not run");
            }
            RunTaken::NotAJob | RunTaken::NoSuchEvent { .. } => {
                tracing::warn!(%app, environment = %name, "the schedule's run of {due} is not made: what is live has no schedule; deploy to install it");
            }
        }
        Ok(())
    }

    /// When an environment's schedule comes next, of something live that is meant to run.
    pub(super) fn next_run(&self, job: Option<&JobSpec>, seen: &Seen) -> Option<Timestamp> {
        let schedule = job?.schedule()?;
        upcoming(schedule, seen.of(schedule), self.ports.clock.now())
    }
}

fn counted(times: u32) -> String {
    match times {
        1 => "one time".to_owned(),
        MOST_COUNTED.. => format!("{MOST_COUNTED} times or more"),
        times => format!("{times} times"),
    }
}
