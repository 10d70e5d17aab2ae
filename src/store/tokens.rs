//! Tokens: making, finding, listing and revoking them. A digest of each is kept, never the token.

use super::keys::Answered;
use super::remembered::{Digest, InUse};
use super::rows::{PRINCIPAL, inconsistent, principal};
use super::{Store, StoreError};
use crate::core::access::{Caller, Principal, Reach, Scope};
use crate::core::action::{RequestKey, TokenView};
use crate::core::id::{AppSerial, EnvironmentSerial, PrincipalSerial};
use crate::core::name::{AppName, EnvironmentName};
use crate::core::rate::{Rate, RatePlan};
use crate::core::secret::Secret;
use crate::core::time::Timestamp;
use ring::digest::{SHA256, digest};
use rusqlite::{Connection, Row, params};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use uuid::Uuid;

/// How many characters of a token are random.
const TOKEN_LENGTH: usize = 40;
/// 64 URL-safe characters, none of them a dot: each random byte gives one of them without bias.
const TOKEN_ALPHABET: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How exactly the last use is known: written no more often than this, a busy token costs a write a minute.
const USE_NOTED_EVERY_MS: i64 = 60_000;

/// A token that is asked for.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The name people will see.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// Where.
    pub reach: Reach,
    /// How often.
    pub plan: RatePlan,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// Who makes it.
    pub by: PrincipalSerial,
    /// Recognises a repetition.
    pub key: Option<RequestKey>,
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum TokenMade {
    /// It is made, or was by the same request before; the only times its secret is given out.
    Made(Box<TokenView>, Secret),
    /// The key was used before for another request.
    KeyReused,
}

/// What a token is.
#[derive(Clone, Debug)]
pub enum Token {
    /// Somebody's, and it holds.
    Holds(Caller),
    /// It held until its time was over.
    Expired,
    /// It held until somebody revoked it.
    Revoked,
    /// None of ours.
    Unknown,
}

