-- Who read what not everybody may: append-only.
CREATE TABLE reading (
  seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ts_us BIGINT NOT NULL,
  author TEXT NOT NULL,
  source TEXT NOT NULL,
  what TEXT NOT NULL,
  tenant_id TEXT NOT NULL,
  request_id TEXT NOT NULL
);

CREATE FUNCTION reading_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit is append-only';
END $$;

CREATE TRIGGER reading_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON reading
FOR EACH STATEMENT EXECUTE FUNCTION reading_is_final();
