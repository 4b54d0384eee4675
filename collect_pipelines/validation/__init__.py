"""Judging batches of the log: rules compiled to polars, Great Expectations as the authority. Importing this loads nothing heavy."""
