"""The door to delivery: `Courier`. How it works is in `sync/delivery/`."""

from collect_pipelines.sync.delivery.courier import Courier

__all__ = ["Courier"]
