-- A whole database as the program of schema 8 wrote it, without its instance: the key it was sealed with is not kept.
-- Written once, never changed.

PRAGMA foreign_keys = OFF;
CREATE TABLE app (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid        TEXT    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    project     INTEGER NOT NULL REFERENCES project (serial),
    configured  INTEGER NOT NULL,            -- whether the configuration names it
    created_at  INTEGER NOT NULL
) STRICT;
INSERT INTO "app" VALUES(1,'b8fa8fd6-0768-564a-b884-0bae34ccee34','web',1,1,1741948320000);
INSERT INTO "app" VALUES(2,'c13472b9-8936-54df-a098-b538d0bdcec0','db',2,1,1741948320000);
INSERT INTO "app" VALUES(3,'231d9de9-1f87-5b44-84d3-8d256fc4e9f2','gone',3,0,1741948320000);
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
INSERT INTO "commit_status" VALUES(1,1,'1111111111111111111111111111111111111111','CI/Build','ci/build','success','Build has completed',NULL,1,1741948321000);
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
INSERT INTO "connection" VALUES(1,1,2,'db','web-production--db','10.213.9.0/26',1741948320000,NULL,NULL);
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
INSERT INTO "container" VALUES(1,1,1,1,'web','web-production-f1bbcdcb-1-1','10.213.0.2','retired',NULL,'000000002',NULL,1741948321000,1741948321000,1741948322000);
INSERT INTO "container" VALUES(2,2,2,2,'web','db-production-2e2ac13e-2-1','10.213.0.66','live',NULL,'000000001',NULL,1741948321000,1741948321000,NULL);
INSERT INTO "container" VALUES(3,3,3,3,'web','gone-production-6a99b4b1-3-1','10.213.0.130','live',NULL,'000000001',NULL,1741948321000,1741948321000,NULL);
INSERT INTO "container" VALUES(4,1,4,4,'web','web-production-f1bbcdcb-4-1','10.213.0.3','retired',NULL,'000000002',NULL,1741948322000,1741948322000,1741948322000);
INSERT INTO "container" VALUES(5,1,5,1,'web','web-production-f1bbcdcb-5-1','10.213.0.4','retired',NULL,'000000001',NULL,1741948322000,1741948322000,NULL);
INSERT INTO "container" VALUES(6,1,6,5,'web','web-production-f1bbcdcb-6-1','10.213.0.5','live',NULL,'000000001',NULL,1741948323000,1741948323000,NULL);
INSERT INTO "container" VALUES(7,1,6,5,'worker','web-production-f1bbcdcb-6-2','10.213.0.6','live',NULL,NULL,NULL,1741948323000,1741948323000,NULL);
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
    hidden_at       INTEGER, log_removed_at INTEGER, hidden_by INTEGER REFERENCES principal (serial), ref        TEXT    NOT NULL DEFAULT '', tag        INTEGER NOT NULL DEFAULT 0, updated_at INTEGER NOT NULL DEFAULT 0, ref_kind    TEXT, written     TEXT, task        TEXT, payload     TEXT, description TEXT, transient   INTEGER NOT NULL DEFAULT 0, production  INTEGER NOT NULL DEFAULT 0, shown_environment TEXT, status      TEXT, job_event TEXT, connects INTEGER NOT NULL DEFAULT 0,                 -- deleted for every API; the row stays for the audit trail
    UNIQUE (project, iid)
) STRICT;
INSERT INTO "deployment" VALUES(1,'01959435-f900-7377-9b97-f4a7c15181af',1,1,1,1,1,'manual','commit','main','1111111111111111111111111111111111111111',NULL,NULL,NULL,NULL,'{"source":{"git":{"repository":{"url":"https://git.example/acme/web.git","credentials":null},"branch":"main","build":{"context":".","dockerfile":"Dockerfile","target":null,"args":{}}}},"run":{"command":[],"entrypoint":[],"port":8080,"publish":[],"env":{},"env_files":[],"secrets":{},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":10,"nanos":0},"logging":{"driver":"json-file","options":{}}},"rollout":{"strategy":"swap","health":{"check":{"http":{"port":8080,"path":"/up"}},"interval":{"secs":10,"nanos":0},"timeout":{"secs":20,"nanos":0}},"drain_timeout":{"secs":30,"nanos":0}},"deadlines":{"checkout":{"secs":600,"nanos":0},"build":{"secs":3600,"nanos":0},"rollout":{"secs":600,"nanos":0}},"domains":["web.example"]}','{"message":"commit 1111111111111111111111111111111111111111","author":"Ann","author_email":""}','{"id":"sha256:1111111111111111111111111111111111111111","digest":null,"reference":"longshore/web-production-f1bbcdcb:candidate-1"}','succeeded',NULL,NULL,1,NULL,NULL,NULL,1741948320000,1741948321000,NULL,NULL,NULL,'main',0,1741948321000,NULL,NULL,NULL,NULL,NULL,0,1,NULL,'success',NULL,0);
INSERT INTO "deployment" VALUES(2,'01959435-fce8-7fe6-8f0a-f33cb97bbe1e',2,1,2,2,1,'manual','image',NULL,NULL,NULL,'postgres:16',NULL,NULL,'{"source":{"image":{"reference":"postgres:16","pull":"always"}},"run":{"command":[],"entrypoint":[],"port":8080,"publish":[],"env":{},"env_files":[],"secrets":{},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":10,"nanos":0},"logging":{"driver":"json-file","options":{}}},"rollout":{"strategy":"recreate","health":{"check":{"http":{"port":8080,"path":"/up"}},"interval":{"secs":10,"nanos":0},"timeout":{"secs":20,"nanos":0}},"drain_timeout":{"secs":30,"nanos":0}},"deadlines":{"checkout":{"secs":600,"nanos":0},"build":{"secs":3600,"nanos":0},"rollout":{"secs":600,"nanos":0}},"domains":["db.example"]}',NULL,'{"id":"sha256:postgres:16","digest":"registry.example/image@sha256:00000000000000000000000000000000a278be72d6a197a7ad5f2f08388f9e2c","reference":"postgres:16"}','succeeded',NULL,NULL,2,NULL,NULL,NULL,1741948321000,1741948321000,NULL,NULL,NULL,'postgres:16',0,1741948321000,NULL,NULL,NULL,NULL,NULL,0,1,NULL,'success',NULL,0);
INSERT INTO "deployment" VALUES(3,'01959435-fce8-7c55-827d-f1d1b1a5fa8c',3,1,3,3,1,'manual','image',NULL,NULL,NULL,'nginx:1',NULL,NULL,'{"source":{"image":{"reference":"nginx:1","pull":"always"}},"run":{"command":[],"entrypoint":[],"port":8080,"publish":[],"env":{},"env_files":[],"secrets":{},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":10,"nanos":0},"logging":{"driver":"json-file","options":{}}},"rollout":{"strategy":"swap","health":{"check":{"http":{"port":8080,"path":"/up"}},"interval":{"secs":10,"nanos":0},"timeout":{"secs":20,"nanos":0}},"drain_timeout":{"secs":30,"nanos":0}},"deadlines":{"checkout":{"secs":600,"nanos":0},"build":{"secs":3600,"nanos":0},"rollout":{"secs":600,"nanos":0}},"domains":["gone.example"]}',NULL,'{"id":"sha256:nginx:1","digest":"registry.example/image@sha256:00000000000000000000000000000000000187c45c4cc84f57f58f4b89c2baa3","reference":"nginx:1"}','succeeded',NULL,NULL,3,NULL,NULL,NULL,1741948321000,1741948321000,NULL,NULL,NULL,'nginx:1',0,1741948321000,NULL,NULL,NULL,NULL,NULL,0,1,NULL,'success',NULL,0);
INSERT INTO "deployment" VALUES(4,'01959435-fce8-78c4-b5f0-f066a9cf36fb',1,2,1,1,1,'manual','commit','main','2222222222222222222222222222222222222222',NULL,NULL,NULL,NULL,'{"source":{"git":{"repository":{"url":"https://git.example/acme/web.git","credentials":null},"branch":"main","build":{"context":".","dockerfile":"Dockerfile","target":null,"args":{}}}},"run":{"command":[],"entrypoint":[],"port":8080,"publish":[],"env":{},"env_files":[],"secrets":{},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":10,"nanos":0},"logging":{"driver":"json-file","options":{}}},"rollout":{"strategy":"swap","health":{"check":{"http":{"port":8080,"path":"/up"}},"interval":{"secs":10,"nanos":0},"timeout":{"secs":20,"nanos":0}},"drain_timeout":{"secs":30,"nanos":0}},"deadlines":{"checkout":{"secs":600,"nanos":0},"build":{"secs":3600,"nanos":0},"rollout":{"secs":600,"nanos":0}},"domains":["web.example"]}','{"message":"commit 2222222222222222222222222222222222222222","author":"Ann","author_email":""}','{"id":"sha256:2222222222222222222222222222222222222222","digest":null,"reference":"longshore/web-production-f1bbcdcb:candidate-4"}','succeeded',NULL,NULL,4,NULL,NULL,NULL,1741948321000,1741948322000,NULL,NULL,NULL,'main',0,1741948322000,NULL,NULL,NULL,NULL,NULL,0,1,NULL,'success',NULL,0);
INSERT INTO "deployment" VALUES(5,'01959436-00d0-7533-a963-eefba1f9736a',1,3,1,1,1,'manual','release',NULL,'1111111111111111111111111111111111111111',NULL,NULL,1,NULL,'{"source":{"git":{"repository":{"url":"https://git.example/acme/web.git","credentials":null},"branch":"main","build":{"context":".","dockerfile":"Dockerfile","target":null,"args":{}}}},"run":{"command":[],"entrypoint":[],"port":8080,"publish":[],"env":{},"env_files":[],"secrets":{},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":10,"nanos":0},"logging":{"driver":"json-file","options":{}}},"rollout":{"strategy":"swap","health":{"check":{"http":{"port":8080,"path":"/up"}},"interval":{"secs":10,"nanos":0},"timeout":{"secs":20,"nanos":0}},"drain_timeout":{"secs":30,"nanos":0}},"deadlines":{"checkout":{"secs":600,"nanos":0},"build":{"secs":3600,"nanos":0},"rollout":{"secs":600,"nanos":0}},"domains":["web.example"]}',NULL,NULL,'succeeded',NULL,NULL,1,NULL,NULL,NULL,1741948322000,1741948322000,NULL,NULL,NULL,'main',0,1741948322000,NULL,NULL,NULL,NULL,NULL,0,1,NULL,'success',NULL,0);
INSERT INTO "deployment" VALUES(6,'01959436-00d0-71a2-9cd6-ed909a23afd9',1,4,1,1,1,'manual','commit','main','3333333333333333333333333333333333333333',NULL,NULL,NULL,NULL,'{"source":{"git":{"repository":{"url":"https://git.example/acme/web.git","credentials":null},"branch":"main","build":{"context":".","dockerfile":"Dockerfile","target":null,"args":{}}}},"run":{"command":[],"entrypoint":[],"port":8080,"publish":[],"env":{},"env_files":[],"secrets":{},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":10,"nanos":0},"logging":{"driver":"json-file","options":{}}},"rollout":{"strategy":"swap","health":{"check":{"http":{"port":8080,"path":"/up"}},"interval":{"secs":10,"nanos":0},"timeout":{"secs":20,"nanos":0}},"drain_timeout":{"secs":30,"nanos":0}},"deadlines":{"checkout":{"secs":600,"nanos":0},"build":{"secs":3600,"nanos":0},"rollout":{"secs":600,"nanos":0}},"domains":["web.example"]}','{"message":"commit 3333333333333333333333333333333333333333","author":"Ann","author_email":""}','{"id":"sha256:3333333333333333333333333333333333333333","digest":null,"reference":"longshore/web-production-f1bbcdcb:candidate-6"}','succeeded',NULL,NULL,5,NULL,NULL,NULL,1741948322000,1741948323000,NULL,NULL,NULL,'main',0,1741948323000,NULL,'refs/heads/main','seed','{"user":"ann"}','by hand',0,1,NULL,'success',NULL,0);
INSERT INTO "deployment" VALUES(7,'01959436-2f01-7000-8000-000000000001',1,5,1,1,1,'manual','recorded',NULL,'4444444444444444444444444444444444444444',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'recorded_success',NULL,NULL,NULL,NULL,NULL,NULL,1741948331000,1741948332000,NULL,NULL,NULL,'v1.2',1,1741948332000,NULL,NULL,NULL,NULL,NULL,0,1,NULL,'success',NULL,0);
INSERT INTO "deployment" VALUES(8,'01959436-2f02-7000-8000-000000000002',1,6,1,4,1,'manual','recorded',NULL,'5555555555555555555555555555555555555555',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'recorded_running',NULL,NULL,NULL,NULL,NULL,NULL,1741948332000,NULL,NULL,NULL,NULL,'search',0,1741948332000,NULL,NULL,NULL,NULL,NULL,0,0,NULL,'in_progress',NULL,0);
INSERT INTO "deployment" VALUES(9,'01959436-2f03-7000-8000-000000000003',1,7,1,4,1,'manual','recorded',NULL,'6666666666666666666666666666666666666666',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'recorded_canceled',NULL,NULL,NULL,NULL,NULL,NULL,1741948333000,1741948333500,NULL,NULL,NULL,'search',0,1741948333500,NULL,NULL,NULL,NULL,NULL,0,0,NULL,'error',NULL,0);
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
INSERT INTO "deployment_status" VALUES(1,1,'success','','production','',NULL,NULL,NULL,1741948321000);
INSERT INTO "deployment_status" VALUES(2,2,'success','','production','',NULL,NULL,NULL,1741948321000);
INSERT INTO "deployment_status" VALUES(3,3,'success','','production','',NULL,NULL,NULL,1741948321000);
INSERT INTO "deployment_status" VALUES(4,4,'success','','production','',NULL,NULL,NULL,1741948322000);
INSERT INTO "deployment_status" VALUES(5,5,'success','','production','',NULL,NULL,NULL,1741948322000);
INSERT INTO "deployment_status" VALUES(6,6,'success','','production','',NULL,NULL,NULL,1741948323000);
INSERT INTO "deployment_status" VALUES(7,7,'success','','production','',NULL,'',1,1741948332000);
INSERT INTO "deployment_status" VALUES(8,8,'in_progress','','review/search','',NULL,'',1,1741948332000);
INSERT INTO "deployment_status" VALUES(9,9,'error','','review/search','',NULL,'',1,1741948333500);
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
, slug TEXT NOT NULL DEFAULT '', domains TEXT NOT NULL DEFAULT '[]', runs         INTEGER NOT NULL DEFAULT 1, external_url TEXT, tier         TEXT, description  TEXT, updated_at   INTEGER NOT NULL DEFAULT 0, preview        INTEGER NOT NULL DEFAULT 0, preview_branch TEXT, preview_last   INTEGER REFERENCES deployment (serial), preview_ttl_ms INTEGER, secrets_from   INTEGER REFERENCES environment (serial), schedule_seen INTEGER, schedule TEXT) STRICT;
INSERT INTO "environment" VALUES(1,'f1bbcdcb-fa53-40a9-8ff3-4785799e5cbe',1,'production','running',1,'10.213.0.0/26','10.213.0.5',5,6,'3333333333333333333333333333333333333333',0,1741948320000,NULL,'web-production-f1bbcdcb','["web.example"]',1,NULL,NULL,NULL,1741948320000,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "environment" VALUES(2,'2e2ac13e-f8e8-48d3-8c62-3af8783354e8',2,'production','stopped',1,'10.213.0.64/26','10.213.0.66',2,2,NULL,0,1741948320000,NULL,'db-production-2e2ac13e','["db.example"]',1,NULL,NULL,NULL,1741948320000,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "environment" VALUES(3,'6a99b4b1-f77d-40fd-88d1-2e6b76c84d12',3,'production','running',0,'10.213.0.128/26','10.213.0.130',3,3,NULL,0,1741948320000,NULL,'gone-production-6a99b4b1','["gone.example"]',1,NULL,NULL,NULL,1741948320000,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "environment" VALUES(4,'0195943c-0000-7000-8000-00000000e4f1',1,'review/search','running',0,'0195943c-0000-7000-8000-00000000e4f1',NULL,NULL,NULL,NULL,0,1741948330000,NULL,'','[]',0,NULL,'development',NULL,1741948330000,0,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE hook (
    environment INTEGER PRIMARY KEY REFERENCES environment (serial),
    principal   INTEGER NOT NULL UNIQUE REFERENCES principal (serial),  -- who its calls are
    digest      BLOB    NOT NULL,            -- of the secret
    secret      BLOB    NOT NULL,            -- sealed
    set_by      INTEGER NOT NULL REFERENCES principal (serial),
    set_at      INTEGER NOT NULL
) STRICT;
INSERT INTO "hook" VALUES(1,2,X'97E7A06218B439B19AA54346552916E75397D25C26C0D4F007241220810E85E8',X'010203',1,1741948330000);
CREATE TABLE "idempotency" (
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
CREATE TABLE instance (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    uuid        TEXT    NOT NULL,
    generation  INTEGER NOT NULL,            -- of the route table; grows with every commit
    key_check   BLOB    NOT NULL,            -- sealed with the key: tells a wrong key at start
    created_at  INTEGER NOT NULL
, api_domains TEXT NOT NULL DEFAULT '[]', api_address TEXT, last_subnet TEXT) STRICT;
CREATE TABLE one_off (
    container   INTEGER PRIMARY KEY REFERENCES container (serial),
    deployment  INTEGER NOT NULL REFERENCES deployment (serial), -- for whom it was run
    purpose     TEXT    NOT NULL,            -- "release" and its place, from 0 | "task" and its name
    number      INTEGER NOT NULL,            -- which try of that command, from 1
    starting_at INTEGER,                     -- when the engine was about to be asked to start it
    ended_at    INTEGER,                     -- when it was known to be over and not to be the deployment's end
    status      INTEGER                      -- with which exit status; NULL: it was cut off
, run INTEGER REFERENCES run (serial)) STRICT;
INSERT INTO "one_off" VALUES(1,1,'task seed',1,1741948321000,1741948321005,0,NULL);
CREATE TABLE operation (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    environment INTEGER NOT NULL REFERENCES environment (serial),
    kind        TEXT    NOT NULL,            -- deploy
    deployment  INTEGER UNIQUE REFERENCES deployment (serial),
    created_at  INTEGER NOT NULL,
    done_at     INTEGER
, principal   INTEGER REFERENCES principal (serial), phase       TEXT, volumes     INTEGER NOT NULL DEFAULT 0, budget_ms   INTEGER NOT NULL DEFAULT 0, consumed_ms INTEGER NOT NULL DEFAULT 0, strikes     INTEGER NOT NULL DEFAULT 0, failure     TEXT, began_at    INTEGER) STRICT;
INSERT INTO "operation" VALUES(1,1,'deploy',1,1741948320000,1741948321000,NULL,NULL,0,0,0,0,NULL,NULL);
INSERT INTO "operation" VALUES(2,2,'deploy',2,1741948321000,1741948321000,NULL,NULL,0,0,0,0,NULL,NULL);
INSERT INTO "operation" VALUES(3,3,'deploy',3,1741948321000,1741948321000,NULL,NULL,0,0,0,0,NULL,NULL);
INSERT INTO "operation" VALUES(4,1,'deploy',4,1741948321000,1741948322000,NULL,NULL,0,0,0,0,NULL,NULL);
INSERT INTO "operation" VALUES(5,1,'deploy',5,1741948322000,1741948322000,NULL,NULL,0,0,0,0,NULL,NULL);
INSERT INTO "operation" VALUES(6,2,'stop',NULL,1741948322000,1741948322000,1,'done',0,600000,0,0,NULL,1741948322000);
INSERT INTO "operation" VALUES(7,1,'deploy',6,1741948322000,NULL,NULL,NULL,0,0,0,0,NULL,NULL);
CREATE TABLE principal (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid        TEXT    NOT NULL UNIQUE,
    kind        TEXT    NOT NULL,            -- token | local | webhook | schedule
    name        TEXT    NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;
INSERT INTO "principal" VALUES(1,'a708a824-f612-4927-8540-21de755d453c','local','ann',1741948320000);
INSERT INTO "principal" VALUES(2,'5b3f3f0e-3f2c-4c6f-9a55-0a8d8e1f5a21','webhook','deployment hook',1741948330000);
CREATE TABLE project (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    path        TEXT    NOT NULL UNIQUE,
    last_iid    INTEGER NOT NULL DEFAULT 0
, created_at INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "project" VALUES(1,'acme/web',7,1741948320000);
INSERT INTO "project" VALUES(2,'acme/db',1,1741948320000);
INSERT INTO "project" VALUES(3,'acme/gone',1,1741948320000);
CREATE TABLE release (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    environment INTEGER NOT NULL REFERENCES environment (serial),
    number      INTEGER NOT NULL,
    deployment  INTEGER NOT NULL REFERENCES deployment (serial),
    content     TEXT    NOT NULL,            -- JSON: image, command, limits, …; no secret values
    created_at  INTEGER NOT NULL, left_by      INTEGER REFERENCES deployment (serial), collected_at INTEGER,
    UNIQUE (environment, number)
) STRICT;
INSERT INTO "release" VALUES(1,1,1,1,'{"image":{"id":"sha256:1111111111111111111111111111111111111111","digest":null,"reference":"longshore/web-production-f1bbcdcb:candidate-1"},"sha":"1111111111111111111111111111111111111111","run":{"command":[],"entrypoint":[],"port":8080,"publish":[],"env":{},"env_files":[],"secrets":{},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":10,"nanos":0},"logging":{"driver":"json-file","options":{}}},"check":{"http":{"port":8080,"path":"/up"}}}',1741948321000,NULL,NULL);
INSERT INTO "release" VALUES(2,2,1,2,'{"image":{"id":"sha256:postgres:16","digest":"registry.example/image@sha256:00000000000000000000000000000000a278be72d6a197a7ad5f2f08388f9e2c","reference":"postgres:16"},"sha":null,"run":{"command":[],"entrypoint":[],"port":8080,"publish":[],"env":{},"env_files":[],"secrets":{},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":10,"nanos":0},"logging":{"driver":"json-file","options":{}}},"check":{"http":{"port":8080,"path":"/up"}}}',1741948321000,NULL,NULL);
INSERT INTO "release" VALUES(3,3,1,3,'{"image":{"id":"sha256:nginx:1","digest":"registry.example/image@sha256:00000000000000000000000000000000000187c45c4cc84f57f58f4b89c2baa3","reference":"nginx:1"},"sha":null,"run":{"command":[],"entrypoint":[],"port":8080,"publish":[],"env":{},"env_files":[],"secrets":{},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":10,"nanos":0},"logging":{"driver":"json-file","options":{}}},"check":{"http":{"port":8080,"path":"/up"}}}',1741948321000,NULL,NULL);
INSERT INTO "release" VALUES(4,1,2,4,'{"image":{"id":"sha256:2222222222222222222222222222222222222222","digest":null,"reference":"longshore/web-production-f1bbcdcb:candidate-4"},"sha":"2222222222222222222222222222222222222222","run":{"command":[],"entrypoint":[],"port":8080,"publish":[],"env":{},"env_files":[],"secrets":{},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":10,"nanos":0},"logging":{"driver":"json-file","options":{}}},"check":{"http":{"port":8080,"path":"/up"}}}',1741948322000,5,NULL);
INSERT INTO "release" VALUES(5,1,3,6,'{"image":{"id":"sha256:3333333333333333333333333333333333333333","digest":null,"reference":"longshore/web-production-f1bbcdcb:candidate-6"},"sha":"3333333333333333333333333333333333333333","run":{"command":[],"entrypoint":[],"port":8080,"publish":[],"env":{},"env_files":[],"secrets":{},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":10,"nanos":0},"logging":{"driver":"json-file","options":{}}},"check":{"http":{"port":8080,"path":"/up"}},"processes":{"worker":{"command":["./worker"],"entrypoint":[],"memory":null,"millicpus":null,"stop_grace":{"secs":5,"nanos":0},"check":{"stays_up":{"secs":5,"nanos":0}}}}}',1741948323000,NULL,NULL);
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
    log_removed_at INTEGER, retries INTEGER NOT NULL DEFAULT 0, waits   INTEGER NOT NULL DEFAULT 0,
    UNIQUE (environment, number)
) STRICT;
INSERT INTO "run" VALUES(1,'01959f2d-7d00-7000-8000-000000000001',1,1,6,'start','hand',NULL,NULL,0,1,'succeeded',NULL,NULL,NULL,NULL,NULL,3600000,1500,0,1741948330000,1741948330010,1741948331510,NULL,1,0);
INSERT INTO "run" VALUES(2,'01959f2d-7d00-7000-8000-000000000002',1,2,6,'cron','schedule',NULL,1741948380000,0,1,'failed',3,'{"code":"job_failed","message":"the command ended with status 3","output":[],"next":"Mend it."}',NULL,NULL,NULL,3600000,900,0,1741948380000,1741948380010,1741948381010,NULL,0,0);
CREATE TABLE secret (
    environment INTEGER NOT NULL REFERENCES environment (serial),
    name        TEXT    NOT NULL,
    value       BLOB    NOT NULL,            -- sealed
    principal   INTEGER NOT NULL REFERENCES principal (serial),
    set_at      INTEGER NOT NULL,
    PRIMARY KEY (environment, name)
) STRICT, WITHOUT ROWID;
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
, unrouted INTEGER, run INTEGER REFERENCES run (serial)) STRICT;
INSERT INTO "settlement" VALUES(1,1,1,'retire_image',NULL,'longshore/web-production-f1bbcdcb:candidate-1',1741948321000,1741948321000,NULL,NULL,NULL);
INSERT INTO "settlement" VALUES(2,1,1,'retire_tree',NULL,'01959435-f900-7377-9b97-f4a7c15181af',1741948321000,1741948321000,NULL,NULL,NULL);
INSERT INTO "settlement" VALUES(3,1,4,'retire_container',1,NULL,1741948322000,1741948322000,NULL,5,NULL);
INSERT INTO "settlement" VALUES(4,1,4,'retire_image',NULL,'longshore/web-production-f1bbcdcb:candidate-4',1741948322000,1741948322000,NULL,NULL,NULL);
INSERT INTO "settlement" VALUES(5,1,4,'retire_tree',NULL,'01959435-fce8-78c4-b5f0-f066a9cf36fb',1741948322000,1741948322000,NULL,NULL,NULL);
INSERT INTO "settlement" VALUES(6,1,5,'retire_container',4,NULL,1741948322000,1741948322000,NULL,6,NULL);
INSERT INTO "settlement" VALUES(7,1,6,'retire_container',5,NULL,1741948323000,NULL,NULL,8,NULL);
INSERT INTO "settlement" VALUES(8,1,6,'retire_image',NULL,'longshore/web-production-f1bbcdcb:candidate-6',1741948323000,NULL,NULL,NULL,NULL);
INSERT INTO "settlement" VALUES(9,1,6,'retire_tree',NULL,'01959436-00d0-71a2-9cd6-ed909a23afd9',1741948323000,NULL,NULL,NULL,NULL);
CREATE TABLE shelf (
    name        TEXT    PRIMARY KEY
) STRICT, WITHOUT ROWID;
INSERT INTO "shelf" VALUES('');
INSERT INTO "shelf" VALUES('');
CREATE TABLE "status_event" (
    serial      INTEGER PRIMARY KEY AUTOINCREMENT,
    deployment  INTEGER REFERENCES deployment (serial),
    operation   INTEGER REFERENCES operation (serial),
    run         INTEGER REFERENCES run (serial),
    phase       TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    CHECK ((deployment IS NOT NULL) + (operation IS NOT NULL) + (run IS NOT NULL) = 1)
) STRICT;
INSERT INTO "status_event" VALUES(1,1,NULL,NULL,'queued',1741948320000);
INSERT INTO "status_event" VALUES(2,1,NULL,NULL,'checkout',1741948320000);
INSERT INTO "status_event" VALUES(3,1,NULL,NULL,'build',1741948320000);
INSERT INTO "status_event" VALUES(4,1,NULL,NULL,'rollout',1741948321000);
INSERT INTO "status_event" VALUES(5,1,NULL,NULL,'committed',1741948321000);
INSERT INTO "status_event" VALUES(6,1,NULL,NULL,'succeeded',1741948321000);
INSERT INTO "status_event" VALUES(7,2,NULL,NULL,'queued',1741948321000);
INSERT INTO "status_event" VALUES(8,2,NULL,NULL,'rollout',1741948321000);
INSERT INTO "status_event" VALUES(9,2,NULL,NULL,'committed',1741948321000);
INSERT INTO "status_event" VALUES(10,2,NULL,NULL,'succeeded',1741948321000);
INSERT INTO "status_event" VALUES(11,3,NULL,NULL,'queued',1741948321000);
INSERT INTO "status_event" VALUES(12,3,NULL,NULL,'rollout',1741948321000);
INSERT INTO "status_event" VALUES(13,3,NULL,NULL,'committed',1741948321000);
INSERT INTO "status_event" VALUES(14,3,NULL,NULL,'succeeded',1741948321000);
INSERT INTO "status_event" VALUES(15,4,NULL,NULL,'queued',1741948321000);
INSERT INTO "status_event" VALUES(16,4,NULL,NULL,'checkout',1741948321000);
INSERT INTO "status_event" VALUES(17,4,NULL,NULL,'build',1741948321000);
INSERT INTO "status_event" VALUES(18,4,NULL,NULL,'rollout',1741948322000);
INSERT INTO "status_event" VALUES(19,4,NULL,NULL,'committed',1741948322000);
INSERT INTO "status_event" VALUES(20,4,NULL,NULL,'succeeded',1741948322000);
INSERT INTO "status_event" VALUES(21,5,NULL,NULL,'queued',1741948322000);
INSERT INTO "status_event" VALUES(22,5,NULL,NULL,'rollout',1741948322000);
INSERT INTO "status_event" VALUES(23,5,NULL,NULL,'committed',1741948322000);
INSERT INTO "status_event" VALUES(24,5,NULL,NULL,'succeeded',1741948322000);
INSERT INTO "status_event" VALUES(25,NULL,6,NULL,'queued',1741948322000);
INSERT INTO "status_event" VALUES(26,NULL,6,NULL,'running',1741948322000);
INSERT INTO "status_event" VALUES(27,NULL,6,NULL,'done',1741948322000);
INSERT INTO "status_event" VALUES(28,6,NULL,NULL,'queued',1741948322000);
INSERT INTO "status_event" VALUES(29,6,NULL,NULL,'checkout',1741948322000);
INSERT INTO "status_event" VALUES(30,6,NULL,NULL,'build',1741948322000);
INSERT INTO "status_event" VALUES(31,6,NULL,NULL,'rollout',1741948323000);
INSERT INTO "status_event" VALUES(32,6,NULL,NULL,'committed',1741948323000);
INSERT INTO "status_event" VALUES(33,6,NULL,NULL,'succeeded',1741948323000);
INSERT INTO "status_event" VALUES(34,7,NULL,NULL,'recorded_running',1741948331000);
INSERT INTO "status_event" VALUES(35,7,NULL,NULL,'recorded_failed',1741948331500);
INSERT INTO "status_event" VALUES(36,7,NULL,NULL,'recorded_success',1741948332000);
INSERT INTO "status_event" VALUES(37,8,NULL,NULL,'recorded_running',1741948332000);
INSERT INTO "status_event" VALUES(38,9,NULL,NULL,'recorded_created',1741948333000);
INSERT INTO "status_event" VALUES(39,9,NULL,NULL,'recorded_canceled',1741948333500);
INSERT INTO "status_event" VALUES(40,NULL,NULL,1,'succeeded',1741948331510);
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
INSERT INTO "step" VALUES(1,'build',3600000,0,0,1741948320000,1741948321000);
INSERT INTO "step" VALUES(1,'checkout',600000,0,0,1741948320000,1741948320000);
INSERT INTO "step" VALUES(1,'rollout',600000,0,0,1741948321000,1741948321000);
INSERT INTO "step" VALUES(2,'rollout',600000,0,0,1741948321000,1741948321000);
INSERT INTO "step" VALUES(3,'rollout',600000,0,0,1741948321000,1741948321000);
INSERT INTO "step" VALUES(4,'build',3600000,0,0,1741948321000,1741948322000);
INSERT INTO "step" VALUES(4,'checkout',600000,0,0,1741948321000,1741948321000);
INSERT INTO "step" VALUES(4,'rollout',600000,0,0,1741948322000,1741948322000);
INSERT INTO "step" VALUES(5,'rollout',600000,0,0,1741948322000,1741948322000);
INSERT INTO "step" VALUES(6,'build',3600000,0,0,1741948322000,1741948323000);
INSERT INTO "step" VALUES(6,'checkout',600000,0,0,1741948322000,1741948322000);
INSERT INTO "step" VALUES(6,'rollout',600000,0,0,1741948323000,1741948323000);
CREATE TABLE stray (
    name        TEXT    PRIMARY KEY,
    address     TEXT,
    seen_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE tally (
    block       INTEGER NOT NULL,            -- serial / 16384
    environment INTEGER NOT NULL REFERENCES environment (serial),
    phase       TEXT    NOT NULL,
    deployments INTEGER NOT NULL,
    PRIMARY KEY (block, environment, phase)
) STRICT, WITHOUT ROWID;
INSERT INTO "tally" VALUES(0,1,'build',0);
INSERT INTO "tally" VALUES(0,1,'checkout',0);
INSERT INTO "tally" VALUES(0,1,'committed',0);
INSERT INTO "tally" VALUES(0,1,'queued',0);
INSERT INTO "tally" VALUES(0,1,'recorded_failed',0);
INSERT INTO "tally" VALUES(0,1,'recorded_running',0);
INSERT INTO "tally" VALUES(0,1,'recorded_success',1);
INSERT INTO "tally" VALUES(0,1,'rollout',0);
INSERT INTO "tally" VALUES(0,1,'succeeded',4);
INSERT INTO "tally" VALUES(0,2,'committed',0);
INSERT INTO "tally" VALUES(0,2,'queued',0);
INSERT INTO "tally" VALUES(0,2,'rollout',0);
INSERT INTO "tally" VALUES(0,2,'succeeded',1);
INSERT INTO "tally" VALUES(0,3,'committed',0);
INSERT INTO "tally" VALUES(0,3,'queued',0);
INSERT INTO "tally" VALUES(0,3,'rollout',0);
INSERT INTO "tally" VALUES(0,3,'succeeded',1);
INSERT INTO "tally" VALUES(0,4,'recorded_canceled',1);
INSERT INTO "tally" VALUES(0,4,'recorded_created',0);
INSERT INTO "tally" VALUES(0,4,'recorded_running',1);
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
INSERT INTO "tally_ref" VALUES('',0,1,'recorded_success',1,1741948332000,1741948332000);
INSERT INTO "tally_ref" VALUES('',0,1,'succeeded',4,1741948321000,1741948323000);
INSERT INTO "tally_ref" VALUES('',0,2,'succeeded',1,1741948321000,1741948321000);
INSERT INTO "tally_ref" VALUES('',0,3,'succeeded',1,1741948321000,1741948321000);
INSERT INTO "tally_ref" VALUES('',0,4,'recorded_canceled',1,1741948333500,1741948333500);
INSERT INTO "tally_ref" VALUES('',0,4,'recorded_running',1,1741948332000,1741948332000);
CREATE TABLE tally_updated (
    period      INTEGER NOT NULL,            -- updated_at / 2^28, about three days
    block       INTEGER NOT NULL,            -- serial / 16384
    environment INTEGER NOT NULL REFERENCES environment (serial),
    phase       TEXT    NOT NULL,
    deployments INTEGER NOT NULL,
    PRIMARY KEY (period, block, environment, phase)
) STRICT, WITHOUT ROWID;
INSERT INTO "tally_updated" VALUES(6489,0,1,'recorded_success',1);
INSERT INTO "tally_updated" VALUES(6489,0,1,'succeeded',4);
INSERT INTO "tally_updated" VALUES(6489,0,2,'succeeded',1);
INSERT INTO "tally_updated" VALUES(6489,0,3,'succeeded',1);
INSERT INTO "tally_updated" VALUES(6489,0,4,'recorded_canceled',1);
INSERT INTO "tally_updated" VALUES(6489,0,4,'recorded_running',1);
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
CREATE TABLE total (
    environment INTEGER NOT NULL REFERENCES environment (serial),
    phase       TEXT    NOT NULL,
    deployments INTEGER NOT NULL,
    PRIMARY KEY (environment, phase)
) STRICT, WITHOUT ROWID;
INSERT INTO "total" VALUES(1,'build',0);
INSERT INTO "total" VALUES(1,'checkout',0);
INSERT INTO "total" VALUES(1,'committed',0);
INSERT INTO "total" VALUES(1,'queued',0);
INSERT INTO "total" VALUES(1,'recorded_failed',0);
INSERT INTO "total" VALUES(1,'recorded_running',0);
INSERT INTO "total" VALUES(1,'recorded_success',1);
INSERT INTO "total" VALUES(1,'rollout',0);
INSERT INTO "total" VALUES(1,'succeeded',4);
INSERT INTO "total" VALUES(2,'committed',0);
INSERT INTO "total" VALUES(2,'queued',0);
INSERT INTO "total" VALUES(2,'rollout',0);
INSERT INTO "total" VALUES(2,'succeeded',1);
INSERT INTO "total" VALUES(3,'committed',0);
INSERT INTO "total" VALUES(3,'queued',0);
INSERT INTO "total" VALUES(3,'rollout',0);
INSERT INTO "total" VALUES(3,'succeeded',1);
INSERT INTO "total" VALUES(4,'recorded_canceled',1);
INSERT INTO "total" VALUES(4,'recorded_created',0);
INSERT INTO "total" VALUES(4,'recorded_running',1);
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
CREATE INDEX app_name ON app (name);
CREATE UNIQUE INDEX environment_name ON environment (app, name) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX principal_local ON principal (name) WHERE kind = 'local';
CREATE INDEX deployment_by_app ON deployment (app, serial) WHERE hidden_at IS NULL;
CREATE INDEX deployment_by_app_phase ON deployment (app, phase, serial) WHERE hidden_at IS NULL;
CREATE INDEX deployment_by_environment ON deployment (environment, serial) WHERE hidden_at IS NULL;
CREATE INDEX deployment_by_phase ON deployment (phase, serial) WHERE hidden_at IS NULL;
CREATE INDEX operation_unfinished ON operation (environment, serial) WHERE done_at IS NULL;
CREATE INDEX container_present ON container (environment) WHERE removed_at IS NULL;
CREATE INDEX container_by_deployment ON container (deployment);
CREATE INDEX settlement_pending ON settlement (environment, serial) WHERE settled_at IS NULL;
CREATE INDEX settlement_refused ON settlement (deployment) WHERE kind = 'restore' AND refused IS NOT NULL;
CREATE INDEX settlement_image ON settlement (object) WHERE kind = 'retire_image';
CREATE INDEX deployment_visible ON deployment (serial) WHERE hidden_at IS NULL;
CREATE INDEX environment_by_app ON environment (app, name);
CREATE INDEX environment_by_name ON environment (name);
CREATE INDEX container_live ON container (environment) WHERE role = 'live';
CREATE INDEX container_displaced ON container (displaced_by) WHERE displaced_by IS NOT NULL;
CREATE INDEX release_kept ON release (environment, number) WHERE collected_at IS NULL;
CREATE INDEX deployment_hidden ON deployment (environment) WHERE hidden_at IS NOT NULL;
CREATE INDEX operation_changes ON operation (environment, serial) WHERE deployment IS NULL;
CREATE INDEX deployment_by_environment_phase ON deployment (environment, phase, serial, updated_at) WHERE hidden_at IS NULL;
CREATE INDEX deployment_by_environment_updated ON deployment (environment, updated_at, serial, phase) WHERE hidden_at IS NULL;
CREATE INDEX deployment_by_environment_ref ON deployment (environment, ref, serial, phase, updated_at) WHERE hidden_at IS NULL;
CREATE INDEX deployment_by_sha ON deployment (project, sha, serial) WHERE hidden_at IS NULL AND sha IS NOT NULL;
CREATE INDEX deployment_by_project_ref ON deployment (project, ref, serial, tag) WHERE hidden_at IS NULL;
CREATE INDEX deployment_written ON deployment (project, written, serial) WHERE hidden_at IS NULL AND written IS NOT NULL;
CREATE INDEX deployment_task ON deployment (project, task, serial) WHERE hidden_at IS NULL AND task IS NOT NULL;
CREATE INDEX deployment_shown ON deployment (project, shown_environment COLLATE NOCASE, serial)
    WHERE hidden_at IS NULL AND shown_environment IS NOT NULL;
CREATE INDEX deployment_active ON deployment (project, serial)
    WHERE hidden_at IS NULL AND status = 'success' AND transient = 0 AND production = 0;
CREATE INDEX deployment_status_of ON deployment_status (deployment, serial);
CREATE INDEX commit_status_of ON commit_status (project, sha, serial);
CREATE INDEX commit_status_by_label ON commit_status (project, sha, label, serial);
CREATE INDEX environment_preview ON environment (app) WHERE preview AND removed_at IS NULL;
CREATE UNIQUE INDEX principal_schedule ON principal (kind) WHERE kind = 'schedule';
CREATE INDEX environment_network ON environment (serial) WHERE runs AND removed_at IS NOT NULL AND subnet <> uuid;
CREATE INDEX settlement_unrouted ON settlement (environment, unrouted) WHERE unrouted IS NOT NULL;
CREATE INDEX settlement_stuck ON settlement (environment) WHERE refused IS NOT NULL;
CREATE INDEX one_off_by_deployment ON one_off (deployment, container);
CREATE INDEX run_unfinished ON run (environment, serial) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX run_due ON run (environment, due_at) WHERE due_at IS NOT NULL AND due_by_wrong_clock = 0;
CREATE INDEX run_of_deployment ON run (deployment, serial) WHERE cause = 'deployment';
CREATE INDEX run_of_change ON run (operation) WHERE operation IS NOT NULL;
CREATE INDEX one_off_by_run ON one_off (run, container) WHERE run IS NOT NULL;
CREATE INDEX status_event_by_deployment ON status_event (deployment, serial);
CREATE INDEX idempotency_age ON idempotency (created_at);
CREATE INDEX settlement_of_run ON settlement (run) WHERE run IS NOT NULL;
CREATE INDEX settlement_of_run_pending ON settlement (run, serial) WHERE run IS NOT NULL AND settled_at IS NULL;
CREATE INDEX run_replaced ON run (replaced_by) WHERE replaced_by IS NOT NULL;
CREATE INDEX idempotency_of_run ON idempotency (run) WHERE run IS NOT NULL;
CREATE INDEX status_event_by_run ON status_event (run) WHERE run IS NOT NULL;
CREATE INDEX environment_scheduled ON environment (serial) WHERE schedule IS NOT NULL AND removed_at IS NULL;
CREATE INDEX status_event_by_operation ON status_event (operation) WHERE operation IS NOT NULL;
CREATE UNIQUE INDEX connection_of ON connection (consumer, provider, alias) WHERE removed_at IS NULL;
CREATE INDEX connection_to ON connection (provider) WHERE removed_at IS NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('settlement',9);
INSERT INTO "sqlite_sequence" VALUES('project',5);
INSERT INTO "sqlite_sequence" VALUES('app',5);
INSERT INTO "sqlite_sequence" VALUES('environment',4);
INSERT INTO "sqlite_sequence" VALUES('principal',2);
INSERT INTO "sqlite_sequence" VALUES('deployment',9);
INSERT INTO "sqlite_sequence" VALUES('operation',7);
INSERT INTO "sqlite_sequence" VALUES('container',7);
INSERT INTO "sqlite_sequence" VALUES('release',5);
INSERT INTO "sqlite_sequence" VALUES('deployment_status',9);
INSERT INTO "sqlite_sequence" VALUES('commit_status',1);
INSERT INTO "sqlite_sequence" VALUES('status_event',40);
INSERT INTO "sqlite_sequence" VALUES('run',2);
INSERT INTO "sqlite_sequence" VALUES('connection',1);
PRAGMA foreign_keys = ON;
