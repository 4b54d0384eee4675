"""The conformance suite finds each of many broken destinations out, by the requirement it breaks and in words that say what to do."""

from typing import Any

import pytest

from collect_pipelines.testing import DestinationConformance
from tests.unit import broken_destinations as broken
from tests.unit import test_destination_conformance_passes_what_is_right as right
from tests.unit.right_destinations import Bulk, Messenger, Poster, Table

FAULTS: list[tuple[type[Any], str, str]] = [
    (broken.ForgetsRows, "every_row_arrives", "is said to be delivered and is not there"),
    (broken.TooFewOutcomes, "every_row_arrives", "returned 1 outcomes for 3 rows"),
    (broken.WritesAgain, "a_batch_that_comes_again_has_its_effect_once", "is there 2 times. exactly_once"),
    (broken.CommitsRowByRow, "if_keyed_rows_that_come_again_in_other_batches_have_their_effect_once", "is there 2 times"),
    (broken.OlderOverNewer, "an_old_batch_that_comes_late_does_not_overwrite_a_newer_revision", "shows revision 1. The last revision wins"),
    (broken.ClaimsDelete, "deletions_do_what_they_say", "`delete` must not leave them"),
    (broken.ClaimsUpsert, "an_edit_arrives", "shows revision 1"),
    (broken.NeedsNoLease, "without_its_lease_it_writes_nothing", "Call self.context.guard() right before every write"),
    (broken.SwallowsTheLoss, "when_its_lease_is_lost_on_the_way_it_stops", "Let LeaseLost pass"),
    (broken.IgnoresNewQuestions, "answers_to_new_questions_arrive", "answer to a new question is not there"),
    (broken.AsciiOnly, "texts_of_every_script_arrive_as_they_are", "did not arrive as it was sent"),
    (broken.ChangesTheFrame, "it_works_quietly_and_leaves_nothing_behind", "it changed the batch's frame"),
    (broken.Prints, "it_works_quietly_and_leaves_nothing_behind", "it printed"),
    (broken.Logs, "it_works_quietly_and_leaves_nothing_behind", "a line it logged shows an answer"),
    (broken.LeavesAThread, "it_works_quietly_and_leaves_nothing_behind", "it left threads after close(): forgotten"),
    (broken.PreviewWrites, "preview_shows_what_would_be_sent_and_sends_nothing", "preview wrote files"),
    (broken.OneFilePerResponse, "an_old_worker_that_wakes_up_again_changes_nothing", "shows revision 1. The last revision wins"),
    (broken.AppendsToAFile, "killed_at_any_moment_of_its_first_batch", "is there 2 times. exactly_once"),
    (broken.ProbeSeesNothing, "probe_says_what_to_fix", "its folder can't be reached: it found nothing wrong"),
    (broken.SwallowsErrors, "errors_of_the_receiver_lose_and_double_nothing", "is said to be delivered and is not there"),
    (broken.NoMarker, "an_answer_lost_after_the_receiver_acted", "is there 2 times. exactly_once"),
    (broken.RemembersAfterwards, "killed_while_a_request_is_under_way", "is there 2 times. exactly_once"),
    (broken.NewKeyEachTime, "a_batch_that_comes_again_has_its_effect_once", "came under 2 keys"),
    (broken.OneKeyForAll, "every_row_arrives", "came with responses of different batches"),
    (broken.Sleeps, "too_many_requests_are_not_repeated_before_the_receiver_says", "it slept for 7.0 s"),
    (broken.DoesNotListen, "too_many_requests_are_not_repeated_before_the_receiver_says", "Hand on what the receiver asks for"),
    (broken.TriesAgain, "errors_of_the_receiver_lose_and_double_nothing", "sent the same request again by itself"),
    (broken.SaysSurelyNot, "an_answer_lost_after_the_receiver_acted", "without unknown=True"),
    (broken.GivesUpForGood, "errors_of_the_receiver_lose_and_double_nothing", "rows are said to be refused. That passes"),
    (broken.HasNoTimeLimit, "a_receiver_that_says_nothing_is_given_up", "Give the request a time limit"),
    (broken.ReadsItAll, "an_answer_without_end_is_not_read", "Read at most as much of an answer"),
    (broken.Follows, "a_redirect_does_not_count_as_delivered", "it followed"),
    (broken.LeaksTheSecret, "a_refusal_is_told_and_never_counts_as_delivered", "shows the secret stored:token"),
    (broken.LeaksAnAnswer, "a_refusal_is_told_and_never_counts_as_delivered", "shows an answer"),
    (broken.OutcomesInAnyOrder, "one_response_that_the_receiver_refuses_holds_up_no_other", "is said to be"),
    (broken.SaysLater, "every_row_arrives", "is said to be later, and it is there"),
    (broken.RaisesItsOwn, "errors_of_the_receiver_lose_and_double_nothing", "it raised KeyError: 500"),
    (broken.BelievesItsConfig, "a_setting_that_makes_no_sense_is_a_clear_error", "Refuse such a value in Config"),
    (broken.BelievesItTookAll, "a_receiver_that_takes_a_part_of_a_request", "is said to be delivered and is not there"),
    (broken.NotesAfterwards, "killed_while_a_request_is_under_way", "is there 2 times. at_most_once"),
    (broken.NotesAnswers, "a_refusal_is_told_and_never_counts_as_delivered", "a note of the journal shows an answer"),
]


def suite_of(kind: type[Any]) -> type[DestinationConformance]:
    """The suite of the right destination that this one was made wrong from."""
    if issubclass(kind, Table):
        base: type[Any] = right.TestTable
    elif issubclass(kind, Messenger):
        base = right.TestMessenger
    elif issubclass(kind, Bulk):
        base = right.TestBulk
    elif issubclass(kind, Poster):
        base = right.TestPoster
    else:
        return type("Suite", (DestinationConformance,), {"destination": kind, "installed": False, "config": _folder})
    return type("Suite", (base,), {"destination": kind})


def _folder(self: Any, world: Any) -> dict[str, str]:
    return {"folder": str(world.folder)}


@pytest.mark.parametrize(("kind", "requirement", "words"), FAULTS, ids=[kind.__name__ for kind, _, _ in FAULTS])
def test_a_broken_destination_is_found_out(kind: type[Any], requirement: str, words: str) -> None:
    suite = suite_of(kind)
    suite.gives_up_seconds = 1.0
    try:
        with pytest.raises(AssertionError) as told:
            getattr(suite(), f"test_{requirement}")()
    finally:
        suite.teardown_class()

    assert words in str(told.value)


def test_every_kind_of_requirement_has_somebody_who_breaks_it() -> None:
    broken_ones = {requirement for _, requirement, _ in FAULTS}

    assert len(broken_ones) >= 20
