"""Dagster's handles on the library's objects; no logic. Empty on purpose: import the module that is meant."""
