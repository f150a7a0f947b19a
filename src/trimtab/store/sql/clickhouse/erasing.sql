-- name: victims
-- As in `relational/erasing`, and so below: records that an erasure takes, behind a place.
SELECT request_id, ts_us, tenant_id, /*refs*/ FROM request FINAL
WHERE (/*of*/) AND ts_us <= :until_us AND ts_us >= :after_us
  AND (ts_us, request_id) > (:after_us, :after_id)
  AND content_state <> 'erased' AND request_id NOT IN :held
ORDER BY ts_us, request_id LIMIT :limit;

-- name: descendants
-- Few records come from others: those are looked through, for many ids ask too much of an index.
SELECT request_id, ts_us, tenant_id, /*refs*/ FROM request FINAL
PREWHERE origin_request_id IS NOT NULL
WHERE ts_us >= :first_us AND origin_request_id IN :ids
  AND content_state <> 'erased' AND request_id NOT IN :held
SETTINGS use_skip_indexes = 0;

-- name: survivors
SELECT /*refs*/ FROM request FINAL
WHERE tenant_id = :tenant_id AND ts_us >= :day_us AND ts_us < :next_us AND content_state <> 'erased'
  AND NOT ((/*of*/) AND ts_us <= :until_us AND request_id NOT IN :held)
  AND request_id NOT IN :ids;

-- name: said_of_survivors
SELECT text_ref FROM annotation WHERE text_ref IS NOT NULL AND request_id IN (
  SELECT request_id FROM request FINAL
  WHERE tenant_id = :tenant_id AND ts_us >= :day_us AND ts_us < :next_us
    AND content_state <> 'erased'
    AND NOT ((/*of*/) AND ts_us <= :until_us AND request_id NOT IN :held)
    AND request_id NOT IN :ids
);

-- name: of_scope
SELECT request_id FROM request FINAL
WHERE request_id IN :ids AND (/*of*/) AND ts_us <= :until_us AND request_id NOT IN :held;

-- name: spans_of_survivors
SELECT content_ref FROM span
WHERE tenant_id = :tenant_id AND received_us >= :day_us AND received_us < :next_us
  AND content_ref IS NOT NULL
  AND NOT (/*of_all*/ AND received_us <= :until_us AND trace_id NOT IN (
    SELECT trace_id FROM request WHERE tenant_id = :of_tenant AND request_id IN :held
  ))
  AND concat(tenant_id, '/', trace_id, '/', span_id) NOT IN :spans;

-- name: said
SELECT request_id, text_ref FROM annotation WHERE request_id IN :ids AND text_ref IS NOT NULL;

-- name: spans_of_tenant
SELECT tenant_id, trace_id, span_id, received_us, content_ref FROM span FINAL
WHERE tenant_id = :of_tenant AND received_us <= :until_us AND trace_id NOT IN (
  SELECT trace_id FROM request WHERE tenant_id = :of_tenant AND request_id IN :held
)
LIMIT :limit;

-- name: spans_around
WITH victim AS (
  SELECT request_id, response_id, tenant_id, trace_id FROM request FINAL
  WHERE ts_us >= :first_us AND ts_us <= :last_us AND request_id IN :ids
)
SELECT tenant_id, trace_id, span_id, received_us, content_ref FROM span FINAL
WHERE (tenant_id, trace_id) IN (
    SELECT tenant_id, trace_id FROM victim
    UNION DISTINCT SELECT tenant_id, trace_id FROM span
    WHERE request_id IS NOT NULL
      AND (tenant_id, request_id) IN (SELECT tenant_id, request_id FROM victim)
    UNION DISTINCT SELECT tenant_id, trace_id FROM span
    WHERE response_id IS NOT NULL AND (tenant_id, response_id) IN (
      SELECT tenant_id, response_id FROM victim WHERE response_id IS NOT NULL
    )
  )
  AND (tenant_id, trace_id) NOT IN (
    SELECT tenant_id, trace_id FROM request WHERE request_id IN :held
  );

-- name: told
SELECT span_id FROM span WHERE tenant_id = :tenant_id AND trace_id = :trace_id;

-- name: erased
SELECT request_id FROM request FINAL
WHERE ts_us >= :first_us AND ts_us < :last_us + 1000
  AND request_id IN :ids AND content_state = 'erased';

-- name: count
SELECT count(), countIf(request_id IN :held) FROM request FINAL
WHERE (/*of*/) AND ts_us <= :until_us AND content_state <> 'erased';

-- name: kept_records
SELECT /*refs*/ FROM request FINAL
WHERE ts_us >= :first_us AND ts_us <= :last_us AND request_id IN :ids;

-- name: content_days
-- Days that have content.
SELECT DISTINCT partition_id FROM system.parts
WHERE database = currentDatabase() AND table = 'content' AND active AND rows > 0
ORDER BY partition_id;

-- name: content_tenants
SELECT DISTINCT tenant_id FROM content WHERE _partition_id = :part ORDER BY tenant_id;

-- name: held_of_day
-- What is kept for cases of what begins a day that ends.
SELECT request_id FROM request FINAL
WHERE _partition_id = :part AND ts_us < :before_us AND request_id IN :held;

-- name: oldest_request
SELECT min(ts_us), count() FROM request WHERE ts_us < :before_us AND request_id NOT IN :held;

-- name: oldest_span
SELECT min(received_us), count() FROM span WHERE received_us < :before_us;

-- name: unfinished
-- What ClickHouse was told to rewrite and has not yet, and what keeps it.
SELECT count(), max(latest_fail_reason) FROM system.mutations
WHERE database = currentDatabase() AND NOT is_done;

-- name: unlinked
-- Parts that others stand in for, and that are still there.
SELECT table, name FROM system.parts WHERE database = currentDatabase() AND NOT active;

-- name: rows_of_day
SELECT count() FROM /*table*/ WHERE _partition_id = :part;

-- name: drop_day
ALTER TABLE /*table*/ DROP PARTITION ID :part;

-- name: unlink
-- Nothing is of that day; what is old enough is unlinked then, which may else be a while.
ALTER TABLE /*table*/ DROP PARTITION ID '19700101';

-- name: named
-- Whether anything is still named that a host was to erase.
SELECT count() FROM going WHERE host = :host;

-- name: forget
ALTER TABLE going DROP PARTITION :host;
