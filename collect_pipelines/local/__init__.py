"""The embedded default: Postgres from a wheel, a local Sheets server, a supervisor."""
