-- What a caller says of a request waits here until it is known whose that is.
CREATE TABLE annotation_claim (
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

CREATE INDEX annotation_claim_by_request ON annotation_claim (request_id);
