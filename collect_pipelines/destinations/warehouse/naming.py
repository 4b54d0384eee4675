"""Names of tables and dlt schemas, derived from a form's reference and fixed for ever."""

import base64
import hashlib
import re

__all__ = ["DELETIONS", "FORMS_PER_SHARD", "QUESTIONS", "column_name", "history_name", "shard_name", "table_name"]

DELETIONS = "_deletions"
"""Response ids that were deleted; the leading underscore keeps it apart from every form's table."""
QUESTIONS = "_questions"
"""Label, key and type of every question column of every form."""

FORMS_PER_SHARD = 30  # a load costs ~7 ms more with every table its dlt schema knows, and ~250 ms for every schema it touches
MAX_SLUG = 40  # with suffix and prefix well below the 63 bytes that Postgres keeps of a name
SUFFIX_LENGTH = 6
MAX_COLUMN = 60  # the length of the longest name that forms/columns.py makes

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


def history_name(form: str) -> str:
    """The table of a form that keeps every revision (`append_only`): `household` -> `household__history`."""
    return f"{table_name(form)}__history"


def column_name(name: str) -> str:
    """
    The column for a batch's column of this name: the same when it is plain and short, else a slug and a hash.

    Names of questions are always plain; a mask's suffix can make one too long, and a plug-in may have named it as it liked.
    """
    if len(name) <= MAX_COLUMN and _PLAIN.fullmatch(name):
        return name
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower(), flags=re.ASCII).strip("_")[: MAX_COLUMN - len("q___c_") - SUFFIX_LENGTH].rstrip("_")
    if not slug or not slug[0].isalpha():
        slug = f"q_{slug}".rstrip("_")
    return f"{slug}__c_{_hash(name)}"


def shard_name(number: int) -> str:
    """The dlt pipeline and schema that takes care of the form with this number (>= 1) in its warehouse: 30 forms share one."""
    return f"shard_{(number - 1) // FORMS_PER_SHARD:03d}"


def _hash(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()[:SUFFIX_LENGTH]
