"""The pages as HTML: complete without a script, which then only keeps them live. Everything from outside is escaped here."""

from collections.abc import Iterable
from html import escape
from typing import Any

from collect_pipelines.local.sheets.workbook import Workbook

__all__ = ["grid_page", "list_page", "message_page"]

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/grid.css">
{script}</head>
<body class="{kind}">
{body}
</body>
</html>
"""
_SCRIPT = '<script src="/static/{name}.js" type="module"></script>\n'
_GRID = """<header class="bar">{mark}
<div class="names"><a href="/">Local Sheets</a><h1 id="title">{title}</h1></div>{trashed}
<p id="status" role="status">{size}</p>
<label class="follow"><input type="checkbox" id="follow"> Stay at the newest row</label></header>
<div class="cellbar">
<input id="where" aria-label="Cell; type a place such as C120 and press Enter" value="A1" spellcheck="false" autocomplete="off">
<output id="content" aria-label="Content of the cell" tabindex="0"></output></div>
<main class="viewport" id="viewport" {data}>
{table}
</main>
<footer class="tabs"><nav aria-label="Tabs" id="tabs">{tabs}</nav>{parts}</footer>"""
_LIST = """<header class="bar">{mark}<h1>Local Sheets</h1>
<p class="hint">Spreadsheets kept on this machine. Programs reach them through the Sheets API; this page only shows them.</p></header>
<main class="sheet-list" id="files" data-events="/events">{files}</main>"""
_FILES_HEAD = "<tr><th scope=col>Name<th scope=col>Tabs<th scope=col>Owner<th scope=col>Shared with<th scope=col>Changed</tr>"
_EMPTY = '<p class="empty">No spreadsheets yet. They appear here as soon as somebody creates one through the API.</p>'
_TRASHED = '<span class="trashed">In the trash</span>'
_MARK = '<img class="mark" src="/static/icon.svg" alt="" width="28" height="28">'


def message_page(title: str, text: str) -> str:
    """A page of one sentence."""
    body = f'<header class="bar">{_MARK}<h1>{escape(title)}</h1></header>\n<main class="sheet-list"><p>{escape(text)}</p>'
    return _page(title, "message", body + '<p><a href="/">All spreadsheets</a></p></main>')


def list_page(workbooks: Iterable[Workbook]) -> str:
    """Every spreadsheet, the one changed last on top."""
    ordered = sorted(workbooks, key=lambda one: one.file.modified, reverse=True)
    rows = "\n".join(_list_row(one) for one in ordered)
    table = f'<table class="files"><thead>{_FILES_HEAD}</thead><tbody>\n{rows}\n</tbody></table>'
    body = _LIST.format(mark=_MARK, files=table if ordered else _EMPTY)
    return _page("Local Sheets", "list", body, "list")


def grid_page(workbook: Workbook, gid: int, layout: dict[str, Any], rows: list[list[Any]], first_row: int, first_column: int) -> str:
    """One tab as a grid; `rows` are the first of those that scroll."""
    file = f"/spreadsheets/d/{workbook.file.file_id}"
    body = _GRID.format(
        mark=_MARK,
        title=escape(workbook.title),
        trashed=_TRASHED if workbook.file.trashed else "",
        size=f"{layout['filled']:,} of {layout['rows']:,} rows filled",
        data=f'data-file="{file}" data-gid="{gid}" data-from="{first_row}" data-across="{first_column}"',
        table=_table(layout, rows, layout["first"], first_column),
        tabs=_tabs(layout, file, gid),
        parts=_parts(layout, file, gid, first_row, first_column),
    )
    return _page(f"{workbook.title} - Local Sheets", "grid", body, "grid")


def _page(title: str, kind: str, body: str, script: str | None = None) -> str:
    return _PAGE.format(title=escape(title), kind=kind, body=body, script=_SCRIPT.format(name=script) if script else "")


def _list_row(workbook: Workbook) -> str:
    record = workbook.file
    others = sorted(one.email or "anyone with the link" for one in record.permissions.values() if one.role != "owner")
    name = f'<a href="/spreadsheets/d/{record.file_id}/edit">{escape(workbook.title)}</a>'
    if record.trashed:
        name += " " + _TRASHED
    tabs = ", ".join(tab.title for tab in workbook.ordered())
    changed = f'<time datetime="{escape(record.modified)}">{escape(record.modified[:19].replace("T", " "))} UTC</time>'
    cells = (escape(tabs), escape(record.owner), escape(", ".join(others)) or "nobody", changed)
    return f'<tr><th scope="row">{name}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _table(layout: dict[str, Any], rows: list[list[Any]], start: int, first_column: int) -> str:
    across = layout["across"]
    columns = "".join(f'<col data-width="{width}">' for _, width, _ in across)
    letters = "".join(
        f'<th scope="col" aria-colindex="{index}"{" class=hid" if hidden else ""}>{name}</th>'
        for index, (name, _, hidden) in enumerate(across, first_column + 2)
    )
    corner = '<th class="corner" aria-colindex="1"><span class="away">Row</span></th>'
    head = f'<tr aria-rowindex="1">{corner}{letters}</tr>' + _rows(layout["head"], 0, len(across), first_column)
    return (
        f'<table id="grid" role="grid" tabindex="0" aria-readonly="true" aria-label="Cells" aria-rowcount="{layout["rows"] + 1}"'
        f' aria-colcount="{layout["columns"] + 1}"><colgroup><col class="numbers">{columns}</colgroup>\n<thead>{head}</thead>\n'
        f"<tbody>{_rows(rows, start, len(across), first_column)}</tbody></table>"
    )


def _rows(rows: list[list[Any]], start: int, width: int, first_column: int) -> str:
    lines = []
    for index, cells in enumerate(rows, start):
        padded = cells + [None] * (width - len(cells))
        shown = "".join(_cell(cell, column) for column, cell in enumerate(padded, first_column + 2))
        lines.append(f'<tr aria-rowindex="{index + 2}"><th scope="row" aria-colindex="1">{index + 1}</th>{shown}</tr>')
    return "\n".join(lines)


def _cell(cell: Any, column: int) -> str:
    if type(cell) is not dict:
        return f'<td aria-colindex="{column}">{escape(cell or "")}</td>'
    kinds = [name for name in ("bold", "italic") if cell.get("s", {}).get(name)] + ([f"k-{cell['k']}"] if "k" in cell else [])
    marks = f' class="{" ".join(kinds)}"' if kinds else ""
    return f'<td aria-colindex="{column}"{marks}>{escape(cell["t"])}</td>'


def _tabs(layout: dict[str, Any], file: str, gid: int) -> str:
    links = []
    for tab in layout["tabs"]:
        current = ' aria-current="page"' if tab["id"] == gid else ""
        hidden = ' <span class="away">hidden</span>' if tab["hidden"] else ""
        links.append(
            f'<a href="{file}/edit?gid={tab["id"]}"{current}{" class=hid" if tab["hidden"] else ""}>{escape(tab["title"])}{hidden}</a>'
        )
    return "".join(links)


def _parts(layout: dict[str, Any], file: str, gid: int, first_row: int, first_column: int) -> str:
    """Links to rows and columns beyond what one page shows."""
    links = []
    here = f"{file}/edit?gid={gid}"
    if first_row:
        links.append(f'<a href="{here}&amp;across={first_column}">First rows</a>')
    if layout["end"] < layout["rows"]:
        links.append(f'<a href="{here}&amp;from={layout["end"]}&amp;across={first_column}">Rows from {layout["end"] + 1:,}</a>')
    if first_column:
        links.append(f'<a href="{here}&amp;from={first_row}">First columns</a>')
    after = first_column + len(layout["across"])
    if after < layout["columns"]:
        links.append(f'<a href="{here}&amp;from={first_row}&amp;across={after}">More columns</a>')
    return f'<nav aria-label="Parts" class="parts">{"".join(links)}</nav>' if links else ""
