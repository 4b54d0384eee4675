"""From collect.yaml and its form files to a checked project, every fault with file, line and place."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from collect_pipelines.errors import FormInvalid, ProjectInvalid
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.faults import Place, nearest, spell
from collect_pipelines.forms.reading import form_of, read_form
from collect_pipelines.forms.yaml_tree import Tree, YamlFault, read_tree
from collect_pipelines.project.model import IntegrationEntry, KeyEntry, Project
from collect_pipelines.sync.mapping.model import ChosenColumn, MappingConfig

__all__ = ["DEFAULT_FILE", "ProjectFile", "problem_at", "read_project"]

DEFAULT_FILE = Path("collect.yaml")
MOST_BYTES = 1024 * 1024  # what the YAML reader takes; more is not read at all
MAX_PROBLEMS = 100
FIX = "Correct the lines named above; docs/project.md explains every field."

_WORDS = {
    "missing": "is missing; add it",
    "string_type": "must be text; put quotes around it",
    "tuple_type": "must be a list: one item per line, each starting with `- `",
    "dict_type": "must be a mapping: `name: value` on lines of their own",
    "model_type": "must be a mapping: `name: value` on lines of their own",
    "too_short": "must not be empty",
}


@dataclass(frozen=True)
class ProjectFile:
    """A project file that can be read, with everything it refers to."""

    path: Path
    project: Project
    forms: Mapping[str, FormDefinition]
    """By name, in the order of the file."""
    tree: Tree = field(default_factory=Tree)

    @property
    def folder(self) -> Path:
        """What paths in the file start from."""
        return self.path.parent


def read_project(path: Path) -> ProjectFile:
    """The project in the file. Raises ProjectInvalid with one problem per fault, all faults at once, those of form files included."""
    try:
        tree = read_tree(_content(path, str(path)))
    except YamlFault as exc:
        raise _invalid(path, [f"{path}:{exc.line}: {_about_project(exc.message)}"]) from None
    if not isinstance(tree.value, dict):
        raise _invalid(path, [f"{path}:1: must be a mapping with `forms:`, `integrations:` or `keys:`"])
    try:
        project = Project.model_validate(tree.value)
    except ValidationError as exc:
        problems = [problem_at(path, tree, place, message) for place, message in _faults(exc)]
        raise _invalid(path, [*problems, *_forms(path, tree, tree.value.get("forms"))[1]]) from None
    forms, problems = _forms(path, tree, project.forms)
    problems += [problem_at(path, tree, place, message) for place, message in _twice(project)]
    if problems:
        raise _invalid(path, problems)
    return ProjectFile(path, project, forms, tree)


def problem_at(path: Path, tree: Tree, place: Place, message: str) -> str:
    """`collect.yaml:12: integrations[0].mapping: ...`: the line of the value, or of the nearest part around it that was written."""
    nearby = place
    while nearby and nearby not in tree.lines:
        nearby = nearby[:-1]
    return f"{path}:{tree.lines.get(nearby, 1)}: {f'{spell(place)}: ' if place else ''}{message}"


def _invalid(path: Path, problems: list[str]) -> ProjectInvalid:
    count = "One fault" if len(problems) == 1 else f"{len(problems)} faults"
    return ProjectInvalid(f"{count} in {path}: {problems[0]}", problems=problems[:MAX_PROBLEMS], fix=FIX)


def _about_project(message: str) -> str:
    """What the YAML reader says of forms, said of a project."""
    if message.startswith("is empty"):
        return "is empty; start with `forms:`, `integrations:` or `keys:`"
    return message.replace("a file holds one form", "a file holds one project").replace("the form is larger", "the file is larger")


def _content(path: Path, shown: str) -> bytes:
    if not path.is_file():
        raise ProjectInvalid(f"There is no file {shown}.", fix="Name the project file; `collect export > collect.yaml` writes one.")
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)  # one byte more tells that it is too large


def _faults(error: ValidationError) -> Iterator[tuple[Place, str]]:
    items = error.errors(include_url=False, include_input=False)
    for item in items:
        place: Place = tuple(item["loc"])
        if item["type"] == "too_short" and any(other["loc"][: len(place)] == place != other["loc"] for other in items):
            continue  # only without what is wrong in it
        if place[:1] == ("forms",) and len(place) > 2:  # neither a path nor a form: one fault says it
            if place[2] == "str":
                yield place[:2], "must be the path of a form file, or a whole form"
            continue
        yield place, _said(item["type"], item, place)


def _said(kind: str, item: Mapping[str, Any], place: Place) -> str:
    context = item.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"must be one of {context['expected']}"
    if kind == "extra_forbidden":
        return "is not a field that is known here" + (nearest(str(place[-1]), _fields_at(place)) or "; remove it")
    return _WORDS.get(kind) or str(item["msg"]).lower()


def _fields_at(place: Place) -> Iterable[str]:
    if "mapping" in place:
        return (ChosenColumn if "columns" in place else MappingConfig).model_fields
    if place[0] == "integrations":
        return IntegrationEntry.model_fields
    return (KeyEntry if place[0] == "keys" else Project).model_fields


def _forms(path: Path, tree: Tree, entries: Any) -> tuple[dict[str, FormDefinition], list[str]]:
    """The forms that can be read, and what is wrong with the others. entries: whatever the file says they are."""
    found: dict[str, FormDefinition] = {}
    problems: list[str] = []
    for number, entry in enumerate(entries if isinstance(entries, list | tuple) else ()):
        if not isinstance(entry, str | dict):
            continue
        place: Place = ("forms", number)
        try:
            definition = _inline(path, tree, place) if isinstance(entry, dict) else _of_file(path.parent, entry)
        except FormInvalid as exc:
            problems += exc.problems or [problem_at(path, tree, place, exc.message)]
            continue
        except ValueError as exc:
            problems.append(problem_at(path, tree, place, str(exc)))
            continue
        if definition.form in found:
            problems.append(problem_at(path, tree, place, f"the form `{definition.form}` is there twice; keep one"))
        found[definition.form] = definition
    return found, problems


def _of_file(folder: Path, name: str) -> FormDefinition:
    """The form in a file of the project's folder. Raises ValueError when it is not in there: a reviewed file leads nowhere else."""
    if "\x00" in name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError("must be a path from the project file downwards, without `..`")
    path = folder / name
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError("leads out of the folder of the project file")
    return read_form(_content(path, str(path)), str(path))


def _inline(path: Path, tree: Tree, place: Place) -> FormDefinition:
    """The form written out at the place, with its lines in this file."""
    lines = {inner[len(place) :]: line for inner, line in tree.lines.items() if inner[: len(place)] == place}
    return form_of(Tree(tree.value["forms"][place[1]], lines), str(path))


def _twice(project: Project) -> Iterator[tuple[Place, str]]:
    named = {"integrations": [entry.name for entry in project.integrations], "keys": [entry.name for entry in project.keys]}
    for part, names in named.items():
        for number, name in enumerate(names):
            if name in names[:number]:
                yield (part, number, "name"), f"`{name}` is there twice; each name once"
    values = [entry.value for entry in project.keys]
    for number, value in enumerate(values):
        if value is not None and value in values[:number]:
            first = project.keys[values.index(value)].name
            yield ("keys", number, "value"), f"is where `{first}` is already; each key has a place of its own"
