-- name: pushed
-- How much of every bill was made into events.
SELECT /*pushed*/ FROM meter_pushed ORDER BY tenant_id, month;

-- name: begin
-- The first month of a tenant, unless it has one.
INSERT INTO meter_pushed (tenant_id, month, cents)
SELECT :tenant_id, :month, 0
WHERE NOT EXISTS (SELECT 1 FROM meter_pushed WHERE tenant_id = :tenant_id);

-- name: reach
-- A month is there.
INSERT INTO meter_pushed (tenant_id, month, cents) VALUES (?, ?, 0) ON CONFLICT DO NOTHING;

-- name: count
-- More of a month, if nobody else was faster.
UPDATE meter_pushed SET cents = cents + ? WHERE tenant_id = ? AND month = ? AND cents = ?;

-- name: put
INSERT INTO meter_event (/*event*/) VALUES (/*event?*/);

-- name: events
-- What is not known to have arrived.
SELECT /*event*/ FROM meter_event ORDER BY made_us, id;

-- name: hold
-- Where an event stands.
UPDATE meter_event SET customer = ?, due_us = ?, tries = ?, error = ?, doubt_us = ?, state = ?
WHERE id = ?;

-- name: taken
DELETE FROM meter_event WHERE id = ?;
