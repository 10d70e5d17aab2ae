//! The one transaction by which a database that was restored from a backup catches up with the world: either what runs
//! becomes live, or what the database says. Whatever it leaves to be done is written as settlements, like every outcome.

use super::changes::cancel_changes;
use super::deployments::{NewDeployment, end_in};
use super::ledger::highest;
use super::operations::write_settlements;
use super::phases::{status_event, transition};
use super::releases::insert_release;
use super::rollouts::hidden_place;
use super::routes::grow;
use super::rows::json;
use super::runs::give_up_runs;
use super::{Place, Store, StoreError, schedules};
use crate::core::admission::Desired;
use crate::core::container::WEB;
use crate::core::deployment::{Deployment, Phase, Request, Step, Trigger, Wanted};
use crate::core::failure::Failure;
use crate::core::id::{ContainerSerial, DeploymentSerial, EnvironmentSerial, PrincipalSerial};
use crate::core::name::ImageReference;
use crate::core::operation::Undo;
use crate::core::particulars::Particulars;
use crate::core::ports::Labels;
use crate::core::release::ReleaseContent;
use crate::core::restored::Highest;
use crate::core::secret::Secret;
use crate::core::spec::Spec;
use crate::core::time::Timestamp;
use ipnet::Ipv4Net;
use rusqlite::{OptionalExtension as _, Transaction, params};
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::iter::once;
use std::net::Ipv4Addr;
use uuid::Uuid;

/// What is to be written.
#[derive(Clone, Debug)]
pub struct Adopting {
    /// Who asked.
    pub by: PrincipalSerial,
    /// How far the world came.
    pub highest: Highest,
    /// The addresses seen, of each environment the one to go on behind.
    pub addresses: BTreeMap<EnvironmentSerial, Ipv4Addr>,
    /// The environments whose live container, by the database, is the one that runs.
    pub unchanged: BTreeSet<EnvironmentSerial>,
    /// Which side gives way.
    pub mode: Mode,
    /// What is said of a deployment that the lost history knows more of.
    pub failure: Failure,
    /// Containers that are left alone, with their addresses.
    pub strays: Vec<(String, Option<Ipv4Addr>)>,
}

/// Which side gives way.
#[derive(Clone, Debug)]
pub enum Mode {
    /// The database: these containers become live, and what was unfinished is given up.
    Keep(Vec<Adoptee>),
    /// The world: these containers are retired, and what was unfinished goes on.
    Discard(Vec<Discarded>),
}

/// A container that becomes live.
#[derive(Clone, Debug)]
pub struct Adoptee {
    /// The environment.
    pub place: Place,
    /// The id of the deployment that adopts it.
    pub id: Uuid,
    /// The container's name.
    pub container: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Those of the processes beside it.
    pub workers: Vec<Fellow>,
    /// What its image can be called.
    pub image: ImageReference,
    /// What it is taken to be made of.
    pub content: ReleaseContent,
    /// What the configuration says, if it does.
    pub spec: Option<Spec>,
    /// The values its output must not show.
    pub hidden: Vec<Secret>,
    /// Where the environment was made after the backup: what its things are named after, and its network.
    pub home: Option<(String, Ipv4Net)>,
}

/// A container that becomes live together with the one that serves.
#[derive(Clone, Debug)]
pub struct Fellow {
    /// The container's name.
    pub container: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Which process it is.
    pub process: String,
}

/// A container that is retired.
#[derive(Clone, Debug)]
pub struct Discarded {
    /// The environment.
    pub place: Place,
    /// The container's name.
    pub container: String,
    /// What it carries.
    pub labels: Labels,
    /// Its address.
    pub address: Option<Ipv4Addr>,
    /// What its image can be called.
    pub image: ImageReference,
    /// The values its output must not show.
    pub hidden: Vec<Secret>,
}

/// What was given up.
#[derive(Clone, Debug, Default)]
pub struct GivenUp {
    /// The deployments that adopt, in the order of what they adopt.
    pub adopting: Vec<Deployment>,
    /// Deployments that were unfinished.
    pub failed: Vec<Deployment>,
}

