"""What a browser sees."""

from collect_pipelines.local.sheets.call import Answer, Request
from collect_pipelines.local.sheets.service import Service

__all__ = ["Pages"]


class Pages:
    """The pages of one server."""

    def __init__(self, service: Service) -> None:
        """Shows the spreadsheets of `service`."""
        self._service = service

    def watched(self, request: Request) -> str | None:
        """The spreadsheet whose changes a request wants to hear of."""
        return None

    def answer(self, request: Request) -> Answer:
        """The list of spreadsheets."""
        titles = "\n".join(shelf.header.title for shelf in self._service.library.all())
        return Answer(200, titles.encode(), "text/plain; charset=utf-8")
