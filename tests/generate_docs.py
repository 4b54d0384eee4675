"""`make docs`: writes every generated page of docs/ anew. Tests prove that they are current."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from collect_pipelines.cli.plugin_pages import reference_pages
from collect_pipelines.cli.problem_pages import problems_page
from collect_pipelines.cli.reference import cli_page, settings_page
from collect_pipelines.forms.reading import form_json_schema
from collect_pipelines.local.postgres import create_database, throwaway_postgres
from collect_pipelines.project.schema import project_json_schema
from collect_pipelines.store.database import Database
from collect_pipelines.store.migrations import upgrade
from tests.contract import question_types

DOCS = Path(__file__).parents[1] / "docs"


def question_types_page() -> str:
    """Made by sending an answer of every type through a real Postgres, sheet and warehouse."""
    with throwaway_postgres() as server, tempfile.TemporaryDirectory() as folder:
        create_database(server.url("postgres"), "docs")
        upgrade(server.url("docs"))
        database = Database(server.url("docs"))
        try:
            return question_types.page(database, Path(folder))
        finally:
            database.dispose()


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "settings.md": settings_page,
    "problems.md": problems_page,
    "question-types.md": question_types_page,
    "project.schema.json": lambda: json.dumps(project_json_schema(), indent=2, ensure_ascii=False) + "\n",
    "form.schema.json": lambda: json.dumps(form_json_schema(), indent=2, ensure_ascii=False) + "\n",
}


def main() -> None:
    """Writes the pages that changed and names them."""
    for name, page in PAGES.items():
        path = DOCS / name
        text = page()
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"{path.name} written")
    _write_reference()


def _write_reference() -> None:
    """One page per kind; pages of kinds that are gone are removed."""
    place, pages = DOCS / "reference", reference_pages()
    for path in place.rglob("*.md"):
        if path.relative_to(place).as_posix() not in pages:
            path.unlink()
            print(f"{path.name} removed")
    for name, text in pages.items():
        path = place / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            print(f"{name} written")


if __name__ == "__main__":
    main()
