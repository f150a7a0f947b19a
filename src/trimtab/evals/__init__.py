"""Evals: a candidate against what production says today, and one verdict."""
