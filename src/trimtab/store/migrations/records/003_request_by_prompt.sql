-- Requests with a prompt, newest first; what the figures of its versions need is in the index.
CREATE INDEX request_by_prompt
ON request (prompt_name, ts_us, request_id, prompt_version, origin, status, latency_us)
WHERE prompt_name IS NOT NULL;
