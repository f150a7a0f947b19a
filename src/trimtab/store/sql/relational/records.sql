-- name: put_request
-- A record; the caller has made sure that it is new.
INSERT INTO request (/*request*/) VALUES (/*request?*/);

-- name: put_detail
-- Its nested parts.
INSERT INTO request_detail (request_id, detail) VALUES (?, ?);

-- name: put_attempt
-- One of its attempts.
INSERT INTO attempt (request_id, /*attempt*/) VALUES (?, /*attempt?*/);

-- name: put_line
-- One of its ledger lines.
INSERT INTO ledger (/*line*/) VALUES (/*line?*/);

-- name: put_adjustment
-- A ledger line of no request, unless it is there.
INSERT INTO ledger (/*line*/) VALUES (/*line?*/) ON CONFLICT DO NOTHING;

-- name: put_annotation
-- What came later about a request, unless it is there.
INSERT INTO annotation (/*annotation*/) VALUES (/*annotation?*/) ON CONFLICT DO NOTHING;

-- name: put_span
-- What an application told of its work, unless it is there.
INSERT INTO span (/*span*/) VALUES (/*span?*/) ON CONFLICT DO NOTHING;

-- name: put_claim
-- What a caller says of a request, until it is known whose that is.
INSERT INTO annotation_claim (/*annotation*/) VALUES (/*annotation?*/) ON CONFLICT DO NOTHING;

-- name: claims
-- Those about requests of a JSON list.
SELECT /*annotation*/ FROM annotation_claim
WHERE request_id IN (SELECT value FROM /*each*/(?)) ORDER BY annotation_id;

-- name: end_claims
-- Some are claims no more.
DELETE FROM annotation_claim WHERE annotation_id IN (SELECT value FROM /*each*/(?));

-- name: claimed
-- Requests that there are claims about, a few behind one.
SELECT DISTINCT request_id FROM annotation_claim WHERE request_id > ? ORDER BY request_id LIMIT ?;

-- name: end_orphans
-- Claims about requests that never came.
DELETE FROM annotation_claim WHERE ts_us < ?;

-- name: known
-- Which of the ids in a JSON list are stored.
SELECT request_id FROM request WHERE request_id IN (SELECT value FROM /*each*/(?));

-- name: add_hour
-- More of an hour.
INSERT INTO rollup_hour AS total (bucket_us, /*key*/, /*sums*/) VALUES (?, /*key?*/, /*sums?*/)
ON CONFLICT (bucket_us, /*key*/) DO UPDATE SET /*add*/;

-- name: add_day
-- More of a UTC day.
INSERT INTO rollup_day AS total (bucket_us, /*key*/, /*sums*/) VALUES (?, /*key?*/, /*sums?*/)
ON CONFLICT (bucket_us, /*key*/) DO UPDATE SET /*add*/;

-- name: add_local_day
-- More of a tenant's own day.
INSERT INTO rollup_day_local AS total (bucket_us, /*key*/, /*sums*/) VALUES (?, /*key?*/, /*sums?*/)
ON CONFLICT (bucket_us, /*key*/) DO UPDATE SET /*add*/;

-- name: add_total
-- More of what there ever was.
INSERT INTO rollup_total AS total (/*total*/, /*sums*/) VALUES (/*total?*/, /*sums?*/)
ON CONFLICT (/*total*/) DO UPDATE SET /*add*/;

-- name: add_minute
-- More of a minute.
INSERT INTO rollup_minute AS total (bucket_us, tenant_id, idx, n, n_error, cost_nano)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (bucket_us, tenant_id, idx) DO UPDATE SET
  n = total.n + excluded.n, n_error = total.n_error + excluded.n_error,
  cost_nano = total.cost_nano + excluded.cost_nano;

-- name: add_counter
-- More of a bucket; the exemplar of the newest batch stays.
INSERT INTO counter_state AS total (tally, labels, bucket, n, total, trace_id, value, ts_us)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (tally, labels, bucket) DO UPDATE SET
  n = total.n + excluded.n, total = total.total + excluded.total,
  trace_id = coalesce(excluded.trace_id, total.trace_id),
  value = coalesce(excluded.value, total.value), ts_us = coalesce(excluded.ts_us, total.ts_us);

