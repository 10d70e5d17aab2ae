-- Statuses of deployments and commits, what a request for a deployment says besides, other refs than branches and tags.

-- `tag` tells only branches from tags. NULL here: one of these; 'commit': `branch` is a commit's id; 'ref': it is the whole name.
ALTER TABLE deployment ADD COLUMN ref_kind    TEXT;
ALTER TABLE deployment ADD COLUMN written     TEXT;                        -- what was asked for, as it was written, if that is not `ref`
ALTER TABLE deployment ADD COLUMN task        TEXT;                        -- NULL: none, which is GitHub's 'deploy'
ALTER TABLE deployment ADD COLUMN payload     TEXT;                        -- JSON, as it was given
ALTER TABLE deployment ADD COLUMN description TEXT;
ALTER TABLE deployment ADD COLUMN transient   INTEGER NOT NULL DEFAULT 0;  -- whether its environment will be gone some day
ALTER TABLE deployment ADD COLUMN production  INTEGER NOT NULL DEFAULT 0;  -- whether end users use its environment
ALTER TABLE deployment ADD COLUMN shown_environment TEXT;                  -- the environment's name since a status changed it
ALTER TABLE deployment ADD COLUMN status      TEXT;                        -- the newest status' state; NULL: it has none

UPDATE deployment SET production = 1 WHERE environment IN (SELECT serial FROM environment WHERE name = 'production');
-- A deployment that runs something again is of the commit that it runs.
UPDATE deployment SET sha = (SELECT json_extract(r.content, '$.sha') FROM release r
    WHERE r.serial = coalesce(deployment.release, deployment.target_release)) WHERE wanted IN ('release', 'restart');

CREATE INDEX deployment_by_sha ON deployment (project, sha, serial) WHERE hidden_at IS NULL AND sha IS NOT NULL;
CREATE INDEX deployment_by_project_ref ON deployment (project, ref, serial, tag) WHERE hidden_at IS NULL;
CREATE INDEX deployment_written ON deployment (project, written, serial) WHERE hidden_at IS NULL AND written IS NOT NULL;
CREATE INDEX deployment_task ON deployment (project, task, serial) WHERE hidden_at IS NULL AND task IS NOT NULL;
CREATE INDEX deployment_shown ON deployment (project, shown_environment COLLATE NOCASE, serial)
    WHERE hidden_at IS NULL AND shown_environment IS NOT NULL;
-- Those that a success of a newer one makes inactive.
CREATE INDEX deployment_active ON deployment (project, serial)
    WHERE hidden_at IS NULL AND status = 'success' AND transient = 0 AND production = 0;

CREATE TABLE deployment_status (
    serial          INTEGER PRIMARY KEY AUTOINCREMENT,
    deployment      INTEGER NOT NULL REFERENCES deployment (serial),
    state           TEXT    NOT NULL,        -- error | failure | inactive | in_progress | queued | pending | success
    description     TEXT    NOT NULL,
    environment     TEXT    NOT NULL,        -- its name at that time
    environment_url TEXT    NOT NULL,
    domain          TEXT,                    -- in place of `environment_url`, where longshore wrote it
    log_url         TEXT,                    -- NULL: the log that is kept here
    principal       INTEGER REFERENCES principal (serial),  -- NULL: longshore itself
    at              INTEGER NOT NULL
) STRICT;
CREATE INDEX deployment_status_of ON deployment_status (deployment, serial);

-- What would have been written until now: a success that a newer one followed is inactive, unless end users used it.
UPDATE deployment SET status = CASE phase
    WHEN 'succeeded' THEN 'success' WHEN 'recorded_success' THEN 'success'
    WHEN 'failed' THEN 'failure' WHEN 'recorded_failed' THEN 'failure'
    WHEN 'cancelled' THEN 'error' WHEN 'recorded_canceled' THEN 'error'
    WHEN 'superseded' THEN 'inactive'
    WHEN 'queued' THEN NULL WHEN 'recorded_created' THEN NULL
    ELSE 'in_progress' END;
UPDATE deployment SET status = 'inactive' WHERE status = 'success' AND production = 0 AND serial <
    (SELECT max(n.serial) FROM deployment n WHERE n.environment = deployment.environment AND n.phase = deployment.phase
     AND n.hidden_at IS NULL);
INSERT INTO deployment_status (deployment, state, description, environment, environment_url, log_url, principal, at)
    SELECT d.serial, d.status, '', e.name, '', iif(d.wanted = 'recorded', '', NULL), iif(d.wanted = 'recorded', d.principal, NULL), d.updated_at
    FROM deployment d JOIN environment e ON e.serial = d.environment WHERE d.status IS NOT NULL ORDER BY d.updated_at, d.serial;

-- An environment that was made for a deployment, and will be gone some day.
ALTER TABLE environment ADD COLUMN preview        INTEGER NOT NULL DEFAULT 0;
ALTER TABLE environment ADD COLUMN preview_branch TEXT;                      -- whose end is its end; NULL: none's

CREATE TABLE commit_status (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    project     INTEGER NOT NULL REFERENCES project (serial),
    sha         TEXT    NOT NULL,
    context     TEXT    NOT NULL,            -- the check's label, as it was written
    label       TEXT    NOT NULL,            -- the same in lower case
    state       TEXT    NOT NULL,            -- error | failure | pending | success
    description TEXT,
    target_url  TEXT,
    principal   INTEGER NOT NULL REFERENCES principal (serial),
    at          INTEGER NOT NULL
) STRICT;
CREATE INDEX commit_status_of ON commit_status (project, sha, serial);
CREATE INDEX commit_status_by_label ON commit_status (project, sha, label, serial);

-- What a preview's time is counted from, how long it has, as the configuration said last, and whose secrets it gets.
ALTER TABLE environment ADD COLUMN preview_last   INTEGER REFERENCES deployment (serial);   -- its last deployment
ALTER TABLE environment ADD COLUMN preview_ttl_ms INTEGER;
ALTER TABLE environment ADD COLUMN secrets_from   INTEGER REFERENCES environment (serial);  -- the app's default environment
CREATE INDEX environment_preview ON environment (app) WHERE preview AND removed_at IS NULL;
CREATE UNIQUE INDEX principal_schedule ON principal (kind) WHERE kind = 'schedule';

-- A removed environment gives its network back when nothing names an address of it any more: `subnet` is its id then. The
-- networks are given out in turn, so that what may still know an address has the longest time to forget it.
ALTER TABLE instance ADD COLUMN last_subnet TEXT;
CREATE INDEX environment_network ON environment (serial) WHERE runs AND removed_at IS NOT NULL AND subnet <> uuid;
CREATE INDEX settlement_unrouted ON settlement (environment, unrouted) WHERE unrouted IS NOT NULL;
CREATE INDEX settlement_stuck ON settlement (environment) WHERE refused IS NOT NULL;

-- Commands that are run once.

-- A try of a command: that of the container, which has all the rest. It is never deleted: what may have begun is not begun
-- again.
CREATE TABLE one_off (
    container   INTEGER PRIMARY KEY REFERENCES container (serial),
    deployment  INTEGER NOT NULL REFERENCES deployment (serial), -- for whom it was run
    purpose     TEXT    NOT NULL,            -- "release" and its place, from 0 | "task" and its name
    number      INTEGER NOT NULL,            -- which try of that command, from 1
    starting_at INTEGER,                     -- when the engine was about to be asked to start it
    ended_at    INTEGER,                     -- when it was known to be over and not to be the deployment's end
    status      INTEGER                      -- with which exit status; NULL: it was cut off
) STRICT;
CREATE INDEX one_off_by_deployment ON one_off (deployment, container);
