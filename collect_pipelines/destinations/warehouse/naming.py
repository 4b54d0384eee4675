"""Names of tables and dlt schemas, derived from a form's reference and fixed for ever."""

import base64
import hashlib
import re

__all__ = ["DELETIONS", "QUESTIONS", "shard_name", "table_name"]

DELETIONS = "_deletions"
"""Response ids that were deleted; the leading underscore keeps it apart from every form's table."""
QUESTIONS = "_questions"
"""Label, key and type of every question column of every form."""

SHARDS = 64  # a load costs ~7 ms more with every table its dlt schema knows: ~30 of them at 2,000 forms
MAX_SLUG = 40  # with suffix and prefix well below the 63 bytes that Postgres-like systems keep of a name
SUFFIX_LENGTH = 6

_PLAIN = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*", re.ASCII)


def table_name(form: str) -> str:
    """
    The table of a form: its reference when that is a plain lower-case name, else a slug and a hash.

    `household` -> `household`; `north.Household Survey` -> `north_household_survey__f_vjegjn`. Plain names hold no double
    underscore, so the two kinds never meet, and different references never share a table.
    """
    if len(form) <= MAX_SLUG and _PLAIN.fullmatch(form):
        return form
    slug = re.sub(r"[^a-z0-9]+", "_", form.lower(), flags=re.ASCII).strip("_")[:MAX_SLUG].rstrip("_")
    if not slug or not slug[0].isalpha():
        slug = f"form_{slug}".rstrip("_")
    return f"{slug}__f_{_hash(form)}"  # the letter, since dlt rewrites parts that start with a digit


def shard_name(form: str) -> str:
    """The dlt pipeline and schema that take care of the form's table: one of 64, by hash."""
    return f"forms_{int.from_bytes(hashlib.sha256(form.encode()).digest()[:4]) % SHARDS:02d}"


def _hash(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()[:SUFFIX_LENGTH]