impl Store {
    /// Writes an adoption.
    ///
    /// # Errors
    /// If the database fails.
    pub fn adopt(&self, adopting: &Adopting, now: Timestamp) -> Result<GivenUp, StoreError> {
        self.write("adopt", |tx| {
            let generation = continue_above(tx, adopting.highest, highest_named(adopting))?;
            // What became of them in the lost history nobody knows: nothing of them is begun once more.
            give_up_runs(tx, &adopting.failure, now)?;
            schedules::forget(tx)?;
            let mut given_up = GivenUp::default();
            let mut looked_after = adopting.unchanged.clone();
            match &adopting.mode {
                Mode::Keep(adoptees) => {
                    for one in adoptees {
                        let made = self.make_live(tx, one, (adopting.by, generation), now)?;
                        looked_after.insert(one.place.environment);
                        given_up.adopting.push(made);
                    }
                    // It runs, so it is meant to, whatever the backup says.
                    for environment in &adopting.unchanged {
                        tx.execute(
                            "UPDATE environment SET desired = ?2 WHERE serial = ?1",
                            params![environment.0, Desired::Running.as_str()],
                        )?;
                    }
                    given_up.failed =
                        self.give_up(tx, &given_up.adopting, &adopting.failure, now)?;
                }
                Mode::Discard(discarded) => {
                    for one in discarded {
                        self.discard(tx, one, (adopting, generation), now)?;
                    }
                    self.finish_committed(tx, now)?;
                }
            }
            bring_back(tx, &looked_after, now)?;
            for (environment, address) in &adopting.addresses {
                tx.execute(
                    "UPDATE environment SET last_address = ?2 WHERE serial = ?1",
                    params![environment.0, address.to_string()],
                )?;
            }
            for (name, address) in &adopting.strays {
                tx.execute(
                    "INSERT OR REPLACE INTO stray (name, address, seen_at) VALUES (?1, ?2, ?3)",
                    params![name, address.map(|address| address.to_string()), now.0],
                )?;
            }
            Ok(given_up)
        })
    }

    /// The adopting deployment is written as committed: its image's tag, the route table and what it replaces are then
    /// the business of every committed deployment.
    fn make_live(
        &self,
        tx: &Transaction<'_>,
        one: &Adoptee,
        (by, generation): (PrincipalSerial, i64),
        now: Timestamp,
    ) -> Result<Deployment, StoreError> {
        let environment = one.place.environment;
        if let Some((slug, subnet)) = &one.home {
            tx.execute(
                "UPDATE environment SET slug = ?2, subnet = ?3 WHERE serial = ?1",
                params![environment.0, slug, subnet.to_string()],
            )?;
        }
        let request = Request {
            by,
            trigger: Trigger::Manual,
            wanted: Wanted::Image(one.image.clone()),
            variables: BTreeMap::new(),
            task: None,
            payload: None,
            event: None,
        };
        let new = NewDeployment {
            id: one.id,
            app: one.place.app,
            environment,
            request,
            head: None,
            key: None,
            unless_unfinished: false,
            idle: false,
            particulars: Particulars::default(),
            preview: None,
        };
        // What waited before it is given up in this transaction.
        tx.execute(
            "UPDATE operation SET done_at = ?2 WHERE environment = ?1 AND done_at IS NULL",
            params![environment.0, now.0],
        )?;
        let created = self.insert(tx, &new, now)?;
        let serial = created.serial;
        let spec = one
            .spec
            .as_ref()
            .map(|spec| json("deployment", spec))
            .transpose()?;
        tx.execute(
            "UPDATE deployment SET spec = ?2 WHERE serial = ?1",
            params![serial.0, spec],
        )?;
        let release = insert_release(tx, &created, &one.content, now)?;
        let committed = created.start()?.commit(release)?;
        transition(tx, &Phase::Queued, &committed, now)?;
        tx.execute(
            "UPDATE container SET displaced_by = NULL WHERE environment = ?1 AND displaced_by IS NOT NULL",
            [environment.0],
        )?;
        let serving = Fellow {
            container: one.container.clone(),
            address: one.address,
            process: WEB.to_owned(),
        };
        let mut adopted = BTreeSet::new();
        for fellow in once(&serving).chain(&one.workers) {
            let container = self.adopted_container(tx, one, fellow, serial, now)?;
            tx.execute(
                "UPDATE settlement SET settled_at = ?2 WHERE container = ?1 AND settled_at IS NULL",
                params![container.0, now.0],
            )?;
            adopted.insert(container.0);
        }
        let old: Vec<Undo> = tx
            .prepare_cached(
                "SELECT serial FROM container WHERE environment = ?1 AND role = 'live'",
            )?
            .query_map([environment.0], |row| row.get(0))?
            .filter(|serial| {
                serial
                    .as_ref()
                    .map_or(true, |serial| !adopted.contains(serial))
            })
            .map(|serial| serial.map(|serial| Undo::RetireContainer(ContainerSerial(serial))))
            .collect::<Result<_, _>>()?;
        for container in &adopted {
            tx.execute(
                "UPDATE container SET role = 'live', release = ?2, removed_at = NULL WHERE serial = ?1",
                params![container, release.0],
            )?;
        }
        tx.execute(
            "UPDATE environment SET live_release = ?2, live_deployment = ?3, desired = ?4 WHERE serial = ?1",
            params![environment.0, release.0, serial.0, Desired::Running.as_str()],
        )?;
        write_settlements(tx, environment, Some(serial), &old, Some(generation), now)?;
        Ok(committed)
    }

