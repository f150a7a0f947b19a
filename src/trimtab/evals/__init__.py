"""Evals: datasets, metrics and judges, and the verdict on a candidate."""
