-- The first schema. Migrations are only ever appended.
-- Times are milliseconds since 1970 in UTC; UUIDs are text; JSON is text that only this program reads.

CREATE TABLE instance (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    uuid        TEXT    NOT NULL,
    generation  INTEGER NOT NULL,            -- of the route table; grows with every commit
    key_check   BLOB    NOT NULL,            -- sealed with the key: tells a wrong key at start
    created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE project (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    path        TEXT    NOT NULL UNIQUE,
    last_iid    INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE app (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid        TEXT    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    project     INTEGER NOT NULL REFERENCES project (serial),
    configured  INTEGER NOT NULL,            -- whether the configuration names it
    created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX app_name ON app (name);

CREATE TABLE environment (
    serial          INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid            TEXT    NOT NULL UNIQUE,
    app             INTEGER NOT NULL REFERENCES app (serial),
    name            TEXT    NOT NULL,
    desired         TEXT    NOT NULL,
    configured      INTEGER NOT NULL,
    subnet          TEXT    NOT NULL UNIQUE,
    last_address    TEXT,                    -- the one given out last; the next search goes on behind it
    live_release    INTEGER REFERENCES release (serial),
    live_deployment INTEGER REFERENCES deployment (serial),
    seen_head       TEXT,                    -- the commit last looked at by an event or a timer
    pinned          INTEGER NOT NULL DEFAULT 0,
    created_at      INTEGER NOT NULL,
    removed_at      INTEGER
) STRICT;
CREATE UNIQUE INDEX environment_name ON environment (app, name) WHERE removed_at IS NULL;

CREATE TABLE principal (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid        TEXT    NOT NULL UNIQUE,
    kind        TEXT    NOT NULL,            -- token | local | webhook | schedule
    name        TEXT    NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX principal_local ON principal (name) WHERE kind = 'local';

CREATE TABLE token (
    principal   INTEGER PRIMARY KEY REFERENCES principal (serial),
    digest      BLOB    NOT NULL UNIQUE,
    scope       TEXT    NOT NULL,
    app         INTEGER REFERENCES app (serial),
    environment INTEGER REFERENCES environment (serial),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    revoked_at  INTEGER,
    CHECK (environment IS NULL OR app IS NOT NULL)
) STRICT;

CREATE TABLE release (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    environment INTEGER NOT NULL REFERENCES environment (serial),
    number      INTEGER NOT NULL,
    deployment  INTEGER NOT NULL REFERENCES deployment (serial),
    content     TEXT    NOT NULL,            -- JSON: image, command, limits, …; no secret values
    created_at  INTEGER NOT NULL,
    UNIQUE (environment, number)
) STRICT;

CREATE TABLE deployment (
    serial          INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid            TEXT    NOT NULL UNIQUE,
    project         INTEGER NOT NULL REFERENCES project (serial),
    iid             INTEGER NOT NULL,
    app             INTEGER NOT NULL REFERENCES app (serial),
    environment     INTEGER NOT NULL REFERENCES environment (serial),
    principal       INTEGER NOT NULL REFERENCES principal (serial),
    initiated       TEXT    NOT NULL,        -- manual | automatic
    wanted          TEXT    NOT NULL,        -- commit | image | release
    branch          TEXT,
    sha             TEXT,
    asked           TEXT,                    -- the commit as the caller spelled it
    image           TEXT,
    target_release  INTEGER REFERENCES release (serial),
    variables       BLOB,                    -- sealed JSON
    spec            TEXT,                    -- JSON, resolved when it starts
    commit_info     TEXT,                    -- JSON
    result          TEXT,                    -- JSON: the image that was built or pulled
    phase           TEXT    NOT NULL,        -- queued | checkout | build | rollout | committed | succeeded | failed | cancelled | superseded
    failed_step     TEXT,
    failure         TEXT,                    -- JSON
    release         INTEGER REFERENCES release (serial),
    cancelled_by    INTEGER REFERENCES principal (serial),
    was_waiting     INTEGER,
    superseded_by   INTEGER REFERENCES deployment (serial),
    created_at      INTEGER NOT NULL,
    ended_at        INTEGER,
    hidden_at       INTEGER,                 -- deleted for every API; the row stays for the audit trail
    UNIQUE (project, iid)
) STRICT;
CREATE INDEX deployment_by_app ON deployment (app, serial) WHERE hidden_at IS NULL;
CREATE INDEX deployment_by_app_phase ON deployment (app, phase, serial) WHERE hidden_at IS NULL;
CREATE INDEX deployment_by_environment ON deployment (environment, serial) WHERE hidden_at IS NULL;
CREATE INDEX deployment_by_environment_phase ON deployment (environment, phase, serial) WHERE hidden_at IS NULL;
CREATE INDEX deployment_by_phase ON deployment (phase, serial) WHERE hidden_at IS NULL;

CREATE TABLE step (
    deployment  INTEGER NOT NULL REFERENCES deployment (serial),
    name        TEXT    NOT NULL,
    budget_ms   INTEGER NOT NULL,
    consumed_ms INTEGER NOT NULL DEFAULT 0,  -- on the monotonic clock
    strikes     INTEGER NOT NULL DEFAULT 0,  -- how often in a row resuming it ended with the agent within seconds
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    PRIMARY KEY (deployment, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE operation (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    environment INTEGER NOT NULL REFERENCES environment (serial),
    kind        TEXT    NOT NULL,            -- deploy
    deployment  INTEGER UNIQUE REFERENCES deployment (serial),
    created_at  INTEGER NOT NULL,
    done_at     INTEGER
) STRICT;
CREATE INDEX operation_unfinished ON operation (environment, serial) WHERE done_at IS NULL;

CREATE TABLE container (
    serial       INTEGER PRIMARY KEY AUTOINCREMENT,
    environment  INTEGER NOT NULL REFERENCES environment (serial),
    deployment   INTEGER NOT NULL REFERENCES deployment (serial),
    release      INTEGER REFERENCES release (serial),
    process      TEXT    NOT NULL,
    name         TEXT    NOT NULL UNIQUE,
    address      TEXT    NOT NULL,
    role         TEXT    NOT NULL,           -- candidate | live | retired
    displaced_by INTEGER REFERENCES deployment (serial), -- stopped to make room for this one's candidate
    read_until   TEXT,                       -- how far its output was read
    hidden       BLOB,                       -- sealed JSON: the values it got that its output must not show
    created_at   INTEGER NOT NULL,           -- when it was meant to be made
    made_at      INTEGER,                    -- when the engine had made it
    removed_at   INTEGER
) STRICT;
CREATE INDEX container_present ON container (environment) WHERE removed_at IS NULL;
CREATE INDEX container_by_deployment ON container (deployment);

CREATE TABLE settlement (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    environment INTEGER NOT NULL REFERENCES environment (serial),
    deployment  INTEGER NOT NULL REFERENCES deployment (serial),
    kind        TEXT    NOT NULL,            -- retire_container | restore | retire_image | retire_tree
    container   INTEGER REFERENCES container (serial),
    object      TEXT,
    created_at  INTEGER NOT NULL,
    settled_at  INTEGER,
    refused     TEXT                         -- why the engine refused
) STRICT;
CREATE INDEX settlement_pending ON settlement (environment, serial) WHERE settled_at IS NULL;
CREATE INDEX settlement_refused ON settlement (deployment) WHERE kind = 'restore' AND refused IS NOT NULL;

CREATE TABLE status_event (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    deployment  INTEGER NOT NULL REFERENCES deployment (serial),
    phase       TEXT    NOT NULL,
    at          INTEGER NOT NULL
) STRICT;
CREATE INDEX status_event_by_deployment ON status_event (deployment, serial);

CREATE TABLE idempotency (
    principal   INTEGER NOT NULL REFERENCES principal (serial),
    key         TEXT    NOT NULL,
    digest      BLOB    NOT NULL,
    deployment  INTEGER NOT NULL REFERENCES deployment (serial),
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (principal, key)
) STRICT, WITHOUT ROWID;
