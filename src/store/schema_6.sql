-- Deployments that somebody else executed and told of, what every deployment shows of itself, projects by themselves.

-- `wanted` may be 'recorded', `phase` then one of recorded_created | recorded_running | recorded_success | recorded_failed |
-- recorded_canceled. Such a row has no operation, no steps and no log.
ALTER TABLE deployment ADD COLUMN ref        TEXT    NOT NULL DEFAULT '';  -- the branch, tag or image it is shown with
ALTER TABLE deployment ADD COLUMN tag        INTEGER NOT NULL DEFAULT 0;   -- whether that is a tag
ALTER TABLE deployment ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;   -- when its phase changed last; if it has ended, then
UPDATE deployment SET ref = coalesce(branch, image, ''), updated_at =
    coalesce(ended_at, (SELECT max(v.at) FROM status_event v WHERE v.deployment = deployment.serial), created_at);
UPDATE deployment SET ref = coalesce((SELECT m.ref FROM release r JOIN deployment m ON m.serial = r.deployment
    WHERE r.serial = deployment.target_release), '') WHERE wanted = 'release';
-- What a restart ran again: what was there before it.
UPDATE deployment SET ref = coalesce((SELECT m.ref FROM release r JOIN deployment m ON m.serial = r.deployment
    WHERE r.environment = deployment.environment AND m.serial < deployment.serial AND m.wanted IN ('commit', 'image')
    ORDER BY r.number DESC LIMIT 1), '') WHERE wanted = 'restart';

-- An environment for which deployments were only reported runs nothing and has no network: `subnet` is its id.
ALTER TABLE environment ADD COLUMN runs         INTEGER NOT NULL DEFAULT 1;
ALTER TABLE environment ADD COLUMN external_url TEXT;                      -- as somebody set it, like the two below
ALTER TABLE environment ADD COLUMN tier         TEXT;
ALTER TABLE environment ADD COLUMN description  TEXT;
ALTER TABLE environment ADD COLUMN updated_at   INTEGER NOT NULL DEFAULT 0; -- when one of these or `desired` changed last
UPDATE environment SET updated_at = created_at;

ALTER TABLE project ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
UPDATE project SET created_at = coalesce((SELECT min(a.created_at) FROM app a WHERE a.project = project.serial), 0);

-- Lists by when deployments changed last, and by reference: one index each, by environment, in which a phase that changes
-- leaves the row where it is. The phase in them, and `updated_at` in the next, are there so that a filter needs no look at
-- the row itself.
DROP INDEX deployment_by_environment_phase;
CREATE INDEX deployment_by_environment_phase ON deployment (environment, phase, serial, updated_at) WHERE hidden_at IS NULL;
CREATE INDEX deployment_by_environment_updated ON deployment (environment, updated_at, serial, phase) WHERE hidden_at IS NULL;
CREATE INDEX deployment_by_environment_ref ON deployment (environment, ref, serial, phase, updated_at) WHERE hidden_at IS NULL;

-- As `tally`, besides by when they changed last. Serials and times grow together, so there are hardly more rows than periods.
CREATE TABLE tally_updated (
    period      INTEGER NOT NULL,            -- updated_at / 2^28, about three days
    block       INTEGER NOT NULL,            -- serial / 16384
    environment INTEGER NOT NULL REFERENCES environment (serial),
    phase       TEXT    NOT NULL,
    deployments INTEGER NOT NULL,
    PRIMARY KEY (period, block, environment, phase)
) STRICT, WITHOUT ROWID;
INSERT INTO tally_updated SELECT updated_at >> 28, serial >> 14, environment, phase, count(*)
    FROM deployment WHERE hidden_at IS NULL GROUP BY 1, 2, 3, 4;

