"""The folder of everything the product keeps on disk: other users of the machine can't look into it."""

import os
from pathlib import Path

__all__ = ["make_data_folder"]

OWNER_ONLY = 0o700
# As root, Postgres runs as another user, who passes through on the way to its own folder and can't list this one.
PASS_THROUGH = 0o711


def make_data_folder(folder: Path) -> None:
    """Makes the folder, closed to other users; one that is there already keeps the rights its owner gave it."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return
    # Promise 10: answers are in here; by the umask it would be open to everybody
    folder.chmod(PASS_THROUGH if os.geteuid() == 0 else OWNER_ONLY)