-- name: counted
-- Which series of a kind there are.
SELECT DISTINCT labels FROM counter_state WHERE tally = ?;

-- name: counters
-- Every bucket of every series.
SELECT tally, labels, bucket, n, total, trace_id, value, ts_us FROM counter_state
ORDER BY tally, labels, bucket;

-- name: known_annotations
-- Which of the ids in a JSON list are stored.
SELECT annotation_id FROM annotation
WHERE annotation_id IN (SELECT value FROM /*each*/(?));

-- name: asked
-- What is asked again of requests of a JSON list, in the order of `recording.Asked`.
SELECT request_id, tenant_id, ts_us, coalesce(prompt_name, ''), coalesce(prompt_version, ''),
  input_ref, output_ref FROM request
WHERE request_id IN (SELECT value FROM /*each*/(?)) ORDER BY request_id;

-- name: features
-- The features of a tenant that sums are kept by.
SELECT DISTINCT feature FROM rollup_total WHERE tenant_id = ?;

-- name: models
-- The models of a tenant that sums are kept by.
SELECT DISTINCT model FROM rollup_total WHERE tenant_id = ?;

-- name: first_position
-- A spool is read for the first time.
INSERT INTO spool_position (worker_id, segment, "offset") VALUES (?, ?, ?) ON CONFLICT DO NOTHING;

-- name: move_position
-- A spool was read further, if nobody else moved on meanwhile.
UPDATE spool_position SET segment = ?, "offset" = ?
WHERE worker_id = ? AND segment = ? AND "offset" = ?;

-- name: positions
-- How far every spool is committed.
SELECT worker_id, segment, "offset" FROM spool_position ORDER BY worker_id;

-- name: open_request
-- A request runs, or did more.
INSERT INTO open_request (request_id, worker_id, "begin", output_tokens, lost)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (request_id) DO UPDATE SET
  worker_id = excluded.worker_id, "begin" = excluded."begin",
  output_tokens = excluded.output_tokens, lost = excluded.lost;

-- name: end_request
-- A request runs no more.
DELETE FROM open_request WHERE request_id = ?;

-- name: opened
-- The requests that run.
SELECT worker_id, "begin", output_tokens, lost FROM open_request ORDER BY request_id;

-- name: find
-- Records whose ids lie in a range; two are enough to see that a prefix is not unique.
SELECT /*request*/ FROM request WHERE request_id >= :first AND request_id < :behind ORDER BY request_id LIMIT 2;

-- name: detail
SELECT detail FROM request_detail WHERE request_id = :request_id;

-- name: attempts
SELECT /*attempt*/ FROM attempt WHERE request_id = :request_id ORDER BY n;

-- name: lines
-- Lines begin with the id of their request and a slash; `0` is what follows the slash.
SELECT /*line*/ FROM ledger WHERE line_id >= ? || '/' AND line_id < ? || '0' ORDER BY line_id;

-- name: annotations
-- What came later about a request.
SELECT /*annotation*/ FROM annotation WHERE request_id = ? ORDER BY ts_us, annotation_id;

-- name: outline
-- The shape of a trace, from an index alone.
SELECT /*outline*/ FROM span WHERE tenant_id = ? AND trace_id = ?
ORDER BY ts_us, span_id LIMIT ?;

-- name: spans
-- Some spans of a trace.
SELECT /*span*/ FROM span
WHERE tenant_id = ? AND trace_id = ? AND span_id IN (SELECT value FROM /*each*/(?))
ORDER BY ts_us, span_id;

-- name: told_of_request
-- The first span that says it is about a request.
SELECT trace_id, span_id FROM span WHERE tenant_id = ? AND request_id = ?
ORDER BY ts_us, span_id LIMIT 1;

-- name: told_of_response
-- The first span that says it is about an answer.
SELECT trace_id, span_id FROM span WHERE tenant_id = ? AND response_id = ?
ORDER BY ts_us, span_id LIMIT 1;

-- name: judged
-- Requests that a judge scored, by prompt and tier. An annotation is never older than its request.
SELECT coalesce(prompt_name, ''), tier, count(DISTINCT request.request_id)
FROM annotation JOIN request USING (request_id)
WHERE annotation.ts_us >= ? AND request.ts_us >= ? AND kind = 'evaluation' AND source = 'judge'
GROUP BY coalesce(prompt_name, ''), tier;

