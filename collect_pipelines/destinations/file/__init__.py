"""The `file` destination: a form's responses as Parquet, CSV or NDJSON in a folder."""

from collect_pipelines.destinations.file.config import FileConfig
from collect_pipelines.destinations.file.destination import File

__all__ = ["File", "FileConfig"]
