-- What applications told of their own work. The tenant comes first: no two share an id.
CREATE TABLE span (
  tenant_id TEXT COLLATE "C" NOT NULL,
  trace_id TEXT COLLATE "C" NOT NULL,
  span_id TEXT COLLATE "C" NOT NULL,
  parent_span_id TEXT COLLATE "C",
  received_us BIGINT NOT NULL,
  ts_us BIGINT NOT NULL,
  end_us BIGINT NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  status TEXT COLLATE "C" NOT NULL,
  service TEXT COLLATE "C" NOT NULL,
  view TEXT COLLATE "C" NOT NULL,
  request_id TEXT COLLATE "C",
  response_id TEXT COLLATE "C",
  content_ref BYTEA,
  body BYTEA NOT NULL,
  PRIMARY KEY (tenant_id, trace_id, span_id)
);

-- A whole trace is outlined from this alone.
CREATE INDEX span_outline ON span
  (tenant_id, trace_id, ts_us, span_id, parent_span_id, end_us, view);
CREATE INDEX span_by_request ON span (tenant_id, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX span_by_response ON span (tenant_id, response_id) WHERE response_id IS NOT NULL;
CREATE INDEX span_by_time ON span (received_us);

CREATE FUNCTION span_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'spans are insert-only';
END $$;

CREATE TRIGGER span_is_final BEFORE UPDATE ON span
FOR EACH STATEMENT EXECUTE FUNCTION span_is_final();