-- name: page
-- Records newest first; the conditions are those of `store.relational.reading`.
SELECT /*request*/ FROM request WHERE /*where*/ ORDER BY ts_us DESC, request_id DESC LIMIT ?;

-- name: places
-- Where records are that fit, newest first.
SELECT ts_us, request_id FROM request WHERE /*where*/ ORDER BY ts_us DESC, request_id DESC LIMIT ?;

-- name: tried
-- The newest attempts at a provider. Only the last attempt of a request can be its answer.
SELECT attempt.target, attempt.dur_us, attempt.error_code,
  attempt.n = request.attempt_count AND request.refusal
FROM attempt JOIN request USING (request_id)
WHERE attempt.provider = :provider AND attempt.started_us >= :since_us AND request.origin = 'live'
ORDER BY attempt.started_us DESC LIMIT :most;

-- name: took
-- How long the newest live requests with a prompt took.
SELECT coalesce(prompt_version, ''), latency_us FROM request
WHERE prompt_name = ? AND ts_us >= ? AND origin = 'live' AND status <> 'rejected'
ORDER BY ts_us DESC, request_id DESC LIMIT ?;

-- name: costs
-- Live cost by UTC day, dearest group first.
SELECT /*group*/, sum(n), sum(n_estimated), sum(n_unpriced), sum(input_tokens), sum(cached_tokens),
  sum(output_tokens), sum(cost_nano)
FROM rollup_day
WHERE bucket_us >= ? AND bucket_us < ? AND origin = 'live' AND model <> ''
GROUP BY /*group*/ ORDER BY sum(cost_nano) DESC, /*group*/;

-- name: costs_of_tenant
-- The same of one tenant, by its own days of a JSON list: each is one step of the key. A tenant of
-- the system's own has no users: all that it paid for counts.
SELECT /*group*/, sum(n), sum(n_estimated), sum(n_unpriced), sum(input_tokens), sum(cached_tokens),
  sum(output_tokens), sum(cost_nano)
FROM rollup_day_local
WHERE bucket_us IN (SELECT CAST(value AS BIGINT) FROM /*each*/(?)) AND tenant_id = ?
  AND (origin = 'live' OR substr(tenant_id, 1, 8) = 'trimtab-') AND model <> ''
GROUP BY /*group*/ ORDER BY sum(cost_nano) DESC, /*group*/;

-- name: costs_of_tenant_ever
-- The same of more days than a list has room for.
SELECT /*group*/, sum(n), sum(n_estimated), sum(n_unpriced), sum(input_tokens), sum(cached_tokens),
  sum(output_tokens), sum(cost_nano)
FROM rollup_day_local
WHERE bucket_us >= ? AND bucket_us < ? AND tenant_id = ?
  AND (origin = 'live' OR substr(tenant_id, 1, 8) = 'trimtab-') AND model <> ''
GROUP BY /*group*/ ORDER BY sum(cost_nano) DESC, /*group*/;

-- name: totals
-- What there ever was, dearest first.
SELECT /*total*/, n, n_estimated, n_unpriced, input_tokens, cached_tokens, output_tokens, cost_nano
FROM rollup_total WHERE model <> '' ORDER BY cost_nano DESC, /*total*/;

-- name: series
-- Live traffic by minute and latency.
SELECT bucket_us, idx, sum(n), sum(n_error), sum(cost_nano) FROM rollup_minute
WHERE bucket_us >= ? AND bucket_us < ? AND (CAST(? AS TEXT) IS NULL OR tenant_id = ?)
GROUP BY bucket_us, idx ORDER BY bucket_us, idx;

-- name: used
-- Who called what, by whole hours.
SELECT DISTINCT tenant_id, key_id, model FROM rollup_hour
WHERE bucket_us >= ? AND origin = 'live' AND status <> 'rejected' AND model <> '' AND n > 0
ORDER BY tenant_id, key_id, model;

-- name: prompted
-- Live requests with prompts, by whole hours.
SELECT /*group*/, sum(n), sum(CASE WHEN status IN ('error', 'truncated', 'lost') THEN n ELSE 0 END),
  sum(n_unpriced), sum(cost_nano)
