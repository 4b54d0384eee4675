"""What is looked at before any row becomes a question: sheets, lists, size, names, and what depends on itself."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from collect_pipelines.forms.faults import MAX_QUESTIONS, nearest
from collect_pipelines.forms.xlsform.expressions.xpath import references
from collect_pipelines.forms.xlsform.files.book import SHEETS, Book, Sheet
from collect_pipelines.forms.xlsform.findings import Cell, Findings
from collect_pipelines.forms.xlsform.sheets.naming import plain_key
from collect_pipelines.forms.xlsform.sheets.questions import Lists, is_boolean_list, sheet_of_choices
from collect_pipelines.forms.xlsform.sheets.survey import Item, Survey

__all__ = ["survey_sheet", "tell_about_lists", "tell_about_sheets", "tell_about_size", "tell_circles", "tell_names"]


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
        elif sheet == "external_choices" and not survey.text(item, "choice_filter") and ("choices", name) not in lists:
            told = "is blank; a select_one_external is for filtered lists, so filter it, or use select_one and the choices sheet"
            findings.fault(survey.cell(item, "choice_filter"), told)


def tell_about_size(survey: Survey, findings: Findings) -> None:
    if len(survey.every()) > MAX_QUESTIONS:
        last = survey.every()[MAX_QUESTIONS]
        raise findings.refusal(f"the form has more than {MAX_QUESTIONS:,} questions; split it", survey.cell(last, "name"))
    if not survey.items and not findings.faults:
        findings.fault(Cell("survey"), "has no questions; a row needs at least a type and a name")


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
                if name not in names:
                    told = f"names the question `{name[:_SHOWN]}`, which is not there"
                    findings.fault(survey.cell(item, column), told + _way_out(name, names, item.name))


def _way_out(name: str, names: set[str], own: str) -> str:
    """What to do about a name that nobody has; those that a client makes can't be named."""
    if name.endswith("_other") and name.removesuffix("_other") in names:
        asked = name.removesuffix("_other")
        return f"; or_other makes it out of sight, so ask for it in a row of its own, or write selected(${{{asked}}}, 'other')"
    if name.endswith("_count") and name.removesuffix("_count") in names:
        return f"; write count(${{{name.removesuffix('_count')}}}) for the number of rows"
    return nearest(name, names - {own}) or "; correct the name, or add the question"


def tell_circles(survey: Survey, findings: Findings) -> None:
    """Adds a fault for a circle of `relevant`, and of `relevant` and `calculation` together; expressions need not be understood for it."""
    by_name = {item.name: item for item in survey.every()}
    needs = {item: list(_needs(item, survey, by_name)) for item in by_name.values()}
    done: set[Item] = set()
    for start in needs:
        circle = _circle(start, needs, done)
        if circle:
            way = " -> ".join(item.name for item in (*circle, circle[0]))
            column = "relevant" if survey.text(circle[0], "relevant") else "calculation"
            told = f"depends on itself: {way}; take one of them out of the expressions"
            findings.fault(survey.cell(circle[0], column), told)
            return


def _needs(item: Item, survey: Survey, by_name: Mapping[str, Item]) -> Iterator[Item]:
    if item.parent is not None:
        yield item.parent
    for column in ("relevant", "calculation"):
        for name in references(survey.text(item, column)):
            other = by_name.get(name)
            # once() and the like keep a calculated value by naming the question itself
            if other is not None and not (column == "calculation" and other is item):
                yield other


def _circle(start: Item, needs: Mapping[Item, list[Item]], done: set[Item]) -> list[Item]:
    """The questions of a circle that can be reached from here; empty when there is none. A stack, so that long ways are no matter."""
    way: list[Item] = []
    on_way: set[Item] = set()
    stack: list[tuple[Item, bool]] = [(start, False)]
    while stack:
        item, leaving = stack.pop()
        if leaving:
            way.pop()
            on_way.discard(item)
            done.add(item)
        elif item in on_way:
            return way[way.index(item) :]
        elif item not in done:
            way.append(item)
            on_way.add(item)
            stack.append((item, True))
            stack += [(other, False) for other in needs.get(item, ())]
    return []
