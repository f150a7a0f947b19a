-- name: days
-- The first and last day that there is anything of.
SELECT min(first), max(last) FROM (
  SELECT (SELECT min(bucket_us) FROM rollup_day) AS first, (SELECT max(bucket_us) FROM rollup_day) AS last
  UNION ALL SELECT (SELECT min(bucket_us) FROM rollup_day_local), (SELECT max(bucket_us) FROM rollup_day_local)
  UNION ALL SELECT (SELECT min(ts_us) FROM ledger), (SELECT max(ts_us) FROM ledger)
);

-- name: whole
-- From which instant on a table is whole; others always were.
SELECT name, since_us FROM whole_since;

-- name: lines
-- What lines of an hour add up to. A request's lines are of its own hour, whenever each began.
WITH line AS (
  SELECT ledger.*, request.ts_us AS of_us FROM request
  JOIN ledger ON line_id >= request.request_id || '/' AND line_id < request.request_id || '0'
  WHERE request.ts_us >= :since_us AND request.ts_us < :until_us AND kind <> 'adjustment'
  UNION ALL
  SELECT ledger.*, ledger.ts_us FROM ledger WHERE ts_us >= :since_us AND ts_us < :until_us AND kind = 'adjustment'
)
SELECT tenant_id, key_id, provider, origin,
  coalesce(nullif(day_local, ''), /*day*/) AS day, /*lines*/
FROM line GROUP BY 1, 2, 3, 4, 5;

-- name: sums
-- What is kept of a span.
SELECT tenant_id, key_id, provider, origin, /*sums*/ FROM /*table*/
WHERE bucket_us >= ? AND bucket_us < ? GROUP BY 1, 2, 3, 4;
