-- Deployment hooks: secret addresses whose calls deploy.

CREATE TABLE hook (
    environment INTEGER PRIMARY KEY REFERENCES environment (serial),
    principal   INTEGER NOT NULL UNIQUE REFERENCES principal (serial),  -- who its calls are
    digest      BLOB    NOT NULL,            -- of the secret
    secret      BLOB    NOT NULL,            -- sealed
    set_by      INTEGER NOT NULL REFERENCES principal (serial),
    set_at      INTEGER NOT NULL
) STRICT;

-- When something was last changed about an environment by itself.
CREATE INDEX operation_changes ON operation (environment, serial) WHERE deployment IS NULL;
