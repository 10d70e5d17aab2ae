//! What a request for a deployment would do: everything up to the writing down.

use super::Agent;
use super::containers::as_run;
use super::dispatch::internal;
use super::jobs::known_event;
use super::tasks::{known_task, payload_fits};
use crate::core::access::Caller;
use crate::core::action::{CreateDeployment, Reply};
use crate::core::admission::admit;
use crate::core::command::{Command, Purpose, commands_of};
use crate::core::deployment::{Step, Wanted};
use crate::core::drift::drift;
use crate::core::error::Error;
use crate::core::planned::{Interruption, Outcome, Planned, PlannedVersion, TakesOver, waits_for};
use crate::core::spec::Spec;
use crate::store::Place;

impl Agent {
    pub(super) async fn plan(
        &self,
        caller: &Caller,
        create: CreateDeployment,
    ) -> Result<Reply, Error> {
        let environment = create.environment.as_ref();
        let place = self.place(caller, &create.app, environment).map_err(|missing| {
            match self.begins_anew(caller, &create.app, environment) {
                Some(_) => Error::Refused(
                    "the environment was removed and begins anew with its next deployment: before that there is nothing to plan with".into(),
                ),
                None => match environment {
                    Some(name) if create.particulars.transient => {
                        match self.preview_to_be(caller, &create.app, name, missing) {
                            Ok(_) => Error::Refused(
                                "the preview is made with its first deployment: before that there is nothing to plan with".into(),
                            ),
                            Err(why) => why,
                        }
                    }
                    Some(_) | None => missing,
                },
            }
        })?;
        let trigger = create.trigger;
        let task = create.particulars.task;
        let spec = self.spec_of(&place)?;
        known_task(&spec, task.as_ref())?;
        payload_fits(&spec, create.particulars.payload.as_deref())?;
        known_event(&place, &spec, create.event)?;
        let wanted = self.resolve(&place, &spec.source, create.target).await?;
        let standing = self.store.standing(place.environment).map_err(internal)?;
        let verdict = admit(&standing, trigger, &wanted);
        let live = self.store.live(place.environment).map_err(internal)?;
        let (run, processes, job) = match wanted {
            Wanted::Release(serial) => {
                let content = self.store.release(serial).map_err(internal)?.content;
                (content.run, content.processes, content.job)
            }
            Wanted::Commit { .. } | Wanted::Image(_) | Wanted::Restart => {
                (spec.run.clone(), spec.processes.clone(), spec.job.clone())
            }
        };
        let release_commands = commands_of(&spec, &wanted, task.as_ref()).into_iter();
        let commands = release_commands.map(|(purpose, command)| (purpose, command.clone()));
        let is_job = job.is_some();
        let of_the_job = job.and_then(|job| {
            let event = create.event.or(job.at_deployment())?;
            let run = as_run(&run, &job.command(event)?);
            let words = run.entrypoint.into_iter().chain(run.command).collect();
            let retry = false;
            Some((Purpose::Run(event), Command { words, retry }))
        });
        let commands = commands.chain(of_the_job).collect();
        let takes_over = TakesOver::of(spec.rollout.strategy, &spec.run, &run);
        let outcome = match self.refusal() {
            Some(why) => Outcome::Refused(why),
            None => Outcome::of(&verdict, &standing),
        };
        let mut steps = wanted.steps().to_vec();
        let connects = self.store.connects(place.environment).map_err(internal)?;
        if connects || !run.connect.to.is_empty() {
            steps.push(Step::SyncConnections);
        }
        Ok(Reply::Plan(Box::new(Planned {
            steps,
            domains: spec.domains.clone(),
            commands,
            processes: processes.into_keys().collect(),
            strategy: takes_over.strategy(),
            instead: takes_over.instead(),
            interruption: match is_job {
                true => Interruption::Job,
                false => Interruption::of(takes_over.strategy(), &standing, live.is_some()),
            },
            changes: self.changes_by(&place, &wanted, &spec)?,
            version: self.planned_version(&wanted)?,
            waits_for: waits_for(&verdict, &standing),
            outcome,
            app: place.app_name,
            environment: place.environment_name,
        })))
    }

    /// Why nothing new is begun at all; `None` if it is.
    fn refusal(&self) -> Option<String> {
        self.warning().or_else(|| {
            self.store
                .room()
                .err()
                .map(|error| internal(error).to_string())
        })
    }

    /// What of the configuration it would apply: a rollback brings its own.
    fn changes_by(
        &self,
        place: &Place,
        wanted: &Wanted,
        spec: &Spec,
    ) -> Result<Vec<String>, Error> {
        match wanted {
            Wanted::Release(_) => Ok(Vec::new()),
            Wanted::Commit { .. } | Wanted::Image(_) | Wanted::Restart => {
                let running = self.store.running().map_err(internal)?;
                let here = running.iter().find(|running| {
                    running.app == place.app_id && running.environment == place.environment_name
                });
                let keys = here
                    .map(|running| drift(&running.content, running.made_with.as_ref(), spec))
                    .unwrap_or_default();
                Ok(keys.into_iter().collect())
            }
        }
    }

    fn planned_version(&self, wanted: &Wanted) -> Result<PlannedVersion, Error> {
        match wanted {
            Wanted::Commit { .. } | Wanted::Image(_) | Wanted::Restart => {
                Ok(PlannedVersion::of(wanted))
            }
            Wanted::Release(serial) => {
                let release = self.store.release(*serial).map_err(internal)?;
                let image = release.content.image.reference;
                Ok(PlannedVersion {
                    reference: None,
                    image: release.content.sha.is_none().then_some(image),
                    commit: release.content.sha,
                    release: Some(release.number),
                })
            }
        }
    }
}
