-- name: days
-- What every tenant spent on each of its own days.
SELECT tenant_id, bucket_us, sum(cost_nano) FROM rollup_day_local
WHERE bucket_us >= ? AND bucket_us < ? AND origin = 'live' AND model <> ''
GROUP BY tenant_id, bucket_us HAVING sum(cost_nano) <> 0 ORDER BY tenant_id, bucket_us;

-- name: hours
-- What every tenant spent in each hour of a JSON list.
SELECT tenant_id, bucket_us, sum(cost_nano) FROM rollup_hour
WHERE bucket_us IN (SELECT CAST(value AS BIGINT) FROM /*each*/(?)) AND origin = 'live' AND model <> ''
GROUP BY tenant_id, bucket_us HAVING sum(cost_nano) <> 0 ORDER BY tenant_id, bucket_us;

-- name: parts_of_days
-- What a tenant spent on the days of a JSON list, by feature and model.
SELECT feature, model, sum(cost_nano) FROM rollup_day_local
WHERE bucket_us IN (SELECT CAST(value AS BIGINT) FROM /*each*/(?)) AND tenant_id = ? AND origin = 'live' AND model <> ''
GROUP BY feature, model HAVING sum(cost_nano) <> 0 ORDER BY feature, model;

-- name: parts_of_hours
-- What a tenant spent in the hours of a JSON list, by feature and model.
SELECT feature, model, sum(cost_nano) FROM rollup_hour
WHERE bucket_us IN (SELECT CAST(value AS BIGINT) FROM /*each*/(?)) AND tenant_id = ? AND origin = 'live' AND model <> ''
GROUP BY feature, model HAVING sum(cost_nano) <> 0 ORDER BY feature, model;

-- name: largest
-- The dearest requests of a tenant, of one feature and model or of all.
SELECT request_id FROM request
WHERE tenant_id = :tenant_id AND ts_us >= :since_us AND ts_us < :until_us AND origin = 'live'
  AND cost_nano > 0
  AND (CAST(:feature AS TEXT) IS NULL OR feature = :feature)
  AND (CAST(:model AS TEXT) IS NULL OR model_requested = :model
    OR substr(model_requested, 1, length(:model) + 1) = :model || '!')
ORDER BY cost_nano DESC, request_id LIMIT :most;

-- name: repeated
-- What calls since an instant have in common, and how many of them sent the same body.
WITH recent AS MATERIALIZED (
  SELECT request.tenant_id, request.key_id, request.conversation_id, request.user_hash,
    request.prompt_hash, request.request_id, request.feature, request.model_requested AS model,
    coalesce(request.cost_nano, 0) AS cost_nano, attempt.sent_hash
  FROM request JOIN attempt ON attempt.request_id = request.request_id AND attempt.n = 1
  WHERE request.ts_us >= :since_us AND request.origin = 'live' AND attempt.sent_hash <> ''
),
-- Few keys repeat themselves: only their calls are looked at closely.
hot AS (
  SELECT DISTINCT tenant_id, key_id FROM (
    SELECT tenant_id, key_id FROM recent
    GROUP BY tenant_id, key_id, sent_hash HAVING count(*) >= :equal
  ) AS body
),
suspect AS MATERIALIZED (SELECT recent.* FROM recent JOIN hot USING (tenant_id, key_id)),
shared AS (
  SELECT 'conversation' AS about, conversation_id AS name, * FROM suspect WHERE conversation_id IS NOT NULL
  UNION ALL SELECT 'end user', user_hash, * FROM suspect WHERE user_hash IS NOT NULL
  UNION ALL SELECT 'prompt', prompt_hash, * FROM suspect WHERE prompt_hash IS NOT NULL
  UNION ALL SELECT 'key', key_id, * FROM suspect
),
bodies AS (
  SELECT tenant_id, key_id, about, name, count(*) AS calls, sum(cost_nano) AS cost_nano,
    min(request_id) AS oldest, max(request_id) AS newest, max(feature) AS feature, max(model) AS model
  FROM shared GROUP BY tenant_id, key_id, about, name, sent_hash
),
-- The first of each is its most frequent body.
ranked AS (
  SELECT *, sum(calls) OVER alike AS all_calls, sum(cost_nano) OVER alike AS all_nano,
    row_number() OVER (alike ORDER BY calls DESC, oldest) AS place
  FROM bodies WINDOW alike AS (PARTITION BY tenant_id, key_id, about, name)
)
SELECT tenant_id, key_id, about, name, all_calls, calls, all_nano, feature, model, oldest, newest
FROM ranked WHERE place = 1 AND all_calls >= :least
ORDER BY tenant_id, key_id, about, name;

-- name: conversations
-- The calls since an instant of conversations that have several.
SELECT tenant_id, key_id, conversation_id, feature, model_requested, input_tokens,
  coalesce(cost_nano, 0), request_id
FROM request
WHERE ts_us >= :since_us AND origin = 'live' AND input_tokens IS NOT NULL
  AND (tenant_id, key_id, conversation_id) IN (
    SELECT tenant_id, key_id, conversation_id FROM request
    WHERE ts_us >= :since_us AND origin = 'live' AND input_tokens IS NOT NULL
      AND conversation_id IS NOT NULL
    GROUP BY tenant_id, key_id, conversation_id HAVING count(*) >= :least
  )
ORDER BY tenant_id, key_id, conversation_id, ts_us, request_id;

-- name: odd
-- Kinds of ledger lines some of which have no cost, cost nothing, or contradict themselves.
WITH line AS (
  SELECT tenant_id, feature, model_requested, provider, model_sent, request_id,
    CASE WHEN cost_nano IS NULL THEN 1 ELSE 0 END AS unpriced,
    CASE WHEN cost_nano = 0 AND coalesce(input_tokens, 0) + coalesce(output_tokens, 0) > 0
      THEN 1 ELSE 0 END AS free,
    CASE WHEN replace(flags, 'usage_inconsistent', '') <> flags THEN 1 ELSE 0 END AS inconsistent
  -- By tenant, for that is how the ledger has an index.
  FROM (
    SELECT DISTINCT tenant_id FROM rollup_hour
    WHERE bucket_us >= :since_us - 3600000000 AND bucket_us < :until_us
  ) AS payer JOIN ledger USING (tenant_id)
  WHERE ts_us >= :since_us AND ts_us < :until_us AND origin = 'live'
)
SELECT tenant_id, feature, model_requested, provider, model_sent, count(*), sum(unpriced), sum(free),
  sum(inconsistent), min(CASE WHEN unpriced + free + inconsistent > 0 THEN request_id END)
FROM line GROUP BY tenant_id, feature, model_requested, provider, model_sent
HAVING sum(unpriced) + sum(free) + sum(inconsistent) > 0
ORDER BY tenant_id, feature, model_requested, provider, model_sent;
