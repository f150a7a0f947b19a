-- Requests whose content was not yet made findable.
CREATE TABLE search_due (
  request_id TEXT COLLATE "C" PRIMARY KEY
);

INSERT INTO search_due
SELECT request_id FROM request WHERE input_ref IS NOT NULL OR output_ref IS NOT NULL;

-- The words of what was asked and, behind them, answered. By day, as content is.
CREATE TABLE search (
  request_id TEXT COLLATE "C" PRIMARY KEY,
  day DATE NOT NULL,
  tenant_id TEXT COLLATE "C" NOT NULL,
  words TSVECTOR NOT NULL
);

CREATE INDEX search_by_words ON search USING gin (words);
CREATE INDEX search_by_day ON search (day, tenant_id);

-- Filters that people gave a name. An empty owner is everybody.
CREATE TABLE saved_filter (
  owner TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (owner, name)
);

-- Callers choose these ids: a hash has room for the longest.
CREATE INDEX request_by_conversation ON request USING hash (conversation_id);
CREATE INDEX request_by_arm ON request (experiment, arm, ts_us, request_id)
WHERE experiment IS NOT NULL;
