"""The command line `collect`: words to calls, no logic of its own. Importing this loads click and nothing heavier."""

from collect_pipelines.cli.root import collect, main

__all__ = ["collect", "main"]
