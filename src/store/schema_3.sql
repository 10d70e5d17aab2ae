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

-- How many deployments there are to be seen, by environment, phase and block of serials: totals are sums over it, and
-- a page far down begins in the block where it lies.
CREATE TABLE tally (
    environment INTEGER NOT NULL REFERENCES environment (serial),
    phase       TEXT    NOT NULL,
    block       INTEGER NOT NULL,            -- serial / 16384
    deployments INTEGER NOT NULL,
    PRIMARY KEY (environment, phase, block)
) STRICT, WITHOUT ROWID;
INSERT INTO tally SELECT environment, phase, serial >> 14, count(*) FROM deployment WHERE hidden_at IS NULL GROUP BY 1, 2, 3;

CREATE TRIGGER tally_new AFTER INSERT ON deployment WHEN new.hidden_at IS NULL BEGIN
    INSERT INTO tally VALUES (new.environment, new.phase, new.serial >> 14, 1)
        ON CONFLICT (environment, phase, block) DO UPDATE SET deployments = deployments + 1;
END;
CREATE TRIGGER tally_less AFTER UPDATE OF environment, phase, hidden_at ON deployment WHEN old.hidden_at IS NULL BEGIN
    UPDATE tally SET deployments = deployments - 1
        WHERE environment = old.environment AND phase = old.phase AND block = old.serial >> 14;
END;
CREATE TRIGGER tally_more AFTER UPDATE OF environment, phase, hidden_at ON deployment WHEN new.hidden_at IS NULL BEGIN
    INSERT INTO tally VALUES (new.environment, new.phase, new.serial >> 14, 1)
        ON CONFLICT (environment, phase, block) DO UPDATE SET deployments = deployments + 1;
END;
CREATE TRIGGER tally_gone AFTER DELETE ON deployment WHEN old.hidden_at IS NULL BEGIN
    UPDATE tally SET deployments = deployments - 1
        WHERE environment = old.environment AND phase = old.phase AND block = old.serial >> 14;
END;

CREATE INDEX deployment_visible ON deployment (serial) WHERE hidden_at IS NULL;
