-- Histograms and counters that are told to Prometheus, by series and bucket; with the newest kept
-- trace of each bucket, to look at. They add up from here on.
CREATE TABLE counter_state (
  tally TEXT COLLATE "C" NOT NULL,
  labels TEXT COLLATE "C" NOT NULL,
  bucket BIGINT NOT NULL,
  n BIGINT NOT NULL,
  total BIGINT NOT NULL,
  trace_id TEXT COLLATE "C",
  value BIGINT,
  ts_us BIGINT,
  PRIMARY KEY (tally, labels, bucket)
);
