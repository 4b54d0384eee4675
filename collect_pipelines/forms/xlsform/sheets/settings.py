"""The settings sheet: its one row, by the names pyxform knows."""

from dataclasses import dataclass, field
from difflib import get_close_matches

from collect_pipelines.forms.faults import MAX_EXTRA_KEY
from collect_pipelines.forms.xlsform.files.book import Sheet
from collect_pipelines.forms.xlsform.findings import Cell, Findings
from collect_pipelines.forms.xlsform.sheets.headers import SETTINGS

__all__ = ["YES_SETTINGS", "Settings", "read_settings"]

YES_SETTINGS = frozenset({"yes", "true", "true()"})

_ALIASES = {"set_form_title": "form_title", "title": "form_title", "set_form_id": "form_id", "id_string": "form_id"}
_LIKE = 0.8


@dataclass(frozen=True, slots=True)
class Settings:
    """What the sheet says, blank cells left out."""

    values: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """The value, blank when there is none."""
        return self.values.get(name, "")

    def kept(self, form: str) -> dict[str, str]:
        """What has no place of ours; the title, the form's name, the default language and what follows from the choices do have one."""
        placed = ("form_title", "default_language", "allow_choice_duplicates", *(("form_id",) if self.get("form_id") == form else ()))
        return {name: value for name, value in self.values.items() if name not in placed}


def read_settings(sheet: Sheet, findings: Findings) -> Settings:
    """The settings; headers that look like typing errors are faults, further rows notes."""
    values: dict[str, str] = {}
    row = sheet.rows[0] if sheet.rows else None
    for header in sheet.headers:
        plain = "_".join(header.split()).lower()
        name = _ALIASES.get(plain, plain)
        if len(header) > MAX_EXTRA_KEY:
            findings.fault(Cell("settings", sheet.header_row, f"{header[:40]}..."), f"a header has at most {MAX_EXTRA_KEY} characters")
        near = get_close_matches(plain, SETTINGS, n=1, cutoff=_LIKE)
        if plain not in SETTINGS and not header.startswith("attribute") and near and near[0] not in sheet.headers:
            findings.fault(Cell("settings", sheet.header_row, header), f"is no setting of XLSForm; did you mean {near[0]}?")
        elif row and row.cells.get(header):
            values.setdefault(name if plain in SETTINGS else header, row.cells[header])
    for extra in sheet.rows[1:4]:
        findings.note(Cell("settings", extra.number), "only the first row of settings counts; this one is not read")
    return Settings(values)
