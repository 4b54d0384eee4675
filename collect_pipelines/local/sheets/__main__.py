"""`python -m collect_pipelines.local.sheets --host 127.0.0.1 --port 8090 --data DIR`: the local Sheets server as a program."""

import argparse
import logging
import sys
from pathlib import Path

from collect_pipelines.errors import CollectError
from collect_pipelines.local.sheets.grants import register_redirect
from collect_pipelines.local.sheets.server import serve


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGTERM; the exit code says how it ended."""
    parser = argparse.ArgumentParser(prog="python -m collect_pipelines.local.sheets", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8090, help="port to bind (default: %(default)s)")
    parser.add_argument(
        "--data", type=Path, default=Path(".collect/sheets"), help="folder of spreadsheets and accounts (default: %(default)s)"
    )
    parser.add_argument("--base-url", help="how clients reach the server, when that is not the address bound to")
    parser.add_argument(
        "--redirect-uri", action="append", default=[], help="where the OAuth client may send people back to; may be repeated"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    for uri in options.redirect_uri:
        register_redirect(options.data, uri)
    try:
        serve(options.data, host=options.host, port=options.port, base_url=options.base_url)
    except CollectError as exc:
        print(f"{exc.message} {exc.fix or ''}".rstrip(), file=sys.stderr)
        return exc.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
