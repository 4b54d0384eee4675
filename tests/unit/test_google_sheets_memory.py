"""What is remembered about a tab."""

from typing import Any

from collect_pipelines.destinations.google_sheets.tab.memory import Memory, TabMemory

MINUTE = 60.0


class Store:
    """The two things of a context that are needed here."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def recall(self, name: str) -> Any:
        return self.kept.get(name)

    def remember(self, name: str, value: Any) -> None:
        self.kept[name] = value


def test_what_was_remembered_comes_back_and_unknown_fields_of_a_newer_version_do_no_harm() -> None:
    store: Any = Store()
    memory = Memory(token="t", tabs={"": TabMemory(tab=4, ready=True, layout={"age": 3})}, markers=[[1, 2]])
    memory.save(store, "s1")
    store.kept["sheet:s1"]["invented later"] = 1

    assert Memory.recall(store, "s1") == memory
    assert Memory.recall(store, "s2").token != memory.token


def test_what_was_kept_when_an_integration_had_one_tab_is_understood() -> None:
    store: Any = Store()
    store.kept["sheet:s1"] = {"token": "t", "tab": 4, "ready": True, "bound": ["age"], "layout": {"age": 3}, "markers": [[1, 2]]}

    assert Memory.recall(store, "s1") == Memory("t", {"": TabMemory(4, True, ["age"], {"age": 3})}, markers=[[1, 2]])


def test_markers_are_kept_for_half_an_hour_and_the_newest_for_ever() -> None:
    memory = Memory()
    for marker, minute in ((1, 0), (2, 1), (3, 10)):
        memory.confirmed(marker, minute * MINUTE)

    assert memory.expired_markers(29 * MINUTE) == []
    assert memory.expired_markers(31.5 * MINUTE) == [1]
    assert memory.expired_markers(1000 * MINUTE) == [1, 2]
    memory.forget_markers([1, 2])
    assert memory.markers == [[10, 3]]
    assert memory.expired_markers(1000 * MINUTE) == []


def test_many_markers_are_kept_for_a_quarter_of_an_hour_at_least() -> None:
    memory = Memory()
    for marker in range(1, 1001):
        memory.confirmed(marker, marker // 50 * MINUTE)
    now = 20 * MINUTE
    old = memory.expired_markers(now)

    assert old
    assert all(marker // 50 * MINUTE <= now - 15 * MINUTE for marker in old)


def test_a_marker_confirmed_twice_is_kept_once_and_a_clock_set_back_does_no_harm() -> None:
    memory = Memory()
    for marker, now in ((1, 600.0), (1, 700.0), (2, 60.0)):
        memory.confirmed(marker, now)

    assert memory.markers == [[10, 1, 2]]