impl Store {
    /// Makes a token.
    ///
    /// # Errors
    /// If the database fails.
    pub fn create_token(&self, new: &NewToken, now: Timestamp) -> Result<TokenMade, StoreError> {
        let secret = self.random_token();
        let id = self.random_uuid();
        let (app, environment) = match new.reach {
            Reach::All => (None, None),
            Reach::App(app) => (Some(app.0), None),
            Reach::Environment(app, environment) => (Some(app.0), Some(environment.0)),
        };
        let rate = match new.plan {
            RatePlan::Custom(rate) => Some(rate),
            RatePlan::Starter | RatePlan::Pro | RatePlan::Enterprise => None,
        };
        self.write_sparing("create_token", |tx| {
            match self.answered_in(tx, new.by, new.key.as_ref(), now)? {
                None => {}
                Some(Answered::Token(token, secret)) => return made(tx, token, secret),
                Some(
                    Answered::Deployment(_)
                    | Answered::Changes(_)
                    | Answered::Run(_)
                    | Answered::Another,
                ) => {
                    return Ok(TokenMade::KeyReused);
                }
            }
            tx.execute(
                "INSERT INTO principal (uuid, kind, name, created_at) VALUES (?1, 'token', ?2, ?3)",
                params![id.to_string(), new.name, now.0],
            )?;
            let serial = PrincipalSerial(tx.last_insert_rowid());
            tx.execute(
                "INSERT INTO token (principal, digest, scope, app, environment, plan, rate, burst, created_at, created_by, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                params![
                    serial.0, token_digest(&secret), new.scope.as_str(), app, environment, new.plan.as_str(),
                    rate.map(|rate| rate.per_minute.get()), rate.map(|rate| rate.burst.get()), now.0, new.by.0,
                    new.expires_at.map(|at| at.0)
                ],
            )?;
            let answer = Answered::Token(serial, secret.clone());
            self.remember(tx, new.by, new.key.as_ref(), &answer, now)?;
            made(tx, serial, secret.clone())
        })
    }

    /// Whose token this is. Found by its digest, so that no comparison's time tells how much of a guess was right.
    ///
    /// # Errors
    /// If the database fails.
    pub fn token_caller(&self, token: &Secret, now: Timestamp) -> Result<Token, StoreError> {
        let digest = token_digest(token);
        let (known, emptied) = self.tokens.find(&digest);
        let (token, found_now) = match known {
            Some(known) => (known, false),
            None => match self.read(|tx| in_use(tx, &digest))? {
                Ok(found) => (Arc::new(found), true),
                Err(none) => return Ok(none),
            },
        };
        if token.caller.expires_at.is_some_and(|at| at <= now) {
            return Ok(Token::Expired);
        }
        if found_now {
            self.tokens.put(digest, token.clone(), emptied);
        }
        self.note_use(&token, now);
        Ok(Token::Holds(token.caller.clone()))
    }

    /// That it cannot be written down, on a full disk say, is no reason to refuse a request.
    fn note_use(&self, token: &InUse, now: Timestamp) {
        let noted = token.noted.load(Ordering::Relaxed);
        // Either way: a clock that was set back goes on from there.
        let is_fresh = now.0.abs_diff(noted) < USE_NOTED_EVERY_MS.unsigned_abs();
        let is_ours = || {
            let swapped =
                token
                    .noted
                    .compare_exchange(noted, now.0, Ordering::Relaxed, Ordering::Relaxed);
            swapped.is_ok()
        };
        if is_fresh || !is_ours() {
            return;
        }
        let serial = token.caller.principal.serial;
        let written = self.write_sparing("note_token_use", |tx| {
            tx.prepare_cached("UPDATE token SET last_used_at = ?2 WHERE principal = ?1")?
                .execute(params![serial.0, now.0])?;
            Ok(())
        });
        if let Err(error) = written {
            tracing::debug!(%error, "the use of a token could not be written down");
        }
    }

    /// A token as readers see it; `None` if there is none.
    ///
    /// # Errors
    /// If the database fails.
    pub fn token(&self, serial: PrincipalSerial) -> Result<Option<TokenView>, StoreError> {
        self.read(|tx| token_in(tx, serial))
    }

    /// The tokens within a reach, in the order they were made; without `all` only those that hold.
    ///
    /// # Errors
    /// If the database fails.
    pub fn tokens(
        &self,
        reach: Reach,
        all: bool,
        now: Timestamp,
    ) -> Result<Vec<TokenView>, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT {TOKEN} FROM {TOKEN_FROM} WHERE {WITHIN} AND (?3 OR
                 (t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > ?4))) ORDER BY t.principal"
            );
            let (app, environment) = limits(reach);
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query(params![app, environment, all, now.0])?;
            let mut tokens = Vec::new();
            while let Some(row) = rows.next()? {
                tokens.push(token_view(row)?);
            }
            Ok(tokens)
        })
    }

    /// Revokes a token within a reach, at once; false if there is none there that is not revoked yet.
    ///
    /// # Errors
    /// If the database fails.
    pub fn revoke_token(
        &self,
        id: Uuid,
        reach: Reach,
        by: PrincipalSerial,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (app, environment) = limits(reach);
        let revoked = self.write("revoke_token", |tx| {
            let sql = format!(
                "UPDATE token AS t SET revoked_at = ?3, revoked_by = ?4 WHERE {WITHIN} AND t.revoked_at IS NULL
                 AND t.principal = (SELECT serial FROM principal WHERE uuid = ?5 AND kind = 'token')"
            );
            let changed = tx.execute(
                &sql,
                params![app, environment, now.0, by.0, id.to_string()],
            )?;
            Ok(changed == 1)
        });
        // Also where the answer is an error: it may be on disk all the same.
        self.tokens.empty();
        revoked
    }

    fn random_token(&self) -> Secret {
        Secret::new(format!("lsh_{}", self.random_characters()))
    }

    /// What nobody guesses, in characters that can stand in a URL.
    pub(super) fn random_characters(&self) -> String {
        let mut bytes = [0; TOKEN_LENGTH];
        (self.random)(&mut bytes);
        let characters = bytes
            .iter()
            .map(|byte| char::from(TOKEN_ALPHABET[usize::from(byte & 63)]));
        characters.collect()
    }
}

pub(super) fn token_digest(token: &Secret) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, token.expose().as_bytes()).as_ref());
    bytes
}

fn made(tx: &Connection, token: PrincipalSerial, secret: Secret) -> Result<TokenMade, StoreError> {
    match token_in(tx, token)? {
        Some(view) => Ok(TokenMade::Made(Box::new(view), secret)),
        None => Err(inconsistent("token", token, "is missing")),
    }
}

/// What both app and environment say of a token lies within a reach.
const WITHIN: &str = "(?1 IS NULL OR t.app = ?1) AND (?2 IS NULL OR t.environment = ?2)";

fn limits(reach: Reach) -> (Option<i64>, Option<i64>) {
    match reach {
        Reach::All => (None, None),
        Reach::App(app) => (Some(app.0), None),
        Reach::Environment(app, environment) => (Some(app.0), Some(environment.0)),
    }
}

