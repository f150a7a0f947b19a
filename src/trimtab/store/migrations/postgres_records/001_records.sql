-- Records, their parts, the ledger, what adds up, and content: what every host served.
--
-- Tables have the columns of SQLite's, in the same order. Text is ordered by its bytes, as there;
-- NUL, which no text may hold here, is written as \x01\x01, and \x01 as \x01\x02.
CREATE TABLE request (
  request_id TEXT COLLATE "C" NOT NULL,
  schema_version BIGINT NOT NULL,
  ts_us BIGINT NOT NULL,
  end_us BIGINT NOT NULL,
  trace_id TEXT COLLATE "C" NOT NULL,
  span_id TEXT COLLATE "C" NOT NULL,
  parent_span_id TEXT COLLATE "C",
  tracestate TEXT COLLATE "C",
  env TEXT COLLATE "C" NOT NULL,
  worker_id TEXT COLLATE "C" NOT NULL,
  config_seq BIGINT NOT NULL,
  origin TEXT COLLATE "C" NOT NULL,
  origin_request_id TEXT COLLATE "C",
  idempotency_key_hash TEXT COLLATE "C",
  client_retry BIGINT,
  tenant_id TEXT COLLATE "C" NOT NULL,
  tier TEXT COLLATE "C" NOT NULL,
  key_id TEXT COLLATE "C" NOT NULL,
  feature TEXT COLLATE "C" NOT NULL,
  conversation_id TEXT COLLATE "C",
  tags TEXT COLLATE "C",
  user_hash TEXT COLLATE "C",
  operation TEXT COLLATE "C" NOT NULL,
  wire TEXT COLLATE "C" NOT NULL,
  stream BOOLEAN NOT NULL,
  model_requested TEXT COLLATE "C" NOT NULL,
  model_kind TEXT COLLATE "C" NOT NULL,
  target TEXT COLLATE "C" NOT NULL,
  provider TEXT COLLATE "C" NOT NULL,
  model_response TEXT COLLATE "C",
  response_id TEXT COLLATE "C",
  finish_reasons TEXT COLLATE "C" NOT NULL,
  refusal BOOLEAN,
  params TEXT COLLATE "C" NOT NULL,
  tools_ref BYTEA,
  tool_call_count BIGINT NOT NULL,
  prompt_name TEXT COLLATE "C",
  prompt_version TEXT COLLATE "C",
  prompt_label TEXT COLLATE "C",
  prompt_hash TEXT COLLATE "C",
  prompt_vars_ref BYTEA,
  experiment TEXT COLLATE "C",
  arm TEXT COLLATE "C",
  assign_reason TEXT COLLATE "C",
  retrieval_source TEXT COLLATE "C" NOT NULL,
  index_name TEXT COLLATE "C",
  index_build_date TEXT COLLATE "C",
  embedding_model TEXT COLLATE "C",
  query_embedding_ref BYTEA,
  input_tokens BIGINT,
  cached_tokens BIGINT,
  cache_write_tokens BIGINT,
  output_tokens BIGINT,
  reasoning_tokens BIGINT,
  audio_input_tokens BIGINT,
  audio_output_tokens BIGINT,
  image_tokens BIGINT,
  usage_source TEXT COLLATE "C" NOT NULL,
  cost_nano BIGINT,
  cost_input_nano BIGINT,
  cost_cached_nano BIGINT,
  cost_cache_write_nano BIGINT,
  cost_output_nano BIGINT,
  cost_other_nano BIGINT,
  price_version TEXT COLLATE "C",
  hold_nano BIGINT,
  budget_left_nano BIGINT,
  funded_model TEXT COLLATE "C",
  latency_us BIGINT NOT NULL,
  ttft_us BIGINT,
  guard_us BIGINT NOT NULL,
  provider_us BIGINT NOT NULL,
  overhead_us BIGINT NOT NULL,
  retrieval_us BIGINT,
  guardrail_decision TEXT COLLATE "C" NOT NULL,
  guard_failed BOOLEAN NOT NULL,
  policy_version TEXT COLLATE "C",
  canary_id TEXT COLLATE "C",
  judge_score DOUBLE PRECISION,
  status TEXT COLLATE "C" NOT NULL,
  error_code TEXT COLLATE "C",
  http_status BIGINT NOT NULL,
  attempt_count BIGINT NOT NULL,
  fallback_used BOOLEAN NOT NULL,
  cache_hit BOOLEAN,
  sampling_rule TEXT COLLATE "C" NOT NULL,
  adjusted_count DOUBLE PRECISION NOT NULL,
  trace_kept BOOLEAN NOT NULL,
  input_ref BYTEA,
  output_ref BYTEA,
  received_ref BYTEA,
  content_state TEXT COLLATE "C" NOT NULL,
  content_bytes BIGINT NOT NULL,
  replay TEXT COLLATE "C" NOT NULL,
  replay_gaps TEXT COLLATE "C" NOT NULL,
  extra TEXT COLLATE "C" NOT NULL
);

