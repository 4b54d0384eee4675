"""Who calls Google."""
