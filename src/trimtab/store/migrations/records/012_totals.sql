-- What there ever was, by what counters are told by: read without reading days, and not ended with
-- them. It begins with the days that are kept.
CREATE TABLE rollup_total (
  tenant_id TEXT NOT NULL,
  feature TEXT NOT NULL,
  model TEXT NOT NULL,
  status TEXT NOT NULL,
  origin TEXT NOT NULL,
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
  PRIMARY KEY (tenant_id, feature, model, status, origin)
) STRICT, WITHOUT ROWID;

INSERT INTO rollup_total (
  tenant_id, feature, model, status, origin,
  n, n_fallback, n_flagged, n_redacted, n_blocked, n_refused, n_estimated, n_unpriced,
  input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nano
)
SELECT
  tenant_id, feature, model, status, origin,
  sum(n), sum(n_fallback), sum(n_flagged), sum(n_redacted), sum(n_blocked), sum(n_refused),
  sum(n_estimated), sum(n_unpriced), sum(input_tokens), sum(cached_tokens),
  sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cost_nano)
FROM rollup_day GROUP BY tenant_id, feature, model, status, origin;
