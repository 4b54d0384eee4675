"""The pages are complete without a script, show answers as text only, and answer to nobody but this machine's browser."""

import httpx
import pytest

from collect_pipelines.local.sheets.testing import RunningServer
from tests.contract.local_sheets_tools import Api, append

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;"


@pytest.fixture
def hostile(api: Api) -> str:
    """A spreadsheet that is called, and full of, HTML."""
    sheet = api.create(properties={"title": HOSTILE}, sheets=[{"properties": {"sheetId": 0, "title": HOSTILE}}])
    api.done(sheet, append([HOSTILE], [HOSTILE, 1, True]))
    return sheet


def edit(sheet: str) -> str:
    return f"/spreadsheets/d/{sheet}/edit"


def test_the_list_names_every_spreadsheet_with_a_link(api: Api) -> None:
    sheet = api.create(properties={"title": "Household survey"})

    page = api.http.get("/").text

    assert f'<a href="{edit(sheet)}">Household survey</a>' in page
    assert "person@sheets.local" in page


def test_a_spreadsheet_shows_tabs_headings_and_rows_without_a_script(api: Api) -> None:
    sheet = api.create(
        sheets=[
            {"properties": {"sheetId": 3, "title": "Answers", "gridProperties": {"rowCount": 90, "columnCount": 3, "frozenRowCount": 1}}},
            {"properties": {"sheetId": 4, "title": "Codebook"}},
        ]
    )
    api.done(sheet, append(["Response", "Age"], ["r-1", 30], tab=3))

    page = api.http.get(edit(sheet)).text

    assert f'href="{edit(sheet)}?gid=3" aria-current="page">Answers</a>' in page
    assert f'href="{edit(sheet)}?gid=4">Codebook</a>' in page
    head = page[page.index("<thead>") : page.index("</thead>")]
    assert '<th scope="col" aria-colindex="2">A</th>' in head
    assert '<td aria-colindex="2">Response</td>' in head
    assert '<tr aria-rowindex="3"><th scope="row" aria-colindex="1">2</th><td aria-colindex="2">r-1</td>' in page
    assert 'class="k-n">30</td>' in page
    assert 'aria-rowcount="91"' in page
    assert "2 of 90 rows filled" in page


def test_what_comes_from_outside_is_escaped_everywhere(api: Api, hostile: str) -> None:
    for path in ("/", edit(hostile)):
        page = api.http.get(path).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize("path", ["/", "/static/grid.js", "/static/grid.css", "/nowhere", "/spreadsheets/d/x/edit"])
def test_every_page_forbids_foreign_and_inline_code(api: Api, path: str) -> None:
    headers = api.http.get(path).headers

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"


def test_no_page_asks_for_anything_from_elsewhere(api: Api, hostile: str) -> None:
    for path in ("/", edit(hostile), "/static/grid.js", "/static/list.js", "/static/grid.css"):
        text = api.http.get(path).text
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_a_foreign_name_that_leads_here_is_shown_nothing(server: RunningServer, hostile: str, host: str) -> None:
    for path in ("/", edit(hostile), f"/spreadsheets/d/{hostile}/window?gid=0", f"/spreadsheets/d/{hostile}/events"):
        answer = httpx.get(server.base_url + path, headers={"Host": host})
        assert answer.status_code == 421
        assert "alert(1)" not in answer.text


def test_pages_can_only_be_read(api: Api, hostile: str) -> None:
    assert api.http.post(edit(hostile)).status_code == 405
    assert api.http.delete("/").status_code == 405


def test_a_window_holds_only_the_rows_asked_for(api: Api) -> None:
    sheet = api.create()
    api.done(sheet, append(*[[f"r-{number}", number] for number in range(500)]))

    window = api.http.get(f"/spreadsheets/d/{sheet}/window", params={"gid": 0, "row": 300, "rows": 2}).json()

    assert window["cells"] == [["r-300", {"t": "300", "k": "n"}], ["r-301", {"t": "301", "k": "n"}]]
    assert (window["row"], window["layout"]["filled"], window["layout"]["rows"]) == (300, 500, 1000)
    assert len(api.http.get(f"/spreadsheets/d/{sheet}/window", params={"gid": 0, "rows": 10**6}).json()["cells"]) == 400


def test_a_long_answer_is_shown_in_part_and_its_length_told(api: Api) -> None:
    sheet = api.create()
    api.done(sheet, append(["x" * 5000]))

    cell = api.http.get(f"/spreadsheets/d/{sheet}/window", params={"gid": 0, "rows": 1}).json()["cells"][0][0]

    assert cell == {"t": "x" * 2000, "m": 3000}


def test_sheets_too_big_for_one_page_come_in_parts(api: Api) -> None:
    sheet = api.create(sheets=[{"properties": {"sheetId": 0, "gridProperties": {"rowCount": 600_000, "columnCount": 1}}}])
    wide = api.create(sheets=[{"properties": {"sheetId": 0, "gridProperties": {"rowCount": 2, "columnCount": 500}}}])

    assert f'{edit(sheet)}?gid=0&amp;from=500000&amp;across=0">Rows from 500,001</a>' in api.http.get(edit(sheet)).text
    assert '<th scope="row" aria-colindex="1">500001</th>' in api.http.get(edit(sheet) + "?gid=0&from=500000").text
    assert "More columns</a>" in api.http.get(edit(wide)).text
    assert ">GS</th>" in api.http.get(edit(wide) + "?gid=0&across=200").text


def test_a_deleted_tab_or_spreadsheet_is_a_page_that_says_so(api: Api) -> None:
    sheet = api.create()

    for path in (edit("nowhere"), edit(sheet) + "?gid=99", edit(sheet) + "?gid=x", "/else"):
        answer = api.http.get(path)
        assert answer.status_code == 404
        assert "may have been deleted" in answer.text
    assert api.http.get(f"/spreadsheets/d/{sheet}").headers["location"] == edit(sheet)


def test_news_come_as_events_with_the_version(api: Api, server: RunningServer) -> None:
    sheet = api.create()

    with httpx.stream("GET", f"{server.base_url}/spreadsheets/d/{sheet}/events", timeout=10) as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data:"))
        first = int(next(lines).removeprefix("data:"))
        api.done(sheet, append(["x"]))
        assert int(next(lines).removeprefix("data:")) > first
