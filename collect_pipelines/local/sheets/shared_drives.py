"""
Shared drives: they own their files, so a service account may create there.

Source: developers.google.com/workspace/drive/api/guides/about-shareddrives.
"""

import secrets
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from collect_pipelines.local.sheets.identity import write_private

__all__ = ["CREATORS", "SharedDrive", "SharedDrives"]

# Who may create files in a shared drive: its managers, content managers and contributors; guides/about-shareddrives.
CREATORS = ("organizer", "fileOrganizer", "writer")
DRIVE_ID_BYTES = 14  # 19 letters with the leading 0A, as Google's ids look


@dataclass
class SharedDrive:
    """One shared drive."""

    drive_id: str
    name: str
    members: dict[str, str] = field(default_factory=dict)
    """Role by e-mail address."""

    def role(self, email: str) -> str:
        """The role of an address; `none` for who is no member."""
        return self.members.get(email, "none")

    def as_json(self) -> dict[str, Any]:
        """The Drive resource."""
        return {"kind": "drive#drive", "id": self.drive_id, "name": self.name}


class SharedDrives:
    """The shared drives of a data folder."""

    def __init__(self, path: Path) -> None:
        """Reads the drives kept in the file."""
        self._path = path
        self._lock = threading.Lock()
        stored = orjson.loads(path.read_bytes()) if path.exists() else []
        self._drives = {one["drive_id"]: SharedDrive(**one) for one in stored}

    def add(self, name: str, members: dict[str, str]) -> SharedDrive:
        """Makes a shared drive with these members."""
        drive = SharedDrive("0A" + secrets.token_urlsafe(DRIVE_ID_BYTES)[:17], name, dict(members))
        with self._lock:
            self._drives[drive.drive_id] = drive
            write_private(self._path, orjson.dumps([asdict(one) for one in self._drives.values()]))
        return drive

    def find(self, drive_id: str, email: str) -> SharedDrive | None:
        """The drive, None when there is none or the address is no member."""
        drive = self._drives.get(drive_id)
        return drive if drive is not None and drive.role(email) != "none" else None

    def of(self, email: str) -> list[SharedDrive]:
        """The drives an address is a member of."""
        return [drive for drive in self._drives.values() if drive.role(email) != "none"]
