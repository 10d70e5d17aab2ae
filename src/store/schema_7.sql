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
