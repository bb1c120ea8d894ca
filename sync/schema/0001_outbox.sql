-- One file, one connection, one writer thread. n counts records for ever and is never reused; seq is n seen through `run`.

-- Records and their notes, neighbours on purpose: one commit writes one leaf page.
-- Measured: 3.5 KB of WAL for a record and its note; 5.6 KB with a table for each, 10 KB with notes ordered by their key.
CREATE TABLE entry (
  k      INTEGER PRIMARY KEY,  -- 16 n for record n, 16 n + 1..15 for its notes
  name   BLOB    NOT NULL,     -- record: message id; note: its key
  ref    INTEGER NOT NULL,     -- record: wrapped_key.n; note: Unix ms after which it may go
  digest BLOB,                 -- record: SM3(body); note: NULL
  body   BLOB    NOT NULL
) STRICT;

-- Sealing keys wrapped for the city.
CREATE TABLE wrapped_key (
  n         INTEGER PRIMARY KEY,
  key_id    BLOB NOT NULL,
  recipient BLOB NOT NULL,
  wrapped   BLOB NOT NULL
) STRICT;

-- Where the numbers of the present epoch lie: seq = n - first_n + first_seq; the last run has no count and grows.
CREATE TABLE run (
  first_seq INTEGER PRIMARY KEY,
  first_n   INTEGER NOT NULL,
  count     INTEGER
) STRICT;

-- One row: what is settled, and from where the chain can be computed.
CREATE TABLE mark (
  one           INTEGER PRIMARY KEY CHECK (one = 1),
  store         BLOB    NOT NULL,  -- 16 bytes made with this file
  epoch         INTEGER NOT NULL,
  acked         INTEGER NOT NULL,  -- all of 1..acked is settled
  head          BLOB    NOT NULL,  -- h(acked)
  base          INTEGER NOT NULL,  -- every seq above it is still held
  base_head     BLOB    NOT NULL,  -- h(base)
  inc           INTEGER,           -- the city's inc, NULL until heard
  rejected_seen INTEGER NOT NULL,  -- every rejection up to this seq was heard
  held_n        INTEGER NOT NULL,  -- lowest n not pruned
  noted_n       INTEGER NOT NULL   -- no record below it has a note left
) STRICT;

-- What the city rejected, and what was damaged here and set aside.
CREATE TABLE quarantine (
  epoch INTEGER NOT NULL,
  seq   INTEGER NOT NULL,
  n     INTEGER NOT NULL,
  id    BLOB    NOT NULL,
  code  TEXT    NOT NULL,
  text  TEXT    NOT NULL,
  PRIMARY KEY (epoch, seq)
) STRICT, WITHOUT ROWID;

-- How long records have been settled, to the hour, by the upper end of the time interval: rows carry no time.
CREATE TABLE age (
  at_ms INTEGER PRIMARY KEY,
  n     INTEGER NOT NULL  -- every record below it was settled then
) STRICT;
