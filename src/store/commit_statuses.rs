//! What checks said of commits.

use super::rows::{PRINCIPAL, inconsistent, principal};
use super::{Store, StoreError};
use crate::core::commit_status::{CommitState, CommitStatusView, MAX_STATUSES, PostCommitStatus};
use crate::core::id::{CommitStatusSerial, PrincipalSerial, ProjectSerial};
use crate::core::name::Sha;
use crate::core::time::Timestamp;
use rusqlite::{Connection, Row, params};
use std::sync::LazyLock;

impl Store {
    /// Writes down what a check says; `None` if it said so much already that no more is kept.
    ///
    /// # Errors
    /// If the database fails.
    pub fn post_commit_status(
        &self,
        project: ProjectSerial,
        post: &PostCommitStatus,
        by: PrincipalSerial,
        now: Timestamp,
    ) -> Result<Option<CommitStatusView>, StoreError> {
        self.write_sparing("post_commit_status", |tx| {
            self.disk.room()?;
            let label = post.context.to_lowercase();
            let known: i64 = tx
                .prepare_cached(
                    "SELECT count(*) FROM commit_status WHERE project = ?1 AND sha = ?2 AND label = ?3",
                )?
                .query_row(params![project.0, post.sha.as_str(), label], |row| row.get(0))?;
            if u64::try_from(known).unwrap_or(0) >= MAX_STATUSES {
                return Ok(None);
            }
            tx.prepare_cached(
                "INSERT INTO commit_status (project, sha, context, label, state, description, target_url, principal, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                project.0, post.sha.as_str(), post.context, label, post.state.as_str(), post.description, post.target_url, by.0,
                now.0
            ])?;
            let serial = tx.last_insert_rowid();
            let sql = format!("{} WHERE s.serial = ?1", *SELECT);
            Ok(Some(tx.prepare_cached(&sql)?.query_row([serial], |row| Ok(view(row)))??))
        })
    }

    /// A page of everything that was said of a commit, the newest first, and how much it is.
    ///
    /// # Errors
    /// If the database fails.
    pub fn commit_statuses(
        &self,
        project: ProjectSerial,
        sha: &Sha,
        limit: u32,
        offset: u64,
    ) -> Result<(Vec<CommitStatusView>, u64), StoreError> {
        self.read(|tx| {
            let total: i64 = tx
                .prepare_cached(
                    "SELECT count(*) FROM commit_status WHERE project = ?1 AND sha = ?2",
                )?
                .query_row(params![project.0, sha.as_str()], |row| row.get(0))?;
            let sql = format!(
                "{} WHERE s.project = ?1 AND s.sha = ?2 ORDER BY s.serial DESC LIMIT ?3 OFFSET ?4",
                *SELECT
            );
            let offset = i64::try_from(offset).unwrap_or(i64::MAX);
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query(params![project.0, sha.as_str(), limit, offset])?;
            let mut page = Vec::new();
            while let Some(row) = rows.next()? {
                page.push(view(row)?);
            }
            Ok((page, u64::try_from(total).unwrap_or(0)))
        })
    }

    /// Whether the project is known to have this commit: it was deployed, or something was said of it.
    ///
    /// # Errors
    /// If the database fails.
    pub fn knows_commit(&self, project: ProjectSerial, sha: &Sha) -> Result<bool, StoreError> {
        self.read(|tx| {
            let known = tx
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM commit_status WHERE project = ?1 AND sha = ?2)
                         OR EXISTS (SELECT 1 FROM deployment WHERE project = ?1 AND sha = ?2 AND hidden_at IS NULL)",
                )?
                .query_row(params![project.0, sha.as_str()], |row| row.get(0))?;
            Ok(known)
        })
    }

    /// What each check said last of a commit, in the order in which they first spoke.
    ///
    /// # Errors
    /// If the database fails.
    pub fn newest_commit_statuses(
        &self,
        project: ProjectSerial,
        sha: &Sha,
    ) -> Result<Vec<CommitStatusView>, StoreError> {
        self.read(|tx| newest(tx, project, sha))
    }
}

fn newest(
    tx: &Connection,
    project: ProjectSerial,
    sha: &Sha,
) -> Result<Vec<CommitStatusView>, StoreError> {
    let sql = format!(
        "{} JOIN (SELECT max(serial) AS last, min(serial) AS first FROM commit_status WHERE project = ?1 AND sha = ?2 GROUP BY label) n
         ON n.last = s.serial ORDER BY n.first",
        *SELECT
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let mut rows = statement.query(params![project.0, sha.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(view(row)?);
    }
    Ok(found)
}

static SELECT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {PRINCIPAL}, s.serial, s.sha, s.state, s.context, s.description, s.target_url, s.at
         FROM commit_status s JOIN principal p ON p.serial = s.principal"
    )
});

fn view(row: &Row<'_>) -> Result<CommitStatusView, StoreError> {
    let serial: i64 = row.get(3)?;
    let (sha, state): (String, String) = (row.get(4)?, row.get(5)?);
    Ok(CommitStatusView {
        serial: CommitStatusSerial(serial),
        sha: Sha::parse(&sha).map_err(|error| inconsistent("commit_status", serial, error.0))?,
        state: CommitState::parse(&state)
            .ok_or_else(|| inconsistent("commit_status", serial, format!("state '{state}'")))?,
        context: row.get(6)?,
        description: row.get(7)?,
        target_url: row.get(8)?,
        by: principal(row, 0)?,
        at: Timestamp(row.get(9)?),
    })
}
