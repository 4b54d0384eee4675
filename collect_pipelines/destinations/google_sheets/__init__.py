"""The `google_sheets` destination: one row per response in a tab that people own, written exactly once."""

from collect_pipelines.destinations.google_sheets.destination import GoogleSheets, GoogleSheetsConfig

__all__ = ["GoogleSheets", "GoogleSheetsConfig"]
