//! Pages of what is narrowed to a commit, a reference, a task, or the name under which an environment is shown. An index
//! holds those of a commit, a reference and a task in the order of their serials; they are counted there. No task, and a
//! name that no status ever changed, narrow nothing that the other pages do not know: they are told so and find them.

use super::places::{Filter, Places, serials};
use super::{ListFilter, Slice, StoreError, count, json_array};
use crate::core::name::{EnvironmentName, TaskName};
use crate::core::particulars::Narrowed;
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

/// What is left of a narrowed list.
pub(super) enum Left {
    /// A list that is narrowed by what every list can be narrowed by.
    Open(ListFilter),
    /// It is still narrowed.
    Narrowed(ListFilter),
}

/// Says with the filter's other fields what can be said with them.
pub(super) fn simplified(tx: &Connection, list: &ListFilter) -> Result<Left, StoreError> {
    let mut list = list.clone();
    let project = list
        .project
        .map_or(Value::Null, |project| Value::Integer(project.0));
    let is_there = |sql: &str| -> Result<bool, StoreError> {
        Ok(tx
            .prepare_cached(sql)?
            .query_row([&project], |row| row.get(0))?)
    };
    if list.narrowed.task == Some(None) && !is_there(TASKS)? {
        list.narrowed.task = None;
    }
    if let Some(name) = &list.narrowed.shown_environment
        && list.environment.is_none()
        && !is_there(SHOWN)?
    {
        let names: Vec<String> = tx
            .prepare_cached(
                "SELECT DISTINCT e.name FROM environment e JOIN app a ON a.serial = e.app
                 WHERE e.name = ?1 COLLATE NOCASE AND a.project = coalesce(?2, a.project)",
            )?
            .query_map(params![name.as_str(), project], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let only = match names.as_slice() {
            [] => Some(name.clone()),
            [only] => EnvironmentName::any(only).ok(),
            _ => None,
        };
        if only.is_some() {
            list.environment = only;
            list.narrowed.shown_environment = None;
        }
    }
    Ok(match list.narrowed.is_open() {
        true => Left::Open(list),
        false => Left::Narrowed(list),
    })
}

const TASKS: &str = "SELECT EXISTS (SELECT 1 FROM deployment INDEXED BY deployment_task
    WHERE hidden_at IS NULL AND task IS NOT NULL AND project = coalesce(?1, project))";
const SHOWN: &str = "SELECT EXISTS (SELECT 1 FROM deployment INDEXED BY deployment_shown
    WHERE hidden_at IS NULL AND shown_environment IS NOT NULL AND project = coalesce(?1, project))";

/// A page in the order of the serials, and how many there are in all.
pub(super) fn page(
    tx: &Connection,
    list: &ListFilter,
    slice: Slice,
) -> Result<(Vec<i64>, u64), StoreError> {
    let mut query = Query::of(tx, list)?;
    let sql = query.counted();
    let total: i64 = tx
        .prepare_cached(&sql)?
        .query_row(params_from_iter(&query.values), |row| row.get(0))?;
    let total = u64::try_from(total).unwrap_or(0);
    if slice.is_beyond(total) {
        return Ok((Vec::new(), total));
    }
    let sql = query.read(slice);
    let ends = [slice.limit, slice.skip].map(|rows| Value::Integer(count(rows)));
    query.values.extend(ends);
    Ok((serials(tx, &sql, &query.values)?, total))
}

/// From where on a query reads, and its values in the order of the question marks.
struct Query {
    sql: String,
    values: Vec<Value>,
}

/// What is asked for a page and its total.
#[cfg(test)]
pub(super) fn queries(tx: &Connection, list: &ListFilter) -> Result<[String; 2], StoreError> {
    let query = Query::of(tx, list)?;
    Ok([query.counted(), query.read(Slice::of_list(list))])
}

impl Query {
    fn counted(&self) -> String {
        format!("SELECT count(*) {}", self.sql)
    }

