"""Scenarios in which the receiver, or the way to it, fails."""

import time

from collect_pipelines.errors import TryLater
from collect_pipelines.testing.destinations.failing import NO_REQUESTS, RETRY_AFTER_SECONDS, Failing
from collect_pipelines.testing.destinations.faults import Answered, Cut, Endless, Garbage, Hang, Late, Partly

__all__ = ["FailureScenarios"]

QUOTA_SECONDS = 30.0
MOST_READ_BYTES = 32 * 1024 * 1024
SAY_NO = (400, 401, 403, 404, 405, 409, 410, 413, 415, 422)
ODD_ANSWERS = {
    "no HTTP": b"\x00\xff\xfe garbage \r\n\r\n",
    "half a head": b"HTTP/1.1 200 O",
    "an odd status": b"HTTP/1.1 999 Whatever\r\nContent-Length: 0\r\n\r\n",
    "no JSON": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"a\": nope",
    "no text": b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 4\r\n\r\n\xff\xfe\xfd\xfc",
    "an empty answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "less than promised": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{}",
    "other JSON": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 6\r\n\r\n[null]",
}  # fmt: skip


class FailureScenarios(Failing):
    """Whatever fails: nothing is lost, nothing is there twice, nobody waits, and a person learns what to do."""

    def test_too_many_requests_are_not_repeated_before_the_receiver_says(self) -> None:
        """429 with Retry-After: the batch, or the row, comes later, not before that; nobody sleeps."""
        for world, batch, number in self._each_request():
            world.stand_in.fail(number, Answered(429, headers={"Retry-After": str(RETRY_AFTER_SECONDS)}))
            error = self._fails_quickly(world, batch, f"429 for request {number}")
            self._waits_as_told(world, batch, error, number)
            self._heal(world, batch, error, f"429 for request {number}")

    def test_errors_of_the_receiver_lose_and_double_nothing(self) -> None:
        """500, 502, 503, 504, both when it did what it was asked to and when it did not."""
        for applied in (False, True):
            for status in (500, 503):
                for world, batch, number in self._each_request():
                    when = f"{status} for request {number}, which was {'applied' if applied else 'not applied'}"
                    world.stand_in.fail(number, Answered(status, applied))
                    error = self._fails_quickly(world, batch, when)
                    if applied:
                        self._says_unknown(world, number, error, when)
                    self._heal(world, batch, error, when)

    def test_an_answer_lost_after_the_receiver_acted(self) -> None:
        """The connection breaks before the receiver acts, or before it answers."""
        for applied in (False, True):
            for world, batch, number in self._each_request():
                when = f"the connection broke {'after' if applied else 'before'} request {number} was applied"
                world.stand_in.fail(number, Cut(applied))
                error = self._fails_quickly(world, batch, when)
                if applied:
                    self._says_unknown(world, number, error, when)
                self._heal(world, batch, error, when)

    def test_a_request_that_is_applied_much_later(self) -> None:
        """The connection breaks, the core tries again, and then the first request is applied after all."""
        for world, batch, number in self._each_request():
            when = f"request {number} was cut off and applied after the batch had come again"
            world.stand_in.fail(number, Late())
            error = self._fails_quickly(world, batch, when)
            self.settle_rest(world, batch, error)
            world.stand_in.apply_late()
            self.judge(world, when)

    def test_a_receiver_that_says_nothing_is_given_up(self) -> None:
        """A time limit of its own ends the call, and the outcome counts as unknown."""
        for world, batch, number in self._each_request(1):
            when = f"no answer to request {number}"
            world.stand_in.fail(number, Hang(applied=True))
            started = time.perf_counter()
            error = self.failure_of(world, lambda: self.send(world, batch), when)  # noqa: B023 - called at once
            seconds = time.perf_counter() - started
            assert seconds < self.gives_up_seconds, (
                f"{when}: deliver waited {seconds:.0f} s. Give the request a time limit (or set `gives_up_seconds`)"
            )
            self._says_unknown(world, number, error, when)
            self._heal(world, batch, error, when)

    def test_odd_answers_are_survived(self) -> None:
        """Bytes that are no HTTP, JSON that is none, statuses that do not exist; the receiver did what it was asked to."""
        for name, raw in ODD_ANSWERS.items():
            for world, batch, number in self._each_request(2):
                when = f"{name} in place of the answer to request {number}"
                world.stand_in.fail(number, Garbage(raw))
                self._heal(world, batch, self._fails_quickly(world, batch, when), when)

    def test_an_answer_without_end_is_not_read(self) -> None:
        """What a receiver answers is read up to a bound."""
        for world, batch, number in self._each_request(1):
            when = f"an answer without end to request {number}"
            world.stand_in.fail(number, Endless())
            error = self._fails_quickly(world, batch, when)
            taken = world.stand_in.sent_bytes
            assert taken <= MOST_READ_BYTES, f"{when}: it read {taken // 2**20} MiB. Read at most as much of an answer as you need"
            self._heal(world, batch, error, when)

    def test_a_refusal_is_told_and_never_counts_as_delivered(self) -> None:
        """Every status of 400 to 422: Blocked with a fix, Refused, TryLater, or rows refused; secrets and answers stay unsaid."""
        for status in SAY_NO:
            for world, batch, number in self._each_request(1):
                when = f"{status} for request {number}"
                world.stand_in.fail(0, Answered(status, echo=True))
                self._fails_quickly(world, batch, when)
                self.judge(world, when)
                self._notes_are_discreet(world)

    def test_a_redirect_does_not_count_as_delivered(self) -> None:
        """An answer elsewhere is no answer; where it leads is not asked."""
        for world, batch, number in self._each_request(1):
            when = f"a redirect for request {number}"
            world.stand_in.fail(number, Answered(302, headers={"Location": f"{world.address}/elsewhere"}))
            error = self._fails_quickly(world, batch, when)
            followed = [request for request in world.stand_in.seen if request.path == "/elsewhere"]
            assert not followed, f"{when}: it followed. A redirect can lead into your own network: don't follow, raise Blocked"
            self.judge(world, when)
            self._passes_or_blocks(error, when)

    def test_one_response_that_the_receiver_refuses_holds_up_no_other(self) -> None:
        """422 for whatever holds it: that row is refused, by its outcome or by Refused; every other one is delivered."""
        if not self._requests():
            return self.skip(NO_REQUESTS)
        with self.world() as world:
            entries = [world.log.create() for _ in range(4)]
            batch = world.log.batch(entries)
            world.stand_in.refused_texts.append(entries[1].mark)
            self.single_out(world, batch)
            self.judge(world, "the receiver refused one response")
            lost = [entry.number for entry in entries if entry is not entries[1] and self._state(world, entry) in ("refused", "unknown")]
            assert not lost, (
                f"the receiver refused response 2 and took {lost}, which are said to be refused or unknown. Judge each row by itself"
            )
        return None

    def test_a_receiver_that_takes_a_part_of_a_request(self) -> None:
        """What it took is delivered once, the rest is refused or comes again. Needs `partly`."""
        if not self._requests():
            return self.skip(NO_REQUESTS)
        with self.world() as world:
            batch = self._some(world)
            fault = Partly(lambda request: self.partly(world, request))
            world.stand_in.fail(1, fault)
            error = self._fails_quickly(world, batch, "the receiver took a part of request 1")
            if not fault.happened:
                return self.skip("its receiver takes a request as a whole (no `partly`)")
            world.stand_in.heal()
            self.settle_rest(world, batch, error)
            self.judge(world, "the receiver took a part of request 1")
        return None

    def test_out_of_quota_nothing_is_sent(self) -> None:
        """`take_quota` says how long to wait: the batch, or its rows, come later, and nobody sleeps."""
        with self.world() as world:
            batch, context = self._some(world), world.context()
            context.waits = [QUOTA_SECONDS] * 100
            error = self._fails_quickly(world, batch, "out of quota", context)
            if len(context.waits) == 100:
                return self.skip("it takes no quota")
            told = error.after if isinstance(error, TryLater) else max((one.after or 0) for one in world.outcomes)
            assert told is not None and told >= QUOTA_SECONDS, (
                f"take_quota said to wait {QUOTA_SECONDS} s and deliver asked for {told} s. raise TryLater(after=...) with what it says"
            )
            self.settle_rest(world, batch, error)
            self.judge(world, "after it was out of quota")
        return None

    def test_files_that_can_not_be_written_are_told(self) -> None:
        """Its folder is no folder any more: Blocked with a fix, or TryLater; no other error, and nothing counts as delivered."""
        with self.world() as world:
            self.settle(world, self._some(world))
            if not any(path.is_file() for path in world.folder.rglob("*")):
                return self.skip("it keeps no files in the folder it is given")
            batch = self._some(world)
            world.spoil_files()
            error = self._fails_quickly(world, batch, "its folder can't be written")
            assert error is not None or "delivered" not in self._states(world, batch), (
                "its folder can't be written, and it said `delivered`. Raise Blocked with a fix, or TryLater"
            )
        return None
