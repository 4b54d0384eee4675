"""Pre-collect plug-ins: what answers the collector in the same request."""
