"""The front door: HTTP in, one durable log entry out."""
