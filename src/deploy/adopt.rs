//! Ending the doubt over a database that was restored from a backup: what runs becomes live, or what the database says.
//! The world is looked at again, the verdict written in one transaction, and the rest is the ordinary work of a start.

use super::Agent;
use super::dispatch::internal;
use super::history::{Blind, History};
use crate::core::access::{Caller, Reach, Scope};
use crate::core::adoption::{
    Adopted, Candidate, LiveAgain, Origin, Placed, Unknown, committed, is_committed, place,
};
use crate::core::container::ContainerRole;
use crate::core::deployment::Deployment;
use crate::core::error::Error;
use crate::core::failure::{Failure, FailureCode};
use crate::core::id::EnvironmentSerial;
use crate::core::name::{ImageReference, ProcessName};
use crate::core::ports::Seen;
use crate::core::process::ProcessSpec;
use crate::core::release::{Image, ReleaseContent};
use crate::core::restored::{Highest, Verdict};
use crate::core::secret::Secret;
use crate::core::spec::RunSpec;
use crate::store::{Adoptee, Adopting, Discarded, Fellow, Home, Mode, Place};
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// The size of an environment's network, by which it is known from one of its addresses.
const NETWORK_PREFIX: u8 = 26;

impl Agent {
    /// Makes what runs live, or, with `discard`, what the database says.
    pub(super) async fn adopt(&self, caller: &Caller, discard: bool) -> Result<Adopted, Error> {
        match caller.reach {
            Reach::All => {}
            Reach::App(_) | Reach::Environment(..) => return Err(Error::Forbidden(Scope::Admin)),
        }
        let _one_at_a_time = self.adopting.lock().await;
        match &*self.history.borrow() {
            History::Unchecked => {
                return Err(Error::Unavailable(
                    "it is not known yet what runs: the Docker engine or the ingress has not answered since longshore began".into(),
                ));
            }
            History::Whole => {
                return Err(Error::Refused(
                    "there is nothing to adopt: the database knows of everything that runs".into(),
                ));
            }
            History::Restored(_) => {}
        }
        let look = self.look().await.map_err(|blind| match blind {
            Blind::Engine(why) => {
                Error::Unavailable(format!("the Docker engine cannot be reached: {why}"))
            }
            Blind::Ingress(why) => {
                Error::Unavailable(format!("the ingress cannot be asked: {why}"))
            }
            Blind::Store(error) => internal(error),
        })?;
        let highest = match &look.verdict {
            Verdict::Restored(restored) => Highest {
                deployment: restored.seen.deployment.max(restored.known.deployment),
                generation: restored.seen.generation.max(restored.known.generation),
            },
            // What told it is gone by now: the numbers are the database's own.
            Verdict::Whole => Highest::default(),
        };
        let homes = self.store.homes().map_err(internal)?;
        let candidates: Vec<Candidate> = homes.iter().map(candidate).collect();
        let placed = place(&candidates, &look.seen);
        let plan = match discard {
            false => self.keep(&homes, &placed)?,
            true => self.discard(&homes, &placed)?,
        };
        let adopting = Adopting {
            by: caller.principal.serial,
            highest,
            addresses: addresses(&homes, &placed),
            unchanged: plan.unchanged.clone(),
            failure: restored(),
            strays: strays(&look.seen, &plan.unknown),
            mode: plan.mode,
        };
        let now = self.ports.clock.now();
        let given_up = self.store.adopt(&adopting, now).map_err(internal)?;
        for deployment in &given_up.failed {
            self.say(deployment, &restored().message);
        }
        if let Mode::Keep(adoptees) = &adopting.mode {
            for (deployment, one) in given_up.adopting.iter().zip(adoptees) {
                self.say(deployment, &adopted_line(one, &caller.principal.name));
            }
        }
        let live = self.live_again(&adopting)?;
        tracing::warn!(
            by = caller.principal.name,
            discard,
            "the restored database was adopted; operations begin again"
        );
        self.history.send_replace(History::Whole);
        Ok(Adopted {
            live,
            failed: given_up.failed.iter().map(|failed| failed.id).collect(),
            removed: plan.removed,
            unknown: plan.unknown,
        })
    }

