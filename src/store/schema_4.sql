-- What the route table is made of, beside what is live: what the configuration said last.

ALTER TABLE environment ADD COLUMN domains TEXT NOT NULL DEFAULT '[]';   -- JSON; kept when the file no longer names it
ALTER TABLE instance ADD COLUMN api_domains TEXT NOT NULL DEFAULT '[]';  -- JSON
ALTER TABLE instance ADD COLUMN api_address TEXT;                        -- where the API listens; NULL: not over TCP

-- A container that requests were sent to is stopped only when a table of this generation holds; NULL: none ever were.
ALTER TABLE settlement ADD COLUMN unrouted INTEGER;
