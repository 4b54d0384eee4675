"""The Dagster graph, one module per Dagster concept. Empty on purpose; `definitions.py` puts the parts together."""