-- References in their order, on shelves: a deployment is on the last shelf whose name is not behind its reference. A shelf
-- that is named like a reference holds that one alone and is counted by block. One whose name ends in char(1), which no
-- reference has, holds what comes between its neighbours. One deployment of 1024, told by its serial, has a shelf made for its
-- reference: so one that has many is alone, and between two of those there are seldom more than some thousand deployments,
-- whether every deployment has a reference of its own or all have the same.
CREATE TABLE shelf (
    name        TEXT    PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE TABLE tally_ref (
    shelf       TEXT    NOT NULL REFERENCES shelf (name),
    block       INTEGER NOT NULL,            -- serial / 16384 of a reference that is alone, otherwise 0
    environment INTEGER NOT NULL REFERENCES environment (serial),
    phase       TEXT    NOT NULL,
    deployments INTEGER NOT NULL,
    oldest      INTEGER NOT NULL,            -- not after any of their updated_at
    newest      INTEGER NOT NULL,            -- not before any
    PRIMARY KEY (shelf, block, environment, phase)
) STRICT, WITHOUT ROWID;
INSERT INTO shelf VALUES (''), (char(1));
INSERT INTO shelf SELECT ref FROM deployment WHERE ((serial * 2654435761) >> 16) & 1023 = 0 ON CONFLICT DO NOTHING;
INSERT INTO shelf SELECT name || char(1) FROM shelf WHERE name <> char(1) ON CONFLICT DO NOTHING;
INSERT INTO tally_ref SELECT shelf, iif(ref = shelf, block, 0), environment, phase, sum(deployments), min(oldest), max(newest) FROM (
    SELECT (SELECT max(name) FROM shelf WHERE name <= ref) AS shelf, ref, serial >> 14 AS block, environment, phase,
           count(*) AS deployments, min(updated_at) AS oldest, max(updated_at) AS newest
    FROM deployment WHERE hidden_at IS NULL GROUP BY ref, block, environment, phase)
    GROUP BY 1, 2, 3, 4;

-- What is on the new shelf was on the one before it, which lies between others: one that is alone is never divided.
CREATE TRIGGER shelf_new AFTER INSERT ON shelf BEGIN
    INSERT INTO tally_ref SELECT new.name, iif(d.ref = new.name, d.serial >> 14, 0), d.environment, d.phase,
               count(*), min(d.updated_at), max(d.updated_at)
        FROM (SELECT DISTINCT environment FROM tally_ref WHERE shelf = (SELECT max(name) FROM shelf WHERE name < new.name)) t
        CROSS JOIN deployment d INDEXED BY deployment_by_environment_ref
        WHERE d.environment = t.environment AND d.hidden_at IS NULL AND d.ref >= new.name
          AND d.ref < coalesce((SELECT min(name) FROM shelf WHERE name > new.name), char(1114111))
        GROUP BY 2, 3, 4;
    UPDATE tally_ref SET deployments = deployments - coalesce((SELECT sum(m.deployments) FROM tally_ref m
            WHERE m.shelf = new.name AND m.environment = tally_ref.environment AND m.phase = tally_ref.phase), 0)
        WHERE shelf = (SELECT max(name) FROM shelf WHERE name < new.name) AND block = 0;
    DELETE FROM tally_ref WHERE shelf = (SELECT max(name) FROM shelf WHERE name < new.name) AND deployments = 0;
END;

DROP TRIGGER tally_new;
DROP TRIGGER tally_less;
DROP TRIGGER tally_more;
DROP TRIGGER tally_gone;
CREATE TRIGGER tally_new AFTER INSERT ON deployment WHEN new.hidden_at IS NULL BEGIN
    INSERT INTO tally VALUES (new.serial >> 14, new.environment, new.phase, 1)
        ON CONFLICT (block, environment, phase) DO UPDATE SET deployments = deployments + 1;
    INSERT INTO total VALUES (new.environment, new.phase, 1)
        ON CONFLICT (environment, phase) DO UPDATE SET deployments = deployments + 1;
    INSERT INTO tally_updated VALUES (new.updated_at >> 28, new.serial >> 14, new.environment, new.phase, 1)
        ON CONFLICT (period, block, environment, phase) DO UPDATE SET deployments = deployments + 1;
    INSERT INTO tally_ref SELECT s.name, iif(s.name = new.ref, new.serial >> 14, 0), new.environment, new.phase, 1, new.updated_at, new.updated_at
        FROM (SELECT max(name) AS name FROM shelf WHERE name <= new.ref) s WHERE true
        ON CONFLICT (shelf, block, environment, phase) DO UPDATE SET deployments = deployments + 1,
            oldest = min(oldest, excluded.oldest), newest = max(newest, excluded.newest);
    INSERT INTO shelf SELECT new.ref || char(1) WHERE ((new.serial * 2654435761) >> 16) & 1023 = 0 ON CONFLICT DO NOTHING;
    INSERT INTO shelf SELECT new.ref WHERE ((new.serial * 2654435761) >> 16) & 1023 = 0 ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER tally_less AFTER UPDATE OF serial, environment, phase, hidden_at, updated_at, ref ON deployment WHEN old.hidden_at IS NULL BEGIN
    UPDATE tally SET deployments = deployments - 1
        WHERE block = old.serial >> 14 AND environment = old.environment AND phase = old.phase;
    UPDATE total SET deployments = deployments - 1 WHERE environment = old.environment AND phase = old.phase;
    UPDATE tally_updated SET deployments = deployments - 1
        WHERE period = old.updated_at >> 28 AND block = old.serial >> 14 AND environment = old.environment AND phase = old.phase;
    DELETE FROM tally_updated
        WHERE period = old.updated_at >> 28 AND block = old.serial >> 14 AND environment = old.environment AND phase = old.phase
          AND deployments = 0;
    UPDATE tally_ref SET deployments = deployments - 1
        WHERE shelf = (SELECT max(name) FROM shelf WHERE name <= old.ref)
          AND block = iif(EXISTS (SELECT 1 FROM shelf WHERE name = old.ref), old.serial >> 14, 0)
          AND environment = old.environment AND phase = old.phase;
    DELETE FROM tally_ref
        WHERE shelf = (SELECT max(name) FROM shelf WHERE name <= old.ref)
          AND block = iif(EXISTS (SELECT 1 FROM shelf WHERE name = old.ref), old.serial >> 14, 0)
          AND environment = old.environment AND phase = old.phase AND deployments = 0;
END;
CREATE TRIGGER tally_more AFTER UPDATE OF serial, environment, phase, hidden_at, updated_at, ref ON deployment WHEN new.hidden_at IS NULL BEGIN
    INSERT INTO tally VALUES (new.serial >> 14, new.environment, new.phase, 1)
        ON CONFLICT (block, environment, phase) DO UPDATE SET deployments = deployments + 1;
    INSERT INTO total VALUES (new.environment, new.phase, 1)
        ON CONFLICT (environment, phase) DO UPDATE SET deployments = deployments + 1;
    INSERT INTO tally_updated VALUES (new.updated_at >> 28, new.serial >> 14, new.environment, new.phase, 1)
        ON CONFLICT (period, block, environment, phase) DO UPDATE SET deployments = deployments + 1;
    INSERT INTO tally_ref SELECT s.name, iif(s.name = new.ref, new.serial >> 14, 0), new.environment, new.phase, 1, new.updated_at, new.updated_at
        FROM (SELECT max(name) AS name FROM shelf WHERE name <= new.ref) s WHERE true
        ON CONFLICT (shelf, block, environment, phase) DO UPDATE SET deployments = deployments + 1,
            oldest = min(oldest, excluded.oldest), newest = max(newest, excluded.newest);
END;
CREATE TRIGGER tally_gone AFTER DELETE ON deployment WHEN old.hidden_at IS NULL BEGIN
    UPDATE tally SET deployments = deployments - 1
        WHERE block = old.serial >> 14 AND environment = old.environment AND phase = old.phase;
    UPDATE total SET deployments = deployments - 1 WHERE environment = old.environment AND phase = old.phase;
    UPDATE tally_updated SET deployments = deployments - 1
        WHERE period = old.updated_at >> 28 AND block = old.serial >> 14 AND environment = old.environment AND phase = old.phase;
    DELETE FROM tally_updated
        WHERE period = old.updated_at >> 28 AND block = old.serial >> 14 AND environment = old.environment AND phase = old.phase
          AND deployments = 0;
    UPDATE tally_ref SET deployments = deployments - 1
        WHERE shelf = (SELECT max(name) FROM shelf WHERE name <= old.ref)
          AND block = iif(EXISTS (SELECT 1 FROM shelf WHERE name = old.ref), old.serial >> 14, 0)
          AND environment = old.environment AND phase = old.phase;
    DELETE FROM tally_ref
        WHERE shelf = (SELECT max(name) FROM shelf WHERE name <= old.ref)
          AND block = iif(EXISTS (SELECT 1 FROM shelf WHERE name = old.ref), old.serial >> 14, 0)
          AND environment = old.environment AND phase = old.phase AND deployments = 0;
END;
