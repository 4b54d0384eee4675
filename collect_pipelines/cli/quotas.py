"""`collect integrations quota`: how much of each quota is left, and who waits for it."""

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from collect_pipelines.cli.connection import open_database
from collect_pipelines.cli.options import json_option, pass_settings
from collect_pipelines.cli.output import ago, print_json, print_table, say
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.store.quota import QuotaState, QuotaWaiting

__all__ = ["quota"]

HEADINGS = ("quota", "left", "used in a minute", "allowed", "back in a minute", "waiting", "older waiting", "refused", "now")
WAITING_HEADINGS = ("integration", "form", "what", "weight", "waits since", "its turn in", "quota")


@click.command()
@click.option("--watch", type=click.FloatRange(0.2), metavar="SECONDS", help="Show it again and again, until Ctrl-C.")
@json_option
@pass_settings
def quota(settings: Settings, watch: float | None, as_json: bool) -> None:
    """
    Show the quotas of receivers: what is left of each now, how fast it comes back, and who waits for a turn.

    Every process shares them, and what is shown is what they all see.
    """
    with open_database(settings) as database:
        from collect_pipelines.store.quota import quota_states, quota_waiting

        while True:
            with database.begin() as connection:
                states, waiting = quota_states(connection), quota_waiting(connection)
            _show(states, waiting, as_json, clear=watch is not None and sys.stdout.isatty())
            if watch is None:
                return
            time.sleep(watch)


def _show(states: "list[QuotaState]", waiting: "list[QuotaWaiting]", as_json: bool, *, clear: bool) -> None:
    if as_json:
        print_json({"quotas": [asdict(one) for one in states], "waiting": [asdict(one) for one in waiting]})
        return
    if clear:
        click.clear()
    if not states:
        say("No quota was used yet. They appear with the first delivery to a receiver that has one.")
        return
    print_table(HEADINGS, map(_row, states))
    if waiting:
        print_table(WAITING_HEADINGS, map(_waiting_row, waiting))


def _row(state: "QuotaState") -> tuple[Any, ...]:
    allowed = "" if state.per_minute is None else state.per_minute
    back = round(state.rate_per_minute, 1)
    return (
        state.quota, state.left, state.used_last_minute, allowed, back, state.waiting, state.waiting_background, state.refused, _now(state),
    )  # fmt: skip


def _now(state: "QuotaState") -> str:
    """What a person should know of it."""
    if state.paused_seconds:
        return f"paused for {state.paused_seconds:.0f} s: the receiver refused a call"
    if state.slow_seconds:
        return f"half its rate for {state.slow_seconds:.0f} s: the receiver refused a call"
    return "in use" if state.waiting or state.waiting_background else "free"


def _waiting_row(one: "QuotaWaiting") -> tuple[Any, ...]:
    what = "older entries" if one.background else "new entries"
    return (one.integration, one.form, what, f"{one.weight:g}", ago(one.waited_seconds), f"{one.due_seconds:.1f} s", ", ".join(one.quotas))
