-- Keys that content is sealed under, wrapped by the master key. Unlike changes they can go.
CREATE TABLE content_key (
  seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id TEXT NOT NULL UNIQUE,
  key_id BYTEA NOT NULL,
  wrapped BYTEA NOT NULL
);
