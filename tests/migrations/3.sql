-- A whole database as the program of schema 3 wrote it, without its instance: the key it was sealed with is not kept.
-- Written once, never changed.

PRAGMA foreign_keys = OFF;
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
, slug TEXT NOT NULL DEFAULT '') STRICT;
CREATE TABLE principal (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid        TEXT    NOT NULL UNIQUE,
    kind        TEXT    NOT NULL,            -- token | local | webhook | schedule
    name        TEXT    NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;
CREATE TABLE token (
    principal   INTEGER PRIMARY KEY REFERENCES principal (serial),
    digest      BLOB    NOT NULL UNIQUE,
    scope       TEXT    NOT NULL,
    app         INTEGER REFERENCES app (serial),
    environment INTEGER REFERENCES environment (serial),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    revoked_at  INTEGER, plan         TEXT NOT NULL DEFAULT 'pro', rate         INTEGER, burst        INTEGER, last_used_at INTEGER, created_by   INTEGER REFERENCES principal (serial), revoked_by   INTEGER REFERENCES principal (serial),
    CHECK (environment IS NULL OR app IS NOT NULL)
) STRICT;
CREATE TABLE release (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    environment INTEGER NOT NULL REFERENCES environment (serial),
    number      INTEGER NOT NULL,
    deployment  INTEGER NOT NULL REFERENCES deployment (serial),
    content     TEXT    NOT NULL,            -- JSON: image, command, limits, …; no secret values
    created_at  INTEGER NOT NULL, left_by      INTEGER REFERENCES deployment (serial), collected_at INTEGER,
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
    hidden_at       INTEGER, log_removed_at INTEGER, hidden_by INTEGER REFERENCES principal (serial),                 -- deleted for every API; the row stays for the audit trail
    UNIQUE (project, iid)
) STRICT;
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
, principal   INTEGER REFERENCES principal (serial), phase       TEXT, volumes     INTEGER NOT NULL DEFAULT 0, budget_ms   INTEGER NOT NULL DEFAULT 0, consumed_ms INTEGER NOT NULL DEFAULT 0, strikes     INTEGER NOT NULL DEFAULT 0, failure     TEXT, began_at    INTEGER) STRICT;
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
CREATE TABLE "settlement" (
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
CREATE TABLE secret (
    environment INTEGER NOT NULL REFERENCES environment (serial),
    name        TEXT    NOT NULL,
    value       BLOB    NOT NULL,            -- sealed
    principal   INTEGER NOT NULL REFERENCES principal (serial),
    set_at      INTEGER NOT NULL,
    PRIMARY KEY (environment, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE stray (
    name        TEXT    PRIMARY KEY,
    address     TEXT,
    seen_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE "idempotency" (
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
CREATE TABLE "status_event" (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    deployment  INTEGER REFERENCES deployment (serial),
    operation   INTEGER REFERENCES operation (serial),
    phase       TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    CHECK ((deployment IS NULL) <> (operation IS NULL))
) STRICT;
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
INSERT INTO "project" VALUES(1,'images/web',4);
INSERT INTO "project" VALUES(2,'images/db',2);
INSERT INTO "app" VALUES(1,'b8fa8fd6-0768-564a-b884-0bae34ccee34','web',1,1,1795529897230);
INSERT INTO "app" VALUES(2,'c13472b9-8936-54df-a098-b538d0bdcec0','db',2,1,1795529897230);
INSERT INTO "environment" VALUES(1,'bc5723d2-2e27-4bc6-906f-25cd37e9bf8d',1,'production','suspended',1,'10.220.0.0/26','10.220.0.5',3,5,NULL,1,1795529897230,NULL,'web-production-bc5723d2');
INSERT INTO "environment" VALUES(2,'47f4d2df-a931-4212-9e40-ad4b2c503f3c',2,'production','stopped',1,'10.220.0.64/26','10.220.0.67',5,6,NULL,0,1795529897230,NULL,'db-production-47f4d2df');
INSERT INTO "principal" VALUES(1,'0bb4bb08-b536-4f4f-bd47-cca92c0beee9','local','root',1795529897351);
INSERT INTO "principal" VALUES(2,'9429716f-0de4-469b-9f0c-722222e1b1ae','token','keyed',1795529902343);
INSERT INTO "principal" VALUES(3,'47377eeb-4917-49d4-af9e-efb88b19ba7f','token','ci',1795529902350);
INSERT INTO "principal" VALUES(4,'95cb83ff-ec0b-4032-8909-2260c93a2158','token','old',1795529902368);
INSERT INTO "principal" VALUES(5,'bcce7eef-bc90-48f7-9aeb-9782bdd7fb64','token','user',1795529902407);
INSERT INTO "token" VALUES(2,X'5CCEC85AAD7B247136A284E39C737043DBD5BCF2060DBB3FAD1BB2DEA54D6070','deploy:read',1,NULL,1795529902343,NULL,NULL,'pro',NULL,NULL,NULL,1,NULL);
INSERT INTO "token" VALUES(3,X'BF06764137AAF0FAE0FE813F5B96C7F78D8A8AE2965CAC2E8C4CFDEBC06F5F12','deploy:write',1,NULL,1795529902350,1803305902000,NULL,'custom',60,10,NULL,1,NULL);
INSERT INTO "token" VALUES(4,X'F3E6AB05D8A4FC101F1930A8CAF510CD89803CBDCC230225C81CA70168C6835A','deploy:admin',NULL,NULL,1795529902368,NULL,1795529902380,'enterprise',NULL,NULL,NULL,1,1);
INSERT INTO "token" VALUES(5,X'588EC1D75B6F96340C57EA41C9DE1D02AE7700507733C4859A65A54A7EEBD8A8','deploy:write',1,NULL,1795529902407,NULL,NULL,'pro',NULL,NULL,1795529902668,1,NULL);
INSERT INTO "release" VALUES(1,1,1,1,'{"image":{"id":"sha256:f0dcd9cb08fe60f035f8fb8c8ac5c22549dce1ac623383d35ac3214ccbc64ef5","digest":null,"reference":"longshore-mig/busybox:5676"},"sha":null,"run":{"command":["httpd","-f","-p","8080","-h","/etc"],"entrypoint":[],"port":8080,"publish":[],"env":{},"env_files":[],"secrets":{"KEY":"store"},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":1,"nanos":0},"logging":{"driver":"json-file","options":{"max-file":"3","max-size":"10m"}}},"check":{"tcp":{"port":8080}}}',1795529897950,NULL,NULL);
INSERT INTO "release" VALUES(2,2,1,2,'{"image":{"id":"sha256:f0dcd9cb08fe60f035f8fb8c8ac5c22549dce1ac623383d35ac3214ccbc64ef5","digest":null,"reference":"longshore-mig/busybox:5676"},"sha":null,"run":{"command":["sleep","100000"],"entrypoint":[],"port":null,"publish":[],"env":{},"env_files":[],"secrets":{},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":0,"nanos":100000000},"logging":{"driver":"json-file","options":{"max-file":"3","max-size":"10m"}}},"check":{"stays_up":{"secs":0,"nanos":100000000}}}',1795529898680,NULL,NULL);
INSERT INTO "release" VALUES(3,1,2,3,'{"image":{"id":"sha256:f0dcd9cb08fe60f035f8fb8c8ac5c22549dce1ac623383d35ac3214ccbc64ef5","digest":null,"reference":"longshore-mig/busybox:5676"},"sha":null,"run":{"command":["httpd","-f","-p","8080","-h","/etc"],"entrypoint":[],"port":8080,"publish":[],"env":{},"env_files":[],"secrets":{"KEY":"store"},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":1,"nanos":0},"logging":{"driver":"json-file","options":{"max-file":"3","max-size":"10m"}}},"check":{"tcp":{"port":8080}}}',1795529900384,NULL,NULL);
INSERT INTO "release" VALUES(4,1,3,4,'{"image":{"id":"sha256:f0dcd9cb08fe60f035f8fb8c8ac5c22549dce1ac623383d35ac3214ccbc64ef5","digest":null,"reference":"longshore-mig/busybox:5676"},"sha":null,"run":{"command":["httpd","-f","-p","8080","-h","/etc"],"entrypoint":[],"port":8080,"publish":[],"env":{},"env_files":[],"secrets":{"KEY":"store"},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":1,"nanos":0},"logging":{"driver":"json-file","options":{"max-file":"3","max-size":"10m"}}},"check":{"tcp":{"port":8080}}}',1795529902054,5,NULL);
INSERT INTO "release" VALUES(5,2,2,6,'{"image":{"id":"sha256:f0dcd9cb08fe60f035f8fb8c8ac5c22549dce1ac623383d35ac3214ccbc64ef5","digest":null,"reference":"longshore-mig/busybox:5676"},"sha":null,"run":{"command":["sleep","100000"],"entrypoint":[],"port":null,"publish":[],"env":{},"env_files":[],"secrets":{},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":0,"nanos":100000000},"logging":{"driver":"json-file","options":{"max-file":"3","max-size":"10m"}}},"check":{"stays_up":{"secs":0,"nanos":100000000}}}',1795529910603,NULL,NULL);
INSERT INTO "deployment" VALUES(1,'01a20deb-f5a9-7b3b-8528-9e6e3a15a68c',1,1,1,1,1,'manual','image',NULL,NULL,NULL,'longshore-mig/busybox:5676',NULL,NULL,'{"source":{"image":{"reference":"longshore-mig/busybox:5676","pull":"never"}},"run":{"command":["httpd","-f","-p","8080","-h","/etc"],"entrypoint":[],"port":8080,"publish":[],"env":{},"env_files":[],"secrets":{"KEY":"store"},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":1,"nanos":0},"logging":{"driver":"json-file","options":{"max-file":"3","max-size":"10m"}}},"rollout":{"strategy":"recreate","health":{"check":{"tcp":{"port":8080}},"interval":{"secs":1,"nanos":0},"timeout":{"secs":60,"nanos":0}}},"deadlines":{"checkout":{"secs":600,"nanos":0},"build":{"secs":3600,"nanos":0},"rollout":{"secs":600,"nanos":0}}}',NULL,'{"id":"sha256:f0dcd9cb08fe60f035f8fb8c8ac5c22549dce1ac623383d35ac3214ccbc64ef5","digest":null,"reference":"longshore-mig/busybox:5676"}','succeeded',NULL,NULL,1,NULL,NULL,NULL,1795529897385,1795529897993,1795529912864,NULL,1);
INSERT INTO "deployment" VALUES(2,'01a20deb-f82b-76f6-9bba-a47c4617392a',2,1,2,2,1,'manual','image',NULL,NULL,NULL,'longshore-mig/busybox:5676',NULL,NULL,'{"source":{"image":{"reference":"longshore-mig/busybox:5676","pull":"never"}},"run":{"command":["sleep","100000"],"entrypoint":[],"port":null,"publish":[],"env":{},"env_files":[],"secrets":{},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":0,"nanos":100000000},"logging":{"driver":"json-file","options":{"max-file":"3","max-size":"10m"}}},"rollout":{"strategy":"recreate","health":{"check":{"stays_up":{"secs":0,"nanos":100000000}},"interval":{"secs":1,"nanos":0},"timeout":{"secs":60,"nanos":0}}},"deadlines":{"checkout":{"secs":600,"nanos":0},"build":{"secs":3600,"nanos":0},"rollout":{"secs":600,"nanos":0}}}',NULL,'{"id":"sha256:f0dcd9cb08fe60f035f8fb8c8ac5c22549dce1ac623383d35ac3214ccbc64ef5","digest":null,"reference":"longshore-mig/busybox:5676"}','succeeded',NULL,NULL,2,NULL,NULL,NULL,1795529898027,1795529898713,NULL,NULL,NULL);
INSERT INTO "deployment" VALUES(3,'01a20deb-fafe-7947-b1b1-4f04058acc31',1,2,1,1,1,'manual','image',NULL,NULL,NULL,'longshore-mig/busybox:5676',NULL,NULL,'{"source":{"image":{"reference":"longshore-mig/busybox:5676","pull":"never"}},"run":{"command":["httpd","-f","-p","8080","-h","/etc"],"entrypoint":[],"port":8080,"publish":[],"env":{},"env_files":[],"secrets":{"KEY":"store"},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":1,"nanos":0},"logging":{"driver":"json-file","options":{"max-file":"3","max-size":"10m"}}},"rollout":{"strategy":"recreate","health":{"check":{"tcp":{"port":8080}},"interval":{"secs":1,"nanos":0},"timeout":{"secs":60,"nanos":0}}},"deadlines":{"checkout":{"secs":600,"nanos":0},"build":{"secs":3600,"nanos":0},"rollout":{"secs":600,"nanos":0}}}',NULL,'{"id":"sha256:f0dcd9cb08fe60f035f8fb8c8ac5c22549dce1ac623383d35ac3214ccbc64ef5","digest":null,"reference":"longshore-mig/busybox:5676"}','succeeded',NULL,NULL,3,NULL,NULL,NULL,1795529898750,1795529900438,NULL,NULL,NULL);
INSERT INTO "deployment" VALUES(4,'01a20dec-01e0-7396-b2bb-cbff8bd4ca83',1,3,1,1,1,'manual','image',NULL,NULL,NULL,'longshore-mig/busybox:5676',NULL,NULL,'{"source":{"image":{"reference":"longshore-mig/busybox:5676","pull":"never"}},"run":{"command":["httpd","-f","-p","8080","-h","/etc"],"entrypoint":[],"port":8080,"publish":[],"env":{},"env_files":[],"secrets":{"KEY":"store"},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":1,"nanos":0},"logging":{"driver":"json-file","options":{"max-file":"3","max-size":"10m"}}},"rollout":{"strategy":"recreate","health":{"check":{"tcp":{"port":8080}},"interval":{"secs":1,"nanos":0},"timeout":{"secs":60,"nanos":0}}},"deadlines":{"checkout":{"secs":600,"nanos":0},"build":{"secs":3600,"nanos":0},"rollout":{"secs":600,"nanos":0}}}',NULL,'{"id":"sha256:f0dcd9cb08fe60f035f8fb8c8ac5c22549dce1ac623383d35ac3214ccbc64ef5","digest":null,"reference":"longshore-mig/busybox:5676"}','succeeded',NULL,NULL,4,NULL,NULL,NULL,1795529900512,1795529902102,NULL,NULL,NULL);
INSERT INTO "deployment" VALUES(5,'01a20dec-165f-707f-8e7e-945986910343',1,4,1,1,1,'manual','release',NULL,NULL,NULL,NULL,3,NULL,'{"source":{"image":{"reference":"longshore-mig/busybox:5676","pull":"never"}},"run":{"command":["httpd","-f","-p","8080","-h","/etc"],"entrypoint":[],"port":8080,"publish":[],"env":{},"env_files":[],"secrets":{"KEY":"store"},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":1,"nanos":0},"logging":{"driver":"json-file","options":{"max-file":"3","max-size":"10m"}}},"rollout":{"strategy":"recreate","health":{"check":{"tcp":{"port":8080}},"interval":{"secs":1,"nanos":0},"timeout":{"secs":60,"nanos":0}}},"deadlines":{"checkout":{"secs":600,"nanos":0},"build":{"secs":3600,"nanos":0},"rollout":{"secs":600,"nanos":0}}}',NULL,NULL,'succeeded',NULL,NULL,3,NULL,NULL,NULL,1795529905759,1795529909397,NULL,NULL,NULL);
INSERT INTO "deployment" VALUES(6,'01a20dec-2506-732d-9f39-b5b9c244925b',2,2,2,2,1,'manual','image',NULL,NULL,NULL,'longshore-mig/busybox:5676',NULL,NULL,'{"source":{"image":{"reference":"longshore-mig/busybox:5676","pull":"never"}},"run":{"command":["sleep","100000"],"entrypoint":[],"port":null,"publish":[],"env":{},"env_files":[],"secrets":{},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":0,"nanos":100000000},"logging":{"driver":"json-file","options":{"max-file":"3","max-size":"10m"}}},"rollout":{"strategy":"recreate","health":{"check":{"stays_up":{"secs":0,"nanos":100000000}},"interval":{"secs":1,"nanos":0},"timeout":{"secs":60,"nanos":0}}},"deadlines":{"checkout":{"secs":600,"nanos":0},"build":{"secs":3600,"nanos":0},"rollout":{"secs":600,"nanos":0}}}',NULL,'{"id":"sha256:f0dcd9cb08fe60f035f8fb8c8ac5c22549dce1ac623383d35ac3214ccbc64ef5","digest":null,"reference":"longshore-mig/busybox:5676"}','succeeded',NULL,NULL,5,NULL,NULL,NULL,1795529909510,1795529910638,NULL,NULL,NULL);
INSERT INTO "step" VALUES(1,'rollout',600000,0,0,1795529897394,1795529897950);
INSERT INTO "step" VALUES(2,'rollout',600000,0,0,1795529898028,1795529898680);
INSERT INTO "step" VALUES(3,'rollout',600000,0,0,1795529898758,1795529900384);
INSERT INTO "step" VALUES(4,'rollout',600000,0,0,1795529900519,1795529902054);
INSERT INTO "step" VALUES(5,'rollout',600000,0,0,1795529905767,1795529909006);
INSERT INTO "step" VALUES(6,'rollout',600000,0,0,1795529909515,1795529910603);
INSERT INTO "operation" VALUES(1,1,'deploy',1,1795529897385,1795529897994,NULL,NULL,0,0,0,0,NULL,NULL);
INSERT INTO "operation" VALUES(2,2,'deploy',2,1795529898027,1795529898715,NULL,NULL,0,0,0,0,NULL,NULL);
INSERT INTO "operation" VALUES(3,1,'deploy',3,1795529898750,1795529900491,NULL,NULL,0,0,0,0,NULL,NULL);
INSERT INTO "operation" VALUES(4,1,'deploy',4,1795529900512,1795529902282,NULL,NULL,0,0,0,0,NULL,NULL);
INSERT INTO "operation" VALUES(5,2,'stop',NULL,1795529902695,1795529903892,1,'done',0,600000,0,0,NULL,1795529902699);
INSERT INTO "operation" VALUES(6,1,'deploy',5,1795529905759,1795529909483,NULL,NULL,0,0,0,0,NULL,NULL);
INSERT INTO "operation" VALUES(7,2,'deploy',6,1795529909510,1795529910741,NULL,NULL,0,0,0,0,NULL,NULL);
INSERT INTO "operation" VALUES(8,2,'stop',NULL,1795529912927,1795529914238,1,'done',0,600000,0,0,NULL,1795529912934);
INSERT INTO "operation" VALUES(9,1,'suspend',NULL,1795529914509,1795529915916,1,'done',0,600000,0,0,NULL,1795529914523);
INSERT INTO "container" VALUES(1,1,1,1,'web','web-production-bc5723d2-1-1','10.220.0.2','retired',NULL,NULL,X'ED59DD81AC64905243E6119F0683C315EF21940C99A6EF5124C4943848F72CC35149AC5728D6CA5B702826F7',1795529897508,1795529897613,1795529900491);
INSERT INTO "container" VALUES(2,2,2,2,'web','db-production-47f4d2df-2-1','10.220.0.66','retired',NULL,NULL,NULL,1795529898177,1795529898231,1795529910731);
INSERT INTO "container" VALUES(3,1,3,3,'web','web-production-bc5723d2-3-1','10.220.0.3','retired',NULL,NULL,X'CE780257716DF61B95F12D42A36BF11B3531C3A82D8B10EFAF751FE5DF2DC7EF3EEE214B6645BDA164554EB1319A0D38',1795529898783,1795529898879,1795529902278);
INSERT INTO "container" VALUES(4,1,4,4,'web','web-production-bc5723d2-4-1','10.220.0.4','retired',NULL,NULL,X'76CA8A4B2ECB5F024B2278E3984BD19FCD7E621446078CEB2003F529CC0CA2A66B56928F5D364021DE207A28',1795529900524,1795529900572,1795529909478);
INSERT INTO "container" VALUES(5,1,5,3,'web','web-production-bc5723d2-5-1','10.220.0.5','live',NULL,NULL,X'65723DC539D867A640B819C2008D6FDD6CED2D86D8E8601E60C08F9E7025CA9FE355F594F9AAE84C702F25ADD43BE845',1795529905792,1795529905986,NULL);
INSERT INTO "container" VALUES(6,2,6,5,'web','db-production-47f4d2df-6-1','10.220.0.67','live',NULL,NULL,NULL,1795529909539,1795529909692,NULL);
INSERT INTO "settlement" VALUES(1,1,3,'retire_container',1,NULL,1795529900384,1795529900491,NULL);
INSERT INTO "settlement" VALUES(2,1,4,'retire_container',3,NULL,1795529902054,1795529902278,NULL);
INSERT INTO "settlement" VALUES(3,1,5,'retire_container',4,NULL,1795529909006,1795529909478,NULL);
INSERT INTO "settlement" VALUES(4,2,6,'retire_container',2,NULL,1795529910603,1795529910731,NULL);
INSERT INTO "secret" VALUES(1,'KEY',X'A059CAEF71E251552A0DC26D48727FE837641FE7C9BEABB7369A2B81CDEB168E02FAB0795207782C',1,1795529897352);
INSERT INTO "idempotency" VALUES(1,'0d22f810-bac4-4335-99eb-28b5c7b2466c',X'931702018FE3DC67ED07C732D574439AA938C801E9F5AC22FA291D7094A027B2',2,NULL,NULL,NULL,1795529898027);
INSERT INTO "idempotency" VALUES(1,'228448b9-8a28-4be7-97d6-6b0ec8e755fe',X'94FC8A5629CB18C971E0700887061426DBFA85FAA586BA92784D35554E5C9D17',NULL,NULL,5,X'31A7C1FC769CEADA3A3204EBF31525CFD061E068E8CB5C2A5AF82B27BE7D77F7E49E80DC09653DC85F3AA1B2448AE6B597A6BDF0A217C48E7821FA5EBED5DC41680A2CD34A7E1F77',1795529902407);
INSERT INTO "idempotency" VALUES(1,'2d01a76a-a9fd-4e93-855f-86f41453abea',X'6827E0E73A03EAF5EBB549BF06BF0AE6D92385E8F11472A737D39DC54FCB1F49',NULL,NULL,4,X'E5B51827224680366B74845448FB6CA1B71F169E2CF9999FE3B5BF505233025E8C2F6F0795D27EE49B91A9F6F119AEE9AD323EC35E83F9B4EF9AE3F6FA7C7D992C69BB23C5889CE4',1795529902368);
INSERT INTO "idempotency" VALUES(1,'4e23d301-5ebd-4695-8c39-ddfa7358b3d6',X'4C1F7CA6A6EAE8D4429C7F75112DDFAC906A1BAFB66F20EC6388C46E40E172B9',5,NULL,NULL,NULL,1795529905759);
INSERT INTO "idempotency" VALUES(1,'96d96f21-31b0-4087-9831-47df9a1211e9',X'F44196BCFD690DD411FF71E8AA495FEAFDE22CD4CB40406D4A08A232405C250E',1,NULL,NULL,NULL,1795529897385);
INSERT INTO "idempotency" VALUES(1,'9af3d059-1cf6-4560-ba9c-5ab0e0c6b176',X'F44196BCFD690DD411FF71E8AA495FEAFDE22CD4CB40406D4A08A232405C250E',4,NULL,NULL,NULL,1795529900512);
INSERT INTO "idempotency" VALUES(1,'c090c42f-a8cf-49aa-8ced-71fe41f6ceaf',X'0D0386AC336A8A5C086A1DC9B07BB8FF0DFFA7BE3D894E23754336FB7D35024E',NULL,NULL,3,X'E0CD23551BA4D31EC6A93513EFB9FBDF18200C13D3740C6EF203B88ADE50F6F2A1049CFEEFE48B81C313666CEA1CFF174782FA69B8E96FA83EC7D7AAA0E7D07E93C49229884E3FA4',1795529902350);
INSERT INTO "idempotency" VALUES(1,'c5cd3fd9-e824-40ef-a623-72b3672592bc',X'2B81A2D0740D6D36D6A9BC46C8E4082609D082068D8F930D088AE13C69E76A17',3,NULL,NULL,NULL,1795529898750);
INSERT INTO "idempotency" VALUES(1,'k1',X'635AFC423B0EDEFCFFC9F35659A100E454423B20857C9F2EE7D2943C75FCE380',NULL,NULL,2,X'7973172EFE693B8DE85C504FFBA502FEB1C1108462C72E7D0C27F477A504059EABC8B8E38F9D935186E2244ED82016546C7338EF6C3CD523508CBFB3553FCD4AE1E14A234C3BB3DD',1795529902343);
INSERT INTO "idempotency" VALUES(1,'k2',X'3444549BB34F4BE41BA4F9712040466CC9210DF9566CCFFFAB15D3F0AF2757CB',NULL,'[5]',NULL,NULL,1795529902695);
INSERT INTO "idempotency" VALUES(1,'k3',X'3DBD869AE521483E26A5EF33171006B46BACFED1DEF3AA368D9400E4B094FE41',6,NULL,NULL,NULL,1795529909510);
INSERT INTO "status_event" VALUES(1,1,NULL,'queued',1795529897385);
INSERT INTO "status_event" VALUES(2,1,NULL,'rollout',1795529897394);
INSERT INTO "status_event" VALUES(3,1,NULL,'committed',1795529897950);
INSERT INTO "status_event" VALUES(4,1,NULL,'succeeded',1795529897993);
INSERT INTO "status_event" VALUES(5,2,NULL,'queued',1795529898027);
INSERT INTO "status_event" VALUES(6,2,NULL,'rollout',1795529898028);
INSERT INTO "status_event" VALUES(7,2,NULL,'committed',1795529898680);
INSERT INTO "status_event" VALUES(8,2,NULL,'succeeded',1795529898713);
INSERT INTO "status_event" VALUES(9,3,NULL,'queued',1795529898750);
INSERT INTO "status_event" VALUES(10,3,NULL,'rollout',1795529898758);
INSERT INTO "status_event" VALUES(11,3,NULL,'committed',1795529900384);
INSERT INTO "status_event" VALUES(12,3,NULL,'succeeded',1795529900438);
INSERT INTO "status_event" VALUES(13,4,NULL,'queued',1795529900512);
INSERT INTO "status_event" VALUES(14,4,NULL,'rollout',1795529900519);
INSERT INTO "status_event" VALUES(15,4,NULL,'committed',1795529902054);
INSERT INTO "status_event" VALUES(16,4,NULL,'succeeded',1795529902102);
INSERT INTO "status_event" VALUES(17,NULL,5,'queued',1795529902695);
INSERT INTO "status_event" VALUES(18,NULL,5,'running',1795529902699);
INSERT INTO "status_event" VALUES(19,NULL,5,'done',1795529903891);
INSERT INTO "status_event" VALUES(20,5,NULL,'queued',1795529905759);
INSERT INTO "status_event" VALUES(21,5,NULL,'rollout',1795529905767);
INSERT INTO "status_event" VALUES(22,5,NULL,'committed',1795529909006);
INSERT INTO "status_event" VALUES(23,5,NULL,'succeeded',1795529909397);
INSERT INTO "status_event" VALUES(24,6,NULL,'queued',1795529909510);
INSERT INTO "status_event" VALUES(25,6,NULL,'rollout',1795529909515);
INSERT INTO "status_event" VALUES(26,6,NULL,'committed',1795529910603);
INSERT INTO "status_event" VALUES(27,6,NULL,'succeeded',1795529910638);
INSERT INTO "status_event" VALUES(28,NULL,8,'queued',1795529912927);
INSERT INTO "status_event" VALUES(29,NULL,8,'running',1795529912934);
INSERT INTO "status_event" VALUES(30,NULL,8,'done',1795529914237);
INSERT INTO "status_event" VALUES(31,NULL,9,'queued',1795529914509);
INSERT INTO "status_event" VALUES(32,NULL,9,'running',1795529914523);
INSERT INTO "status_event" VALUES(33,NULL,9,'done',1795529915911);
INSERT INTO "total" VALUES(1,'committed',0);
INSERT INTO "total" VALUES(1,'queued',0);
INSERT INTO "total" VALUES(1,'rollout',0);
INSERT INTO "total" VALUES(1,'succeeded',3);
INSERT INTO "total" VALUES(2,'committed',0);
INSERT INTO "total" VALUES(2,'queued',0);
INSERT INTO "total" VALUES(2,'rollout',0);
INSERT INTO "total" VALUES(2,'succeeded',2);
INSERT INTO "tally" VALUES(0,1,'committed',0);
INSERT INTO "tally" VALUES(0,1,'queued',0);
INSERT INTO "tally" VALUES(0,1,'rollout',0);
INSERT INTO "tally" VALUES(0,1,'succeeded',3);
INSERT INTO "tally" VALUES(0,2,'committed',0);
INSERT INTO "tally" VALUES(0,2,'queued',0);
INSERT INTO "tally" VALUES(0,2,'rollout',0);
INSERT INTO "tally" VALUES(0,2,'succeeded',2);
CREATE INDEX app_name ON app (name);
CREATE UNIQUE INDEX environment_name ON environment (app, name) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX principal_local ON principal (name) WHERE kind = 'local';
CREATE INDEX deployment_by_app ON deployment (app, serial) WHERE hidden_at IS NULL;
CREATE INDEX deployment_by_app_phase ON deployment (app, phase, serial) WHERE hidden_at IS NULL;
CREATE INDEX deployment_by_environment ON deployment (environment, serial) WHERE hidden_at IS NULL;
CREATE INDEX deployment_by_environment_phase ON deployment (environment, phase, serial) WHERE hidden_at IS NULL;
CREATE INDEX deployment_by_phase ON deployment (phase, serial) WHERE hidden_at IS NULL;
CREATE INDEX operation_unfinished ON operation (environment, serial) WHERE done_at IS NULL;
CREATE INDEX container_present ON container (environment) WHERE removed_at IS NULL;
CREATE INDEX container_by_deployment ON container (deployment);
CREATE INDEX settlement_pending ON settlement (environment, serial) WHERE settled_at IS NULL;
CREATE INDEX settlement_refused ON settlement (deployment) WHERE kind = 'restore' AND refused IS NOT NULL;
CREATE INDEX settlement_image ON settlement (object) WHERE kind = 'retire_image';
CREATE INDEX idempotency_age ON idempotency (created_at);
CREATE INDEX status_event_by_deployment ON status_event (deployment, serial);
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
CREATE INDEX environment_by_app ON environment (app, name);
CREATE INDEX environment_by_name ON environment (name);
CREATE INDEX container_live ON container (environment) WHERE role = 'live';
CREATE INDEX container_displaced ON container (displaced_by) WHERE displaced_by IS NOT NULL;
CREATE INDEX release_kept ON release (environment, number) WHERE collected_at IS NULL;
CREATE INDEX deployment_hidden ON deployment (environment) WHERE hidden_at IS NOT NULL;
PRAGMA foreign_keys = ON;
