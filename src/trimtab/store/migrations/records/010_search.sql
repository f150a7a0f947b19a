-- Requests whose content was not yet made findable.
CREATE TABLE search_due (
  request_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

INSERT INTO search_due
SELECT request_id FROM request WHERE input_ref IS NOT NULL OR output_ref IS NOT NULL;

-- Filters that people gave a name. An empty owner is everybody.
CREATE TABLE saved_filter (
  owner TEXT NOT NULL,
  name TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (owner, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX request_by_arm ON request (experiment, arm, ts_us, request_id)
WHERE experiment IS NOT NULL;
