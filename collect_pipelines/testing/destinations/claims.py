"""Scenarios of what a destination says of itself, of its configuration, and of how it goes about its work."""

import contextlib
import io
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import orjson
from pydantic import ValidationError

from collect_pipelines import plugins
from collect_pipelines.destinations.interface import Capability, Destination, DestinationConfig, Guarantee, OnDelete, ProbeReport
from collect_pipelines.errors import Blocked, ConfigInvalid, DeliveryError, PluginError, TryLater
from collect_pipelines.testing.destinations.asking import Asking, told
from collect_pipelines.testing.destinations.faults import Answered
from collect_pipelines.testing.destinations.stand_in import THREAD_NAME
from collect_pipelines.testing.destinations.world import World
from collect_pipelines.testing.odd import ODD_SETTINGS
from collect_pipelines.testing.watching import sleeping, within

__all__ = ["ClaimScenarios"]

SLUG = re.compile(r"[a-z][a-z0-9_]{0,63}")
HOSTILE_SECONDS = 20.0  # a call with an odd setting that takes longer hangs


class ClaimScenarios(Asking):
    """What it says of itself is so."""

    def test_it_is_a_destination_that_explains_itself(self) -> None:
        """A subclass of Destination with a kind, a docstring, declared claims, and a Config whose every field is described."""
        made = self.destination
        assert isinstance(made, type), f"{made!r} is not a class"
        assert issubclass(made, Destination), f"{made.__name__} is not a subclass of collect_pipelines.destinations.interface.Destination"
        assert not made.__abstractmethods__, f"{made.__name__} does not define {', '.join(sorted(made.__abstractmethods__))}"
        kind = getattr(made, "kind", None)
        assert isinstance(kind, str) and SLUG.fullmatch(kind), f"kind {kind!r} is not a name of a-z, 0-9 and _"
        assert made.__doc__ and made.__doc__.strip(), f"{made.__name__} has no docstring; its first line is shown in lists"
        assert getattr(made, "guarantee", None) in get_args(Guarantee), f"guarantee is none of {', '.join(get_args(Guarantee))}"
        assert made.supports <= set(get_args(Capability)), f"supports {sorted(made.supports)} is not of {', '.join(get_args(Capability))}"
        assert set(made.deletes) <= set(get_args(OnDelete)) - {"ignore"}, f"deletes {made.deletes}: `ignore` goes without saying"
        assert made.max_rows >= 1 and made.max_bytes >= 1, "max_rows and max_bytes are at least 1"
        assert issubclass(made.Config, DestinationConfig), f"{made.__name__}.Config is not a subclass of DestinationConfig"
        bare = [name for name, field in made.Config.model_fields.items() if not field.description]
        assert not bare, f"settings without a description: {', '.join(bare)}; use Field(description=...)"

    def test_its_entry_point_leads_to_it(self) -> None:
        """pip install of its distribution is all it takes."""
        if not self.installed:
            return self.skip("it lives in a test")
        try:
            found = plugins.load(plugins.DESTINATIONS, self.destination.kind)
        except PluginError as exc:
            raise AssertionError(f"{exc.message} {exc.fix or ''} Is the distribution installed (pip install -e .)?") from exc
        assert found is self.destination, f"the entry point {self.destination.kind!r} leads to {found!r}"
        return None

    def test_an_unknown_setting_is_refused(self) -> None:
        """A misspelt setting must not be ignored in silence."""
        with self.world() as world:
            try:
                self.destination.Config.model_validate({**self.config(world), "surely_no_setting": 1})
            except ValidationError as exc:
                assert "surely_no_setting" in str(exc), "the refusal does not name the unknown setting"
                return
        raise AssertionError('an unknown setting is accepted; keep `extra="forbid"` of DestinationConfig')

    def test_its_configuration_survives_being_stored_as_json(self) -> None:
        """It is stored with the integration."""
        with self.world() as world:
            config = self.destination.Config.model_validate(self.config(world))
        again = self.destination.Config.model_validate(orjson.loads(orjson.dumps(config.model_dump(mode="json"))))
        assert again == config, f"{config!r} becomes {again!r}"

    def test_a_setting_that_makes_no_sense_is_a_clear_error(self) -> None:
        """Refused by Config, or with Blocked or ConfigInvalid, or good enough to work with; nothing else."""
        for name in self.destination.Config.model_fields:
            for value in ODD_SETTINGS:
                with self.world() as world:
                    self._with_odd_setting(world, name, value)

    def _with_odd_setting(self, world: World, name: str, value: Any) -> None:
        shown = f"{name} = {value!r:.60}"
        given = {**self.config(world), name: value}
        try:
            # folders named by an odd value are made inside the world, and are gone with it
            with within(HOSTILE_SECONDS), sleeping(), contextlib.chdir(world.folder):
                config = self.destination.Config.model_validate(given)
                made = self.destination(config, world.context())
                try:
                    batch = world.log.batch([world.log.create()])
                    made.preview(batch)
                    made.deliver(batch)
                    made.probe()
                finally:
                    made.close()
        except (ValidationError, ConfigInvalid, DeliveryError):
            return
        except BaseException as exc:
            raise AssertionError(f"with {shown} it raised {told(exc)}. Refuse such a value in Config, or raise Blocked with a fix") from exc

    def test_it_tells_what_of_its_configuration_fits_no_column(self) -> None:
        """`misfits` finds nothing wrong with a good configuration, and speaks in words when there are no columns at all."""
        with self.world() as world:
            config = self.destination.Config.model_validate(self.config(world))
            for columns in (world.log.columns(), ()):
                found = self.destination.misfits(config, columns)
                words = isinstance(found, list) and all(isinstance(one, str) and one.strip() for one in found)
                assert words, f"misfits returned {found!r:.200}; return a list of sentences"
                assert not (found and columns), f"misfits finds fault with the configuration of this suite: {found[0]}"

    def test_probe_proves_access_and_tells_what_it_found(self) -> None:
        """A summary for people, facts as JSON, no secret; and it can be asked again."""
        with self.world() as world:
            for _ in range(2):
                with self.worker(world) as made:
                    report = made.probe()
                assert isinstance(report, ProbeReport), f"probe returned {type(report).__name__}; return a ProbeReport"
                assert report.summary.strip(), "probe found nothing worth a sentence; say in `summary` what was proven"
                words = f"{report.summary} {orjson.dumps(dict(report.facts)).decode()} {report.url}"
                self.judge_words(world, "what probe tells", words)

    def test_probe_says_what_to_fix(self) -> None:
        """No access: Blocked with reason and fix, or TryLater when it may pass; never another error, never silence."""
        with self.world() as world:
            self._probed(world)
            asks = world.has_stand_in and bool(world.stand_in.seen)
            self.settle(world, world.log.batch([world.log.create()]))
            files = any(path.is_file() for path in world.folder.rglob("*"))
        spoilings: dict[str, tuple[bool, Callable[[World], None]]] = {
            "its folder can't be reached": (files, World.spoil_files),
            "the receiver says 401": (asks, lambda world: world.stand_in.fail(0, Answered(401, echo=True))),
            "nobody answers": (asks, lambda world: world.stand_in.close()),
        }
        if not asks and not files:
            self.skip("its probe asks nobody, and it keeps no files in the folder it is given")
        for when, (concerns, spoil) in spoilings.items():
            if not concerns:
                continue
            with self.world() as world:
                spoil(world)
                error = self.failure_of(world, lambda: self._probed(world), f"probe, {when}")
                assert isinstance(error, Blocked | TryLater), (
                    f"probe, {when}: it {f'raised {told(error)}' if error else 'found nothing wrong'}. Prove access by using it, and raise"
                    " Blocked with what is to be done"
                )

    def _probed(self, world: World) -> None:
        with sleeping(), self.worker(world) as made:
            made.probe()

    def test_a_missing_secret_is_named(self) -> None:
        """Blocked with a fix, from the context; nothing is sent."""
        with self.world() as world:
            if not world.secrets:
                return self.skip("it has no secrets")
            batch = world.log.batch([world.log.create()])
            world.secrets.clear()
            config = self._config_without_secrets(world)
            error = self.failure_of(world, lambda: self._delivered(world, batch, config), "without its secret")
            assert isinstance(error, Blocked), (
                f"without its secret deliver {told(error) if error else 'went on'}. Let Blocked of secret() pass"
            )
            assert not list(self.effects(world)), "it sent something without its secret"
        return None

    def _config_without_secrets(self, world: World) -> Mapping[str, Any]:
        config = dict(self.config(world))
        world.secrets.clear()
        return config

    def _delivered(self, world: World, batch: Any, config: Mapping[str, Any]) -> None:
        made = self.destination(self.destination.Config.model_validate(config), world.context())
        try:
            made.deliver(batch)
        finally:
            made.close()

    def test_preview_shows_what_would_be_sent_and_sends_nothing(self) -> None:
        """Text with the answers, without secrets; no request, no file, nothing remembered."""
        with self.world() as world:
            log = world.log
            batch = log.batch([log.create(), log.create()], number=0)
            context = world.context()
            context.read_only = True
            before = _files(world.folder)
            with self.worker(world, context) as made:
                shown = made.preview(batch)
            assert isinstance(shown, str) and shown.strip(), "preview returned nothing; return the cells or bytes as text"
            for reference, value in world.secrets.items():
                assert value not in shown, f"preview shows the secret {reference}"
            assert log.entries[0].mark in shown, "preview does not show the answers of the first response; show the exact cells or bytes"
            sent = world.stand_in.seen if world.has_stand_in else []
            assert not sent, f"preview sent {sent[0].method} {sent[0].path}"
            assert _files(world.folder) == before, "preview wrote files"

    def test_it_works_quietly_and_leaves_nothing_behind(self) -> None:
        """No sleep, no print, no log line with answers or secrets, no thread after `close`, and the batch as it was."""
        with self.world() as world:
            log = world.log
            batch = log.batch([log.create() for _ in range(3)])
            threads = set(threading.enumerate())
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), _logged() as lines, sleeping() as slept:
                self.send(world, batch)
            assert not slept, f"it slept for {slept[0]:.1f} s. Raise TryLater(after=...): the core waits, and does other work meanwhile"
            assert not printed.getvalue(), f"it printed {len(printed.getvalue())} characters; nobody reads that, and it may hold answers"
            for line in lines:
                self.judge_words(world, "a line it logged", line)
            left = [one.name for one in threading.enumerate() if one not in threads and THREAD_NAME not in one.name and one.is_alive()]
            assert not left, f"it left threads after close(): {', '.join(left)}"

    def test_batches_of_several_integrations_come_out_as_each_by_itself(self) -> None:
        """`deliver_together` gives one result per batch, in order; an error concerns its own batch only."""
        with self.world() as world:
            batch = world.log.batch([world.log.create() for _ in range(2)])
            world.account.sent(self.entries_of(world, batch), batch)
            with self.worker(world) as made:
                name = made.shares()
                assert name is None or (isinstance(name, str) and name), f"shares() returned {name!r}; return a name, or None"
                results = type(made).deliver_together([(made, batch)])
            assert len(results) == 1, f"deliver_together returned {len(results)} results for 1 batch"
            (result,) = results
            if isinstance(result, DeliveryError):
                raise AssertionError(f"deliver_together gave {told(result)}, and nothing was wrong") from result
            self.judge_delivery(world, batch, result)
            world.account.note(self.entries_of(world, batch), batch, result.outcomes)
            self.settle(world, batch, 2)
            self.judge(world, "after deliver_together")


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))}


@contextlib.contextmanager
def _logged() -> Iterator[list[str]]:
    """Every line logged in the block from INFO on."""
    lines: list[str] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.getMessage()} {record.exc_info[1] if record.exc_info else ''}")

    root, handler = logging.getLogger(), Listening(logging.INFO)
    level = root.level
    root.addHandler(handler)
    root.setLevel(min(level, logging.INFO))
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
