"""`python -m collect_pipelines.cli` is the command `collect`."""

from collect_pipelines.cli.root import main

main()
