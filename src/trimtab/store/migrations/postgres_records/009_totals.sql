-- What there ever was, by what counters are told by: read without reading days, and not ended with
-- them. It begins with the days that are kept.
CREATE TABLE rollup_total (
  tenant_id TEXT COLLATE "C" NOT NULL,
  feature TEXT COLLATE "C" NOT NULL,
  model TEXT COLLATE "C" NOT NULL,
  status TEXT COLLATE "C" NOT NULL,
  origin TEXT COLLATE "C" NOT NULL,
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
  PRIMARY KEY (tenant_id, feature, model, status, origin)
);

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
