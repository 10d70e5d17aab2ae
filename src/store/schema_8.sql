-- Jobs and their runs.

ALTER TABLE deployment ADD COLUMN job_event TEXT;            -- start | stop | delete | cron: run once instead of what its deployments run
ALTER TABLE environment ADD COLUMN schedule_seen INTEGER;    -- the time up to which its schedule was looked at
ALTER TABLE environment ADD COLUMN schedule TEXT;            -- which schedule that was: the five fields and the time zone

CREATE INDEX environment_scheduled ON environment (serial) WHERE schedule IS NOT NULL AND removed_at IS NULL;

CREATE TABLE run (
    serial       INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         TEXT    NOT NULL UNIQUE,
    environment  INTEGER NOT NULL REFERENCES environment (serial),
    number       INTEGER NOT NULL,            -- within the environment, from 1
    deployment   INTEGER NOT NULL REFERENCES deployment (serial), -- whose image and commands it runs
    event        TEXT    NOT NULL,            -- start | stop | delete | cron
    cause        TEXT    NOT NULL,            -- deployment | change | schedule | hand
    operation    INTEGER REFERENCES operation (serial),           -- of the change it belongs to
    due_at       INTEGER,                     -- by the schedule
    due_by_wrong_clock INTEGER NOT NULL DEFAULT 0,                -- 1: the clock was a day or more ahead then
    principal    INTEGER NOT NULL REFERENCES principal (serial),
    phase        TEXT    NOT NULL,            -- queued | running | succeeded | failed | cancelled | skipped
    status       INTEGER,                     -- the exit status, where it failed by itself
    failure      TEXT,                        -- JSON
    why          TEXT,                        -- of a cancelled one: by | replaced | deployment | environment
    cancelled_by INTEGER REFERENCES principal (serial),
    replaced_by  INTEGER REFERENCES run (serial),
    budget_ms    INTEGER NOT NULL DEFAULT 0,
    consumed_ms  INTEGER NOT NULL DEFAULT 0,  -- on the monotonic clock
    strikes      INTEGER NOT NULL DEFAULT 0,  -- as a step's
    created_at   INTEGER NOT NULL,
    began_at     INTEGER,
    ended_at     INTEGER,
    log_removed_at INTEGER,
    UNIQUE (environment, number)
) STRICT;
CREATE INDEX run_unfinished ON run (environment, serial) WHERE ended_at IS NULL;
-- Never two for one time.
CREATE UNIQUE INDEX run_due ON run (environment, due_at) WHERE due_at IS NOT NULL AND due_by_wrong_clock = 0;
CREATE INDEX run_of_deployment ON run (deployment, serial) WHERE cause = 'deployment';
CREATE INDEX run_of_change ON run (operation) WHERE operation IS NOT NULL;

-- Whose try it is, where that is not a deployment's own command.
ALTER TABLE one_off ADD COLUMN run INTEGER REFERENCES run (serial);
CREATE INDEX one_off_by_run ON one_off (run, container) WHERE run IS NOT NULL;

-- Everything that happened, in order: a deployment's, another operation's, or a run's.
CREATE TABLE status_event_8 (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    deployment  INTEGER REFERENCES deployment (serial),
    operation   INTEGER REFERENCES operation (serial),
    run         INTEGER REFERENCES run (serial),
    phase       TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    CHECK ((deployment IS NOT NULL) + (operation IS NOT NULL) + (run IS NOT NULL) = 1)
) STRICT;
INSERT INTO status_event_8 (serial, deployment, operation, phase, at) SELECT serial, deployment, operation, phase, at FROM status_event;
-- Serials are never given twice, also those that were given out and are gone.
INSERT INTO sqlite_sequence (name, seq) SELECT 'status_event_8', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'status_event_8');
UPDATE sqlite_sequence SET seq = max(seq, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'status_event'), 0)) WHERE name = 'status_event_8';
DROP TABLE status_event;
ALTER TABLE status_event_8 RENAME TO status_event;
CREATE INDEX status_event_by_deployment ON status_event (deployment, serial);

-- Runs. A run keeps what it was made with; whether it begins only when those before it have ended.
ALTER TABLE run ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN waits   INTEGER NOT NULL DEFAULT 0;
-- Whose walk settles it, where that is not the environment's.
ALTER TABLE settlement ADD COLUMN run INTEGER REFERENCES run (serial);
CREATE TABLE idempotency_8 (
    principal   INTEGER NOT NULL REFERENCES principal (serial),
    key         TEXT    NOT NULL,
    digest      BLOB    NOT NULL,
    deployment  INTEGER REFERENCES deployment (serial),
    operations  TEXT,                        -- JSON: their serials
    token       INTEGER REFERENCES token (principal),
    secret      BLOB,                        -- sealed: a token's, for as long as the key holds
    run         INTEGER REFERENCES run (serial),
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (principal, key),
    CHECK ((deployment IS NOT NULL) + (operations IS NOT NULL) + (token IS NOT NULL) + (run IS NOT NULL) = 1)
) STRICT, WITHOUT ROWID;
INSERT INTO idempotency_8 (principal, key, digest, deployment, operations, token, secret, created_at)
    SELECT principal, key, digest, deployment, operations, token, secret, created_at FROM idempotency;
DROP TABLE idempotency;
ALTER TABLE idempotency_8 RENAME TO idempotency;
CREATE INDEX idempotency_age ON idempotency (created_at);
CREATE INDEX settlement_of_run ON settlement (run) WHERE run IS NOT NULL;
CREATE INDEX settlement_of_run_pending ON settlement (run, serial) WHERE run IS NOT NULL AND settled_at IS NULL;
CREATE INDEX run_replaced ON run (replaced_by) WHERE replaced_by IS NOT NULL;
CREATE INDEX idempotency_of_run ON idempotency (run) WHERE run IS NOT NULL;
CREATE INDEX status_event_by_run ON status_event (run) WHERE run IS NOT NULL;
CREATE INDEX status_event_by_operation ON status_event (operation) WHERE operation IS NOT NULL;

-- Connections of environments.

CREATE TABLE connection (
    serial     INTEGER PRIMARY KEY AUTOINCREMENT,
    consumer   INTEGER NOT NULL REFERENCES environment (serial),
    provider   INTEGER NOT NULL REFERENCES environment (serial),
    alias      TEXT    NOT NULL,             -- what the consumer calls the provider
    network    TEXT    NOT NULL,             -- the engine's name of it
    subnet     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    retired_at INTEGER,                      -- when it was known to be needed no more
    removed_at INTEGER                       -- when its network was gone: the addresses are free
) STRICT;
CREATE UNIQUE INDEX connection_of ON connection (consumer, provider, alias) WHERE removed_at IS NULL;
CREATE INDEX connection_to ON connection (provider) WHERE removed_at IS NULL;
ALTER TABLE deployment ADD COLUMN connects INTEGER NOT NULL DEFAULT 0;  -- whether there is something to connect, or to end, with it
