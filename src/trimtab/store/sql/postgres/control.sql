-- name: alone
-- One writer at a time; who reads does not wait.
LOCK TABLE change IN SHARE ROW EXCLUSIVE MODE;

-- name: head
-- The newest entry of the change log.
SELECT seq, change_id, ts_us, kind, name, before, after, author, source, reason, prev_hash, hash
FROM change ORDER BY seq DESC LIMIT 1;

-- name: last
-- The newest entry about one pointer.
SELECT seq, change_id, ts_us, kind, name, before, after, author, source, reason, prev_hash, hash
FROM change WHERE kind = %s AND name = %s ORDER BY seq DESC LIMIT 1;

-- name: changes
-- The entries above a sequence number, oldest first.
SELECT seq, change_id, ts_us, kind, name, before, after, author, source, reason, prev_hash, hash
FROM change WHERE seq > %s ORDER BY seq LIMIT %s;

-- name: append
-- One more entry.
INSERT INTO change
  (seq, change_id, ts_us, kind, name, before, after, author, source, reason, prev_hash, hash)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s);

-- name: tell
-- Those who listen hear of it when the transaction is committed.
NOTIFY trimtab_change;

-- name: listen
-- Hear of changes from now on.
LISTEN trimtab_change;

-- name: newest_seq
-- How far the log goes; 0 when it is empty.
SELECT coalesce(max(seq), 0) FROM change;

-- name: acknowledge
-- What a worker runs now, and in which session it says so.
INSERT INTO acknowledgement (worker_id, config_seq, ts_us, session_pid, session_start)
SELECT %s, %s, %s, pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()
ON CONFLICT (worker_id) DO UPDATE SET
  config_seq = excluded.config_seq, ts_us = excluded.ts_us,
  session_pid = excluded.session_pid, session_start = excluded.session_start;

-- name: acknowledgements
-- What every worker said last whose session lives.
SELECT worker_id, config_seq, ts_us FROM acknowledgement
JOIN pg_stat_activity ON pid = session_pid AND backend_start = session_start
ORDER BY worker_id COLLATE "C";

-- name: put_account
-- Add or replace somebody who may log in.
INSERT INTO account (name, role, password) VALUES (%s, %s, %s)
ON CONFLICT (name) DO UPDATE SET role = excluded.role, password = excluded.password;

-- name: account
-- Find somebody by name.
SELECT name, role, password FROM account WHERE name = %s;

-- name: accounts
-- List everybody.
SELECT name, role, password FROM account ORDER BY name COLLATE "C";

-- name: claim_site
-- The first host says which site this is.
INSERT INTO site (proof) VALUES (%s) ON CONFLICT DO NOTHING;

-- name: site
-- Which site this is.
SELECT proof FROM site;

-- name: note
-- One more row of the audit.
INSERT INTO reading (ts_us, author, source, what, tenant_id, request_id)
VALUES (%s, %s, %s, %s, %s, %s);

-- name: readings
-- Rows of the audit below a number, newest first.
SELECT ts_us, author, source, what, tenant_id, request_id, seq
FROM reading WHERE seq < %s ORDER BY seq DESC LIMIT %s;

-- name: content_keys
-- Keys that content is sealed under, of one tenant or of all.
SELECT tenant_id, key_id, wrapped FROM content_key
WHERE CAST(%s AS TEXT) IS NULL OR tenant_id = %s ORDER BY tenant_id COLLATE "C";

-- name: content_keys_mark
-- How many keys there are, and the newest: a number is never given twice.
SELECT count(*), coalesce(max(seq), 0) FROM content_key;

-- name: add_content_keys
-- More keys, of tenants that have none. In one order: two hosts never wait in a circle.
INSERT INTO content_key (tenant_id, key_id, wrapped)
SELECT * FROM unnest(CAST(%s AS TEXT[]), CAST(%s AS BYTEA[]), CAST(%s AS BYTEA[])) AS fresh (tenant_id, key_id, wrapped)
ORDER BY 1
ON CONFLICT DO NOTHING;

-- name: rewrap_content_keys
-- The same keys, wrapped otherwise.
UPDATE content_key SET wrapped = fresh.wrapped
FROM unnest(CAST(%s AS TEXT[]), CAST(%s AS BYTEA[]), CAST(%s AS BYTEA[])) AS fresh (tenant_id, key_id, wrapped)
WHERE content_key.tenant_id = fresh.tenant_id AND content_key.key_id = fresh.key_id;

-- name: destroy_content_key
-- What was sealed under it cannot be read any more.
DELETE FROM content_key WHERE tenant_id = %s;

-- name: clean_content_keys
-- What was deleted stays in no page of the table.
VACUUM content_key;