    /// What runs becomes live.
    fn keep(&self, homes: &[Home], placed: &[Placed<'_>]) -> Result<Plan, Error> {
        let mut adoptees = Vec::new();
        let mut plan = Plan::default();
        let mut named = BTreeSet::new();
        for (environment, one) in committed(placed) {
            let home = homes
                .iter()
                .find(|home| home.place.environment == environment);
            let Some(home) = home else { continue };
            if home.live.as_ref() == Some(&one.seen.name) {
                plan.unchanged.insert(environment);
                named.insert(one.seen.name.clone());
                continue;
            }
            match self.adoptee(homes, home, &one, placed)? {
                Ok(adoptee) => {
                    plan.removed.extend(home.live.clone());
                    named.insert(adoptee.container.clone());
                    named.extend(adoptee.workers.iter().map(|one| one.container.clone()));
                    adoptees.push(adoptee);
                }
                Err(why) => plan.unknown.push(unknown(one.seen, why)),
            }
        }
        let known = self.known(placed)?;
        let left = |one: &&Placed<'_>| {
            let name = &one.seen.name;
            !named.contains(name)
                && !known.contains_key(name)
                && !plan
                    .unknown
                    .iter()
                    .any(|unknown| unknown.container == *name)
        };
        let left: Vec<_> = placed.iter().filter(left).collect();
        plan.unknown.extend(left.into_iter().map(|one| {
            let why = match one.home {
                Some(_) => "it is not what its environment serves",
                None => "it belongs to no environment of the database",
            };
            unknown(one.seen, why.into())
        }));
        plan.mode = Mode::Keep(adoptees);
        Ok(plan)
    }

