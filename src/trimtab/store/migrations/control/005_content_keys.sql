-- Keys that content is sealed under, wrapped by the master key. Unlike changes they can go.
CREATE TABLE content_key (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id TEXT NOT NULL UNIQUE,
  key_id BLOB NOT NULL,
  wrapped BLOB NOT NULL
) STRICT;
