"""Metrics: one file each. `table` names them all."""
