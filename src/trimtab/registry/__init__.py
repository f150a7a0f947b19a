"""The prompt registry: what is published, and where every label points."""
