"""What a commit group makes of its submissions, without a database."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from collect_pipelines.model import Submission
from collect_pipelines.store.numbering import FormHead, Numbering

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
FORM = 7


def numbering(head: int = 0, state: Any = "open") -> Numbering:
    return Numbering({FORM: FormHead(head, state)}, {}, {}, NOW)


def submission(response_id: str, content: str = "a", operation: Any = "create", **fields: Any) -> Submission:
    digest = hashlib.sha256(content.encode()).digest()
    return Submission(FORM, response_id, operation, 1, {}, digest, "{}", **fields)


def outcomes(group: Numbering, *submissions: Submission) -> list[str]:
    return [group.judge(one).outcome for one in submissions]


def test_entries_are_numbered_without_a_gap_from_the_head_on() -> None:
    group = numbering(head=41)

    answers = [group.judge(submission(name)) for name in "abc"]

    assert [answer.position for answer in answers] == [42, 43, 44]
    assert group.heads == {FORM: 44}


def test_what_is_refused_takes_no_number() -> None:
    group = numbering()

    assert outcomes(group, submission("a"), submission("a", "b"), submission("b")) == ["accepted", "conflict", "accepted"]
    assert [(entry.submission.response_id, entry.position) for entry in group.entries] == [("a", 1), ("b", 2)]


def test_the_same_submission_twice_in_one_group_is_stored_once() -> None:
    group = numbering()
    first, second = group.judge(submission("a")), group.judge(submission("a"))

    assert (first.outcome, second.outcome) == ("accepted", "replayed")
    assert (second.position, second.revision, second.received_at) == (first.position, first.revision, first.received_at)


def test_an_edit_names_the_revision_it_replaces() -> None:
    group = numbering()
    steps = (
        submission("a"),
        submission("a", "b", "edit", replaces=1),
        submission("a", "c", "edit", replaces=1),
        submission("a", "c", "edit", replaces=2),
        submission("a", "d", "edit"),
    )

    assert outcomes(group, *steps) == ["accepted", "accepted", "revision_conflict", "accepted", "revision_conflict"]
    assert [entry.revision for entry in group.entries] == [1, 2, 3]


def test_an_edit_back_to_the_first_content_is_an_edit_and_no_replay() -> None:
    group = numbering()
    steps = (submission("a", "x"), submission("a", "y", "edit", replaces=1), submission("a", "x", "edit", replaces=2))

    assert outcomes(group, *steps) == ["accepted", "accepted", "accepted"]


def test_an_edit_sent_again_is_replayed_even_after_a_later_one() -> None:
    group = numbering()
    edit = submission("a", "y", "edit", replaces=1)

    assert outcomes(group, submission("a", "x"), edit, submission("a", "z", "edit", replaces=2), edit)[-1] == "replayed"


def test_a_deletion_is_an_entry_and_nothing_follows_it() -> None:
    group = numbering()
    steps = (
        submission("a", "x"),
        submission("a", "gone", "delete", replaces=1),
        submission("a", "gone", "delete", replaces=1),
        submission("a", "new"),
        submission("a", "new", "edit", replaces=2),
        submission("a", "x"),
    )

    assert outcomes(group, *steps) == ["accepted", "accepted", "replayed", "erased", "erased", "replayed"]


def test_an_edit_or_deletion_of_an_unknown_response_is_told_so() -> None:
    steps = submission("a", "x", "edit", replaces=1), submission("a", "x", "delete", replaces=1)

    assert outcomes(numbering(), *steps) == ["unknown_response", "unknown_response"]


def test_a_closed_form_takes_deletions_and_replays_only() -> None:
    group = numbering()
    group.judge(submission("a", "x"))
    group.forms[FORM].state = "closed"
    steps = (
        submission("b"),
        submission("a", "y", "edit", replaces=1),
        submission("a", "x"),
        submission("a", "", "delete", replaces=1),
    )

    assert outcomes(group, *steps) == ["form_closed", "form_closed", "replayed", "accepted"]


def test_a_form_that_does_not_exist_takes_nothing() -> None:
    assert outcomes(Numbering({}, {}, {}, NOW), submission("a")) == ["form_closed"]


def test_a_unique_key_belongs_to_one_response() -> None:
    group = numbering()
    steps = (
        submission("a", "x", unique_key="anna"),
        submission("b", "x", unique_key="anna"),
        submission("a", "y", "edit", replaces=1, unique_key="anna"),
    )

    assert outcomes(group, *steps) == ["accepted", "not_unique", "accepted"]


def test_an_edit_or_deletion_gives_a_unique_key_back() -> None:
    group = numbering()
    steps = (
        submission("a", "x", unique_key="anna"),
        submission("a", "y", "edit", replaces=1, unique_key="beth"),
        submission("b", "x", unique_key="anna"),
        submission("b", "", "delete", replaces=1),
        submission("c", "x", unique_key="anna"),
    )

    assert outcomes(group, *steps) == ["accepted"] * 5
