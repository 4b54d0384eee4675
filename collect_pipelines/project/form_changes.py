"""Forms: new ones, new versions, and what those mean for sheets, tables and files."""

from collections.abc import Iterator

from collect_pipelines.errors import PluginError
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.diff import compare
from collect_pipelines.project.plan import Change
from collect_pipelines.project.reading import ProjectFile, problem_at
from collect_pipelines.project.stored import Stored, StoredForm
from collect_pipelines.store.integrations import Integration
from collect_pipelines.sync.mapping.model import FrozenMapping, MappingConfig
from collect_pipelines.sync.mapping.plan import Plan as MappingPlan
from collect_pipelines.sync.mapping.plan import plan_of
from collect_pipelines.sync.plugs import Finder

__all__ = ["form_changes", "versions_after"]

SIGNS = {"added": "+", "restored": "+", "removed": "-", "retired": "-"}


def versions_after(file: ProjectFile, stored: Stored, slug: str) -> tuple[FormDefinition, ...]:
    """All versions of the form once the file is applied; empty when neither knows it."""
    known = stored.forms.get(slug)
    versions = known.versions if known else ()
    new = file.forms.get(slug)
    changed = new is not None and (known is None or known.content_hash != new.content_hash)
    return (*versions, new) if changed and new is not None else versions


def form_changes(file: ProjectFile, stored: Stored, finder: Finder) -> Iterator[Change | str]:
    """Changes, and problems as texts."""
    for number, (slug, definition) in enumerate(file.forms.items()):
        known = stored.forms.get(slug)
        if known is None:
            questions = len(definition.answerable)
            summary = f"new, {questions} {'question' if questions == 1 else 'questions'}"
            yield Change("form", slug, "add", summary, facts={"version": 1, "questions": questions})
        elif known.content_hash != definition.content_hash:
            yield from _version(file, number, known, definition, stored, finder)


def _version(
    file: ProjectFile, number: int, known: StoredForm, new: FormDefinition, stored: Stored, finder: Finder
) -> Iterator[Change | str]:
    difference = compare(known.versions[-1], new, known.versions)
    for refused in difference.refused:
        yield problem_at(file.path, file.tree, ("forms", number), f"{new.form}: {refused}")
    if difference.refused:
        return
    lines = [f"{SIGNS.get(one.kind.rpartition('.')[2], '~')} {one.subject}: {one.text}" for one in difference.changes]
    added: dict[str, list[str]] = {}
    for integration in stored.integrations.values():
        if integration.form_id != known.record.form_id:
            continue
        labels, problem = _new_columns(integration, known.versions, new, finder)
        # a mapping that the file changes too is judged with that change
        if problem and integration.name not in {entry.name for entry in file.project.integrations}:
            yield problem_at(file.path, file.tree, ("forms", number), problem)
        if labels:
            added[integration.name] = labels
            lines.append(f"{integration.name} gets {'a column' if len(labels) == 1 else 'columns'}: {', '.join(labels)}")
    version = len(known.versions) + 1
    facts = {
        "version": version,
        "questions_added": [one.subject for one in difference.changes if one.kind in ("question.added", "question.restored")],
        "questions_retired": [one.subject for one in difference.changes if one.kind == "question.retired"],
        "questions_changed": sorted({
            one.subject for one in difference.changes
            if one.kind.startswith("question.") and one.kind.rpartition(".")[2] not in ("added", "restored", "retired", "order")
        }),
        "columns_added": added,
        "responses": known.record.head,
    }  # fmt: skip
    yield Change("form", new.form, "change", f"version {version}", tuple(lines), facts)


def _new_columns(
    integration: Integration, versions: tuple[FormDefinition, ...], new: FormDefinition, finder: Finder
) -> tuple[list[str], str | None]:
    """Headings of the columns that the version adds at the integration, and why it no longer fits."""
    try:
        kind = finder(integration.kind)
    except PluginError as exc:
        return [], f"{integration.name}: {exc.message}"
    mapping = FrozenMapping(**MappingConfig.model_validate(integration.mapping).model_dump(), language=integration.language)
    before, after = plan_of(versions, mapping, kind), plan_of((*versions, new), mapping, kind)
    if after.misfits and not before.misfits:
        return [], f"{integration.name} would no longer fit: {'; '.join(map(str, after.misfits))}"
    return _added(before, after), None


def _added(before: MappingPlan, after: MappingPlan) -> list[str]:
    known = {column.name for column in before.columns}
    return [column.label for column in after.columns if column.name not in known]
