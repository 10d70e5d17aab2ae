-- Jobs and their runs.

ALTER TABLE deployment ADD COLUMN job_event TEXT;            -- start | stop | delete | cron: run once instead of what its deployments run
ALTER TABLE environment ADD COLUMN schedule_seen INTEGER;    -- the time up to which its schedule was looked at

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
CREATE UNIQUE INDEX run_due ON run (environment, due_at) WHERE due_at IS NOT NULL;
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