    /// The row of a container that becomes live: the one there is, or a new one.
    fn adopted_container(
        &self,
        tx: &Transaction<'_>,
        one: &Adoptee,
        fellow: &Fellow,
        deployment: DeploymentSerial,
        now: Timestamp,
    ) -> Result<ContainerSerial, StoreError> {
        if let Some(known) = known_container(tx, &fellow.container)? {
            return Ok(known.0);
        }
        let environment = one.place.environment;
        let row = NewRow {
            environment,
            deployment,
            process: &fellow.process,
            name: &fellow.container,
            address: fellow.address,
            role: "candidate",
            hidden: &one.hidden,
        };
        self.insert_container(tx, &row, now)
    }

    /// Everything that was unfinished in the backup ends here; what it left is written down to be undone.
    fn give_up(
        &self,
        tx: &Transaction<'_>,
        adopting: &[Deployment],
        failure: &Failure,
        now: Timestamp,
    ) -> Result<Vec<Deployment>, StoreError> {
        let adopted: BTreeSet<EnvironmentSerial> =
            adopting.iter().map(|made| made.environment).collect();
        let mut failed = Vec::new();
        for (deployment, slug) in self.unended(tx)? {
            if adopting.iter().any(|made| made.serial == deployment.serial) {
                continue;
            }
            let from = deployment.phase.clone();
            match from {
                Phase::Queued | Phase::Running(_) => {
                    let running = if from == Phase::Queued {
                        deployment.start()?
                    } else {
                        deployment
                    };
                    let ended = running.fail(failure.clone(), now)?;
                    end_in(tx, &from, &ended, &slug, now)?;
                    failed.push(ended);
                }
                // What it made live is live no more.
                Phase::Committed(_) if adopted.contains(&deployment.environment) => {
                    transition(tx, &from, &deployment.succeed(now)?, now)?;
                }
                Phase::Committed(_)
                | Phase::Succeeded { .. }
                | Phase::Failed { .. }
                | Phase::Cancelled { .. }
                | Phase::Superseded { .. } => {}
            }
        }
        let environments: Vec<i64> = tx
            .prepare_cached("SELECT serial FROM environment WHERE removed_at IS NULL")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for environment in environments {
            cancel_changes(tx, EnvironmentSerial(environment), now)?;
        }
        Ok(failed)
    }

    /// A committed deployment of the backup was finished in the history that was lost; and were it finished again, that
    /// would be before what runs now has made room.
    fn finish_committed(&self, tx: &Transaction<'_>, now: Timestamp) -> Result<(), StoreError> {
        for (deployment, _) in self.unended(tx)? {
            if let Phase::Committed(_) = deployment.phase {
                let from = deployment.phase.clone();
                transition(tx, &from, &deployment.succeed(now)?, now)?;
            }
        }
        Ok(())
    }

    /// The deployments that have not ended, of environments that are not removed, each with its environment's slug.
    fn unended(&self, tx: &Transaction<'_>) -> Result<Vec<(Deployment, String)>, StoreError> {
        let found: Vec<(i64, String)> = tx
            .prepare_cached(
                "SELECT d.serial, e.slug FROM deployment d JOIN environment e ON e.serial = d.environment
                 WHERE d.phase IN ('queued', 'checkout', 'build', 'rollout', 'committed') AND d.hidden_at IS NULL
                   AND e.removed_at IS NULL
                 ORDER BY d.serial",
            )?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        found
            .into_iter()
            .map(|(serial, slug)| Ok((self.deployment_in(tx, DeploymentSerial(serial))?, slug)))
            .collect()
    }

