"""A distribution of checks that misbehave in every way we know, laid out as pip would leave it."""

from pathlib import Path

__all__ = ["ENDINGS", "NONSENSE", "install"]

DISTRIBUTION = "strange-checks"

NONSENSE = [
    "none", "number", "text", "mapping", "strings", "true", "severity", "no code", "code", "message", "data", "not json", "surrogate",
    "nul", "huge", "many", "endless", "note nonsense", "leave", "stop", "interrupt", "base exception", "raise with the answer", "cancel",
    "recurse", "spoil",
]  # fmt: skip
"""What answers in time, but not with findings."""

ENDINGS = {
    "exit": "exit code 3", "crash": "SIGSEGV", "close descriptors": "(closed its connection|exit code)", "abort": "SIGABRT",
    "answer for others": "said something it was not asked", "write rubbish": "sent more than", "kill own group": "SIGKILL",
}  # fmt: skip
"""What ends the process, or makes us end it, and the reason that is told."""

MODULE = '''\
import ctypes, os, re, signal, socket, subprocess, sys, threading, time
from collect_pipelines.checks.interface import Check, CheckConfig
from collect_pipelines.model import Finding, Fingerprint

LEAK = []


class Config(CheckConfig):
    do: str = "pass"
    place: str = "check"
    """check, prepare or init: where it is done."""
    folder: str | None = None
    """Where it leaves a file per call."""
    megabytes: int = 50


class Untold(BaseException):
    pass


class Stranger(Check):
    kind = "stranger"
    Config = Config

    def __init__(self, config):
        super().__init__(config)
        if config.place == "init":
            self.do(None)

    def prepare(self, form, references):
        self.lists = {name: list(rows) for name, rows in references.items()}
        if self.config.place == "prepare":
            self.do(None)

    def check(self, response, form):
        if self.config.folder:
            open(os.path.join(self.config.folder, f"{os.getpid()}-{time.monotonic_ns()}"), "w").close()
        return self.do(response) if self.config.place == "check" else []

    def do(self, response):
        name = response and response.answers.get("name")
        do = self.config.do
        if do == "as told":
            do = name
        return getattr(self, do.replace(" ", "_") + "_", self.unknown)(response)

    def unknown(self, response):
        return {
            "none": None, "number": 7, "text": "fine", "mapping": {"a": 1}, "strings": ["bad"], "true": True,
            "severity": [Finding("x", "m", "fatal")], "no code": [Finding("", "m")], "code": [Finding(5, "m")],
            "message": [Finding("x", None)], "data": [Finding("x", "m", data=[1])],
            "not json": [Finding("x", "m", data={"a": object()})], "surrogate": [Finding("x", "\\ud800")],
            "nul": [Finding("x", "a\\x00b")], "huge": [Finding("x", "m" * 100_000)], "many": [Finding("x", "m")] * 500,
        }[self.config.do]

    def pass_(self, response):
        return []

    def endless_(self, response):
        while True:
            yield Finding("x", "m")

    def generator_(self, response):
        yield Finding("x", "m", "note")

    def sleep_(self, response):
        time.sleep(10_000)

    def take_a_moment_(self, response):
        time.sleep(0.02)
        return []

    def ignore_signals_(self, response):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(10_000)

    def spin_(self, response):
        while True:
            pass

    def regex_(self, response):
        re.match("(a+)+$", "a" * 60 + "b")

    def power_(self, response):
        return 7 ** (10 ** 9)

    def leave_(self, response):
        raise SystemExit(3)

    def stop_(self, response):
        raise StopIteration

    def interrupt_(self, response):
        raise KeyboardInterrupt

    def base_exception_(self, response):
        raise Untold

    def raise_with_the_answer_(self, response):
        raise ValueError(response.answers["name"])

    def cancel_(self, response):
        import asyncio
        raise asyncio.CancelledError

    def recurse_(self, response):
        return self.recurse_(response)

    def spoil_(self, response):
        response.answers["name"] = "spoilt"

    def spoil_within_(self, response):
        response.answers["rows"].append("spoilt")
        return []

    def note_nonsense_(self, response):
        response.answer_metadata["name"] = "text"
        return []

    def note_(self, response):
        response.answer_metadata["name"] = {"length": len(response.answers["name"])}
        return [Finding("short", "m", "flag", "name")]

    def find_(self, response):
        return [Finding("wrong", "m", "reject", "name", data={"name": response.answers["name"]})]

    def exit_(self, response):
        os._exit(3)

    def crash_(self, response):
        ctypes.string_at(0)

    def abort_(self, response):
        os.abort()

    def kill_own_group_(self, response):
        os.killpg(0, signal.SIGKILL)

    def close_descriptors_(self, response):
        os.closerange(0, 65536)
        return []

    def answer_for_others_(self, response):
        self.write(b"\\x00\\x00\\x00\\x0b" + b'{"id": 999}')
        return []

    def write_rubbish_(self, response):
        self.write(b"rubbish! " * 100)
        return []

    def write(self, data):
        for descriptor in os.listdir("/proc/self/fd"):
            try:
                int(descriptor) > 2 and os.write(int(descriptor), data)
            except OSError:
                pass

    def leak_(self, response):
        LEAK.append(b"x" * (self.config.megabytes << 20))
        return []

    def swallow_(self, response):
        LEAK.append([b"x" * (1 << 20) for _ in range(100_000)])

    def print_(self, response):
        text = f"{response.answers} {dict(os.environ)}"
        print(text, flush=True)
        print(text, file=sys.stderr, flush=True)
        os.write(1, text.encode())
        return []

    def print_very_much_(self, response):
        os.write(2, b"SECRET-4711 " * 1_000_000)
        return []

    def fork_(self, response):
        if os.fork() == 0:
            time.sleep(10_000)
        return []

    def fork_and_exit_(self, response):
        if os.fork() == 0:
            time.sleep(10_000)
        os._exit(5)

    def start_program_(self, response):
        subprocess.Popen(["sleep", "10000"])
        return []

    def start_thread_(self, response):
        threading.Thread(target=time.sleep, args=(10_000,)).start()
        return []

    def connect_(self, response):
        socket.create_connection(("127.0.0.1", 9), 1)

    def resolve_(self, response):
        socket.getaddrinfo("localhost", 80)

    def tell_surroundings_(self, response):
        def kind(descriptor):
            try:
                return os.readlink(f"/proc/self/fd/{descriptor}")
            except OSError:
                return "closed"
        descriptors = {name: kind(name) for name in os.listdir("/proc/self/fd")}
        data = {"environment": sorted(os.environ), "values": " ".join(os.environ.values()), "descriptors": descriptors, "pid": os.getpid()}
        return [Finding("surroundings", "m", "note", data=data)]

    def tell_lists_(self, response):
        return [Finding("lists", "m", "note", data=self.lists)]


class Recogniser(Stranger):
    kind = "recogniser"
    references = ("words",)

    def fingerprints(self, response, form):
        if self.config.do == "bad fingerprints":
            return [Fingerprint("", b"x", 1)]
        return [Fingerprint("name", response.answers["name"].encode(), 3600)]

    def do(self, response):
        if response is None:
            return []
        if self.config.do == "sleep then":
            self.sleep_(response)
        data = {"earlier": [[one.name, one.response_id, one.received_at.isoformat()] for one in response.earlier], **self.lists}
        return [Finding("told", "m", "note", data=data)]


class Quick(Stranger):
    kind = "quick"
    bounded = True
'''

ENTRY_POINTS = """\
[collect_pipelines.checks]
stranger = strange_checks:Stranger
recogniser = strange_checks:Recogniser
quick = strange_checks:Quick
broken = strange_checks_missing:Nothing
no_check = strange_checks:LEAK
raises_on_import = strange_checks_raising:Check
exits_on_import = strange_checks_exiting:Check
hangs_on_import = strange_checks_hanging:Check
large_on_import = strange_checks_large:Large
"""


def install(folder: Path) -> Path:
    """Writes the distribution into the folder, which must come onto sys.path."""
    modules = {
        "strange_checks": MODULE,
        "strange_checks_raising": "raise RuntimeError('SECRET-4711')\n",
        "strange_checks_exiting": "import os\nos._exit(4)\n",
        "strange_checks_hanging": "import time\ntime.sleep(10_000)\n",
        "strange_checks_large": "from strange_checks import Stranger as Large\nkept = b'x' * (200 << 20)\n",
    }
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    info = folder / "strange_checks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder
