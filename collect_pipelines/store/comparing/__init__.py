"""A destination compared with the log, inside Postgres."""
