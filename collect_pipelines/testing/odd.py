"""Values that a setting may be given by mistake or by malice."""

from typing import Any

__all__ = ["ODD_SETTINGS"]

# What a form, or a program that writes one, may put into a setting.
ODD_SETTINGS: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**63,
    1e308,
    "",
    "\u0000",
    "x" * 100_000,
    "(a+)+$",
    "[",
    [],
    [None],
    {},
    {"": {}},
    [[]] * 50,
)
