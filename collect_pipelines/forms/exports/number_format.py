"""Numbers as people and office programs write them (`1.234,5`, `₹ 1,20,000`, `12 %`), read so that the same text can be written again."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import product
from typing import Any
from unicodedata import category

__all__ = ["NumberFormat", "number_formats", "shape_of"]

EXACT_DIGITS = 15  # spreadsheets and floats keep so many
SPACES = (" ", "\u00a0", "\u202f")
APOSTROPHES = ("'", "\u2019")
SEPARATORS = (
    *(("", "."), ("", ","), (",", "."), (".", ",")),
    *((space, mark) for space in SPACES for mark in ",."),
    *((apostrophe, ".") for apostrophe in APOSTROPHES),
)
"""Between groups of digits, and before the fraction."""

UNITS = frozenset({
    "%", "‰", "°", "°C", "°F", "Rs", "Rs.", "INR", "USD", "US$", "EUR", "GBP", "CHF", "R$", "A$", "C$", "kr", "kr.", "zł", "Kč", "lei",
    "KES", "NGN", "BRL", "MXN", "JPY", "CNY", "ZAR", "g", "kg", "t", "mm", "cm", "m", "km", "ml", "l", "L", "ha", "m²", "km²",
})  # fmt: skip
"""What may stand before or after a number besides a currency sign; other words make it a text."""

_LOOSE = re.compile(
    r"(?P<minus>-?)(?P<prefix>[^\d-]*)(?P<inner>-?)(?P<body>[0-9](?:[0-9.,'\u2019 \u00a0\u202f]*[0-9])?)(?P<suffix>\D*)", re.DOTALL
)
_FRACTION = re.compile(r"[.,]([0-9]+)\Z")
_DIGITS = str.maketrans("123456789", "999999999")


@dataclass(frozen=True)
class NumberFormat:
    """One way to write numbers. `write(read(text)) == text` for every text that is written exactly so."""

    prefix: str = ""
    suffix: str = ""
    thousands: str = ""
    decimal: str = "."
    indian: bool = False
    """Groups of two above the last three digits: 1,20,000."""
    decimals: int | None = None
    """Digits of every fraction; None: as many as the number needs."""
    minus_first: bool = False
    """The minus stands before the prefix."""

    def read(self, text: str) -> int | float | None:
        """The number; None when the text is written otherwise. Prefix, suffix and separators of groups may be missing."""
        match = self._pattern.fullmatch(text.strip())
        if match is None:
            return None
        whole, fraction = match["whole"], match["fraction"]
        for separator in (self.thousands, *SPACES) if self.thousands else ():
            whole = whole.replace(separator, "")
        negative = bool(match["minus"] or match["inner"])
        if len(whole) + len(fraction or "") > EXACT_DIGITS or (negative and not (whole + (fraction or "")).strip("0")):
            return None  # -0 has no number of its own
        number = float(f"{whole}.{fraction}") if fraction else int(whole)
        return -number if negative else number

    def write(self, number: int | float) -> str:
        """The number as text."""
        exact = Decimal(repr(abs(number)))
        digits = format(exact, "f" if self.decimals is None else f".{self.decimals}f")
        whole, _, fraction = digits.partition(".")
        body = self._grouped(whole) + (self.decimal + fraction if fraction else "")
        minus = "-" if number < 0 else ""
        return f"{minus}{self.prefix}{body}{self.suffix}" if self.minus_first else f"{self.prefix}{minus}{body}{self.suffix}"

    def as_metadata(self) -> dict[str, Any]:
        """What differs from a plain number."""
        facts: dict[str, Any] = {"prefix": self.prefix, "suffix": self.suffix, "thousands": self.thousands}
        facts = {name: value for name, value in facts.items() if value}
        if self.indian:
            facts["grouping"] = "indian"
        if self.decimal != ".":
            facts["decimal"] = self.decimal
        if self.decimals is not None:
            facts["decimals"] = self.decimals
        if self.minus_first:
            facts["minus"] = "first"
        return facts

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "NumberFormat":
        """The format of a question's metadata. Raises ValueError when it is none."""
        known = {"prefix", "suffix", "thousands", "grouping", "decimal", "decimals", "minus"}
        texts = ("prefix", "suffix", "thousands", "decimal")
        decimals = facts.get("decimals")
        if not facts.keys() <= known or not all(isinstance(facts.get(name, ""), str) for name in texts):
            raise ValueError("a format of numbers has the texts prefix, suffix, thousands and decimal, decimals, grouping and minus")
        if decimals is not None and (type(decimals) is not int or not 0 <= decimals <= EXACT_DIGITS):
            raise ValueError(f"decimals is a whole number from 0 to {EXACT_DIGITS}")
        return cls(
            prefix=facts.get("prefix", ""),
            suffix=facts.get("suffix", ""),
            thousands=facts.get("thousands", ""),
            decimal=facts.get("decimal", "."),
            indian=facts.get("grouping") == "indian",
            decimals=decimals,
            minus_first=facts.get("minus") == "first",
        )

    @property
    def simplicity(self) -> int:
        """Fewer facts to remember are simpler."""
        return len(self.as_metadata())

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        separator = re.escape(self.thousands)
        if self.thousands.isspace():
            separator = f"[{''.join(SPACES)}]"
        western, indian = rf"[0-9]{{1,3}}(?:{separator}[0-9]{{3}})+", rf"[0-9]{{1,2}}(?:{separator}[0-9]{{2}})*{separator}[0-9]{{3}}"
        grouped = indian if self.indian else western
        whole = rf"(?P<whole>{grouped}|[0-9]+)" if self.thousands else r"(?P<whole>[0-9]+)"
        prefix, suffix = (rf"(?:{re.escape(affix.strip())})?\s*" for affix in (self.prefix, self.suffix))
        fraction = rf"(?:{re.escape(self.decimal)}(?P<fraction>[0-9]+))?"
        return re.compile(rf"(?P<minus>-?){prefix}(?P<inner>-?){whole}{fraction}\s*{suffix}")

    def _grouped(self, whole: str) -> str:
        if not self.thousands or len(whole) <= 3:
            return whole
        head, tail = whole[:-3], whole[-3:]
        size = 2 if self.indian else 3
        parts = [head[max(0, end - size) : end] for end in range(len(head), 0, -size)]
        return self.thousands.join([*reversed(parts), tail])


