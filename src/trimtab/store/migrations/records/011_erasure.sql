-- What is kept for a case, whatever else would end it.
CREATE TABLE legal_hold (
  case_id TEXT NOT NULL,
  request_id TEXT NOT NULL,
  tenant_id TEXT NOT NULL,
  ts_us INTEGER NOT NULL,
  author TEXT NOT NULL,
  until_us INTEGER,
  PRIMARY KEY (request_id, case_id)
) STRICT, WITHOUT ROWID;

-- Which erasures of the change log were carried out, by which host; a restored backup knows less.
CREATE TABLE erasure (
  erasure_id TEXT NOT NULL,
  host TEXT NOT NULL,
  done_us INTEGER NOT NULL,
  held INTEGER NOT NULL,
  PRIMARY KEY (erasure_id, host)
) STRICT, WITHOUT ROWID;

-- From which instant on a table is whole: what was before has ended.
CREATE TABLE whole_since (
  name TEXT PRIMARY KEY,
  since_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Replays, judgements and shadows of a request; most requests are none.
CREATE INDEX request_by_origin ON request (origin_request_id) WHERE origin_request_id IS NOT NULL;

-- A line is final but for what callers named a conversation and put into tags: an erasure takes
-- that away.
DROP TRIGGER ledger_is_final;

CREATE TRIGGER ledger_is_final BEFORE UPDATE OF
  line_id, kind, ts_us, day_local, config_seq, tenant_id, key_id, feature, user_hash,
  model_requested, provider, account, model_sent, context, prompt_name, prompt_version,
  experiment, arm, origin, input_tokens, cached_tokens, cache_write_5m, cache_write_30m,
  cache_write_1h, cache_write_12h, output_tokens, reasoning_tokens, extras, usage_source, flags,
  cost_nano, price_version, price_row, provider_request_id
ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is insert-only'); END;

CREATE TRIGGER ledger_names_nobody_anew BEFORE UPDATE OF conversation_id, tags ON ledger
WHEN NEW.conversation_id IS NOT NULL OR NEW.tags IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'the ledger is insert-only'); END;
