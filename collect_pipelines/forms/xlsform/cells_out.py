"""Texts as a cell can hold them, so that what is read back is known before it is written."""

import re
from collections.abc import Container

from collect_pipelines.forms.xlsform.cells import cell_text

__all__ = ["cell_of", "label_of"]

MAX_CELL = 32_000  # characters; a cell of an XLSX file holds 32,767
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_REFERENCE = re.compile(r"\$\{(?P<name>[^}]*)\}?")


def cell_of(text: str) -> str:
    """The text without what XML can't hold and spreadsheet programs change; `x005F_` is how they write an underscore."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return cell_text(_UNWRITABLE.sub("", lines).replace("x005F_", "")[:MAX_CELL])


def label_of(text: str, names: Container[str]) -> str:
    """A text for people. `${name}` in it stands for an answer, so what only looks like that is written with a space."""
    return cell_of(
        _REFERENCE.sub(lambda found: found[0] if found[0].endswith("}") and found["name"] in names else f"$ {found[0][1:]}", text)
    )