    fn adoptee(
        &self,
        homes: &[Home],
        home: &Home,
        one: &Placed<'_>,
        placed: &[Placed<'_>],
    ) -> Result<Result<Adoptee, String>, Error> {
        let place = &home.place;
        let Some(address) = one.seen.address else {
            return Ok(Err("it has no address on its environment's network".into()));
        };
        let other = match new_home(homes, place, one, address) {
            Ok(other) => other,
            Err(why) => return Ok(Err(why)),
        };
        let spec = self.configured(place);
        let live = self.store.live(place.environment).map_err(internal)?;
        let (run, check, mut processes) = match (&spec, live) {
            (Some(spec), _) => (
                spec.run.clone(),
                spec.rollout.health.check.clone(),
                spec.processes.clone(),
            ),
            (None, Some(live)) => {
                let content = live.release.content;
                (content.run, content.check, content.processes)
            }
            (None, None) => {
                return Ok(Err(
                    "neither the configuration nor the database says how it is run".into(),
                ));
            }
        };
        let image = image_name(one.seen, place);
        let workers = fellows(one, placed, &processes);
        // What does not run cannot be adopted: the next deployment brings it.
        processes.retain(|name, _| workers.iter().any(|one| one.process == name.as_str()));
        Ok(Ok(Adoptee {
            id: self.new_id(self.ports.clock.now()),
            container: one.seen.name.clone(),
            address,
            workers,
            hidden: self.hidden(place, &run)?,
            content: ReleaseContent {
                image: Image {
                    id: one.seen.image.clone(),
                    digest: None,
                    reference: image.to_string(),
                },
                sha: None,
                run,
                check,
                processes,
                // What its deployment brought is lost with the rest of it.
                payload: None,
                // What a job runs is never adopted.
                job: None,
            },
            image,
            spec,
            home: other,
            place: place.clone(),
        }))
    }

    /// What the database says becomes live.
    fn discard(&self, homes: &[Home], placed: &[Placed<'_>]) -> Result<Plan, Error> {
        let known = self.known(placed)?;
        let mut plan = Plan::default();
        let mut discarded = Vec::new();
        for one in placed {
            let home = one.home.as_ref().and_then(|(environment, _)| {
                homes
                    .iter()
                    .find(|home| home.place.environment == *environment)
            });
            if known.get(&one.seen.name) == Some(&ContainerRole::Live) {
                let runs = matches!(
                    one.seen.state,
                    crate::core::ports::ContainerState::Running { .. }
                );
                plan.unchanged
                    .extend(home.filter(|_| runs).map(|home| home.place.environment));
                continue;
            }
            let (Some(home), Some(labels)) = (home, &one.seen.labels) else {
                if !known.contains_key(&one.seen.name) {
                    let why = "it belongs to no environment of the database";
                    plan.unknown.push(unknown(one.seen, why.into()));
                }
                continue;
            };
            let hidden = match self.configured(&home.place) {
                Some(spec) => self.hidden(&home.place, &spec.run)?,
                None => Vec::new(),
            };
            plan.removed.push(one.seen.name.clone());
            discarded.push(Discarded {
                place: home.place.clone(),
                container: one.seen.name.clone(),
                labels: labels.clone(),
                address: one.seen.address,
                image: image_name(one.seen, &home.place),
                hidden,
            });
        }
        // What has to make room for it stands in its way: it is brought up after that, whether it runs or not.
        for one in &discarded {
            plan.unchanged.remove(&one.place.environment);
        }
        plan.mode = Mode::Discard(discarded);
        Ok(plan)
    }

    fn known(&self, placed: &[Placed<'_>]) -> Result<BTreeMap<String, ContainerRole>, Error> {
        let seen: Vec<Seen> = placed.iter().map(|one| one.seen.clone()).collect();
        Ok(self.store.ledger(&seen).map_err(internal)?.containers)
    }

    /// What the container's output must not show, as far as today's secrets are those it got.
    fn hidden(&self, place: &Place, run: &RunSpec) -> Result<Vec<Secret>, Error> {
        let env = self.store.container_env(place, run, &BTreeMap::new());
        Ok(env
            .map_err(|error| Error::Unavailable(error.to_string()))?
            .hidden)
    }

    fn live_again(&self, adopting: &Adopting) -> Result<Vec<LiveAgain>, Error> {
        let adopted: BTreeSet<EnvironmentSerial> = match &adopting.mode {
            Mode::Keep(adoptees) => adoptees.iter().map(|one| one.place.environment).collect(),
            Mode::Discard(_) => BTreeSet::new(),
        };
        let mut all = Vec::new();
        for home in self.store.homes().map_err(internal)? {
            let place = home.place;
            let Some(live) = self.store.live(place.environment).map_err(internal)? else {
                continue;
            };
            // A job has nothing that runs on.
            let Some(serving) = live.serving() else {
                continue;
            };
            let origin = if adopted.contains(&place.environment) {
                Origin::Adopted
            } else if adopting.unchanged.contains(&place.environment) {
                Origin::Unchanged
            } else {
                Origin::Database
            };
            let deployment = self.store.deployment(live.deployment).map_err(internal)?;
            all.push(LiveAgain {
                app: place.app_name,
                environment: place.environment_name,
                release: live.release.number,
                deployment: deployment.id,
                container: serving.name.clone(),
                origin,
            });
        }
        Ok(all)
    }

    /// A line in a deployment's log. The adoption is written: a log that cannot be opened changes nothing about it.
    fn say(&self, deployment: &Deployment, line: &str) {
        match self.journal(deployment.id, &[]) {
            Ok(journal) => journal.agent(None, line),
            Err(error) => tracing::warn!(%error, "a line of a deployment's log is lost"),
        }
    }
}

/// What is to be written and told.
struct Plan {
    mode: Mode,
    unchanged: BTreeSet<EnvironmentSerial>,
    removed: Vec<String>,
    unknown: Vec<Unknown>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            mode: Mode::Keep(Vec::new()),
            unchanged: BTreeSet::new(),
            removed: Vec::new(),
            unknown: Vec::new(),
        }
    }
}

fn candidate(home: &Home) -> Candidate {
    let place = &home.place;
    Candidate {
        environment: place.environment,
        app: place.app_name.clone(),
        name: place.environment_name.clone(),
        slug: place.slug(),
        is_blank: home.is_blank,
    }
}

fn unknown(seen: &Seen, why: String) -> Unknown {
    Unknown {
        container: seen.name.clone(),
        why,
    }
}

/// Where the environment was made anew after the backup: it takes over the name and the network of the one that was
/// there, and with them its volumes.
fn new_home(
    homes: &[Home],
    place: &Place,
    one: &Placed<'_>,
    address: Ipv4Addr,
) -> Result<Option<(String, Ipv4Net)>, String> {
    let Some((_, slug)) = one.home.as_ref().filter(|(_, slug)| *slug != place.slug()) else {
        return Ok(None);
    };
    let subnet = Ipv4Net::new(address, NETWORK_PREFIX)
        .map_err(|error| error.to_string())?
        .trunc();
    let is_taken = homes.iter().any(|home| {
        home.place.environment != place.environment && home.place.subnet == Some(subnet)
    });
    if is_taken {
        return Err(format!(
            "its network {subnet} is another environment's in the database"
        ));
    }
    Ok(Some((slug.clone(), subnet)))
}

/// The containers of the same deployment that run beside the one that serves, by processes that are known.
fn fellows(
    serving: &Placed<'_>,
    placed: &[Placed<'_>],
    processes: &BTreeMap<ProcessName, ProcessSpec>,
) -> Vec<Fellow> {
    let of = |one: &Placed<'_>| one.seen.labels.as_ref().map(|labels| labels.deployment);
    let fellow = |one: &Placed<'_>| {
        let role = &one.seen.labels.as_ref()?.role;
        let is_known = processes.keys().any(|name| name.as_str() == role);
        let is_beside = one.home == serving.home && of(one) == of(serving);
        let fellow = Fellow {
            container: one.seen.name.clone(),
            address: one.seen.address?,
            process: role.clone(),
        };
        (is_known && is_beside && is_committed(one)).then_some(fellow)
    };
    placed.iter().filter_map(fellow).collect()
}

/// What can be said of the image: the engine's id of it, where that is a reference, too.
fn image_name(seen: &Seen, place: &Place) -> ImageReference {
    ImageReference::parse(&seen.image)
        .or_else(|_| ImageReference::parse(&format!("longshore/{}", place.slug())))
        .unwrap_or_else(|_| ImageReference::parse("longshore/adopted").expect("it is a valid name"))
}

/// Of each environment the highest address seen: those to come are behind it.
fn addresses(homes: &[Home], placed: &[Placed<'_>]) -> BTreeMap<EnvironmentSerial, Ipv4Addr> {
    let mut highest = BTreeMap::new();
    for one in placed {
        let (Some((environment, _)), Some(address)) = (&one.home, one.seen.address) else {
            continue;
        };
        if homes
            .iter()
            .any(|home| home.place.environment == *environment)
        {
            let highest = highest.entry(*environment).or_insert(address);
            *highest = address.max(*highest);
        }
    }
    highest
}

fn strays(seen: &[Seen], unknown: &[Unknown]) -> Vec<(String, Option<Ipv4Addr>)> {
    let is_unknown = |one: &&Seen| unknown.iter().any(|unknown| unknown.container == one.name);
    let strays = seen.iter().filter(is_unknown);
    strays.map(|one| (one.name.clone(), one.address)).collect()
}

fn restored() -> Failure {
    Failure {
        code: FailureCode::Restored,
        message: "the database was restored from a backup, and what became of this deployment is not in it".into(),
        output: Vec::new(),
        next: "Look with `longshore apps` at what is live, and deploy again if it is not what you want.".into(),
    }
}

fn adopted_line(one: &Adoptee, by: &str) -> String {
    let how = match one.spec {
        Some(_) => "today's configuration",
        None => "the release before it",
    };
    format!(
        "Adopted {} by order of {by}: it runs and the restored database did not know it. Its image is {}; the commit it was built from is not known, and it is taken to run as {how} says",
        one.container, one.content.image.id
    )
}
