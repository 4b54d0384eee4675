"""A click group that imports a command's module only when that command is used: help and start stay cheap."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click

__all__ = ["LazyCommand", "LazyGroup"]


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command lives and what the list of commands says about it."""

    module: str
    """Module with a click command called `command`."""
    summary: str
    """First line of the command's help; a test proves they are equal."""

    def load(self) -> click.Command:
        """Imports the module."""
        command: click.Command = import_module(self.module).command
        return command


class _Commands(dict[str, click.Command]):
    """Names known at once, commands loaded when asked for: what click needs for typos' suggestions and for calls."""

    def __init__(self, lazy: Mapping[str, LazyCommand]) -> None:
        super().__init__()
        self._lazy = lazy

    def __iter__(self) -> Iterator[str]:
        return iter(self._lazy)

    def __len__(self) -> int:
        return len(self._lazy)

    def __contains__(self, name: object) -> bool:
        return name in self._lazy

    def get(self, name: str, default: Any = None) -> Any:
        return self._lazy[name].load() if name in self._lazy else default


class LazyGroup(click.Group):
    """A group whose help shows its commands without importing them."""

    def __init__(self, *args: Any, lazy: Mapping[str, LazyCommand], **options: Any) -> None:
        super().__init__(*args, **options)
        self.lazy = lazy
        self.commands = _Commands(lazy)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order they were written down, which is the order a newcomer needs them."""
        return list(self.lazy)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click does, from the summaries."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in self.lazy.items()])
