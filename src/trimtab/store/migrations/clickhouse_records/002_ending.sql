-- What ends is off the disk soon: a part that was rewritten is kept for a second, not for eight
-- minutes. That may be, for what takes its place is on disk before.
ALTER TABLE request MODIFY SETTING old_parts_lifetime = 1, min_rows_to_fsync_after_merge = 1,
  finished_mutations_to_keep = 1;
ALTER TABLE request_detail MODIFY SETTING old_parts_lifetime = 1,
  min_rows_to_fsync_after_merge = 1, finished_mutations_to_keep = 1;
ALTER TABLE attempt MODIFY SETTING old_parts_lifetime = 1, min_rows_to_fsync_after_merge = 1,
  finished_mutations_to_keep = 1;
ALTER TABLE annotation MODIFY SETTING old_parts_lifetime = 1, min_rows_to_fsync_after_merge = 1,
  finished_mutations_to_keep = 1;
ALTER TABLE span MODIFY SETTING old_parts_lifetime = 1, min_rows_to_fsync_after_merge = 1,
  finished_mutations_to_keep = 1;
ALTER TABLE search MODIFY SETTING old_parts_lifetime = 1, min_rows_to_fsync_after_merge = 1,
  finished_mutations_to_keep = 1;

-- Content that was erased may be written once more: it is not taken for what is there already.
ALTER TABLE content MODIFY SETTING old_parts_lifetime = 1, min_rows_to_fsync_after_merge = 1,
  finished_mutations_to_keep = 1, non_replicated_deduplication_window = 0,
  replicated_deduplication_window = 0;

-- Whom a request is about, and which it repeats.
ALTER TABLE request ADD INDEX IF NOT EXISTS by_user user_hash TYPE bloom_filter(0.001) GRANULARITY 1;
ALTER TABLE request ADD INDEX IF NOT EXISTS by_origin origin_request_id TYPE bloom_filter(0.001)
  GRANULARITY 1;
ALTER TABLE request MATERIALIZE INDEX by_user;
ALTER TABLE request MATERIALIZE INDEX by_origin;

-- What a host erases just now, by the day it is of: ids of requests, refs in hex, spans with slashes
-- between. Statements that rewrite parts read it, for lists in them would be read once a part.
CREATE TABLE IF NOT EXISTS going (
  host String,
  part String,
  name String
) ENGINE = MergeTree PARTITION BY host ORDER BY (part, name)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, old_parts_lifetime = 1;
