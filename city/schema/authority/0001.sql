-- What the authority has said and given out. Apart from the ingest store: losing one never touches the other.

CREATE TABLE issuer (
    number       INTEGER PRIMARY KEY,   -- keys/issuer-NUMBER.key
    key          TEXT NOT NULL UNIQUE,  -- 66 hex characters
    org          TEXT NOT NULL,
    regions      TEXT NOT NULL,         -- JSON list of division-code prefixes
    kinds        TEXT NOT NULL,         -- JSON list of static, holder
    not_before   INTEGER NOT NULL,
    not_after    INTEGER NOT NULL,
    status_list  TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('active', 'retired', 'withdrawn'))
);

CREATE TABLE card (
    status_list  TEXT NOT NULL,
    place        INTEGER NOT NULL,      -- index in the status list
    ref          BLOB NOT NULL UNIQUE,  -- 8 bytes
    issuer       INTEGER NOT NULL REFERENCES issuer (number),
    kind         TEXT NOT NULL CHECK (kind IN ('static', 'holder')),
    issued_day   INTEGER NOT NULL,
    expiry_day   INTEGER NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('valid', 'revoked', 'suspended')),
    id_no        TEXT,
    bytes        BLOB NOT NULL,         -- the signed card
    holder_key   BLOB,                  -- private key that stands for the holder's phone
    PRIMARY KEY (status_list, place)
) WITHOUT ROWID;

CREATE INDEX card_id_no ON card (id_no) WHERE id_no IS NOT NULL;

CREATE TABLE opaque (                   -- national codes that are no longer good; an index names nobody
    place  TEXT PRIMARY KEY,            -- 48 or 64 upper-case hex characters
    state  TEXT NOT NULL CHECK (state IN ('revoked', 'suspended'))
) WITHOUT ROWID;

CREATE TABLE published (                -- what was said last, so that a version changes only with its content
    name     TEXT PRIMARY KEY,          -- a role, roster/NODE, list/ID or hashed/ID
    version  INTEGER NOT NULL,
    sm3      BLOB,
    key      BLOB
) WITHOUT ROWID;

CREATE TABLE person (                   -- who stands in a node's roster, a row for each person
    node   TEXT NOT NULL,
    line   INTEGER NOT NULL,
    plain  TEXT NOT NULL,               -- JSON
    PRIMARY KEY (node, line)
) WITHOUT ROWID;
