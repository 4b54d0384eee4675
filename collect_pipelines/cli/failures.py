"""How a command ends badly: one exit code per kind of trouble, and three lines on standard error instead of a traceback."""

import sys
from os import PathLike, fspath

import click

from collect_pipelines.errors import CollectError

__all__ = ["CHANGES", "DELIVERY_INCOMPLETE", "DIFFERENT", "EXIT_CODES", "INTERRUPTED", "QUARANTINED", "UNAVAILABLE", "exit_code", "report"]

USAGE = 2
INVALID = 3
NOT_FOUND = 4
QUARANTINED = 5
DELIVERY_INCOMPLETE = 6
UNAVAILABLE = 7
TIMED_OUT = 8
CHANGES = 9
DIFFERENT = 10
INTERRUPTED = 130

EXIT_CODES = {
    0: "Done.",
    1: "Unexpected: a fault of ours, or an error without a better code.",
    USAGE: "The command line is wrong.",
    INVALID: "A form, a setting or an input is not valid, or contradicts what is stored.",
    NOT_FOUND: "What was named does not exist.",
    QUARANTINED: "Done, but validation holds back or refuses some responses.",
    DELIVERY_INCOMPLETE: "Not everything was delivered; what is left is kept and tried again.",
    UNAVAILABLE: "Something needed (Postgres, a port, a file, a destination, access) is not available, or needs a person.",
    TIMED_OUT: "Waiting took longer than allowed.",
    CHANGES: "Done: `collect plan` found something that `collect apply` would change.",
    DIFFERENT: "Done: `collect reconcile` found rows that are not as they should be.",
    INTERRUPTED: "Interrupted with Ctrl-C.",
}
"""Every exit code of `collect` and what it means."""


def exit_code(error: BaseException) -> int:
    """The exit code for an error; the only place that decides it."""
    match error:
        case CollectError():
            return error.exit_code
        case click.ClickException():
            return error.exit_code
        case KeyboardInterrupt() | EOFError() | click.Abort():
            return INTERRUPTED
        case TimeoutError():
            return TIMED_OUT
        case OSError(filename=str() | bytes() | PathLike()):
            return UNAVAILABLE
        case _:
            return 1


def report(error: BaseException) -> int:
    """Says on standard error what is wrong, where, and what to do next. Returns the exit code."""
    match error:
        case CollectError():
            _tell(error)
        case click.ClickException():
            error.show()
        case KeyboardInterrupt() | EOFError() | click.Abort():
            click.echo("Interrupted.", err=True)
        case TimeoutError():
            click.echo(f"Error: {error}", err=True)
        case OSError(filename=str() | bytes() | PathLike() as place, strerror=str() as reason):
            click.echo(f"Error: {fspath(place)!s}: {reason}", err=True)
            click.echo("Next:  Name another file or folder, or see to it that this one can be used.", err=True)
        case _:
            sys.excepthook(type(error), error, error.__traceback__)
            click.echo("This is a fault of collect. Please report it together with the lines above.", err=True)
    return exit_code(error)


def _tell(error: CollectError) -> None:
    problems = getattr(error, "problems", ())
    # the message of an error with problems repeats them, for whoever has the message only
    said = error.message.partition(problems[0])[0].rstrip(" ") if problems else ""
    click.echo(f"Error: {said or error.message}", err=True)
    for problem in problems:
        click.echo(f"  {problem}", err=True)
    if error.fix:
        click.echo(f"Next:  {error.fix}", err=True)
