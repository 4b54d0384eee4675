"""Google's quotas: fixed minutes, reads and writes apart, per user and per project; what is refused is not applied."""

from collections.abc import Iterator

import pytest

from collect_pipelines.local.sheets.testing import Limits, RunningServer, Switches, running_server
from tests.contract.local_sheets_tools import Api, append, person


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    limits = Limits(writes_per_user=5, reads_per_user=4, writes_per_project=8, reads_per_project=20)
    with running_server(tmp_path_factory.mktemp("sheets"), limits=limits) as running:
        to_next_minute(running)
        yield running


@pytest.fixture
def api(server: RunningServer) -> Iterator[Api]:
    with person(server) as calling:
        yield calling


def to_next_minute(server: RunningServer) -> None:
    """Moves the server's clock just past a full minute."""
    server.service.clock.advance(60 - server.service.clock.now() % 60 + 0.01)


def test_the_defaults_are_googles() -> None:
    assert Limits() == Limits(writes_per_user=60, reads_per_user=60, writes_per_project=300, reads_per_project=300)


def test_the_call_past_the_quota_gets_googles_429_without_retry_after_and_is_not_applied(api: Api) -> None:
    sheet = api.create()
    for _ in range(4):
        api.done(sheet, append(["x"]))

    answer = api.batch(sheet, append(["too much"]))

    assert answer.status_code == 429
    assert "retry-after" not in answer.headers
    body = answer.json()["error"]
    assert body["status"] == "RESOURCE_EXHAUSTED"
    assert body["message"].startswith(
        "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute per user' "
        "of service 'sheets.googleapis.com' for consumer 'project_number:"
    )
    reason, link = body["details"]
    assert reason["reason"] == "RATE_LIMIT_EXCEEDED"
    assert reason["domain"] == "googleapis.com"
    assert reason["metadata"]["quota_limit"] == "WriteRequestsPerMinutePerUser"
    assert reason["metadata"]["quota_limit_value"] == "5"
    assert reason["metadata"]["quota_unit"] == "1/min/{project}/{user}"
    assert reason["metadata"]["window_start_time"].endswith(":00Z")
    assert link["@type"] == "type.googleapis.com/google.rpc.Help"
    assert api.values(sheet) == [["x"]] * 4


def test_reads_and_writes_are_counted_apart_and_a_batch_counts_once(api: Api) -> None:
    sheet = api.create()
    for _ in range(4):
        api.done(sheet, *[append(["x"])] * 10)
    assert api.batch(sheet, append(["x"])).status_code == 429

    assert [api.call("GET", f"/v4/spreadsheets/{sheet}/values/A1").status_code for _ in range(5)] == [200] * 4 + [429]


def test_a_new_minute_refills_at_once(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    while api.batch(sheet, append(["x"])).status_code == 200:
        pass

    server.service.clock.advance(58)
    assert api.batch(sheet, append(["x"])).status_code == 429
    server.service.clock.advance(2)
    assert api.batch(sheet, append(["x"])).status_code == 200


def test_two_bursts_on_both_sides_of_a_full_minute_both_pass(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    server.service.clock.advance(55)

    before = [api.batch(sheet, append(["x"])).status_code for _ in range(4)]
    server.service.clock.advance(5)
    after = [api.batch(sheet, append(["x"])).status_code for _ in range(5)]

    assert before + after == [200] * 9


def test_users_share_the_quota_of_their_project(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    server.identity.add_person("second")
    server.people(sheet).share("second@sheets.local")

    with Api(server.base_url, server.identity.credentials_path("second")) as second:
        first_statuses = [api.batch(sheet, append(["x"])).status_code for _ in range(4)]
        statuses = [second.batch(sheet, append(["x"])) for _ in range(4)]

    assert first_statuses == [200] * 4
    assert [one.status_code for one in statuses] == [200, 200, 200, 429]
    assert statuses[3].json()["error"]["details"][0]["metadata"]["quota_limit"] == "WriteRequestsPerMinutePerProject"


def test_refused_calls_cost_nothing_and_bad_ones_do(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    assert api.batch(sheet, append(["x"], tab=99)).status_code == 400
    while api.batch(sheet, append(["x"])).status_code == 200:
        pass

    used = server.service.quotas.used()

    assert [count for key, count in used.items() if key.startswith("write")] == [5, 5]
    assert len(server.values(sheet, "Sheet1")) == 3


def test_the_drive_api_has_a_quota_of_its_own(api: Api, server: RunningServer) -> None:
    server.limits.drive_per_minute = 1

    assert api.call("GET", "/drive/v3/files").status_code == 200
    refused = api.call("GET", "/drive/v3/files")
    assert refused.status_code == 403
    assert refused.json()["error"]["errors"][0]["reason"] == "userRateLimitExceeded"


def test_the_clock_can_run_faster_so_that_a_minute_lasts_a_moment(tmp_path_factory: pytest.TempPathFactory) -> None:
    # At 600 times the speed a minute lasts 0.1 s: six bursts of the minute's quota within a second can only pass in several minutes.
    limits = Limits(writes_per_user=3, token_seconds=10**6)
    with (
        running_server(tmp_path_factory.mktemp("fast"), limits=limits, switches=Switches(clock_speed=600)) as server,
        person(server) as api,
    ):
        answers = []
        while answers.count(200) < 10:
            answers.append(api.call("POST", "/v4/spreadsheets", {}).status_code)

    assert set(answers) <= {200, 429}
