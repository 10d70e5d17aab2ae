//! Who asks: local users and tokens.

use super::rows::{PRINCIPAL, inconsistent, principal};
use super::{Store, StoreError};
use crate::core::access::{Caller, Principal, Reach, Scope};
use crate::core::id::{AppSerial, EnvironmentSerial};
use crate::core::secret::Secret;
use crate::core::time::Timestamp;
use ring::digest::{SHA256, digest};
use rusqlite::{OptionalExtension as _, Row, params};

/// How many characters of a token are random.
const TOKEN_LENGTH: usize = 40;
/// 64 URL-safe characters, none of them a dot: each random byte gives one of them without bias.
const TOKEN_ALPHABET: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Store {
    /// The principal of somebody on the unix socket; made at the first request.
    ///
    /// # Errors
    /// If the database fails.
    pub fn local_principal(&self, name: &str, now: Timestamp) -> Result<Principal, StoreError> {
        let sql =
            format!("SELECT {PRINCIPAL} FROM principal p WHERE p.kind = 'local' AND p.name = ?1");
        let known = self.read(|tx| {
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([name])?;
            rows.next()?.map(|row| principal(row, 0)).transpose()
        })?;
        match known {
            Some(known) => Ok(known),
            None => self.write("local_principal", |tx| {
                tx.execute(
                    "INSERT INTO principal (uuid, kind, name, created_at) VALUES (?1, 'local', ?2, ?3) ON CONFLICT DO NOTHING",
                    params![self.random_uuid().to_string(), name, now.0],
                )?;
                let mut statement = tx.prepare_cached(&sql)?;
                let mut rows = statement.query([name])?;
                match rows.next()? {
                    Some(row) => principal(row, 0),
                    None => Err(inconsistent("principal", name, "vanished")),
                }
            }),
        }
    }

    /// Makes a token; its secret is given out only here.
    ///
    /// # Errors
    /// If the database fails.
    pub fn create_token(
        &self,
        name: &str,
        scope: Scope,
        reach: Reach,
        now: Timestamp,
    ) -> Result<(Principal, Secret), StoreError> {
        let secret = self.random_token();
        let (app, environment) = match reach {
            Reach::All => (None, None),
            Reach::App(app) => (Some(app.0), None),
            Reach::Environment(app, environment) => (Some(app.0), Some(environment.0)),
        };
        let id = self.random_uuid();
        let made = self.write_sparing("create_token", |tx| {
            tx.execute(
                "INSERT INTO principal (uuid, kind, name, created_at) VALUES (?1, 'token', ?2, ?3)",
                params![id.to_string(), name, now.0],
            )?;
            let serial = tx.last_insert_rowid();
            tx.execute(
                "INSERT INTO token (principal, digest, scope, app, environment, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![serial, token_digest(&secret), scope.as_str(), app, environment, now.0],
            )?;
            Ok(Principal { serial: crate::core::id::PrincipalSerial(serial), id, name: name.to_owned() })
        })?;
        Ok((made, secret))
    }

    /// Whose token this is, if it is one that holds. Found by its digest, so that no comparison's time tells how
    /// much of a guess was right.
    ///
    /// # Errors
    /// If the database fails.
    pub fn token_caller(
        &self,
        token: &Secret,
        now: Timestamp,
    ) -> Result<Option<Caller>, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT {PRINCIPAL}, t.scope, t.app, t.environment FROM token t JOIN principal p ON p.serial = t.principal
                 WHERE t.digest = ?1 AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > ?2)"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query(params![token_digest(token), now.0])?;
            rows.next()?.map(caller).transpose()
        })
    }

    /// A principal.
    ///
    /// # Errors
    /// If there is none of that serial.
    pub fn principal(
        &self,
        serial: crate::core::id::PrincipalSerial,
    ) -> Result<Principal, StoreError> {
        self.read(|tx| {
            let sql = format!("SELECT {PRINCIPAL} FROM principal p WHERE p.serial = ?1");
            let found = tx
                .prepare_cached(&sql)?
                .query_row([serial.0], |row| Ok(principal(row, 0)))
                .optional()?;
            found.unwrap_or_else(|| Err(inconsistent("principal", serial, "is missing")))
        })
    }

    fn random_token(&self) -> Secret {
        let mut bytes = [0; TOKEN_LENGTH];
        (self.random)(&mut bytes);
        let characters = bytes
            .iter()
            .map(|byte| char::from(TOKEN_ALPHABET[usize::from(byte & 63)]));
        Secret::new(format!("lsh_{}", characters.collect::<String>()))
    }
}

fn token_digest(token: &Secret) -> Vec<u8> {
    digest(&SHA256, token.expose().as_bytes()).as_ref().to_vec()
}

fn caller(row: &Row<'_>) -> Result<Caller, StoreError> {
    let principal = principal(row, 0)?;
    let scope: String = row.get(3)?;
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
                principal.serial,
                "an environment without an app",
            ));
        }
    };
    let scope = Scope::parse(&scope)
        .ok_or_else(|| inconsistent("token", principal.serial, format!("scope '{scope}'")))?;
    Ok(Caller {
        principal,
        scope,
        reach,
    })
}