def shape_of(cell: str) -> str | None:
    """
    The cell with its digits other than 0 made equal; None when it is no number in any format.

    Cells of one shape fit the same formats, so that a column of a million numbers needs a few dozen to be remembered.
    """
    match = _LOOSE.fullmatch(cell)
    if match is None or not (_is_unit(match["prefix"]) and _is_unit(match["suffix"])):
        return None
    body = match["body"].translate(_DIGITS)
    minus = match["minus"] or match["inner"]
    if minus and "9" not in body:
        return "-0"  # no format gives it back
    # only a 0 at either end matters: zeros inside would make a shape per number
    digits = f"{body[0]}{body[1:-1].replace('0', '9')}{body[-1]}" if len(body) > 1 else body
    return f"{match['minus']}{match['prefix']}{match['inner']}{digits}{match['suffix']}"


def number_formats(cell: str) -> Iterator[NumberFormat]:
    """Every format in which the cell may be written, the simplest ones first."""
    match = _LOOSE.fullmatch(cell)
    if match is None or not (_is_unit(match["prefix"]) and _is_unit(match["suffix"])):
        return
    fraction = _FRACTION.search(match["body"])
    sizes = (None,) if fraction is None else (None, len(fraction[1]))
    signs = (False, True) if match["prefix"] else (False,)
    for (thousands, decimal), decimals, first in product(SEPARATORS, sizes, signs):
        for indian in (False, True) if thousands == "," else (False,):
            candidate = NumberFormat(match["prefix"], match["suffix"], thousands, decimal, indian, decimals, first)
            if candidate.decimals is None and decimal == "," and thousands == "" and "," not in cell and "." not in cell:
                continue  # nothing tells it from the decimal point
            yield candidate


def _is_unit(affix: str) -> bool:
    text = affix.strip()
    return len(affix) - len(text) <= 1 and (not text or text in UNITS or (len(text) == 1 and category(text) == "Sc"))