CREATE UNIQUE INDEX request_by_id ON request (request_id);
CREATE INDEX request_by_time ON request (ts_us, request_id);
CREATE INDEX request_by_tenant ON request (tenant_id, ts_us, request_id);
CREATE INDEX request_by_trace ON request (trace_id);
CREATE INDEX request_not_ok ON request (ts_us, request_id) WHERE status <> 'ok';
-- Providers choose these ids: a hash has room for the longest.
CREATE INDEX request_by_response ON request USING hash (response_id);
CREATE INDEX request_by_prompt
ON request (prompt_name, ts_us, request_id, prompt_version, origin, status, latency_us)
WHERE prompt_name IS NOT NULL;

-- The nested parts of a record: one zstd-compressed msgpack of `domain.record.Detail`.
CREATE TABLE request_detail (
  request_id TEXT COLLATE "C" PRIMARY KEY,
  detail BYTEA NOT NULL
);

CREATE TABLE attempt (
  request_id TEXT COLLATE "C" NOT NULL,
  n BIGINT NOT NULL,
  target TEXT COLLATE "C" NOT NULL,
  provider TEXT COLLATE "C" NOT NULL,
  model_sent TEXT COLLATE "C" NOT NULL,
  model_response TEXT COLLATE "C",
  started_us BIGINT NOT NULL,
  dur_us BIGINT NOT NULL,
  ttft_us BIGINT,
  http_status BIGINT,
  error_code TEXT COLLATE "C",
  raw_reason TEXT COLLATE "C",
  provider_request_id TEXT COLLATE "C",
  sent_hash TEXT COLLATE "C" NOT NULL,
  input_tokens BIGINT,
  cached_tokens BIGINT,
  cache_write_tokens BIGINT,
  output_tokens BIGINT,
  usage_source TEXT COLLATE "C" NOT NULL,
  cost_nano BIGINT,
  cancelled BOOLEAN NOT NULL,
  PRIMARY KEY (request_id, n)
);

CREATE INDEX attempt_by_provider ON attempt (provider, started_us);

-- Insert-only. A line's id begins with the id of its request.
CREATE TABLE ledger (
  line_id TEXT COLLATE "C" PRIMARY KEY,
  kind TEXT COLLATE "C" NOT NULL,
  ts_us BIGINT NOT NULL,
  day_local TEXT COLLATE "C" NOT NULL,
  config_seq BIGINT NOT NULL,
  tenant_id TEXT COLLATE "C" NOT NULL,
  key_id TEXT COLLATE "C" NOT NULL,
  feature TEXT COLLATE "C" NOT NULL,
  user_hash TEXT COLLATE "C",
  conversation_id TEXT COLLATE "C",
  tags TEXT COLLATE "C",
  model_requested TEXT COLLATE "C" NOT NULL,
  provider TEXT COLLATE "C" NOT NULL,
  account TEXT COLLATE "C" NOT NULL,
  model_sent TEXT COLLATE "C" NOT NULL,
  context TEXT COLLATE "C" NOT NULL,
  prompt_name TEXT COLLATE "C",
  prompt_version TEXT COLLATE "C",
  experiment TEXT COLLATE "C",
  arm TEXT COLLATE "C",
  origin TEXT COLLATE "C" NOT NULL,
  input_tokens BIGINT,
  cached_tokens BIGINT,
  cache_write_5m BIGINT,
  cache_write_30m BIGINT,
  cache_write_1h BIGINT,
  cache_write_12h BIGINT,
  output_tokens BIGINT,
  reasoning_tokens BIGINT,
  extras TEXT COLLATE "C" NOT NULL,
  usage_source TEXT COLLATE "C" NOT NULL,
  flags TEXT COLLATE "C" NOT NULL,
  cost_nano BIGINT,
  price_version TEXT COLLATE "C",
  price_row TEXT COLLATE "C",
  provider_request_id TEXT COLLATE "C",
  request_id TEXT COLLATE "C" NOT NULL GENERATED ALWAYS AS (split_part(line_id, '/', 1)) STORED
);

