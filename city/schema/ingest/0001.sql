-- What the city has received. One row a fact; the first bytes of a record or a position are kept for ever (contracts 5.4).

CREATE TABLE identity (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    inc  INTEGER NOT NULL          -- Unix ms at which this store was made or restored; never goes down
);

CREATE TABLE node (
    id           INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    store        BLOB,             -- 16 bytes, made with the node's database file
    boot         BLOB,             -- boot of the last hello that counted
    returns      INTEGER NOT NULL DEFAULT 0,  -- how often a boot was heard again after another
    cloned_at_ms INTEGER,          -- set once two living boxes are proven
    hello_at_ms  INTEGER
);

CREATE TABLE boot (
    node         INTEGER NOT NULL REFERENCES node (id),
    boot         BLOB NOT NULL,
    boottime_ms  INTEGER NOT NULL, -- highest heard
    PRIMARY KEY (node, boot)
) WITHOUT ROWID;

CREATE TABLE dek (
    node       INTEGER NOT NULL REFERENCES node (id),
    key_id     BLOB NOT NULL,
    recipient  BLOB NOT NULL,
    wrapped    BLOB NOT NULL,
    PRIMARY KEY (node, key_id, recipient, wrapped)  -- several wrapped keys may claim one id: all are kept and tried
) WITHOUT ROWID;

CREATE TABLE record (
    node    INTEGER NOT NULL REFERENCES node (id),
    id      BLOB NOT NULL,
    digest  BLOB NOT NULL,         -- SM3(body)
    key_id  BLOB NOT NULL,         -- the key it claims to be sealed under; empty if it has none
    state   TEXT NOT NULL CHECK (state IN ('taken', 'unreadable', 'refused')),
    text    TEXT NOT NULL,         -- why it was not taken, free of personal data
    received_at_ms INTEGER NOT NULL,
    body    BLOB NOT NULL,
    PRIMARY KEY (node, id)
) WITHOUT ROWID;

CREATE INDEX record_unreadable ON record (node, key_id, id) WHERE state = 'unreadable';

CREATE TABLE position (
    node    INTEGER NOT NULL REFERENCES node (id),
    epoch   INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    id      BLOB NOT NULL,
    digest  BLOB NOT NULL,
    PRIMARY KEY (node, epoch, seq)
) WITHOUT ROWID;

CREATE TABLE mark (
    node   INTEGER NOT NULL REFERENCES node (id),
    epoch  INTEGER NOT NULL,
    acked  INTEGER NOT NULL,       -- 1..acked are all here
    head   BLOB NOT NULL,          -- h(acked) over our own rows
    PRIMARY KEY (node, epoch)
) WITHOUT ROWID;

CREATE TABLE claim (               -- heads as the node signed them: what `ehc-city check` holds our rows against
    node   INTEGER NOT NULL REFERENCES node (id),
    epoch  INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    head   BLOB NOT NULL,
    PRIMARY KEY (node, epoch, seq, head)
) WITHOUT ROWID;

CREATE TABLE quarantine (
    node    INTEGER NOT NULL REFERENCES node (id),
    epoch   INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    id      BLOB NOT NULL,
    digest  BLOB NOT NULL,
    why     TEXT NOT NULL CHECK (why IN ('record', 'position')),
    body    BLOB NOT NULL,
    PRIMARY KEY (node, epoch, seq, id, digest)
) WITHOUT ROWID;
