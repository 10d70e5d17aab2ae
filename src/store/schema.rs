//! Connections and migrations.

use super::{OpenWith, StoreError, seal};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};
use rusqlite_migration::{M, Migrations};
use std::path::Path;
use uuid::Uuid;

/// In order; appended to, never changed.
const MIGRATIONS: &[M<'_>] = &[
    M::up(include_str!("schema.sql")),
    M::up(include_str!("schema_2.sql")),
    M::up(include_str!("schema_3.sql")),
    M::up(include_str!("schema_4.sql")),
    M::up(include_str!("schema_5.sql")),
    M::up(include_str!("schema_6.sql")),
    M::up(include_str!("schema_7.sql")),
    M::up(include_str!("schema_8.sql")),
];

/// Opens a connection with the settings every connection has.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that opens the database"
)]
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    // WAL: readers and the writer do not wait for each other. FULL: a commit is on disk when it returns; without it
    // a power cut could lose a deployment whose client was told 201. foreign_keys is off by default in SQLite.
    // busy_timeout: only another program (a backup, a person with sqlite3) can hold the write lock; it may for a while.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // The write-ahead log is moved into the database every 1000 pages (4 MiB), and what one large transaction made
    // of it is cut back to that: it never grows without bound. What SQLite needs besides is kept in memory, where a
    // full disk cannot take it away.
    connection.pragma_update(None, "wal_autocheckpoint", 1000)?;
    connection.pragma_update(None, "journal_size_limit", 4 * 1024 * 1024)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    // As many as there are: what falls out is parsed anew at its next use.
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    use rusqlite_migration::Error;
    Migrations::from_slice(MIGRATIONS).to_latest(connection).map_err(|error| match error {
        // The disk's fault, not the schema's.
        Error::RusqliteError { err, .. }
            if matches!(err.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure)) =>
        {
            StoreError::Database(err)
        }
        error => StoreError::Unusable(format!(
            "the database cannot be brought to this version's schema: {error}; a newer longshore may have written it"
        )),
    })
}

/// The instance's id, made at the first start; `None` if the key is not the one the database was sealed with.
pub(super) fn instance(
    connection: &mut Connection,
    seal: &seal::Seal,
    with: &OpenWith,
) -> Result<Option<Uuid>, StoreError> {
    let known: Option<(String, Vec<u8>)> = connection
        .query_row("SELECT uuid, key_check FROM instance", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    if let Some((uuid, check)) = known {
        if seal.open_value("instance", &check).is_err() {
            return Ok(None);
        }
        let uuid = uuid.parse().map_err(|_| StoreError::Inconsistent {
            table: "instance",
            id: "1".into(),
            what: format!("'{uuid}' is not a UUID"),
        })?;
        return Ok(Some(uuid));
    }
    let mut bytes = [0; 16];
    (with.random)(&mut bytes);
    let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
    connection.execute(
        "INSERT INTO instance (id, uuid, generation, key_check, created_at) VALUES (1, ?1, 0, ?2, ?3)",
        params![uuid.to_string(), seal.seal("instance", seal::KEY_CHECK)?, with.now.0],
    )?;
    Ok(Some(uuid))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_migrations_are_valid_sql() {
        rusqlite_migration::Migrations::from_slice(super::MIGRATIONS)
            .validate()
            .unwrap();
    }
}
