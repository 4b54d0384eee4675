"""What is looked at before any row becomes a question: sheets that are there, lists that are named, the size of the form."""

from difflib import get_close_matches

from collect_pipelines.forms.faults import MAX_QUESTIONS, nearest
from collect_pipelines.forms.xlsform.book import SHEETS, Book, Sheet
from collect_pipelines.forms.xlsform.findings import Cell, Findings
from collect_pipelines.forms.xlsform.questions import Lists, is_boolean_list, sheet_of_choices
from collect_pipelines.forms.xlsform.survey import Survey

__all__ = ["survey_sheet", "tell_about_lists", "tell_about_sheets", "tell_about_size"]


def survey_sheet(book: Book, findings: Findings) -> Sheet:
    if "survey" in book.sheets:
        return book.sheets["survey"]
    there = [*book.sheets, *book.others]
    hint = nearest("survey", [name.lower() for name in there])
    raise findings.refusal(f"has no sheet named survey, only {', '.join(name[:40] for name in there[:10]) or 'none at all'}{hint}")


def tell_about_sheets(book: Book, findings: Findings) -> None:

    for name in book.others[:20]:
        near = [one for one in get_close_matches(name.lower(), SHEETS, n=1, cutoff=0.75) if one not in book.sheets]
        if near:
            findings.fault(Cell(name), f"is no sheet of XLSForm; did you mean {near[0]}? Rename it, or give it a name that is less like it")
        else:
            findings.note(Cell(name), "is no sheet of XLSForm and is not read")


def tell_about_lists(survey: Survey, lists: Lists, findings: Findings) -> None:
    for item in survey.every():
        name = item.kind.list_name
        sheet = sheet_of_choices(item)
        if name and (sheet, name) not in lists and not is_boolean_list(item):
            hint = nearest(name, [one for at, one in lists if at == sheet]) or f"; add its choices to the {sheet} sheet"
            findings.fault(survey.cell(item, "type"), f"the list `{name[:60]}` is not in the {sheet} sheet{hint}")


def tell_about_size(survey: Survey, findings: Findings) -> None:
    if len(survey.every()) > MAX_QUESTIONS:
        last = survey.every()[MAX_QUESTIONS]
        findings.fault(survey.cell(last, "name"), f"the form has more than {MAX_QUESTIONS:,} questions; split it")
    if not survey.items and not findings.faults:
        findings.fault(Cell("survey"), "has no questions; a row needs at least a type and a name")
