-- Alerts of one host, and what is still to be told of them. The keeper writes; people silence.
CREATE TABLE alert (
  id TEXT PRIMARY KEY,
  rule TEXT NOT NULL,
  finding TEXT NOT NULL,
  opened_us INTEGER NOT NULL,
  seen_us INTEGER NOT NULL,
  resolved_us INTEGER,
  told_us INTEGER,
  notices INTEGER NOT NULL,
  silence TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX alert_by_time ON alert (opened_us, id);
CREATE INDEX alert_by_rule ON alert (rule, opened_us, id);
CREATE INDEX alert_open ON alert (opened_us, id) WHERE resolved_us IS NULL;

-- A row goes when it was told.
CREATE TABLE notice (
  alert_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  route TEXT NOT NULL,
  kind TEXT NOT NULL,
  due_us INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  error TEXT NOT NULL,
  PRIMARY KEY (alert_id, n, route)
) STRICT, WITHOUT ROWID;
