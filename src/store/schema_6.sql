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
