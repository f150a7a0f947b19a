-- name: victims
-- Records that an erasure takes, oldest first, going on behind a place. The scope stands for `of`.
SELECT request_id, ts_us, tenant_id, /*refs*/ FROM request
WHERE (/*of*/) AND ts_us <= :until_us AND (ts_us, request_id) > (:after_us, :after_id)
  AND content_state <> 'erased' AND request_id NOT IN (SELECT value FROM /*each*/(:held))
ORDER BY ts_us, request_id LIMIT :limit;

-- name: descendants
-- Records of whatever tenant that carry the text of others: replays, judgements, shadows.
SELECT request_id, ts_us, tenant_id, /*refs*/ FROM request
WHERE origin_request_id IN (SELECT value FROM /*each*/(:ids))
  AND content_state <> 'erased' AND request_id NOT IN (SELECT value FROM /*each*/(:held));

-- name: survivors
-- What records of a tenant's day refer to that the erasure does not take.
SELECT /*refs*/ FROM request
WHERE tenant_id = :tenant_id AND ts_us >= :day_us AND ts_us < :next_us AND content_state <> 'erased'
  AND NOT ((/*of*/) AND ts_us <= :until_us AND request_id NOT IN (SELECT value FROM /*each*/(:held)))
  AND request_id NOT IN (SELECT value FROM /*each*/(:ids));

-- name: said_of_survivors
-- What annotations of them refer to.
SELECT text_ref FROM annotation WHERE text_ref IS NOT NULL AND request_id IN (
  SELECT request_id FROM request
  WHERE tenant_id = :tenant_id AND ts_us >= :day_us AND ts_us < :next_us
    AND content_state <> 'erased'
    AND NOT ((/*of*/) AND ts_us <= :until_us AND request_id NOT IN (SELECT value FROM /*each*/(:held)))
    AND request_id NOT IN (SELECT value FROM /*each*/(:ids))
);

-- name: claims_of_others
-- What claims refer to that nobody has seen to be the tenant's: of whatever day, for they are few.
SELECT request_id, text_ref FROM annotation_claim
WHERE text_ref IS NOT NULL AND tenant_id = :tenant_id
  AND NOT (/*of_all*/ AND ts_us <= :until_us)
  AND annotation_id NOT IN (SELECT value FROM /*each*/(:claims))
  AND request_id NOT IN (SELECT value FROM /*each*/(:ids));

-- name: of_scope
-- Which of some records the erasure takes.
SELECT request_id FROM request
WHERE request_id IN (SELECT value FROM /*each*/(:ids)) AND (/*of*/) AND ts_us <= :until_us
  AND request_id NOT IN (SELECT value FROM /*each*/(:held));

-- name: spans_of_survivors
-- What spans of applications refer to, of a tenant's day.
SELECT content_ref FROM span
WHERE received_us >= :day_us AND received_us < :next_us AND tenant_id = :tenant_id
  AND content_ref IS NOT NULL
  AND NOT (/*of_all*/ AND received_us <= :until_us AND trace_id NOT IN (
    SELECT trace_id FROM request
    WHERE tenant_id = :of_tenant AND request_id IN (SELECT value FROM /*each*/(:held))
  ))
  AND tenant_id || '/' || trace_id || '/' || span_id NOT IN (SELECT value FROM /*each*/(:spans));

-- name: said
-- What annotations of some records refer to.
SELECT request_id, text_ref FROM annotation
WHERE request_id IN (SELECT value FROM /*each*/(:ids)) AND text_ref IS NOT NULL;

-- name: said_in_claims
-- The same of claims.
SELECT request_id, text_ref FROM annotation_claim
WHERE request_id IN (SELECT value FROM /*each*/(:ids)) AND text_ref IS NOT NULL;

-- name: spans_of_tenant
-- Spans of a tenant, but for traces of what is kept for a case.
SELECT tenant_id, trace_id, span_id, received_us, content_ref FROM span
WHERE tenant_id = :of_tenant AND received_us <= :until_us AND trace_id NOT IN (
    SELECT trace_id FROM request
    WHERE tenant_id = :of_tenant AND request_id IN (SELECT value FROM /*each*/(:held))
  )
LIMIT :limit;

-- name: claims_of_tenant
SELECT annotation_id, request_id, tenant_id, text_ref FROM annotation_claim
WHERE tenant_id = :of_tenant AND ts_us <= :until_us AND request_id NOT IN (SELECT value FROM /*each*/(:held))
LIMIT :limit;

-- name: spans_around
-- Spans of the traces that some records are in, or that name them or their answers.
WITH victim AS (
  SELECT request_id, response_id, tenant_id, trace_id FROM request
  WHERE request_id IN (SELECT value FROM /*each*/(:ids))
), around AS (
  SELECT tenant_id, trace_id FROM victim
  UNION SELECT span.tenant_id, span.trace_id FROM victim
  JOIN span ON span.tenant_id = victim.tenant_id AND span.request_id = victim.request_id
  UNION SELECT span.tenant_id, span.trace_id FROM victim
  JOIN span ON span.tenant_id = victim.tenant_id AND span.response_id = victim.response_id
)
SELECT span.tenant_id, span.trace_id, span.span_id, span.received_us, span.content_ref
FROM around JOIN span ON span.tenant_id = around.tenant_id AND span.trace_id = around.trace_id
WHERE NOT EXISTS (
  SELECT 1 FROM request WHERE request.trace_id = around.trace_id
    AND request.tenant_id = around.tenant_id AND request.request_id IN (SELECT value FROM /*each*/(:held))
);

-- name: told
-- Spans that are stored of a trace.
SELECT span_id FROM span WHERE tenant_id = :tenant_id AND trace_id = :trace_id;