    /// Writes a container as retired. Of the deployment that made it only what the container carries is known: it gets
    /// a row with that id and serial, under which the container's last output is kept.
    fn discard(
        &self,
        tx: &Transaction<'_>,
        one: &Discarded,
        (adopting, generation): (&Adopting, i64),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let environment = one.place.environment;
        let (container, deployment) = match known_container(tx, &one.container)? {
            Some(known) => known,
            None => {
                let deployment = lost_deployment(tx, one, adopting, now)?;
                let row = NewRow {
                    environment,
                    deployment,
                    process: &one.labels.role,
                    name: &one.container,
                    address: one.address.unwrap_or(Ipv4Addr::UNSPECIFIED),
                    role: "retired",
                    hidden: &one.hidden,
                };
                (self.insert_container(tx, &row, now)?, deployment)
            }
        };
        let is_written: bool = tx
            .prepare_cached(
                "SELECT 1 FROM settlement WHERE container = ?1 AND kind = 'retire_container' AND settled_at IS NULL",
            )?
            .exists([container.0])?;
        if is_written {
            return Ok(());
        }
        tx.execute(
            "UPDATE container SET removed_at = NULL WHERE serial = ?1",
            [container.0],
        )?;
        let undo = [Undo::RetireContainer(container)];
        write_settlements(
            tx,
            environment,
            Some(deployment),
            &undo,
            Some(generation),
            now,
        )
    }

    fn insert_container(
        &self,
        tx: &Transaction<'_>,
        row: &NewRow<'_>,
        now: Timestamp,
    ) -> Result<ContainerSerial, StoreError> {
        tx.execute(
            "INSERT INTO container (environment, deployment, process, name, address, role, created_at, made_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
            params![
                row.environment.0, row.deployment.0, row.process, row.name, row.address.to_string(), row.role, now.0
            ],
        )?;
        let serial = ContainerSerial(tx.last_insert_rowid());
        if !row.hidden.is_empty() {
            let plain = json("container", &row.hidden)?;
            let sealed = self.seal.seal(&hidden_place(serial), plain.as_bytes())?;
            tx.execute(
                "UPDATE container SET hidden = ?2 WHERE serial = ?1",
                params![serial.0, sealed],
            )?;
        }
        Ok(serial)
    }
}

/// A container that exists and gets a row.
struct NewRow<'a> {
    environment: EnvironmentSerial,
    deployment: DeploymentSerial,
    process: &'a str,
    name: &'a str,
    address: Ipv4Addr,
    role: &'a str,
    hidden: &'a [Secret],
}

fn known_container(
    tx: &Transaction<'_>,
    name: &str,
) -> Result<Option<(ContainerSerial, DeploymentSerial)>, StoreError> {
    let found = tx
        .prepare_cached("SELECT serial, deployment FROM container WHERE name = ?1")?
        .query_row([name], |row| {
            Ok((ContainerSerial(row.get(0)?), DeploymentSerial(row.get(1)?)))
        });
    Ok(found.optional()?)
}

/// The highest number that the name of a container ends with that is there and was not known.
fn highest_named(adopting: &Adopting) -> i64 {
    let discarded = match &adopting.mode {
        Mode::Keep(_) => &[][..],
        Mode::Discard(discarded) => discarded,
    };
    let strays = adopting.strays.iter().map(|(name, _)| name);
    let names = strays.chain(discarded.iter().map(|one| &one.container));
    let numbers = names.filter_map(|name| name.rsplit_once('-')?.1.parse().ok());
    numbers.max().unwrap_or(0)
}

