-- Histograms and counters that are told to Prometheus, by series and bucket; with the newest kept
-- trace of each bucket, to look at. They add up from here on.
CREATE TABLE counter_state (
  tally TEXT NOT NULL,
  labels TEXT NOT NULL,
  bucket INTEGER NOT NULL,
  n INTEGER NOT NULL,
  total INTEGER NOT NULL,
  trace_id TEXT,
  value INTEGER,
  ts_us INTEGER,
  PRIMARY KEY (tally, labels, bucket)
) STRICT, WITHOUT ROWID;
