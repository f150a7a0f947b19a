-- What became of the last thing a route was told of an alert: a notice goes when that is known.
CREATE TABLE outcome (
  alert_id TEXT NOT NULL,
  route TEXT NOT NULL,
  kind TEXT NOT NULL,
  at_us INTEGER NOT NULL,
  error TEXT NOT NULL,
  PRIMARY KEY (alert_id, route)
) STRICT, WITHOUT ROWID;
