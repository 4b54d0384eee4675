"""`make docs`: writes every generated page of docs/ anew. Tests prove that they are current."""

import json
from collections.abc import Callable
from pathlib import Path

from collect_pipelines.cli.reference import cli_page, settings_page
from collect_pipelines.forms.reading import form_json_schema

DOCS = Path(__file__).parents[1] / "docs"

PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "settings.md": settings_page,
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


if __name__ == "__main__":
    main()