/// The columns of [`token_view`], in its order.
const TOKEN: &str = "p.serial, p.uuid, p.name, t.scope, a.name, e.name, t.plan, t.rate, t.burst, t.created_at, c.name, \
    t.expires_at, t.last_used_at, t.revoked_at";

const TOKEN_FROM: &str = "token t JOIN principal p ON p.serial = t.principal LEFT JOIN principal c ON c.serial = t.created_by \
    LEFT JOIN app a ON a.serial = t.app LEFT JOIN environment e ON e.serial = t.environment";

fn token_in(tx: &Connection, serial: PrincipalSerial) -> Result<Option<TokenView>, StoreError> {
    let sql = format!("SELECT {TOKEN} FROM {TOKEN_FROM} WHERE t.principal = ?1");
    let mut statement = tx.prepare_cached(&sql)?;
    let mut rows = statement.query([serial.0])?;
    rows.next()?.map(token_view).transpose()
}

fn token_view(row: &Row<'_>) -> Result<TokenView, StoreError> {
    let principal = principal(row, 0)?;
    let serial = principal.serial;
    let bad = |error: crate::core::name::InvalidName| inconsistent("token", serial, error.0);
    let app: Option<String> = row.get(4)?;
    let environment: Option<String> = row.get(5)?;
    let time = |column| Ok::<_, StoreError>(row.get::<_, Option<i64>>(column)?.map(Timestamp));
    Ok(TokenView {
        scope: scope(serial, &row.get::<_, String>(3)?)?,
        app: app
            .map(|name| AppName::parse(&name).map_err(bad))
            .transpose()?,
        environment: environment
            .map(|name| EnvironmentName::any(&name).map_err(bad))
            .transpose()?,
        plan: plan(serial, row, 6)?,
        created_at: Timestamp(row.get(9)?),
        created_by: row.get(10)?,
        expires_at: time(11)?,
        last_used_at: time(12)?,
        revoked_at: time(13)?,
        principal,
    })
}

/// The token of a digest, or why none is in use.
fn in_use(tx: &Connection, digest: &Digest) -> Result<Result<InUse, Token>, StoreError> {
    let sql = format!(
        "SELECT {PRINCIPAL}, t.scope, t.app, t.environment, t.plan, t.rate, t.burst, t.expires_at, t.last_used_at,
                t.revoked_at IS NOT NULL
         FROM token t JOIN principal p ON p.serial = t.principal WHERE t.digest = ?1"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let mut rows = statement.query([digest.as_slice()])?;
    let Some(row) = rows.next()? else {
        return Ok(Err(Token::Unknown));
    };
    let principal: Principal = principal(row, 0)?;
    let serial = principal.serial;
    let app: Option<i64> = row.get(4)?;
    let environment: Option<i64> = row.get(5)?;
    let reach = match (app, environment) {
        (None, None) => Reach::All,
        (Some(app), None) => Reach::App(AppSerial(app)),
        (Some(app), Some(environment)) => {
            Reach::Environment(AppSerial(app), EnvironmentSerial(environment))
        }
        (None, Some(_)) => {
            return Err(inconsistent(
                "token",
                serial,
                "an environment without an app",
            ));
        }
    };
    if row.get(11)? {
        return Ok(Err(Token::Revoked));
    }
    Ok(Ok(InUse {
        noted: AtomicI64::new(row.get::<_, Option<i64>>(10)?.unwrap_or(i64::MIN)),
        caller: Caller {
            scope: scope(serial, &row.get::<_, String>(3)?)?,
            reach,
            plan: plan(serial, row, 6)?,
            expires_at: row.get::<_, Option<i64>>(9)?.map(Timestamp),
            principal,
        },
    }))
}

fn scope(serial: PrincipalSerial, word: &str) -> Result<Scope, StoreError> {
    Scope::parse(word).ok_or_else(|| inconsistent("token", serial, format!("scope '{word}'")))
}

/// The plan whose columns begin there.
fn plan(serial: PrincipalSerial, row: &Row<'_>, first: usize) -> Result<RatePlan, StoreError> {
    let word: String = row.get(first)?;
    let bad = || inconsistent("token", serial, format!("plan '{word}' with its figures"));
    let rate = match (row.get(first + 1)?, row.get(first + 2)?) {
        (None::<u32>, None::<u32>) => None,
        (Some(per_minute), Some(burst)) => Some(Rate::new(per_minute, burst).ok_or_else(bad)?),
        (Some(_), None) | (None, Some(_)) => return Err(bad()),
    };
    RatePlan::parse(&word, rate).ok_or_else(bad)
}
