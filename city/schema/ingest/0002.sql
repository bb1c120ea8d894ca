-- Which keys were tried on what cannot be opened, so that a frame may try a few and later frames the rest (contracts 5.4).

ALTER TABLE dek ADD COLUMN number INTEGER NOT NULL DEFAULT 0;  -- 1, 2, ... of those with one id, as they came

UPDATE dek SET number = (
    SELECT count(*) FROM dek d
    WHERE d.node = dek.node AND d.key_id = dek.key_id AND (d.recipient, d.wrapped) <= (dek.recipient, dek.wrapped)
);

CREATE UNIQUE INDEX dek_number ON dek (node, key_id, number);

CREATE TABLE unopened (            -- a row for each record whose state is unreadable
    node    INTEGER NOT NULL REFERENCES node (id),
    key_id  BLOB NOT NULL,
    tried   INTEGER NOT NULL,      -- the keys up to that number do not open it
    id      BLOB NOT NULL,
    PRIMARY KEY (node, key_id, tried, id)
) WITHOUT ROWID;

INSERT INTO unopened (node, key_id, tried, id)
    SELECT r.node, r.key_id, coalesce((SELECT max(number) FROM dek d WHERE d.node = r.node AND d.key_id = r.key_id), 0), r.id
    FROM record r WHERE r.state = 'unreadable';

DROP INDEX record_unreadable;

CREATE TABLE retry (               -- ids under which a key may not have been tried on every record yet
    node    INTEGER NOT NULL REFERENCES node (id),
    key_id  BLOB NOT NULL,
    PRIMARY KEY (node, key_id)
) WITHOUT ROWID;
