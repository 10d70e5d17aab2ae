//! What a careful person would write in an afternoon: axum over the same tables with the same settings, the token checked
//! by its digest, the same fields in the answers. It decides nothing and drives nothing.

use axum::extract::{Path as UrlPath, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use ring::digest::{SHA256, digest};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

struct Database {
    data_dir: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

fn connect(data_dir: &Path) -> Connection {
    let connection = crate::fill::open(data_dir);
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 4194304; PRAGMA temp_store = MEMORY")
        .unwrap();
    connection.set_prepared_statement_cache_capacity(64);
    connection
}

impl Database {
    fn read<T>(&self, work: impl FnOnce(&Connection) -> T) -> T {
        let pooled = self.readers.lock().unwrap().pop();
        let connection = pooled.unwrap_or_else(|| connect(&self.data_dir));
        let value = work(&connection);
        self.readers.lock().unwrap().push(connection);
        value
    }
}

type Shared = State<Arc<Database>>;
type Refused = (StatusCode, Json<serde_json::Value>);

fn refused(status: StatusCode, code: &str) -> Refused {
    let body = serde_json::json!({ "error": { "code": code, "message": code, "details": {} } });
    (status, Json(body))
}

/// The principal and the scope of a request's token.
fn caller(connection: &Connection, headers: &HeaderMap) -> Result<(i64, String), Refused> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(|| refused(StatusCode::UNAUTHORIZED, "missing_token"))?;
    connection
        .prepare_cached("SELECT principal, scope FROM token WHERE digest = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)")
        .unwrap()
        .query_row(params![digest(&SHA256, bearer.as_bytes()).as_ref(), now()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .unwrap()
        .ok_or_else(|| refused(StatusCode::UNAUTHORIZED, "invalid_token"))
}

#[derive(Serialize)]
struct Item {
    /// Only in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    id: String,
    status: &'static str,
    project_id: String,
    branch: Option<String>,
    commit_sha: Option<String>,
    created_at: String,
    completed_at: Option<String>,
    app: String,
    environment: String,
    image: Option<String>,
    release: Option<i64>,
    live: bool,
}

#[derive(Serialize)]
struct Detail {
    #[serde(flatten)]
    item: Item,
    build_duration: Option<String>,
    deploy_url: Option<String>,
    logs_url: String,
    cancelled_at: Option<String>,
    cancelled_by: Option<String>,
    cancelled_by_name: Option<String>,
    error: Option<serde_json::Value>,
    rollback: Option<serde_json::Value>,
    restart: bool,
    trigger: String,
    created_by: String,
    superseded: bool,
    commit: Option<Commit>,
    steps: Vec<Step>,
    restore_failed: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Commit {
    message: String,
    author: String,
}

#[derive(Serialize)]
struct Step {
    name: String,
    started_at: Option<String>,
    ended_at: Option<String>,
}

const ITEM: &str = "d.uuid, d.phase, a.uuid, d.branch, d.sha, d.created_at, d.ended_at, a.name, e.name, d.image, r.number, e.live_deployment IS d.serial";
const ITEM_FROM: &str =
    "deployment d JOIN app a ON a.serial = d.app JOIN environment e ON e.serial = d.environment
    LEFT JOIN release r ON r.serial = d.release";

fn item(row: &Row<'_>, host: &str) -> rusqlite::Result<Item> {
    let id = base36("dep", row.get_ref(0)?.as_str()?);
    Ok(Item {
        url: Some(format!("http://{host}/v1/deployments/{id}")),
        id,
        status: match row.get_ref(1)?.as_str()? {
            "queued" => "queued",
            "checkout" | "build" => "building",
            "rollout" | "committed" => "deploying",
            "succeeded" => "success",
            "failed" => "failed",
            _ => "cancelled",
        },
        project_id: base36("proj", row.get_ref(2)?.as_str()?),
        branch: row.get(3)?,
        commit_sha: row.get(4)?,
        created_at: time(row.get(5)?),
        completed_at: row.get::<_, Option<i64>>(6)?.map(time),
        app: row.get(7)?,
        environment: row.get(8)?,
        image: row.get(9)?,
        release: row.get(10)?,
        live: row.get(11)?,
    })
}

fn host(headers: &HeaderMap) -> &str {
    headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("localhost")
}

async fn show(
    State(database): Shared,
    UrlPath(id): UrlPath<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    database.read(|connection| {
        caller(connection, &headers)?;
        let detail = id
            .strip_prefix("dep_")
            .and_then(from_base36)
            .and_then(|id| detail(connection, id, host(&headers)));
        detail
            .map(|detail| Json(detail).into_response())
            .ok_or_else(|| refused(StatusCode::NOT_FOUND, "deployment_not_found"))
    })
}

fn detail(connection: &Connection, id: Uuid, host: &str) -> Option<Detail> {
    let sql = format!("SELECT {ITEM}, d.serial, d.initiated, d.failure, d.failed_step, d.commit_info, d.wanted, p.name, c.uuid, c.name
        FROM {ITEM_FROM} JOIN principal p ON p.serial = d.principal LEFT JOIN principal c ON c.serial = d.cancelled_by
        WHERE d.uuid = ?1 AND d.hidden_at IS NULL");
    let mut statement = connection.prepare_cached(&sql).unwrap();
    statement
        .query_row([id.to_string()], |row| {
            let mut item = item(row, host)?;
            let url = item.url.take().unwrap_or_default();
            let serial: i64 = row.get(12)?;
            let mut steps = connection.prepare_cached("SELECT name, started_at, ended_at FROM step WHERE deployment = ?1 ORDER BY started_at")?;
            let known = steps.query_map([serial], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            let known: Vec<(String, i64, Option<i64>)> = known.collect::<rusqlite::Result<_>>()?;
            let times = |step: &str| known.iter().find(|(name, _, _)| name == step);
            let planned: &[&str] = if item.branch.is_some() { &["checkout", "build", "rollout"] } else { &["rollout"] };
            let ended = |step: &str| times(step).and_then(|(_, _, ended)| *ended);
            let built = times("checkout").zip(ended("build").or(ended("checkout")));
            let error: Option<serde_json::Value> = row.get::<_, Option<String>>(14)?.map(|text| serde_json::from_str(&text).unwrap());
            let step: Option<String> = row.get(15)?;
            let cancelled_by: Option<String> = row.get(19)?;
            let mut refusals = connection.prepare_cached("SELECT refused FROM settlement WHERE deployment = ?1 AND kind = 'restore' AND refused IS NOT NULL")?;
            let refusals = refusals.query_map([serial], |row| row.get(0))?;
            Ok(Detail {
                build_duration: built.map(|((_, began, _), ended)| format!("{:.1}s", (ended - began) as f64 / 1000.0)),
                logs_url: format!("{url}/logs"),
                deploy_url: (item.status == "success").then_some(url),
                cancelled_at: cancelled_by.as_ref().and(item.completed_at.clone()),
                cancelled_by: cancelled_by.map(|id| base36("user", &id)),
                cancelled_by_name: row.get(20)?,
                error: error.map(|mut error| {
                    error["step"] = step.into();
                    error
                }),
                rollback: None,
                restart: row.get_ref(17)?.as_str()? == "restart",
                trigger: row.get(13)?,
                created_by: row.get(18)?,
                superseded: row.get_ref(1)?.as_str()? == "superseded",
                commit: row.get::<_, Option<String>>(16)?.map(|text| serde_json::from_str(&text).unwrap()),
                steps: planned
                    .iter()
                    .map(|name| Step {
                        name: (*name).to_owned(),
                        started_at: times(name).map(|(_, began, _)| time(*began)),
                        ended_at: ended(name).map(time),
                    })
                    .collect(),
                restore_failed: refusals.collect::<rusqlite::Result<_>>()?,
                item,
            })
        })
        .optional()
        .unwrap()
}

#[derive(Deserialize)]
struct Page {
    limit: Option<u32>,
    offset: Option<u64>,
}

#[derive(Serialize)]
struct Listed {
    data: Vec<Item>,
    meta: Meta,
}

#[derive(Serialize)]
struct Meta {
    total: i64,
    limit: u32,
    offset: u64,
}

async fn list(
    State(database): Shared,
    Query(page): Query<Page>,
    headers: HeaderMap,
) -> Result<Json<Listed>, Refused> {
    let (limit, offset) = (page.limit.unwrap_or(20).min(100), page.offset.unwrap_or(0));
    database.read(|connection| {
        caller(connection, &headers)?;
        // One look at one moment, so that the page and the total agree.
        let tx = connection.unchecked_transaction().unwrap();
        let total = tx.prepare_cached("SELECT coalesce(sum(deployments), 0) FROM total").unwrap().query_row([], |row| row.get(0)).unwrap();
        let sql = format!("SELECT {ITEM} FROM {ITEM_FROM} WHERE d.hidden_at IS NULL ORDER BY d.serial DESC LIMIT ?1 OFFSET ?2");
        let mut statement = tx.prepare_cached(&sql).unwrap();
        let rows = statement.query_map(params![limit, i64::try_from(offset).unwrap()], |row| item(row, host(&headers))).unwrap();
        Ok(Json(Listed {
            data: rows.collect::<rusqlite::Result<_>>().unwrap(),
            meta: Meta { total, limit, offset },
        }))
    })
}

#[derive(Deserialize)]
struct Create {
    project_id: String,
    environment: String,
    image: String,
}

async fn create(
    State(database): Shared,
    headers: HeaderMap,
    Json(create): Json<Create>,
) -> Result<Response, Refused> {
    let principal = database.read(|connection| caller(connection, &headers))?;
    if principal.1 == "deploy:read" {
        return Err(refused(StatusCode::FORBIDDEN, "insufficient_scope"));
    }
    let mut writer = database.writer.lock().unwrap();
    let tx = writer
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap();
    let made = write(&tx, &create, principal.0, host(&headers))?;
    tx.commit().unwrap();
    drop(writer);
    let location = made["url"].as_str().unwrap_or_default().to_owned();
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(made),
    )
        .into_response())
}

fn write(
    tx: &Transaction<'_>,
    create: &Create,
    principal: i64,
    host: &str,
) -> Result<serde_json::Value, Refused> {
    let place: Option<(i64, String, i64, i64, String)> = tx
        .prepare_cached(
            "SELECT a.serial, a.uuid, a.project, e.serial, e.desired FROM app a JOIN environment e ON e.app = a.serial
             WHERE a.name = ?1 AND e.name = ?2 AND e.removed_at IS NULL",
        )
        .unwrap()
        .query_row([&create.project_id, &create.environment], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()
        .unwrap();
    let (app, app_id, project, environment, desired) =
        place.ok_or_else(|| refused(StatusCode::NOT_FOUND, "project_not_found"))?;
    if desired == "suspended" {
        return Err(refused(StatusCode::CONFLICT, "environment_refused"));
    }
    let now = now();
    let mut random = [0; 10];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut random).unwrap();
    let id =
        uuid::Builder::from_unix_timestamp_millis(u64::try_from(now).unwrap(), &random).into_uuid();
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        tx.prepare_cached(sql).unwrap().execute(values).unwrap()
    };
    let iid: i64 = tx
        .prepare_cached(
            "UPDATE project SET last_iid = last_iid + 1 WHERE serial = ?1 RETURNING last_iid",
        )
        .unwrap()
        .query_row([project], |row| row.get(0))
        .unwrap();
    run(
        "INSERT INTO deployment (uuid, project, iid, app, environment, principal, initiated, wanted, image, phase, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'manual', 'image', ?7, 'queued', ?8)",
        params![id.to_string(), project, iid, app, environment, principal, create.image, now],
    );
    let serial = tx.last_insert_rowid();
    run(
        "INSERT INTO operation (environment, kind, deployment, created_at) VALUES (?1, 'deploy', ?2, ?3)",
        params![environment, serial, now],
    );
    run(
        "INSERT INTO status_event (deployment, phase, at) VALUES (?1, 'queued', ?2)",
        params![serial, now],
    );
    let id = base36("dep", &id.to_string());
    Ok(serde_json::json!({
        "url": format!("http://{host}/v1/deployments/{id}"), "id": id, "status": "queued", "project_id": base36("proj", &app_id), "branch": null,
        "commit_sha": null, "created_at": time(now), "app": create.project_id, "environment": create.environment, "image": create.image,
    }))
}

#[expect(clippy::disallowed_methods, reason = "a bench looks at the real clock")]
fn now() -> i64 {
    i64::try_from(time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap()
}

fn time(millis: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp(millis.div_euclid(1000))
        .unwrap()
        .format(&Rfc3339)
        .unwrap()
}

fn base36(prefix: &str, id: &str) -> String {
    let (mut value, mut digits) = (id.parse::<Uuid>().unwrap().as_u128(), Vec::new());
    while value > 0 {
        digits.push(char::from_digit(u32::try_from(value % 36).unwrap(), 36).unwrap());
        value /= 36;
    }
    format!("{prefix}_{}", digits.iter().rev().collect::<String>())
}

fn from_base36(digits: &str) -> Option<Uuid> {
    u128::from_str_radix(digits, 36).ok().map(Uuid::from_u128)
}

pub(crate) fn serve(data_dir: &Path, address: &str) {
    let database = Arc::new(Database {
        data_dir: data_dir.to_owned(),
        writer: Mutex::new(connect(data_dir)),
        readers: Mutex::new((0..4).map(|_| connect(data_dir)).collect()),
    });
    let routes = Router::new()
        .route("/v1/deployments", get(list).post(create))
        .route("/v1/deployments/{id}", get(show))
        .with_state(database);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        axum::serve(listener, routes).await.unwrap();
    });
}
