-- Tokens with limits of their own, keys for every kind of request, events of every operation, totals without counting.

ALTER TABLE token ADD COLUMN plan         TEXT NOT NULL DEFAULT 'pro';   -- starter | pro | enterprise | custom
ALTER TABLE token ADD COLUMN rate         INTEGER;                       -- requests a minute; only with custom
ALTER TABLE token ADD COLUMN burst        INTEGER;                       -- only with custom
ALTER TABLE token ADD COLUMN last_used_at INTEGER;                       -- to the minute
ALTER TABLE token ADD COLUMN created_by   INTEGER REFERENCES principal (serial);
ALTER TABLE token ADD COLUMN revoked_by   INTEGER REFERENCES principal (serial);

ALTER TABLE deployment ADD COLUMN hidden_by INTEGER REFERENCES principal (serial);

-- What a key's first request made: a deployment, operations, or a token.
CREATE TABLE idempotency_3 (
    principal   INTEGER NOT NULL REFERENCES principal (serial),
    key         TEXT    NOT NULL,
    digest      BLOB    NOT NULL,
    deployment  INTEGER REFERENCES deployment (serial),
    operations  TEXT,                        -- JSON: their serials
    token       INTEGER REFERENCES token (principal),
    secret      BLOB,                        -- sealed: a token's, for as long as the key holds
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (principal, key),
    CHECK ((deployment IS NOT NULL) + (operations IS NOT NULL) + (token IS NOT NULL) = 1)
) STRICT, WITHOUT ROWID;
INSERT INTO idempotency_3 (principal, key, digest, deployment, created_at)
    SELECT principal, key, digest, deployment, created_at FROM idempotency;
DROP TABLE idempotency;
ALTER TABLE idempotency_3 RENAME TO idempotency;
CREATE INDEX idempotency_age ON idempotency (created_at);

-- Everything that happened, in order: a deployment's or another operation's.
CREATE TABLE status_event_3 (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    deployment  INTEGER REFERENCES deployment (serial),
    operation   INTEGER REFERENCES operation (serial),
    phase       TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    CHECK ((deployment IS NULL) <> (operation IS NULL))
) STRICT;
INSERT INTO status_event_3 (serial, deployment, phase, at) SELECT serial, deployment, phase, at FROM status_event;
DROP TABLE status_event;
ALTER TABLE status_event_3 RENAME TO status_event;
CREATE INDEX status_event_by_deployment ON status_event (deployment, serial);

-- How many deployments there are to be seen. `total`, by environment and phase: a list's total is a sum over it. `tally`,
-- besides by block of serials, the newest block last: a page far down begins in the block where it lies.
CREATE TABLE total (
    environment INTEGER NOT NULL REFERENCES environment (serial),
    phase       TEXT    NOT NULL,
    deployments INTEGER NOT NULL,
    PRIMARY KEY (environment, phase)
) STRICT, WITHOUT ROWID;
CREATE TABLE tally (
    block       INTEGER NOT NULL,            -- serial / 16384
    environment INTEGER NOT NULL REFERENCES environment (serial),
    phase       TEXT    NOT NULL,
    deployments INTEGER NOT NULL,
    PRIMARY KEY (block, environment, phase)
) STRICT, WITHOUT ROWID;
INSERT INTO tally SELECT serial >> 14, environment, phase, count(*) FROM deployment WHERE hidden_at IS NULL GROUP BY 1, 2, 3;
INSERT INTO total SELECT environment, phase, sum(deployments) FROM tally GROUP BY 1, 2;

CREATE TRIGGER tally_new AFTER INSERT ON deployment WHEN new.hidden_at IS NULL BEGIN
    INSERT INTO tally VALUES (new.serial >> 14, new.environment, new.phase, 1)
        ON CONFLICT (block, environment, phase) DO UPDATE SET deployments = deployments + 1;
    INSERT INTO total VALUES (new.environment, new.phase, 1)
        ON CONFLICT (environment, phase) DO UPDATE SET deployments = deployments + 1;
END;
CREATE TRIGGER tally_less AFTER UPDATE OF serial, environment, phase, hidden_at ON deployment WHEN old.hidden_at IS NULL BEGIN
    UPDATE tally SET deployments = deployments - 1
        WHERE block = old.serial >> 14 AND environment = old.environment AND phase = old.phase;
    UPDATE total SET deployments = deployments - 1 WHERE environment = old.environment AND phase = old.phase;
END;
CREATE TRIGGER tally_more AFTER UPDATE OF serial, environment, phase, hidden_at ON deployment WHEN new.hidden_at IS NULL BEGIN
    INSERT INTO tally VALUES (new.serial >> 14, new.environment, new.phase, 1)
        ON CONFLICT (block, environment, phase) DO UPDATE SET deployments = deployments + 1;
    INSERT INTO total VALUES (new.environment, new.phase, 1)
        ON CONFLICT (environment, phase) DO UPDATE SET deployments = deployments + 1;
END;
CREATE TRIGGER tally_gone AFTER DELETE ON deployment WHEN old.hidden_at IS NULL BEGIN
    UPDATE tally SET deployments = deployments - 1
        WHERE block = old.serial >> 14 AND environment = old.environment AND phase = old.phase;
    UPDATE total SET deployments = deployments - 1 WHERE environment = old.environment AND phase = old.phase;
END;

CREATE INDEX deployment_visible ON deployment (serial) WHERE hidden_at IS NULL;

-- Environments of an app, or of a name, removed ones too: their deployments are still to be seen.
CREATE INDEX environment_by_app ON environment (app, name);
CREATE INDEX environment_by_name ON environment (name);

-- What is asked for at every deployment, start and collection, among all that ever was.
CREATE INDEX container_live ON container (environment) WHERE role = 'live';
CREATE INDEX container_displaced ON container (displaced_by) WHERE displaced_by IS NOT NULL;
CREATE INDEX release_kept ON release (environment, number) WHERE collected_at IS NULL;
CREATE INDEX deployment_hidden ON deployment (environment) WHERE hidden_at IS NOT NULL;
