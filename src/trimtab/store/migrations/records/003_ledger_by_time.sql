-- Providers bill by the day, whoever asked.
CREATE INDEX ledger_by_time ON ledger (ts_us);