CREATE INDEX ledger_by_tenant ON ledger (tenant_id, ts_us);
CREATE INDEX ledger_by_time ON ledger (ts_us);

CREATE FUNCTION ledger_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the ledger is insert-only';
END $$;

CREATE TRIGGER ledger_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_final();

-- Sums of whole numbers only. Absent values are empty text, so that they can be part of a key.
-- `rollup_hour` and `rollup_day` begin at UTC hours and days; `rollup_day_local` at the tenant's
-- own midnight, and its bucket is that date, taken as UTC.
CREATE TABLE rollup_hour (
  bucket_us BIGINT NOT NULL,
  tenant_id TEXT COLLATE "C" NOT NULL,
  tier TEXT COLLATE "C" NOT NULL,
  feature TEXT COLLATE "C" NOT NULL,
  key_id TEXT COLLATE "C" NOT NULL,
  provider TEXT COLLATE "C" NOT NULL,
  model TEXT COLLATE "C" NOT NULL,
  prompt_name TEXT COLLATE "C" NOT NULL,
  prompt_version TEXT COLLATE "C" NOT NULL,
  experiment TEXT COLLATE "C" NOT NULL,
  arm TEXT COLLATE "C" NOT NULL,
  origin TEXT COLLATE "C" NOT NULL,
  status TEXT COLLATE "C" NOT NULL,
  n BIGINT NOT NULL,
  n_fallback BIGINT NOT NULL,
  n_flagged BIGINT NOT NULL,
  n_redacted BIGINT NOT NULL,
  n_blocked BIGINT NOT NULL,
  n_refused BIGINT NOT NULL,
  n_estimated BIGINT NOT NULL,
  n_unpriced BIGINT NOT NULL,
  input_tokens BIGINT NOT NULL,
  cached_tokens BIGINT NOT NULL,
  cache_write_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  reasoning_tokens BIGINT NOT NULL,
  cost_nano BIGINT NOT NULL,
  PRIMARY KEY (
    bucket_us, tenant_id, tier, feature, key_id, provider, model, prompt_name, prompt_version,
    experiment, arm, origin, status
  )
);

CREATE TABLE rollup_day (LIKE rollup_hour INCLUDING ALL);

CREATE TABLE rollup_day_local (LIKE rollup_hour INCLUDING ALL);

-- Live traffic by minute and latency; `idx` is floor(8 * log2(latency in us)).
CREATE TABLE rollup_minute (
  bucket_us BIGINT NOT NULL,
  tenant_id TEXT COLLATE "C" NOT NULL,
  idx BIGINT NOT NULL,
  n BIGINT NOT NULL,
  n_error BIGINT NOT NULL,
  cost_nano BIGINT NOT NULL,
  PRIMARY KEY (bucket_us, tenant_id, idx)
);

-- How far each worker's spool is committed: it adds up with everything above. Workers are named
-- HOST/WORKER, for every host has a gateway-1.
CREATE TABLE spool_position (
  worker_id TEXT COLLATE "C" PRIMARY KEY,
  segment BIGINT NOT NULL,
  "offset" BIGINT NOT NULL
);

-- Requests that had begun and not ended at those positions.
CREATE TABLE open_request (
  request_id TEXT COLLATE "C" PRIMARY KEY,
  worker_id TEXT COLLATE "C" NOT NULL,
  "begin" BYTEA NOT NULL,
  output_tokens BIGINT NOT NULL,
  lost BOOLEAN NOT NULL
);

-- What people wrote. By day, for that is how it goes: content of one day is never used by another.
CREATE TABLE content (
  day DATE NOT NULL,
  tenant_id TEXT COLLATE "C" NOT NULL,
  ref BYTEA NOT NULL,
  codec TEXT COLLATE "C" NOT NULL,
  data BYTEA NOT NULL,
  PRIMARY KEY (day, tenant_id, ref)
);

-- It is compressed already.
ALTER TABLE content ALTER COLUMN data SET STORAGE EXTERNAL;

-- Which site the records are of: keyed hashes of another key mean nothing here.
CREATE TABLE record_site (
  is_only BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (is_only),
  proof TEXT NOT NULL
);
