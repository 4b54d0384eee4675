"""Names of questions in a workbook: what can be none, what is there twice, and names in expressions that nobody has."""

from collect_pipelines.forms.faults import nearest
from collect_pipelines.forms.xlsform.findings import Findings
from collect_pipelines.forms.xlsform.naming import plain_key
from collect_pipelines.forms.xlsform.survey import Item, Survey
from collect_pipelines.forms.xlsform.xpath import references

__all__ = ["tell_names"]

_EXPRESSIONS = ("relevant", "constraint", "required", "calculation", "choice_filter", "repeat_count", "default", "read_only", "trigger")
_SHOWN = 60  # characters of a name repeated in a message


def tell_names(survey: Survey, findings: Findings) -> None:
    """Adds a fault for every name that can't be one, is used twice in its group, or is referred to and not there."""
    from pyxform.parsing.expression import is_xml_tag

    rows: dict[tuple[Item | None, str], int] = {}
    for item in survey.every():
        place = survey.cell(item, "name")
        if not is_xml_tag(item.name):
            told = "a name starts with a letter or _, and has letters, digits, _, - and . only"
            findings.fault(place, f"`{item.name[:_SHOWN]}` can't be a name: {told}; `{plain_key(item.name)}` would do")
        known = rows.setdefault((item.parent, item.name), item.row.number)
        if known != item.row.number:
            findings.fault(place, f"`{item.name[:_SHOWN]}` is already the name of row {known}; names are unique within their group")
        if item.written == "calculate" and not survey.text(item, "calculation") and "(" not in survey.text(item, "default"):
            findings.fault(
                survey.cell(item, "calculation"), f"is blank; say what `{item.name[:_SHOWN]}` is calculated from, or make it hidden"
            )
    names = {item.name for item in (*survey.every(), *survey.external)}
    for item in survey.every():
        for column in _EXPRESSIONS:
            for name in references(survey.text(item, column)):
                if name not in names and not _is_made(name, names):
                    told = f"names the question `{name[:_SHOWN]}`, which is not there"
                    findings.fault(survey.cell(item, column), told + (nearest(name, names) or "; correct the name, or add the question"))


def _is_made(name: str, names: set[str]) -> bool:
    """Whether pyxform makes a question of that name: what is specified with `or_other`, and the counts of repeats."""
    return any(name.endswith(end) and name.removesuffix(end) in names for end in ("_other", "_count"))