FROM rollup_hour
WHERE bucket_us >= ? AND origin = 'live' AND status <> 'rejected' AND prompt_name <> ''
  AND (CAST(? AS TEXT) IS NULL OR prompt_name = ?)
GROUP BY /*group*/ ORDER BY /*group*/;

-- name: spent_by_hour
-- What a budget's lines cost, in whole hours, and how many have no price.
SELECT coalesce(sum(cost_nano), 0), coalesce(sum(n_unpriced), 0) FROM rollup_hour
WHERE bucket_us >= ? AND bucket_us < ? AND /*where*/;

-- name: spent_by_line
-- What a budget's lines cost, line by line, and how many have no price.
SELECT coalesce(sum(cost_nano), 0), count(*) - count(cost_nano) FROM ledger
WHERE ts_us >= ? AND ts_us < ? AND /*where*/;

-- name: payers
-- Tenants with lines: one step of the index for each.
WITH RECURSIVE payer (id) AS (
  SELECT min(tenant_id) FROM ledger
  UNION ALL
  SELECT (SELECT min(tenant_id) FROM ledger WHERE tenant_id > payer.id) FROM payer
  WHERE payer.id IS NOT NULL
)
SELECT id FROM payer WHERE id IS NOT NULL;

-- name: ledger
-- Lines of a tenant, oldest first.
SELECT /*line*/ FROM ledger
WHERE tenant_id = ? AND ts_us >= ? AND ts_us < ? AND (ts_us, line_id) > (?, ?)
ORDER BY ts_us, line_id LIMIT ?;

-- name: ledger_sums
-- Live lines of a tenant in a span, those of one month of its own calendar.
SELECT month, kind, feature, model_requested, coalesce(price_version, ''), count(*),
  count(*) FILTER (WHERE cost_nano IS NULL), coalesce(sum(cost_nano), 0)
FROM (
  SELECT *, coalesce(nullif(substr(day_local, 1, 7), ''), substr(/*ts_day*/, 1, 7)) AS month FROM ledger
  WHERE tenant_id = ? AND ts_us >= ? AND ts_us < ? AND origin = 'live'
) AS line
WHERE month = ?
GROUP BY month, kind, feature, model_requested, coalesce(price_version, '');

-- name: billed
-- Lines by UTC day as providers see them, in the order of `store.base.Billed`.
SELECT /*ts_day*/ AS day, provider, account, model_sent, count(*),
  count(*) FILTER (WHERE usage_source IN ('partial', 'estimated')),
  count(*) FILTER (WHERE cost_nano IS NULL),
  coalesce(sum(input_tokens), 0), coalesce(sum(cached_tokens), 0),
  coalesce(sum(cache_write_5m), 0), coalesce(sum(cache_write_30m), 0),
  coalesce(sum(cache_write_1h), 0), coalesce(sum(cache_write_12h), 0),
  coalesce(sum(output_tokens), 0), coalesce(sum(cost_nano), 0)
FROM ledger WHERE ts_us >= ? AND ts_us < ?
GROUP BY day, provider, account, model_sent ORDER BY day, provider, account, model_sent;

-- name: put_due
-- A request whose content is to be made findable.
INSERT INTO search_due (request_id) VALUES (?) ON CONFLICT DO NOTHING;

-- name: due
-- The oldest of them.
SELECT request_id FROM search_due ORDER BY request_id LIMIT ?;

-- name: taken
-- One of them, done with.
DELETE FROM search_due WHERE request_id = ?;

-- name: facets
-- By what lists are narrowed, of records newest first; the conditions are those of `page`.
SELECT /*facet*/ FROM request WHERE /*where*/ ORDER BY ts_us DESC, request_id DESC LIMIT ?;

-- name: save_filter
-- A filter by its owner and name.
INSERT INTO saved_filter (owner, name, text) VALUES (?, ?, ?)
ON CONFLICT (owner, name) DO UPDATE SET text = excluded.text;

-- name: unsave_filter
-- A filter that goes.
DELETE FROM saved_filter WHERE owner = ? AND name = ?;

-- name: saved_filters
-- Filters of somebody and of everybody.
SELECT owner, name, text FROM saved_filter WHERE owner IN (?, '') ORDER BY name, owner DESC;