    fn read(&self, slice: Slice) -> String {
        let direction = slice.direction();
        format!(
            "SELECT d.serial {} ORDER BY d.serial {direction} LIMIT ? OFFSET ?",
            self.sql
        )
    }

    fn of(tx: &Connection, list: &ListFilter) -> Result<Self, StoreError> {
        let Narrowed {
            sha,
            reference,
            task,
            shown_environment,
        } = &list.narrowed;
        let index = match (list.project, sha, reference, task) {
            (Some(_), Some(_), _, _) => " INDEXED BY deployment_by_sha",
            (Some(_), None, None, Some(Some(_))) => " INDEXED BY deployment_task",
            _ => "",
        };
        let mut query = Self {
            sql: format!("FROM deployment d{index} WHERE d.hidden_at IS NULL"),
            values: Vec::new(),
        };
        if let Some(project) = list.project {
            query.and("d.project = ?", [Value::Integer(project.0)]);
        }
        if let Some(sha) = sha {
            query.and("d.sha = ?", [text(sha.as_str())]);
        }
        if let Some(reference) = reference {
            query.of_reference(tx, list, reference)?;
        }
        match task {
            Some(Some(task)) => query.and("d.task = ?", [text(TaskName::as_str(task))]),
            Some(None) => query.and("d.task IS NULL", []),
            None => {}
        }
        if let Some(name) = shown_environment {
            query.and(
                "(d.shown_environment = ? COLLATE NOCASE OR d.shown_environment IS NULL
                  AND d.environment IN (SELECT serial FROM environment WHERE name = ? COLLATE NOCASE))",
                [text(name.as_str()), text(name.as_str())],
            );
        }
        query.of_places(&Filter::of(tx, list)?);
        if let Some(from) = list.updated_from {
            query.and("d.updated_at >= ?", [Value::Integer(from.0)]);
        }
        if let Some(before) = list.updated_before {
            query.and("d.updated_at < ?", [Value::Integer(before.0)]);
        }
        Ok(query)
    }

    fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.sql += " AND ";
        self.sql += condition;
        self.values.extend(values);
    }

    /// What is called so, or was called so by who asked for it. A whole name says whether a branch or a tag is meant.
    fn of_reference(
        &mut self,
        tx: &Connection,
        list: &ListFilter,
        reference: &str,
    ) -> Result<(), StoreError> {
        let (short, tag) = match reference.split_once('/') {
            Some(("refs", rest)) => match rest.split_once('/') {
                Some(("heads", name)) => (name, Some(false)),
                Some(("tags", name)) => (name, Some(true)),
                Some(_) | None => (reference, None),
            },
            Some(_) | None => (reference, None),
        };
        let is_short = match tag {
            Some(true) => "d.ref = ? AND d.tag = 1",
            Some(false) => "d.ref = ? AND d.tag = 0",
            None => "d.ref = ?",
        };
        let project = list
            .project
            .map_or(Value::Null, |project| Value::Integer(project.0));
        let written_otherwise: bool = tx
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM deployment INDEXED BY deployment_written WHERE hidden_at IS NULL AND written IS NOT NULL
                 AND project = coalesce(?1, project) AND written = ?2 AND ref <> ?3)",
            )?
            .query_row([project, text(reference), text(short)], |row| row.get(0))?;
        match written_otherwise {
            false => self.and(is_short, [text(short)]),
            true => self.and(
                &format!("(({is_short}) OR d.written = ?)"),
                [text(short), text(reference)],
            ),
        }
        Ok(())
    }

    fn of_places(&mut self, filter: &Filter) {
        match &filter.places {
            Places::Everywhere => {}
            Places::Apps(all) => self.and(
                "d.app IN (SELECT value FROM json_each(?))",
                [Value::Text(json_array(all))],
            ),
            Places::Environments(all) => self.and(
                "d.environment IN (SELECT value FROM json_each(?))",
                [Value::Text(json_array(all))],
            ),
        }
        self.sql += &filter.of_phases();
        self.values.extend(filter.phase_values());
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}
