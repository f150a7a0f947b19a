-- name: alone
-- Whether this session is the one keeper of a host, or of all; it is for as long as it lives.
SELECT pg_try_advisory_lock(hashtextextended('trimtab keeper of ' || ?, 0));

-- name: by_key
-- See `relational/erasing`. Of a list the planner knows no length, and would rather read all lines.
SET LOCAL enable_seqscan = off;

-- name: put_content
-- Pieces of content, each once: lists of days, tenants, refs, codecs and bytes. A sealed one is
-- put anew, for the key that the first was sealed under may be gone.
INSERT INTO content (day, tenant_id, ref, codec, data)
SELECT * FROM unnest(CAST(? AS DATE[]), CAST(? AS TEXT[]), CAST(? AS BYTEA[]), CAST(? AS TEXT[]), CAST(? AS BYTEA[]))
ON CONFLICT (day, tenant_id, ref) DO UPDATE SET codec = excluded.codec, data = excluded.data
WHERE content.codec LIKE '%+a256gcm';

-- name: content
SELECT codec, data FROM content WHERE day = ? AND tenant_id = ? AND ref = ?;

-- name: pieces
-- Pieces of content of a tenant's day, or copies that are kept.
SELECT ref, codec, data FROM content
WHERE day = ? AND tenant_id = ? AND ref = ANY(CAST(? AS BYTEA[]));

-- name: drop_pieces
DELETE FROM content WHERE day = ? AND tenant_id = ? AND ref = ANY(CAST(? AS BYTEA[]));

-- name: drop_content
DELETE FROM content WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM content WHERE day = ? AND (CAST(? AS TEXT) IS NULL OR tenant_id = ?) LIMIT ?
));

-- name: drop_words
DELETE FROM search WHERE request_id = ANY(CAST(? AS TEXT[]));

-- name: drop_words_of_day
DELETE FROM search WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM search WHERE day = ? AND (CAST(? AS TEXT) IS NULL OR tenant_id = ?) LIMIT ?
));

-- name: content_days
-- Days that have content, with each tenant, as instants: one step of the key for each.
WITH RECURSIVE step AS (
  (SELECT day, tenant_id FROM content ORDER BY day, tenant_id LIMIT 1)
  UNION ALL
  SELECT following.day, following.tenant_id FROM step, LATERAL (
    SELECT day, tenant_id FROM content WHERE (day, tenant_id) > (step.day, step.tenant_id)
    ORDER BY day, tenant_id LIMIT 1
  ) AS following
)
SELECT CAST(extract(epoch FROM day) AS BIGINT) * 1000000, tenant_id FROM step;

-- name: keep_content
INSERT INTO kept_content (tenant_id, ref, codec, data) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: kept_piece
SELECT codec, data FROM kept_content WHERE tenant_id = ? AND ref = ?;

-- name: kept_content
SELECT ref, codec, data FROM kept_content WHERE tenant_id = ?;

-- name: kept_tenants
SELECT DISTINCT tenant_id FROM kept_content;

-- name: drop_kept
DELETE FROM kept_content WHERE tenant_id = ? AND NOT ref = ANY(CAST(? AS BYTEA[]));

-- name: may_end_lines
-- Until this transaction ends, lines before an instant may be deleted.
SELECT set_config('trimtab.ledger_ends_us', ?, true);

-- name: claim_site
-- The first host says which site the records are of.
INSERT INTO record_site (proof) VALUES (?) ON CONFLICT DO NOTHING;

-- name: site
-- Which site the records are of.
SELECT proof FROM record_site;

-- name: put_words
-- The words of a request, once, if that is still due: whoever erases it just now is waited for.
INSERT INTO search (request_id, day, tenant_id, words)
SELECT request.request_id, CAST(? AS DATE), tenant_id, CAST(? AS TSVECTOR)
FROM search_due JOIN request ON request.request_id = search_due.request_id
WHERE search_due.request_id = ? FOR SHARE OF search_due ON CONFLICT DO NOTHING;

-- name: claim_place
-- The first host says whether records are kept elsewhere.
INSERT INTO record_place (is_elsewhere) VALUES (?) ON CONFLICT DO NOTHING;

-- name: place
-- Whether records are kept elsewhere.
SELECT is_elsewhere FROM record_place;
