"""Where a command finds the API key it sends, and where one is kept for this installation."""

import os
from pathlib import Path

from collect_pipelines.errors import NotFound
from collect_pipelines.local.folders import make_data_folder
from collect_pipelines.settings import Settings

__all__ = ["find_api_key", "key_file", "save_api_key"]


def key_file(settings: Settings) -> Path:
    """File of the key that commands on this machine use; readable by its owner only."""
    return settings.data_dir / "api-key"


def save_api_key(settings: Settings, text: str) -> Path:
    """Keeps the key for later commands on this machine."""
    path = key_file(settings)
    make_data_folder(path.parent)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
    return path


def find_api_key(settings: Settings, key: str | None = None, file: Path | None = None) -> str:
    """The key given, in the file given, in COLLECT_API_KEY, or in the data folder. Raises NotFound that says how to get one."""
    if key or file:
        return key or _read(file or Path())
    if settings.api_key:
        return settings.api_key
    if key_file(settings).exists():
        return _read(key_file(settings))
    raise NotFound(
        "No API key: neither --key, --key-file nor COLLECT_API_KEY is given, and the data folder holds none.",
        fix="On the machine of the installation: collect keys create NAME --save",
    )


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError as exc:
        raise NotFound(f"The key file {path} can't be read: {exc.strerror}.", fix="Name a readable file with the key in it.") from exc
