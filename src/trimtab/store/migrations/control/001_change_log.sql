-- The change log: append-only, gapless, hash-chained. Who may log in, who runs what.
CREATE TABLE change (
  seq INTEGER PRIMARY KEY,
  change_id TEXT NOT NULL UNIQUE,
  ts_us INTEGER NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  before BLOB,
  after BLOB,
  author TEXT NOT NULL,
  source TEXT NOT NULL,
  reason TEXT NOT NULL,
  prev_hash TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;

CREATE INDEX change_by_pointer ON change (kind, name, seq);

CREATE TRIGGER change_is_next BEFORE INSERT ON change
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM change)
BEGIN SELECT RAISE(ABORT, 'the change log has no gaps'); END;

CREATE TRIGGER change_is_final BEFORE UPDATE ON change
BEGIN SELECT RAISE(ABORT, 'the change log is append-only'); END;

CREATE TRIGGER change_stays BEFORE DELETE ON change
BEGIN SELECT RAISE(ABORT, 'the change log is append-only'); END;

CREATE TABLE acknowledgement (
  worker_id TEXT PRIMARY KEY,
  config_seq INTEGER NOT NULL,
  ts_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
  name TEXT PRIMARY KEY,
  role TEXT NOT NULL,
  password TEXT NOT NULL
) STRICT, WITHOUT ROWID;
