-- name: put
-- A piece of content, once.
INSERT INTO blob (tenant_id, ref, codec, data) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: get
SELECT codec, data FROM blob WHERE tenant_id = ? AND ref = ?;
