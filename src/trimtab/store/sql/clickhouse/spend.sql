-- name: largest
-- The dearest requests of a tenant, of one feature and model or of all.
SELECT request_id FROM request FINAL
WHERE tenant_id = :tenant_id AND ts_us >= :since_us AND ts_us < :until_us AND origin = 'live'
  AND cost_nano > 0
  AND (:feature IS NULL OR feature = :feature)
  AND (:model IS NULL OR model_requested = :model OR startsWith(model_requested, concat(:model, '!')))
ORDER BY cost_nano DESC, request_id LIMIT :most;

-- name: repeated
-- What calls since an instant have in common, and how many of them sent the same body.
WITH recent AS (
  SELECT tenant_id, key_id, conversation_id, user_hash, prompt_hash, request_id, feature,
    model_requested AS model, coalesce(cost_nano, 0) AS nano, sent_hash
  FROM request AS r FINAL JOIN (
    SELECT request_id, sent_hash FROM attempt FINAL
    WHERE ts_us >= :since_us AND n = 1 AND sent_hash <> ''
  ) AS first ON first.request_id = r.request_id
  WHERE r.ts_us >= :since_us AND r.origin = 'live'
),
-- Few keys repeat themselves: only their calls are looked at closely.
suspect AS (
  SELECT *, arrayJoin([
    ('conversation', conversation_id), ('end user', user_hash), ('prompt', prompt_hash),
    ('key', toNullable(toString(key_id)))
  ]) AS shared
  FROM recent WHERE (tenant_id, key_id) IN (
    SELECT tenant_id, key_id FROM recent
    GROUP BY tenant_id, key_id, sent_hash HAVING count() >= :equal
  )
),
bodies AS (
  SELECT tenant_id, key_id, shared.1 AS about, assumeNotNull(shared.2) AS name, count() AS calls,
    sum(nano) AS cost, min(request_id) AS oldest, max(request_id) AS newest,
    max(feature) AS some_feature, max(model) AS some_model
  FROM suspect WHERE shared.2 IS NOT NULL
  GROUP BY tenant_id, key_id, about, name, sent_hash
),
-- The first of each is its most frequent body.
ranked AS (
  SELECT *, sum(calls) OVER (PARTITION BY tenant_id, key_id, about, name) AS all_calls,
    sum(cost) OVER (PARTITION BY tenant_id, key_id, about, name) AS all_nano,
    row_number() OVER (
      PARTITION BY tenant_id, key_id, about, name ORDER BY calls DESC, oldest
    ) AS place
  FROM bodies
)
SELECT tenant_id, key_id, about, name, all_calls, calls, all_nano, some_feature, some_model, oldest,
  newest
FROM ranked WHERE place = 1 AND all_calls >= :least
ORDER BY tenant_id, key_id, about, name;

-- name: conversations
-- The calls since an instant of conversations that have several.
SELECT tenant_id, key_id, conversation_id, feature, model_requested, input_tokens,
  coalesce(cost_nano, 0), request_id
FROM request FINAL
WHERE ts_us >= :since_us AND origin = 'live' AND input_tokens IS NOT NULL
  AND (tenant_id, key_id, conversation_id) IN (
    SELECT tenant_id, key_id, conversation_id FROM request FINAL
    WHERE ts_us >= :since_us AND origin = 'live' AND input_tokens IS NOT NULL
      AND conversation_id IS NOT NULL
    GROUP BY tenant_id, key_id, conversation_id HAVING count() >= :least
  )
ORDER BY tenant_id, key_id, conversation_id, ts_us, request_id;
