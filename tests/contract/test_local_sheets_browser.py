"""A person watches a spreadsheet in a real browser: live, by keyboard, and with 100,000 rows in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from collect_pipelines.local.sheets.grid import make_row
from collect_pipelines.local.sheets.testing import RunningServer
from tests.contract.local_sheets_tools import Api, append

CHROMIUM = Path("/usr/bin/chromium")  # Debian's package; `make test` installs it
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
LONG_ROWS = 100_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose every script error, refused load and console message fails the test."""
    opened = browser.new_page(viewport={"width": 1280, "height": 720})
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda message: problems.append(message.text))
    yield opened
    opened.close()
    assert problems == []


@pytest.fixture
def sheet(api: Api) -> str:
    """A header and 300 rows."""
    grid = {"rowCount": 2, "columnCount": 4, "frozenRowCount": 1, "frozenColumnCount": 1}
    made = api.create(
        properties={"title": "Household"}, sheets=[{"properties": {"sheetId": 0, "title": "Answers", "gridProperties": grid}}]
    )
    api.done(made, append(["Response", "Age", "Words", "More"], *[[f"r-{row}", row, f"answer {row}"] for row in range(300)]))
    return made


def opened(page: Page, server: RunningServer, sheet: str) -> None:
    """Opens a spreadsheet and waits until the script has drawn it."""
    page.goto(f"{server.base_url}/spreadsheets/d/{sheet}/edit")
    expect(page.locator("body.live #grid td.here")).to_be_visible()


def test_a_new_spreadsheet_appears_in_the_list_by_itself(page: Page, api: Api, server: RunningServer) -> None:
    page.goto(server.base_url)

    api.create(properties={"title": "Appears by itself"})

    expect(page.get_by_role("link", name="Appears by itself")).to_be_visible()


def test_rows_and_changes_appear_live_without_a_reload(page: Page, api: Api, server: RunningServer, sheet: str) -> None:
    opened(page, server, sheet)
    page.evaluate("window.sameDocument = true")

    api.put(sheet, "Answers!C2", [["changed by hand"]])
    expect(page.get_by_role("gridcell", name="changed by hand")).to_have_class("fresh")
    api.done(sheet, append(["r-new", 1, "the newest"]))
    expect(page.locator("#status")).to_have_text("302 of 302 rows filled", timeout=10_000)

    assert page.evaluate("window.sameDocument")


def test_following_keeps_the_newest_row_in_view(page: Page, api: Api, server: RunningServer, sheet: str) -> None:
    opened(page, server, sheet)
    page.get_by_label("Stay at the newest row").check()

    for number in range(3):
        api.done(sheet, append(*[[f"late-{number}-{row}"] for row in range(50)]))
        expect(page.get_by_role("gridcell", name=f"late-{number}-49", exact=True)).to_be_in_viewport()


def test_tabs_and_columns_added_later_appear_too(page: Page, api: Api, server: RunningServer, sheet: str) -> None:
    opened(page, server, sheet)

    api.done(
        sheet, {"addSheet": {"properties": {"sheetId": 5, "title": "Codebook"}}}, {"appendDimension": {"dimension": "COLUMNS", "length": 1}}
    )

    expect(page.get_by_role("columnheader", name="E", exact=True)).to_be_visible()
    page.get_by_role("link", name="Codebook").click()
    expect(page.locator("#tabs [aria-current]")).to_have_text("Codebook")


def test_the_grid_is_walked_by_keyboard_and_the_cell_is_told(page: Page, server: RunningServer, sheet: str) -> None:
    opened(page, server, sheet)
    grid = page.get_by_role("grid", name="Cells")
    where, content = page.locator("#where"), page.locator("#content")
    grid.focus()

    for key, place, text in [
        ("ArrowDown", "A2", "r-0"),
        ("ArrowRight", "B2", "0"),
        ("ArrowUp", "B1", "Age"),
        ("Control+End", "D301", ""),
        ("Home", "A301", "r-299"),
        ("ArrowDown", "A301", "r-299"),
        ("Control+Home", "A1", "Response"),
        ("End", "D1", "More"),
    ]:
        page.keyboard.press(key)
        expect(where).to_have_value(place)
        expect(content).to_have_text(text)
        active = grid.get_attribute("aria-activedescendant")
        expect(page.locator(f"#{active}")).to_be_in_viewport()

    where.fill("c120")
    where.press("Enter")
    expect(content).to_have_text("answer 118")
    expect(grid).to_be_focused()


def test_answers_are_text_and_never_run(page: Page, api: Api, server: RunningServer, sheet: str) -> None:
    hostile = "<img src=x onerror='window.owned = 1'><script>window.owned = 1</script>"
    api.put(sheet, "Answers!C2", [[hostile]])

    opened(page, server, sheet)

    expect(page.get_by_role("gridcell", name=hostile)).to_be_visible()
    page.get_by_role("gridcell", name=hostile).click()
    expect(page.locator("#content")).to_have_text(hostile)
    assert page.evaluate("window.owned") is None


def test_100_000_rows_scroll_without_holding_more_than_a_screen(page: Page, api: Api, server: RunningServer) -> None:
    long = api.create(sheets=[{"properties": {"sheetId": 0, "title": "Long", "gridProperties": {"rowCount": 2, "columnCount": 20}}}])
    shelf = server.library.find(long)
    assert shelf is not None
    with shelf.change() as draft:  # the way of the API would take the test longer, and is tested elsewhere
        tab = draft.edit(0)
        tab.rows = [make_row([f"r-{row}", *[f"answer {row}"] * 19]) for row in range(LONG_ROWS)]
        tab.row_count = LONG_ROWS
    opened(page, server, long)

    page.get_by_role("grid").focus()
    page.keyboard.press("Control+End")
    expect(page.get_by_role("gridcell", name="r-99999", exact=True)).to_be_visible()
    for place in (0, 700_000, 1_400_000, 2_100_000):
        page.evaluate("place => { document.querySelector('#viewport').scrollTop = place }", place)
        expect(page.get_by_role("gridcell", name=f"r-{place // 28 + 5}", exact=True)).to_be_visible()
        assert page.locator("#grid tbody tr").count() < 100


def test_a_deleted_spreadsheet_is_told(page: Page, server: RunningServer, sheet: str) -> None:
    opened(page, server, sheet)

    server.people(sheet).delete_file()

    expect(page.locator("#status")).to_have_text("This tab or spreadsheet was deleted.")
