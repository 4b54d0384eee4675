"""What a browser sees: the list of spreadsheets, one spreadsheet as a grid, and the windows of cells its script asks for."""

import ipaddress
import re
from importlib.resources import files
from urllib.parse import parse_qs, unquote

from collect_pipelines.local.sheets.call import Answer, Request, json_answer
from collect_pipelines.local.sheets.consent import Consent
from collect_pipelines.local.sheets.grid import Tab
from collect_pipelines.local.sheets.live import EVERYTHING
from collect_pipelines.local.sheets.page_data import layout, shown_rows
from collect_pipelines.local.sheets.page_html import grid_page, list_page, message_page
from collect_pipelines.local.sheets.service import Service
from collect_pipelines.local.sheets.workbook import Workbook

__all__ = ["Pages"]

HTML = "text/html; charset=utf-8"
FIRST_ROWS = 60  # in the page itself; enough for a screen before the script asks for more
LARGEST_WINDOW = 400  # rows of one answer
STATIC = {"grid.css": "text/css", "grid.js": "text/javascript", "list.js": "text/javascript", "icon.svg": "image/svg+xml"}
# No inline code, no foreign origin, no frame: what an answer contains can only ever be shown as text.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("content-security-policy", POLICY),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
)
_FILE = re.compile(r"/spreadsheets/d/([^/]+)(?:/(edit|window|events))?")


class Pages:
    """The pages of one server. They need no sign-in: the server is bound to loopback, and only its own names are answered."""

    def __init__(self, service: Service) -> None:
        """Shows the spreadsheets of `service`."""
        self._service = service
        self._consent = Consent(service, HEADERS, POLICY)
        folder = files("collect_pipelines.local.sheets") / "static"
        self._static = {name: (folder / name).read_bytes() for name in STATIC}

    def watched(self, request: Request) -> str | None:
        """The spreadsheet whose changes a request wants to hear of, EVERYTHING for the list, None for other requests."""
        if request.method != "GET" or not self._own_name(request):
            return None
        if request.path == "/events":
            return EVERYTHING
        found = _FILE.fullmatch(request.path)
        if found and found[2] == "events" and self._service.library.find(found[1]) is not None:
            return found[1]
        return None

    def answer(self, request: Request) -> Answer:
        """A page, a window of cells, or one of the page's own files."""
        if not self._own_name(request):
            # A foreign name that leads here is a web site trying to read through its visitor's browser (DNS rebinding).
            return _html(421, message_page("Not here", "This server answers to its own address only, such as 127.0.0.1."))
        if self._consent.concerns(request):
            return self._consent.answer(request)
        if request.method not in ("GET", "HEAD"):
            return _html(405, message_page("Not here", "Pages can only be read."))
        if request.path == "/":
            return _html(200, list_page(shelf.header for shelf in self._service.library.all()))
        name = request.path.removeprefix("/static/")
        if name in STATIC:
            return Answer(200, self._static[name], STATIC[name] + "; charset=utf-8", HEADERS)
        found = _FILE.fullmatch(request.path)
        return self._file(unquote(found[1]), found[2], request) if found else _missing()

    def _file(self, file_id: str, what: str | None, request: Request) -> Answer:
        shelf = self._service.library.find(file_id)
        if shelf is None:
            return _missing()
        if what is None:
            return Answer(302, b"", HTML, (("location", f"/spreadsheets/d/{file_id}/edit"), *HEADERS))
        workbook = shelf.read()
        query = {name: values[-1] for name, values in parse_qs(request.query).items()}
        tab = _tab(workbook, query.get("gid"))
        if tab is None:
            return _missing()
        first_row = _number(query.get("from"), tab.row_count - 1)
        first_column = _number(query.get("across"), tab.column_count - 1)
        shape = layout(workbook, tab, first_row, first_column)
        if what == "window":
            start = _number(query.get("row"), tab.row_count)
            count = _number(query.get("rows"), LARGEST_WINDOW)
            rows = shown_rows(tab, start, start + count, first_column)
            document = {"version": workbook.version, "row": start, "cells": rows, "layout": shape}
            answer = json_answer(200, document)
            return Answer(answer.status, answer.body, answer.content_type, HEADERS)
        rows = shown_rows(tab, shape["first"], shape["first"] + FIRST_ROWS, first_column)
        return _html(200, grid_page(workbook, tab.tab_id, shape, rows, first_row, first_column))

    def _own_name(self, request: Request) -> bool:
        host = request.headers.get("host", "")
        name = re.sub(r":[0-9]+$", "", host).strip("[]")
        if name == "localhost" or self._service.base_url in (f"http://{host}", f"https://{host}"):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _tab(workbook: Workbook, gid: str | None) -> Tab | None:
    if gid is None:
        return workbook.first_tab()
    return workbook.tabs.get(int(gid)) if gid.isdecimal() else None


def _number(text: str | None, most: int) -> int:
    return min(int(text), most) if text and text.isdecimal() and len(text) < 10 else 0


def _html(status: int, text: str) -> Answer:
    return Answer(status, text.encode(), HTML, HEADERS)


def _missing() -> Answer:
    return _html(404, message_page("Not found", "There is no such page. The spreadsheet or tab may have been deleted."))
