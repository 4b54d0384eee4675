"""New rows: how each lands once."""
