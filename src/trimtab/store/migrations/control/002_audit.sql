-- Who read what not everybody may: append-only.
CREATE TABLE reading (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  ts_us INTEGER NOT NULL,
  author TEXT NOT NULL,
  source TEXT NOT NULL,
  what TEXT NOT NULL,
  tenant_id TEXT NOT NULL,
  request_id TEXT NOT NULL
) STRICT;

CREATE TRIGGER reading_is_final BEFORE UPDATE ON reading
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

CREATE TRIGGER reading_stays BEFORE DELETE ON reading
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
