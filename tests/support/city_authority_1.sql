-- The authority's database as the program wrote it when its schema was version 1: one card, one roster.
PRAGMA user_version = 1;
BEGIN TRANSACTION;
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
INSERT INTO "card" VALUES('cards-1',0,X'A193D93AA7BD710C',1,'static',2496,2861,'valid','11010020171225006X',X'113CFB66DF00000000A193D93AA7BD710C09C00B2D000BC2101D83D7A73D5526653775B1D5EF98E45BC03BAC48AE0DDA0291324925C0BE094BD49860241E0765F05E044DEEF6BC52C86A449E47CF676B5BD4A8053C1E',NULL);
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
INSERT INTO "issuer" VALUES(1,'03329006e247357ecb2a50307f02cbac823c8613e73e98d8affa2d7fde2cc0e51f','370800H0001','["3708"]','["static", "holder"]',2153,4343,'cards-1','active');
INSERT INTO "issuer" VALUES(2,'03e3edfb97ee892fc5350c8be0cbde41b91aaf580de058839d708d4baf891e4c27','370800H0001','["3708"]','["static", "holder"]',2153,4343,'cards-2','active');
CREATE TABLE opaque (                   -- national codes that are no longer good; an index names nobody
    place  TEXT PRIMARY KEY,            -- 48 or 64 upper-case hex characters
    state  TEXT NOT NULL CHECK (state IN ('revoked', 'suspended'))
) WITHOUT ROWID;
CREATE TABLE person (                   -- who stands in a node's roster, a row for each person
    node   TEXT NOT NULL,
    line   INTEGER NOT NULL,
    plain  TEXT NOT NULL,               -- JSON
    PRIMARY KEY (node, line)
) WITHOUT ROWID;
INSERT INTO "person" VALUES('370881-0042',1,'{"name": "张小雨", "sex": 2, "birth": "2017-12-25", "id_no": "11010020171225006X", "cards": [], "indices": [], "birth_no": null, "state": "active", "tags": ["chronic"], "doses": [["0201", 1, "2018-01-25"], ["0201", 2, "2018-02-25"]]}');
INSERT INTO "person" VALUES('370881-0042',2,'{"name": "李娜", "sex": 2, "birth": "1990-02-03", "id_no": null, "cards": [], "indices": ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"], "birth_no": null, "state": "active", "tags": [], "doses": []}');
INSERT INTO "person" VALUES('370881-0042',3,'{"name": "赵强", "sex": 1, "birth": "1970-01-01", "id_no": null, "cards": [], "indices": ["BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"], "birth_no": null, "state": "lost", "tags": [], "doses": []}');
INSERT INTO "person" VALUES('370881-0042',4,'{"name": "王小宝", "sex": 1, "birth": "2026-10-01", "id_no": null, "cards": [], "indices": [], "birth_no": "M370012345", "state": "active", "tags": ["child"], "doses": [["0201", 1, "2026-10-01"]]}');
CREATE TABLE published (                -- what was said last, so that a version changes only with its content
    name     TEXT PRIMARY KEY,          -- a role, roster/NODE, list/ID or hashed/ID
    version  INTEGER NOT NULL,
    sm3      BLOB,
    key      BLOB
) WITHOUT ROWID;
INSERT INTO "published" VALUES('hashed/national',1,X'1AB21D8355CFA17F8E61194831E81A8F22BEC8C728FEFB747ED035EB5082AA2B',X'C7442849456613D160816A17ED18D860');
INSERT INTO "published" VALUES('issuers',2,NULL,NULL);
INSERT INTO "published" VALUES('list/cards-1',2,X'11EE690CE0A4F0A94BBB3F075794EB88A90FFE10CA245A7171DB10E7240F2E5F',NULL);
INSERT INTO "published" VALUES('list/cards-2',1,X'89A7A3384D0A7675DA29274CBC37F09A1B8C0263A902DBB9FDAF6866F6367CA0',NULL);
INSERT INTO "published" VALUES('roster/370881-0042',2,NULL,NULL);
INSERT INTO "published" VALUES('status',2,NULL,NULL);
CREATE INDEX card_id_no ON card (id_no) WHERE id_no IS NOT NULL;
COMMIT;
