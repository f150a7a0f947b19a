-- The change log: append-only, gapless, hash-chained. Who may log in, who runs what, whose it is.
CREATE TABLE change (
  seq BIGINT PRIMARY KEY,
  change_id TEXT NOT NULL UNIQUE,
  ts_us BIGINT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  before BYTEA,
  after BYTEA,
  author TEXT NOT NULL,
  source TEXT NOT NULL,
  reason TEXT NOT NULL,
  prev_hash TEXT NOT NULL,
  hash TEXT NOT NULL
);

CREATE INDEX change_by_pointer ON change (kind, name, seq);

CREATE FUNCTION change_is_next() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM change) THEN
    RAISE EXCEPTION 'the change log has no gaps';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER change_is_next BEFORE INSERT ON change
FOR EACH ROW EXECUTE FUNCTION change_is_next();

CREATE FUNCTION change_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the change log is append-only';
END $$;

CREATE TRIGGER change_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON change
FOR EACH STATEMENT EXECUTE FUNCTION change_is_final();

CREATE TABLE acknowledgement (
  worker_id TEXT PRIMARY KEY,
  config_seq BIGINT NOT NULL,
  ts_us BIGINT NOT NULL,
  session_pid INTEGER NOT NULL,
  session_start TIMESTAMPTZ NOT NULL
);

CREATE TABLE account (
  name TEXT PRIMARY KEY,
  role TEXT NOT NULL,
  password TEXT NOT NULL
);

CREATE TABLE site (
  is_only BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (is_only),
  proof TEXT NOT NULL
);
