"""Asking before something is done that can't be taken back."""

import sys

import click

__all__ = ["agree", "yes_option"]

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def agree(question: str, yes: bool) -> None:
    """Returns when the person agrees, or did so with --yes. Raises Abort when not, and UsageError where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Nobody can be asked here: say --yes.")
    click.confirm(question, abort=True, err=True)
