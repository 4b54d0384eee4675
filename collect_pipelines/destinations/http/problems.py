"""How a request can fail without an answer. All of them are TryLater, so that a destination may let them pass through."""

from collect_pipelines.errors import TryLater

__all__ = ["NotAllowed", "NotSent", "OutcomeUnclear"]


class NotSent(TryLater):
    """The request surely had no effect: nothing of it was sent."""

    def __init__(self, reason: str) -> None:
        """`reason` names the host, never the path, a header or a body: those may hold secrets and answers."""
        self.reason = reason
        super().__init__(reason, unknown=False)


class NotAllowed(NotSent):
    """The guard refused the address or a header; only another configuration helps. Turn it into Blocked with its `fix`."""

    def __init__(self, reason: str, *, fix: str) -> None:
        super().__init__(reason)
        self.fix = fix


class OutcomeUnclear(TryLater):
    """The request was sent, at least in part, and no clear answer came: it may have had its effect."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason, unknown=True)
