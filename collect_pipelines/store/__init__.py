"""The only room that speaks to Postgres: schema, migrations, log, cursors, batches, ledger, quota, leases."""
