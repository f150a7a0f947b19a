-- name: alone
-- Whether this session is the one keeper of a host, or of all; it is for as long as it lives.
SELECT pg_try_advisory_lock(hashtextextended('trimtab keeper of ' || ?, 0));

-- name: put_content
-- Pieces of content, each once: lists of days, tenants, refs, codecs and bytes.
INSERT INTO content (day, tenant_id, ref, codec, data)
SELECT * FROM unnest(CAST(? AS DATE[]), CAST(? AS TEXT[]), CAST(? AS BYTEA[]), CAST(? AS TEXT[]), CAST(? AS BYTEA[]))
ON CONFLICT DO NOTHING;

-- name: content
SELECT codec, data FROM content WHERE day = ? AND tenant_id = ? AND ref = ?;

-- name: claim_site
-- The first host says which site the records are of.
INSERT INTO record_site (proof) VALUES (?) ON CONFLICT DO NOTHING;

-- name: site
-- Which site the records are of.
SELECT proof FROM record_site;

-- name: put_words
-- The words of a request, once.
INSERT INTO search (request_id, day, tenant_id, words)
VALUES (?, CAST(? AS DATE), ?, CAST(? AS TSVECTOR)) ON CONFLICT DO NOTHING;

-- name: claim_place
-- The first host says whether records are kept elsewhere.
INSERT INTO record_place (is_elsewhere) VALUES (?) ON CONFLICT DO NOTHING;

-- name: place
-- Whether records are kept elsewhere.
SELECT is_elsewhere FROM record_place;
