-- What arrived about a request after it ended. Never changed: a later one corrects it.
CREATE TABLE annotation (
  annotation_id TEXT PRIMARY KEY,
  request_id TEXT NOT NULL,
  tenant_id TEXT NOT NULL,
  ts_us INTEGER NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  score REAL,
  label TEXT,
  text_ref BLOB,
  source TEXT NOT NULL,
  author TEXT,
  version TEXT,
  probability REAL
) STRICT, WITHOUT ROWID;

CREATE INDEX annotation_by_request ON annotation (request_id, ts_us);
CREATE INDEX annotation_by_time ON annotation (ts_us);

CREATE TRIGGER annotation_is_final BEFORE UPDATE ON annotation
BEGIN SELECT RAISE(ABORT, 'annotations are insert-only'); END;
