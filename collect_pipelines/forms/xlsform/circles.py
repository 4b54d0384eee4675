"""Whether a question is asked, or its value, must not depend on itself: circles are told with every question on the way."""

from collections.abc import Iterator, Mapping

from collect_pipelines.forms.xlsform.findings import Findings
from collect_pipelines.forms.xlsform.survey import Item, Survey
from collect_pipelines.forms.xlsform.xpath import references

__all__ = ["tell_circles"]


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
