-- A newborn's birth-certificate number leads to the same child after it got an identity number (contracts 3.5):
-- remembered for ever from the table that gives both, and found again by the identity number.

CREATE TABLE birth_number (
    birth_no  TEXT PRIMARY KEY,         -- a letter and nine digits
    id_no     TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX birth_number_id_no ON birth_number (id_no);
