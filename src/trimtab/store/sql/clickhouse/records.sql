-- name: find
-- Records whose ids lie in a range, admitted in the time that the ids tell. Only a whole id lets
-- its index be asked.
SELECT /*request*/ FROM request FINAL
WHERE ts_us >= :since_us AND ts_us < :until_us AND request_id >= :first AND request_id < :behind
  AND (length(:first) < 28 OR request_id = :first)
ORDER BY request_id LIMIT 2;

-- name: detail
SELECT detail FROM request_detail FINAL WHERE ts_us = :ts_us AND request_id = :request_id;

-- name: attempts
SELECT /*attempt*/ FROM attempt FINAL
WHERE ts_us = :ts_us AND request_id = :request_id ORDER BY n;

-- name: annotations
-- What came later about a request.
SELECT /*annotation*/ FROM (
  SELECT * FROM annotation WHERE request_id = ? ORDER BY rank DESC LIMIT 1 BY annotation_id
) ORDER BY ts_us, annotation_id;

-- name: outline
-- The shape of a trace: of spans with one id the first.
SELECT /*outline*/ FROM (
  SELECT /*outline*/ FROM span WHERE tenant_id = ? AND trace_id = ?
  ORDER BY rank DESC LIMIT 1 BY span_id
) ORDER BY ts_us, span_id LIMIT ?;

-- name: spans
-- Some spans of a trace.
SELECT /*span*/ FROM (
  SELECT * FROM span
  WHERE tenant_id = ? AND trace_id = ? AND has(JSONExtract(?, 'Array(String)'), span_id)
  ORDER BY rank DESC LIMIT 1 BY span_id
) ORDER BY ts_us, span_id;

-- name: told_of_request
-- The first span that says it is about a request.
SELECT trace_id, span_id FROM (
  SELECT * FROM span WHERE tenant_id = ? AND request_id = ?
  ORDER BY rank DESC LIMIT 1 BY trace_id, span_id
) ORDER BY ts_us, span_id LIMIT 1;

-- name: told_of_response
-- The first span that says it is about an answer.
SELECT trace_id, span_id FROM (
  SELECT * FROM span WHERE tenant_id = ? AND response_id = ?
  ORDER BY rank DESC LIMIT 1 BY trace_id, span_id
) ORDER BY ts_us, span_id LIMIT 1;

-- name: judged
-- Requests that a judge scored, by prompt and tier. An annotation is never older than its request.
SELECT coalesce(prompt_name, '') AS prompt, tier, count() FROM request FINAL
WHERE request_id IN (
    SELECT request_id FROM annotation
    WHERE ts_us >= ? AND kind = 'evaluation' AND source = 'judge'
  ) AND ts_us >= ?
GROUP BY prompt, tier;

-- name: page
-- Records newest first. Few columns decide which; only of those that are shown all are read.
SELECT /*request*/ FROM request FINAL
WHERE (tenant_id, ts_us, request_id) IN (
  SELECT tenant_id, ts_us, request_id FROM request FINAL
  WHERE /*where*/ ORDER BY ts_us DESC, request_id DESC LIMIT ?
)
ORDER BY ts_us DESC, request_id DESC;

-- name: facets
-- By what lists are narrowed, of records newest first.
SELECT /*facet*/ FROM request FINAL WHERE /*where*/ ORDER BY ts_us DESC, request_id DESC LIMIT ?;

-- name: asked
-- What is asked again of requests, in the order of `relational.recording.Asked`.
SELECT request_id, tenant_id, ts_us, coalesce(prompt_name, ''), coalesce(prompt_version, ''),
  input_ref, output_ref FROM request FINAL
WHERE ts_us >= ? AND ts_us < ? AND request_id IN ?;

-- name: extent
-- When the first and the last record began; parts know it.
SELECT min(ts_us), max(ts_us), count() FROM request;

-- name: tried
-- The newest attempts at a provider. None begins a day after its request.
SELECT target, dur_us, error_code, refused FROM attempt FINAL
WHERE provider = :provider AND started_us >= :since_us AND ts_us >= :since_us - 86400000000
  AND origin = 'live'
ORDER BY started_us DESC LIMIT :most;

-- name: took
-- How long the newest live requests with a prompt took.
SELECT coalesce(prompt_version, ''), latency_us FROM request FINAL
WHERE prompt_name = ? AND ts_us >= ? AND origin = 'live' AND status <> 'rejected'
ORDER BY ts_us DESC, request_id DESC LIMIT ?;

-- name: content
-- Pieces of content, by their refs in hex.
SELECT tenant_id, ref, codec, data FROM content FINAL
WHERE day = ? AND tenant_id IN ? AND ref IN arrayMap(it -> unhex(it), ?);
