-- What is known of single requests: records, their parts, annotations and content.
--
-- Columns are those of `domain.record`, in the same order. What is inserted again after a crash is
-- dropped at once if it is the same block, else when parts merge; queries say FINAL. Granules are
-- small, for few rows are read whole. What is told to be stored is on disk: Postgres then forgets
-- it. There are no materialized views for sums: what adds up is in Postgres.
CREATE TABLE IF NOT EXISTS request (
  request_id String,
  schema_version Int64,
  ts_us Int64 CODEC(Delta, ZSTD),
  end_us Int64 CODEC(Delta, ZSTD),
  trace_id String,
  span_id String,
  parent_span_id Nullable(String),
  tracestate Nullable(String),
  env LowCardinality(String),
  worker_id LowCardinality(String),
  config_seq Int64,
  origin LowCardinality(String),
  origin_request_id Nullable(String),
  idempotency_key_hash Nullable(String),
  client_retry Nullable(Int64),
  tenant_id LowCardinality(String),
  tier LowCardinality(String),
  key_id LowCardinality(String),
  feature LowCardinality(String),
  conversation_id Nullable(String),
  tags Nullable(String),
  user_hash Nullable(String),
  operation LowCardinality(String),
  wire LowCardinality(String),
  stream Bool,
  model_requested LowCardinality(String),
  model_kind LowCardinality(String),
  target LowCardinality(String),
  provider LowCardinality(String),
  model_response LowCardinality(Nullable(String)),
  response_id Nullable(String),
  finish_reasons LowCardinality(String),
  refusal Nullable(Bool),
  params String,
  tools_ref Nullable(String),
  tool_call_count Int64,
  prompt_name LowCardinality(Nullable(String)),
  prompt_version LowCardinality(Nullable(String)),
  prompt_label LowCardinality(Nullable(String)),
  prompt_hash Nullable(String),
  prompt_vars_ref Nullable(String),
  experiment LowCardinality(Nullable(String)),
  arm LowCardinality(Nullable(String)),
  assign_reason LowCardinality(Nullable(String)),
  retrieval_source LowCardinality(String),
  index_name LowCardinality(Nullable(String)),
  index_build_date LowCardinality(Nullable(String)),
  embedding_model LowCardinality(Nullable(String)),
  query_embedding_ref Nullable(String),
  input_tokens Nullable(Int64),
  cached_tokens Nullable(Int64),
  cache_write_tokens Nullable(Int64),
  output_tokens Nullable(Int64),
  reasoning_tokens Nullable(Int64),
  audio_input_tokens Nullable(Int64),
  audio_output_tokens Nullable(Int64),
  image_tokens Nullable(Int64),
  usage_source LowCardinality(String),
  cost_nano Nullable(Int64),
  cost_input_nano Nullable(Int64),
  cost_cached_nano Nullable(Int64),
  cost_cache_write_nano Nullable(Int64),
  cost_output_nano Nullable(Int64),
  cost_other_nano Nullable(Int64),
  price_version LowCardinality(Nullable(String)),
  hold_nano Nullable(Int64),
  budget_left_nano Nullable(Int64),
  funded_model LowCardinality(Nullable(String)),
  latency_us Int64,
  ttft_us Nullable(Int64),
  guard_us Int64,
  provider_us Int64,
  overhead_us Int64,
  retrieval_us Nullable(Int64),
  guardrail_decision LowCardinality(String),
  guard_failed Bool,
  policy_version LowCardinality(Nullable(String)),
  canary_id Nullable(String),
  judge_score Nullable(Float64),
  status LowCardinality(String),
  error_code LowCardinality(Nullable(String)),
  http_status Int64,
  attempt_count Int64,
  fallback_used Bool,
  cache_hit Nullable(Bool),
  sampling_rule LowCardinality(String),
  adjusted_count Float64,
  trace_kept Bool,
  input_ref Nullable(String),
  output_ref Nullable(String),
  received_ref Nullable(String),
  content_state LowCardinality(String),
  content_bytes Int64,
  replay LowCardinality(String),
  replay_gaps LowCardinality(String),
  extra String,
  INDEX by_id request_id TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX by_trace trace_id TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX by_response response_id TYPE bloom_filter(0.001) GRANULARITY 1
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMMDD(fromUnixTimestamp64Micro(ts_us, 'UTC'))
ORDER BY (tenant_id, ts_us, request_id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000,
  fsync_after_insert = 1, fsync_part_directory = 1;

-- The nested parts of a record: one msgpack of `domain.record.Detail`, large ones zstd-compressed.
-- `ts_us` is that of the record, here and below.
CREATE TABLE IF NOT EXISTS request_detail (
  ts_us Int64 CODEC(Delta, ZSTD),
  request_id String,
  detail String CODEC(NONE)
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMMDD(fromUnixTimestamp64Micro(ts_us, 'UTC'))
ORDER BY (ts_us, request_id)
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 1000,
  fsync_after_insert = 1, fsync_part_directory = 1;

-- With what lists of attempts ask of their request: where it came from, and whether this attempt
-- was its answer and refused.
CREATE TABLE IF NOT EXISTS attempt (
  ts_us Int64 CODEC(Delta, ZSTD),
  request_id String,
  origin LowCardinality(String),
  refused Nullable(Bool),
  n Int64,
  target LowCardinality(String),
  provider LowCardinality(String),
  model_sent LowCardinality(String),
  model_response LowCardinality(Nullable(String)),
  started_us Int64,
  dur_us Int64,
  ttft_us Nullable(Int64),
  http_status Nullable(Int64),
  error_code LowCardinality(Nullable(String)),
  raw_reason LowCardinality(Nullable(String)),
  provider_request_id Nullable(String),
  sent_hash String,
  input_tokens Nullable(Int64),
  cached_tokens Nullable(Int64),
  cache_write_tokens Nullable(Int64),
  output_tokens Nullable(Int64),
  usage_source LowCardinality(String),
  cost_nano Nullable(Int64),
  cancelled Bool
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMMDD(fromUnixTimestamp64Micro(ts_us, 'UTC'))
ORDER BY (ts_us, request_id, n)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000,
  fsync_after_insert = 1, fsync_part_directory = 1;

-- Never changed: of two with one id the first stays, so what came earlier has the higher rank.
CREATE TABLE IF NOT EXISTS annotation (
  annotation_id String,
  request_id String,
  tenant_id LowCardinality(String),
  ts_us Int64,
  kind LowCardinality(String),
  name LowCardinality(String),
  score Nullable(Float64),
  label Nullable(String),
  text_ref Nullable(String),
  source LowCardinality(String),
  author Nullable(String),
  version LowCardinality(Nullable(String)),
  probability Nullable(Float64),
  rank UInt64 DEFAULT 18446744073709551615 - toUnixTimestamp64Nano(now64(9))
) ENGINE = ReplacingMergeTree(rank) PARTITION BY toYYYYMM(fromUnixTimestamp64Micro(ts_us, 'UTC'))
ORDER BY (request_id, annotation_id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000,
  fsync_after_insert = 1, fsync_part_directory = 1;

-- What applications told of their own work. Of two with one id the first stays here too.
CREATE TABLE IF NOT EXISTS span (
  tenant_id LowCardinality(String),
  trace_id String,
  span_id String,
  parent_span_id Nullable(String),
  received_us Int64,
  ts_us Int64,
  end_us Int64,
  name LowCardinality(String),
  kind LowCardinality(String),
  status LowCardinality(String),
  service LowCardinality(String),
  view LowCardinality(String),
  request_id Nullable(String),
  response_id Nullable(String),
  content_ref Nullable(String),
  body String,
  rank UInt64 DEFAULT 18446744073709551615 - toUnixTimestamp64Nano(now64(9)),
  INDEX by_request request_id TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX by_response response_id TYPE bloom_filter(0.001) GRANULARITY 1
) ENGINE = ReplacingMergeTree(rank)
PARTITION BY toYYYYMMDD(fromUnixTimestamp64Micro(received_us, 'UTC'))
ORDER BY (tenant_id, trace_id, span_id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000,
  fsync_after_insert = 1, fsync_part_directory = 1;

-- The words of what was asked and, behind two spaces, answered; a space around each.
CREATE TABLE IF NOT EXISTS search (
  tenant_id LowCardinality(String),
  ts_us Int64 CODEC(Delta, ZSTD),
  request_id String,
  words String,
  INDEX by_words words TYPE text(tokenizer = splitByNonAlpha)
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMMDD(fromUnixTimestamp64Micro(ts_us, 'UTC'))
ORDER BY (tenant_id, ts_us, request_id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000,
  fsync_after_insert = 1, fsync_part_directory = 1;

-- What people wrote. By day, for that is how it goes: content of one day is never used by another.
CREATE TABLE IF NOT EXISTS content (
  day Date,
  tenant_id LowCardinality(String),
  ref String,
  codec LowCardinality(String),
  data String CODEC(NONE)
) ENGINE = ReplacingMergeTree PARTITION BY day
ORDER BY (tenant_id, ref)
SETTINGS index_granularity = 64, non_replicated_deduplication_window = 1000,
  fsync_after_insert = 1, fsync_part_directory = 1;

-- Which site all this is of.
CREATE TABLE IF NOT EXISTS site (proof String) ENGINE = MergeTree ORDER BY proof;
