-- Records, their parts, the ledger and what adds up; one writer, the keeper.
CREATE TABLE request (
  request_id TEXT NOT NULL,
  schema_version INTEGER NOT NULL,
  ts_us INTEGER NOT NULL,
  end_us INTEGER NOT NULL,
  trace_id TEXT NOT NULL,
  span_id TEXT NOT NULL,
  parent_span_id TEXT,
  tracestate TEXT,
  env TEXT NOT NULL,
  worker_id TEXT NOT NULL,
  config_seq INTEGER NOT NULL,
  origin TEXT NOT NULL,
  origin_request_id TEXT,
  idempotency_key_hash TEXT,
  client_retry INTEGER,
  tenant_id TEXT NOT NULL,
  tier TEXT NOT NULL,
  key_id TEXT NOT NULL,
  feature TEXT NOT NULL,
  conversation_id TEXT,
  tags TEXT,
  user_hash TEXT,
  operation TEXT NOT NULL,
  wire TEXT NOT NULL,
  stream INTEGER NOT NULL,
  model_requested TEXT NOT NULL,
  model_kind TEXT NOT NULL,
  target TEXT NOT NULL,
  provider TEXT NOT NULL,
  model_response TEXT,
  response_id TEXT,
  finish_reasons TEXT NOT NULL,
  refusal INTEGER,
  params TEXT NOT NULL,
  tools_ref BLOB,
  tool_call_count INTEGER NOT NULL,
  prompt_name TEXT,
  prompt_version TEXT,
  prompt_label TEXT,
  prompt_hash TEXT,
  prompt_vars_ref BLOB,
  experiment TEXT,
  arm TEXT,
  assign_reason TEXT,
  retrieval_source TEXT NOT NULL,
  index_name TEXT,
  index_build_date TEXT,
  embedding_model TEXT,
  query_embedding_ref BLOB,
  input_tokens INTEGER,
  cached_tokens INTEGER,
  cache_write_tokens INTEGER,
  output_tokens INTEGER,
  reasoning_tokens INTEGER,
  audio_input_tokens INTEGER,
  audio_output_tokens INTEGER,
  image_tokens INTEGER,
  usage_source TEXT NOT NULL,
  cost_nano INTEGER,
  cost_input_nano INTEGER,
  cost_cached_nano INTEGER,
  cost_cache_write_nano INTEGER,
  cost_output_nano INTEGER,
  cost_other_nano INTEGER,
  price_version TEXT,
  hold_nano INTEGER,
  budget_left_nano INTEGER,
  funded_model TEXT,
  latency_us INTEGER NOT NULL,
  ttft_us INTEGER,
  guard_us INTEGER NOT NULL,
  provider_us INTEGER NOT NULL,
  overhead_us INTEGER NOT NULL,
  retrieval_us INTEGER,
  guardrail_decision TEXT NOT NULL,
  guard_failed INTEGER NOT NULL,
  policy_version TEXT,
  canary_id TEXT,
  judge_score REAL,
  status TEXT NOT NULL,
  error_code TEXT,
  http_status INTEGER NOT NULL,
  attempt_count INTEGER NOT NULL,
  fallback_used INTEGER NOT NULL,
  cache_hit INTEGER,
  sampling_rule TEXT NOT NULL,
  adjusted_count REAL NOT NULL,
  trace_kept INTEGER NOT NULL,
  input_ref BLOB,
  output_ref BLOB,
  received_ref BLOB,
  content_state TEXT NOT NULL,
  content_bytes INTEGER NOT NULL,
  replay TEXT NOT NULL,
  replay_gaps TEXT NOT NULL,
  extra TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX request_by_id ON request (request_id);
CREATE INDEX request_by_time ON request (ts_us, request_id);
CREATE INDEX request_by_tenant ON request (tenant_id, ts_us, request_id);
CREATE INDEX request_by_trace ON request (trace_id);
CREATE INDEX request_not_ok ON request (ts_us, request_id) WHERE status <> 'ok';
CREATE INDEX request_by_response ON request (response_id) WHERE response_id IS NOT NULL;
CREATE INDEX request_by_conversation ON request (conversation_id, ts_us)
WHERE conversation_id IS NOT NULL;

-- The nested parts of a record: one zstd-compressed msgpack of `domain.record.Detail`.
CREATE TABLE request_detail (
  request_id TEXT PRIMARY KEY,
  detail BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (
  request_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  target TEXT NOT NULL,
  provider TEXT NOT NULL,
  model_sent TEXT NOT NULL,
  model_response TEXT,
  started_us INTEGER NOT NULL,
  dur_us INTEGER NOT NULL,
  ttft_us INTEGER,
  http_status INTEGER,
  error_code TEXT,
  raw_reason TEXT,
  provider_request_id TEXT,
  sent_hash TEXT NOT NULL,
  input_tokens INTEGER,
  cached_tokens INTEGER,
  cache_write_tokens INTEGER,
  output_tokens INTEGER,
  usage_source TEXT NOT NULL,
  cost_nano INTEGER,
  cancelled INTEGER NOT NULL,
  PRIMARY KEY (request_id, n)
) STRICT, WITHOUT ROWID;

CREATE INDEX attempt_by_provider ON attempt (provider, started_us);

-- Insert-only. A line's id begins with the id of its request.
CREATE TABLE ledger (
  line_id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  ts_us INTEGER NOT NULL,
  day_local TEXT NOT NULL,
  config_seq INTEGER NOT NULL,
  tenant_id TEXT NOT NULL,
  key_id TEXT NOT NULL,
  feature TEXT NOT NULL,
  user_hash TEXT,
  conversation_id TEXT,
  tags TEXT,
  model_requested TEXT NOT NULL,
  provider TEXT NOT NULL,
  account TEXT NOT NULL,
  model_sent TEXT NOT NULL,
  context TEXT NOT NULL,
  prompt_name TEXT,
  prompt_version TEXT,
  experiment TEXT,
  arm TEXT,
  origin TEXT NOT NULL,
  input_tokens INTEGER,
  cached_tokens INTEGER,
  cache_write_5m INTEGER,
  cache_write_30m INTEGER,
  cache_write_1h INTEGER,
  cache_write_12h INTEGER,
  output_tokens INTEGER,
  reasoning_tokens INTEGER,
  extras TEXT NOT NULL,
  usage_source TEXT NOT NULL,
  flags TEXT NOT NULL,
  cost_nano INTEGER,
  price_version TEXT,
  price_row TEXT,
  provider_request_id TEXT,
  request_id TEXT NOT NULL AS (substr(line_id, 1, instr(line_id, '/') - 1))
) STRICT, WITHOUT ROWID;

CREATE INDEX ledger_by_tenant ON ledger (tenant_id, ts_us);

CREATE TRIGGER ledger_is_final BEFORE UPDATE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is insert-only'); END;

-- Sums of whole numbers only. Absent values are empty text, so that they can be part of a key.
-- `rollup_hour` and `rollup_day` begin at UTC hours and days; `rollup_day_local` at the tenant's
-- own midnight, and its bucket is that date, taken as UTC.
CREATE TABLE rollup_hour (
  bucket_us INTEGER NOT NULL,
  tenant_id TEXT NOT NULL,
  tier TEXT NOT NULL,
  feature TEXT NOT NULL,
  key_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  prompt_name TEXT NOT NULL,
  prompt_version TEXT NOT NULL,
  experiment TEXT NOT NULL,
  arm TEXT NOT NULL,
  origin TEXT NOT NULL,
  status TEXT NOT NULL,
  n INTEGER NOT NULL,
  n_fallback INTEGER NOT NULL,
  n_flagged INTEGER NOT NULL,
  n_redacted INTEGER NOT NULL,
  n_blocked INTEGER NOT NULL,
  n_refused INTEGER NOT NULL,
  n_estimated INTEGER NOT NULL,
  n_unpriced INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  cost_nano INTEGER NOT NULL,
  PRIMARY KEY (
    bucket_us, tenant_id, tier, feature, key_id, provider, model, prompt_name, prompt_version,
    experiment, arm, origin, status
  )
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_day (
  bucket_us INTEGER NOT NULL,
  tenant_id TEXT NOT NULL,
  tier TEXT NOT NULL,
  feature TEXT NOT NULL,
  key_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  prompt_name TEXT NOT NULL,
  prompt_version TEXT NOT NULL,
  experiment TEXT NOT NULL,
  arm TEXT NOT NULL,
  origin TEXT NOT NULL,
  status TEXT NOT NULL,
  n INTEGER NOT NULL,
  n_fallback INTEGER NOT NULL,
  n_flagged INTEGER NOT NULL,
  n_redacted INTEGER NOT NULL,
  n_blocked INTEGER NOT NULL,
  n_refused INTEGER NOT NULL,
  n_estimated INTEGER NOT NULL,
  n_unpriced INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  cost_nano INTEGER NOT NULL,
  PRIMARY KEY (
    bucket_us, tenant_id, tier, feature, key_id, provider, model, prompt_name, prompt_version,
    experiment, arm, origin, status
  )
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_day_local (
  bucket_us INTEGER NOT NULL,
  tenant_id TEXT NOT NULL,
  tier TEXT NOT NULL,
  feature TEXT NOT NULL,
  key_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  prompt_name TEXT NOT NULL,
  prompt_version TEXT NOT NULL,
  experiment TEXT NOT NULL,
  arm TEXT NOT NULL,
  origin TEXT NOT NULL,
  status TEXT NOT NULL,
  n INTEGER NOT NULL,
  n_fallback INTEGER NOT NULL,
  n_flagged INTEGER NOT NULL,
  n_redacted INTEGER NOT NULL,
  n_blocked INTEGER NOT NULL,
  n_refused INTEGER NOT NULL,
  n_estimated INTEGER NOT NULL,
  n_unpriced INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  cost_nano INTEGER NOT NULL,
  PRIMARY KEY (
    bucket_us, tenant_id, tier, feature, key_id, provider, model, prompt_name, prompt_version,
    experiment, arm, origin, status
  )
) STRICT, WITHOUT ROWID;

-- Live traffic by minute and latency; `idx` is floor(8 * log2(latency in us)).
CREATE TABLE rollup_minute (
  bucket_us INTEGER NOT NULL,
  tenant_id TEXT NOT NULL,
  idx INTEGER NOT NULL,
  n INTEGER NOT NULL,
  n_error INTEGER NOT NULL,
  cost_nano INTEGER NOT NULL,
  PRIMARY KEY (bucket_us, tenant_id, idx)
) STRICT, WITHOUT ROWID;

-- How far each worker's spool is committed: it adds up with everything above.
CREATE TABLE spool_position (
  worker_id TEXT PRIMARY KEY,
  segment INTEGER NOT NULL,
  offset INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Requests that had begun and not ended at those positions.
CREATE TABLE open_request (
  request_id TEXT PRIMARY KEY,
  worker_id TEXT NOT NULL,
  "begin" BLOB NOT NULL,
  output_tokens INTEGER NOT NULL,
  lost INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
