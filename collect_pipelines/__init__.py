"""collect-pipelines: a response is accepted once, durably, and reaches every destination exactly once."""

__version__ = "0.1.0"
