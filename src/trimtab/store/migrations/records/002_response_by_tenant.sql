-- A conversation goes on from an answer of the same tenant, found by the provider's id for it.
DROP INDEX request_by_response;
CREATE INDEX request_by_response ON request (response_id, tenant_id, ts_us, request_id)
WHERE response_id IS NOT NULL;