-- name: scrub
-- What a record says of people goes; its figures stay.
UPDATE request SET
  content_state = 'erased', content_bytes = 0, user_hash = NULL, conversation_id = NULL, tags = NULL,
  idempotency_key_hash = NULL, tracestate = NULL, input_ref = NULL, output_ref = NULL,
  received_ref = NULL, tools_ref = NULL, prompt_vars_ref = NULL, query_embedding_ref = NULL,
  replay = 'none', replay_gaps = 'content_erased', extra = '{}'
WHERE request_id IN (SELECT value FROM /*each*/(:ids));

-- name: scrub_detail
UPDATE request_detail SET detail = :detail
WHERE request_id IN (SELECT value FROM /*each*/(:ids));

-- name: scrub_attempts
UPDATE attempt SET raw_reason = NULL
WHERE request_id IN (SELECT value FROM /*each*/(:ids)) AND raw_reason IS NOT NULL;

-- name: by_key
-- For the rest of a transaction, rows are found by their keys.
SELECT 1;

-- name: scrub_lines
-- Lines begin with the id of their request and a slash; `0` is what follows the slash.
UPDATE ledger SET conversation_id = NULL, tags = NULL
FROM /*each*/(:ids) AS victim
WHERE line_id >= victim.value || '/' AND line_id < victim.value || '0'
  AND (conversation_id IS NOT NULL OR tags IS NOT NULL);

-- name: lines_of
-- How many ledger lines some records have.
SELECT count(*) FROM /*each*/(:ids) AS victim
JOIN ledger ON line_id >= victim.value || '/' AND line_id < victim.value || '0';

-- name: unsay
DELETE FROM annotation WHERE request_id IN (SELECT value FROM /*each*/(:ids));

-- name: unsay_claims
DELETE FROM annotation_claim WHERE request_id IN (SELECT value FROM /*each*/(:ids));

-- name: unclaim
DELETE FROM annotation_claim WHERE annotation_id IN (SELECT value FROM /*each*/(:ids));

-- name: untell
DELETE FROM span WHERE tenant_id = ? AND trace_id = ? AND span_id = ?;

-- name: undue
-- What was not made findable yet will not be.
DELETE FROM search_due WHERE request_id IN (SELECT value FROM /*each*/(:ids));

-- name: erased
-- Which of some records were erased.
SELECT request_id FROM request
WHERE request_id IN (SELECT value FROM /*each*/(:ids)) AND content_state = 'erased';

-- name: count
-- Records of a scope that are not erased yet, and those of them that are kept for a case.
SELECT count(*), count(*) FILTER (WHERE request_id IN (SELECT value FROM /*each*/(:held))) FROM request
WHERE (/*of*/) AND ts_us <= :until_us AND content_state <> 'erased';

-- name: carried_out
-- Erasures that this host carried out.
SELECT erasure_id FROM erasure WHERE host = ?;

-- name: carry_out
INSERT INTO erasure (erasure_id, host, done_us, held) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: carry_out_again
-- What was spared for a case, and is not any more, is still to be erased.
DELETE FROM erasure WHERE held > 0;

-- name: hold
INSERT INTO legal_hold (case_id, request_id, tenant_id, ts_us, author, until_us)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (request_id, case_id) DO UPDATE SET author = excluded.author, until_us = excluded.until_us;

-- name: holds
-- For which cases a record is kept, and on whose word.
SELECT case_id, author FROM legal_hold
WHERE request_id = ? AND (until_us IS NULL OR until_us > ?) ORDER BY case_id;

-- name: release
DELETE FROM legal_hold WHERE case_id = ?;

-- name: overdue
DELETE FROM legal_hold WHERE until_us <= ?;

-- name: held
-- What is kept for cases.
SELECT DISTINCT request_id FROM legal_hold WHERE until_us IS NULL OR until_us > ?;

-- name: held_of_tenant
-- What of a tenant is, or was until somebody lets go of it.
SELECT DISTINCT request_id, ts_us FROM legal_hold WHERE tenant_id = ?;

-- name: kept_records
-- What some records refer to.
SELECT /*refs*/ FROM request WHERE request_id IN (SELECT value FROM /*each*/(:ids));

-- name: old_requests
SELECT request_id FROM request
WHERE ts_us < ? AND request_id NOT IN (SELECT request_id FROM legal_hold)
ORDER BY ts_us LIMIT ?;

-- name: end_requests
DELETE FROM request WHERE request_id IN (SELECT value FROM /*each*/(?));

-- name: end_details
DELETE FROM request_detail WHERE request_id IN (SELECT value FROM /*each*/(?));

-- name: end_attempts
DELETE FROM attempt WHERE request_id IN (SELECT value FROM /*each*/(?));

-- name: end_annotations
DELETE FROM annotation WHERE annotation_id IN (
  SELECT annotation_id FROM annotation
  WHERE ts_us < ? AND request_id NOT IN (SELECT request_id FROM legal_hold) ORDER BY ts_us LIMIT ?
);

-- name: end_spans
DELETE FROM span WHERE (tenant_id, trace_id, span_id) IN (
  SELECT tenant_id, trace_id, span_id FROM span WHERE received_us < ? ORDER BY received_us LIMIT ?
);

-- name: end_lines
DELETE FROM ledger WHERE line_id IN (
  SELECT line_id FROM ledger WHERE ts_us < ? ORDER BY ts_us LIMIT ?
);

-- name: oldest_bucket
SELECT min(bucket_us) FROM /*table*/ WHERE bucket_us < ?;

-- name: end_bucket
DELETE FROM /*table*/ WHERE bucket_us >= ? AND bucket_us < ?;

-- name: whole_since
INSERT INTO whole_since (name, since_us) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET since_us = excluded.since_us
WHERE whole_since.since_us < excluded.since_us;
