"""The unprivileged user that Postgres runs as when we are root: Postgres refuses to be root itself."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from collect_pipelines.errors import Unavailable

__all__ = ["SYSTEM_HOME", "Account", "unprivileged_account"]

# `postgres` exists where a system Postgres was installed and belongs to nothing else; `nobody` exists everywhere.
CANDIDATES = ("postgres", "nobody")

# Where root keeps what that user must reach, when the data folder lies behind a closed door such as /root.
SYSTEM_HOME = Path("/var/lib/collect-pipelines")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine."""

    name: str
    uid: int
    gid: int

    def can_enter(self, folder: Path) -> bool:
        """True when this user may pass through the folder. Asks the kernel, so that ACLs and mounts count too."""
        return self.run(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]).returncode == 0

    def can_run(self, argv: list[str]) -> bool:
        """True when this user may execute the program and it ends well."""
        try:
            return self.run(argv).returncode == 0
        except OSError:  # a folder on the way is closed to the user
            return False

    def run(self, argv: list[str]) -> "subprocess.CompletedProcess[str]":
        """Runs a program as this user, with no groups and from the root folder."""
        return subprocess.run(  # noqa: S603 - an argument list, no shell expansion of its parts
            argv, user=self.uid, group=self.gid, extra_groups=[], cwd="/", capture_output=True, text=True, check=False
        )


def unprivileged_account(owner_of: Path | None = None) -> Account | None:
    """
    The user to run Postgres as; None when this process is not root and so runs it as itself.

    owner_of: an existing data directory: whoever owns it keeps it. Raises Unavailable when no user fits.
    """
    if os.geteuid() != 0:
        return None
    if owner_of is not None and (uid := owner_of.stat().st_uid) != 0:
        return _owner(uid, owner_of)
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise Unavailable(
        "Postgres can't run as root, and this machine has no user 'postgres' or 'nobody'.",
        fix="Add one (adduser --system postgres), run as another user than root, or set COLLECT_DATABASE_URL.",
    )


def _owner(uid: int, folder: Path) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError as exc:
        raise Unavailable(
            f"{folder} belongs to user id {uid}, which this machine does not know.",
            fix=f"Give it to a known user: chown -R nobody {folder}",
        ) from exc
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