/// All numbers go on above what the lost history can have given out. Of deployments the highest is seen; of everything
/// else a deployment made at most a handful, so that a thousand for each lost one is above them all.
fn continue_above(tx: &Transaction<'_>, seen: Highest, named: i64) -> Result<i64, StoreError> {
    const FOR_EACH: i64 = 1000;
    let known = highest(tx)?;
    let lost = (seen.deployment - known.deployment).max(0);
    for (table, by) in [
        ("deployment", lost),
        ("operation", lost.max(1).saturating_mul(FOR_EACH)),
        ("release", lost.max(1).saturating_mul(FOR_EACH)),
        ("container", lost.max(1).saturating_mul(FOR_EACH)),
        ("settlement", lost.max(1).saturating_mul(FOR_EACH)),
        ("run", lost.max(1).saturating_mul(FOR_EACH)),
    ] {
        let changed = tx.execute(
            "UPDATE sqlite_sequence SET seq = seq + ?2 WHERE name = ?1",
            params![table, by],
        )?;
        if changed == 0 {
            tx.execute(
                "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)",
                params![table, by],
            )?;
        }
    }
    // Runs are named after it, and of them there may be any number.
    tx.execute(
        "UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'container'",
        [named],
    )?;
    tx.execute("UPDATE project SET last_iid = last_iid + ?1", [lost])?;
    tx.execute(
        "UPDATE instance SET generation = max(generation, ?1)",
        [seen.generation],
    )?;
    grow(tx)
}

/// The live container of every other environment that is meant to run is started, or made again, once everything that
/// could be in its way is retired. What is committed and not finished does that by itself.
fn bring_back(
    tx: &Transaction<'_>,
    looked_after: &BTreeSet<EnvironmentSerial>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let found: Vec<(i64, i64, i64)> = tx
        .prepare_cached(
            "SELECT e.serial, c.serial, e.live_deployment FROM environment e
             JOIN container c ON c.environment = e.serial AND c.role = 'live'
             WHERE e.removed_at IS NULL AND e.desired = 'running' AND e.live_deployment IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM deployment d WHERE d.environment = e.serial AND d.phase = 'committed'
                               AND d.hidden_at IS NULL)
               AND NOT EXISTS (SELECT 1 FROM settlement s WHERE s.container = c.serial AND s.kind = 'restore'
                               AND s.settled_at IS NULL)",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for (environment, container, deployment) in found {
        let environment = EnvironmentSerial(environment);
        if !looked_after.contains(&environment) {
            let undo = [Undo::Restore(ContainerSerial(container))];
            let deployment = Some(DeploymentSerial(deployment));
            write_settlements(tx, environment, deployment, &undo, None, now)?;
        }
    }
    Ok(())
}

/// The row of a deployment of which only a container is left.
fn lost_deployment(
    tx: &Transaction<'_>,
    one: &Discarded,
    adopting: &Adopting,
    now: Timestamp,
) -> Result<DeploymentSerial, StoreError> {
    let id = one.labels.deployment.to_string();
    let known: Option<i64> = tx
        .prepare_cached("SELECT serial FROM deployment WHERE uuid = ?1")?
        .query_row([&id], |row| row.get(0))
        .optional()?;
    if let Some(serial) = known {
        return Ok(DeploymentSerial(serial));
    }
    let is_taken: bool = tx
        .prepare_cached("SELECT 1 FROM deployment WHERE serial = ?1")?
        .exists([one.labels.serial])?;
    let serial = Some(one.labels.serial).filter(|_| !is_taken);
    let (project, iid): (i64, i64) = tx.query_row(
        "UPDATE project SET last_iid = last_iid + 1 WHERE serial = (SELECT project FROM app WHERE serial = ?1) RETURNING serial, last_iid",
        [one.place.app.0],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    tx.execute(
        "INSERT INTO deployment (serial, uuid, project, iid, app, environment, principal, initiated, wanted, image, phase,
                                 failed_step, failure, created_at, ended_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'manual', 'image', ?8, 'failed', ?9, ?10, ?11, ?11)",
        params![
            serial, id, project, iid, one.place.app.0, one.place.environment.0, adopting.by.0, one.image.as_str(),
            Step::Rollout.as_str(), json("deployment", &adopting.failure)?, now.0
        ],
    )?;
    let serial = DeploymentSerial(tx.last_insert_rowid());
    tx.execute(
        "INSERT INTO operation (environment, kind, deployment, created_at, done_at) VALUES (?1, 'deploy', ?2, ?3, ?3)",
        params![one.place.environment.0, serial.0, now.0],
    )?;
    let failed = Phase::Failed {
        step: Step::Rollout,
        failure: adopting.failure.clone(),
        at: now,
    };
    status_event(tx, serial, &failed, now)?;
    Ok(serial)
}
