-- Operations that are not deployments, releases that rollbacks left, secrets kept here.

ALTER TABLE operation ADD COLUMN principal   INTEGER REFERENCES principal (serial);  -- who asked; a deployment's has its own
ALTER TABLE operation ADD COLUMN phase       TEXT;                        -- queued | running | done | failed | cancelled; NULL: a deployment's
ALTER TABLE operation ADD COLUMN volumes     INTEGER NOT NULL DEFAULT 0;  -- a removal takes the volumes, too
ALTER TABLE operation ADD COLUMN budget_ms   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE operation ADD COLUMN consumed_ms INTEGER NOT NULL DEFAULT 0;  -- on the monotonic clock
ALTER TABLE operation ADD COLUMN strikes     INTEGER NOT NULL DEFAULT 0;  -- as a step's
ALTER TABLE operation ADD COLUMN failure     TEXT;                        -- JSON
ALTER TABLE operation ADD COLUMN began_at    INTEGER;

ALTER TABLE release ADD COLUMN left_by      INTEGER REFERENCES deployment (serial);  -- the rollback that went below it
ALTER TABLE release ADD COLUMN collected_at INTEGER;                                 -- when its image was given up

-- What is to be undone may belong to no deployment: a removal's.
CREATE TABLE settlement_2 (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    environment INTEGER NOT NULL REFERENCES environment (serial),
    deployment  INTEGER REFERENCES deployment (serial),
    kind        TEXT    NOT NULL,            -- retire_container | restore | retire_image | retire_tree | retire_network | retire_volume
    container   INTEGER REFERENCES container (serial),
    object      TEXT,
    created_at  INTEGER NOT NULL,
    settled_at  INTEGER,
    refused     TEXT                         -- why the engine refused
) STRICT;
INSERT INTO settlement_2 SELECT serial, environment, deployment, kind, container, object, created_at, settled_at, refused FROM settlement;
DROP TABLE settlement;
ALTER TABLE settlement_2 RENAME TO settlement;
CREATE INDEX settlement_pending ON settlement (environment, serial) WHERE settled_at IS NULL;
CREATE INDEX settlement_refused ON settlement (deployment) WHERE kind = 'restore' AND refused IS NOT NULL;

CREATE TABLE secret (
    environment INTEGER NOT NULL REFERENCES environment (serial),
    name        TEXT    NOT NULL,
    value       BLOB    NOT NULL,            -- sealed
    principal   INTEGER NOT NULL REFERENCES principal (serial),
    set_at      INTEGER NOT NULL,
    PRIMARY KEY (environment, name)
) STRICT, WITHOUT ROWID;

-- Tags that appear although they were taken off.
CREATE INDEX settlement_image ON settlement (object) WHERE kind = 'retire_image';

-- An environment keeps the names of its network, volumes and containers when its app is renamed.
ALTER TABLE environment ADD COLUMN slug TEXT NOT NULL DEFAULT '';
UPDATE environment SET slug = (SELECT a.name FROM app a WHERE a.serial = app) || '-' || name || '-' || substr(uuid, 1, 8);

-- Containers of this instance that no row of `container` names and an adoption left alone: while they exist, their
-- addresses are not given out.
CREATE TABLE stray (
    name        TEXT    PRIMARY KEY,
    address     TEXT,
    seen_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Logs are removed some time after their deployments ended.
ALTER TABLE deployment ADD COLUMN log_removed_at INTEGER;
