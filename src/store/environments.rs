//! Environments as readers see them to whom an environment is what is deployed: one, or a page of all.

use super::apps::{PLACE, PLACE_COLUMNS, PLACE_FROM, Place, place};
use super::rows::DEPLOYMENT;
use super::{Store, StoreError};
use crate::core::access::Reach;
use crate::core::deployment::Phase;
use crate::core::time::Timestamp;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

/// An environment with what happened to it.
#[derive(Clone, Debug)]
pub struct StandingPlace {
    /// Where it is.
    pub place: Place,
    /// When it was made.
    pub created_at: Timestamp,
    /// When something happened to it last.
    pub updated_at: Timestamp,
    /// Its newest deployment's phase; `None` if it has none to be seen.
    pub last: Option<Phase>,
}

impl Store {
    /// An environment by its id, unless it was removed.
    ///
    /// # Errors
    /// If the database fails.
    pub fn find_environment(&self, id: Uuid) -> Result<Option<StandingPlace>, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT {PLACE}, e.created_at FROM {PLACE_FROM} WHERE e.uuid = ?1 AND e.removed_at IS NULL"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([id.to_string()])?;
            let found = rows.next()?.map(|row| self.standing_place(tx, row));
            found.transpose()
        })
    }

    /// A page of those that can be seen from there, newest first, and how many there are in all.
    ///
    /// # Errors
    /// If the database fails.
    pub fn environments(
        &self,
        reach: Reach,
        limit: u32,
        offset: u64,
    ) -> Result<(Vec<StandingPlace>, u64), StoreError> {
        let (app, environment) = match reach {
            Reach::All => (None, None),
            Reach::App(app) => (Some(app.0), None),
            Reach::Environment(app, environment) => (Some(app.0), Some(environment.0)),
        };
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        self.read(|tx| {
            let seen = "e.removed_at IS NULL AND e.app IS coalesce(?1, e.app) AND e.serial IS coalesce(?2, e.serial)";
            let total: i64 = tx
                .prepare_cached(&format!("SELECT count(*) FROM environment e WHERE {seen}"))?
                .query_row(params![app, environment], |row| row.get(0))?;
            let sql = format!(
                "SELECT {PLACE}, e.created_at FROM {PLACE_FROM} WHERE {seen} ORDER BY e.serial DESC LIMIT ?3 OFFSET ?4"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query(params![app, environment, limit, offset])?;
            let mut page = Vec::new();
            while let Some(row) = rows.next()? {
                page.push(self.standing_place(tx, row)?);
            }
            Ok((page, u64::try_from(total).unwrap_or(0)))
        })
    }

    fn standing_place(&self, tx: &Connection, row: &Row<'_>) -> Result<StandingPlace, StoreError> {
        let place = place(row)?;
        let created_at = Timestamp(row.get(PLACE_COLUMNS)?);
        let changed: Option<i64> = tx
            .prepare_cached(LAST_CHANGE)?
            .query_row([place.environment.0], |row| row.get(0))?;
        let sql = format!("SELECT {DEPLOYMENT}, {STEPPED} {NEWEST}");
        let mut statement = tx.prepare_cached(&sql)?;
        let mut rows = statement.query([place.environment.0])?;
        let (mut times, mut last) = (vec![Some(created_at), changed.map(Timestamp)], None);
        if let Some(row) = rows.next()? {
            let deployment = self.deployment_row(row)?;
            let stepped = row.get::<_, Option<i64>>("stepped")?;
            times.push(Some(deployment.created_at));
            times.push(stepped.map(Timestamp));
            times.push(deployment.phase.ended_at());
            last = Some(deployment.phase);
        }
        Ok(StandingPlace {
            updated_at: times.into_iter().flatten().max().unwrap_or(created_at),
            place,
            created_at,
            last,
        })
    }
}

/// When the newest change that is no deployment was asked for, began or ended.
const LAST_CHANGE: &str = "SELECT max(max(created_at, coalesce(began_at, 0), coalesce(done_at, 0))) FROM (
    SELECT created_at, began_at, done_at FROM operation WHERE environment = ?1 AND deployment IS NULL
    ORDER BY serial DESC LIMIT 1)";

/// When a step of a deployment began or ended last.
const STEPPED: &str = "(SELECT max(max(s.started_at, coalesce(s.ended_at, 0))) FROM step s WHERE s.deployment = d.serial) AS stepped";

/// An environment's newest deployment that is to be seen.
const NEWEST: &str = "FROM deployment d WHERE d.environment = ?1 AND d.hidden_at IS NULL ORDER BY d.serial DESC LIMIT 1";
