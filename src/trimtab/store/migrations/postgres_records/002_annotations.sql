-- What arrived about a request after it ended. Never changed: a later one corrects it.
CREATE TABLE annotation (
  annotation_id TEXT COLLATE "C" PRIMARY KEY,
  request_id TEXT COLLATE "C" NOT NULL,
  tenant_id TEXT COLLATE "C" NOT NULL,
  ts_us BIGINT NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  score DOUBLE PRECISION,
  label TEXT COLLATE "C",
  text_ref BYTEA,
  source TEXT COLLATE "C" NOT NULL,
  author TEXT COLLATE "C",
  version TEXT COLLATE "C",
  probability DOUBLE PRECISION
);

CREATE INDEX annotation_by_request ON annotation (request_id, ts_us);
CREATE INDEX annotation_by_time ON annotation (ts_us);

CREATE FUNCTION annotation_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'annotations are insert-only';
END $$;

CREATE TRIGGER annotation_is_final BEFORE UPDATE ON annotation
FOR EACH STATEMENT EXECUTE FUNCTION annotation_is_final();
