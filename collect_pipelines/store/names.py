"""Names that people give: one line that a table shows and a project file can say again."""

from unicodedata import category

from collect_pipelines.errors import Invalid
from collect_pipelines.forms.faults import SLUG, clean_text

__all__ = ["MOST_NAME", "check_name", "check_organization", "name_fault", "organization_fault"]

MOST_NAME = 200  # characters; what people type and read


def name_fault(name: str) -> str | None:
    """What is wrong with the name of an integration or a key."""
    try:
        clean_text(name, MOST_NAME)
    except ValueError as exc:
        return str(exc)
    # a joiner, as Hindi and emoji have it, is no control character
    if name != name.strip() or len(name.splitlines()) > 1 or any(category(character) == "Cc" for character in name):
        return "must be one line, without tabs, control characters, or blanks around it"
    return None


def organization_fault(slug: str) -> str | None:
    """What is wrong with the slug of an organization: it stands before the dot in `north.household`."""
    return None if SLUG.fullmatch(slug) else "an organization's slug has 1 to 63 of a-z, 0-9, _ and -, and starts with a letter"


def check_name(what: str, name: str) -> None:
    """Raises Invalid for a name that can't be one. what: `integration` or `key`."""
    fault = name_fault(name)
    if fault:
        raise Invalid(f"The name of the {what} {fault}.", fix="Choose another name.")


def check_organization(slug: str) -> None:
    """Raises Invalid for a slug that can't be one."""
    fault = organization_fault(slug)
    if fault:
        raise Invalid(f"{slug!r} names no organization: {fault}.", fix="Correct --organization.")
