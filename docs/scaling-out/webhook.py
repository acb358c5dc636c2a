"""Take the service's calls for finished films and write each, once, as a line of JSON.

    SECRET=$(openssl rand -hex 16) python webhook.py --port 8787 > films.jsonl
    WEBHOOK="https://films.example.com/kling?secret=$SECRET" python worker.py

Put it behind whatever ends TLS for you. The service signs nothing: the secret in the address is the only lock.
"""

from __future__ import annotations

import argparse
import hmac
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

SECRET = os.environ.get("SECRET", "")
LONGEST = 1_000_000

_seen: set[tuple[str, str]] = set()
_lock = Lock()


class Receiver(BaseHTTPRequestHandler):
    """Answers at once (the service waits 5 seconds, then calls again), and takes a repeated call as no news."""

    def do_POST(self) -> None:
        """Take one call."""
        given = parse_qs(urlsplit(self.path).query).get("secret", [""])[0]
        length = int(self.headers.get("content-length") or 0)
        if not SECRET or not hmac.compare_digest(given, SECRET):
            return self._answer(403)
        if length > LONGEST:
            return self._answer(413)
        try:
            called = json.loads(self.rfile.read(length))
        except ValueError:
            return self._answer(400)
        for row in rows(called):
            note(row)
        return self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the secret, which is in the address, out of the log."""


def rows(called: Any) -> list[dict[str, Any]]:
    """Give the results of a call: one object, or a list of them in `data`; both have been seen."""
    if not isinstance(called, dict):
        return []
    found = called.get("data", [called])
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def note(row: dict[str, Any]) -> None:
    """Write a result that is new: one task may have several."""
    name = (str(row.get("taskUUID")), str(row.get("videoUUID")))
    with _lock:
        if name not in _seen:
            _seen.add(name)
            sys.stdout.write(json.dumps(row) + "\n")
            sys.stdout.flush()


def main() -> None:
    """Listen until stopped."""
    parser = argparse.ArgumentParser(description="Write the service's calls for finished films as lines of JSON.")
    parser.add_argument("--port", type=int, default=8787)
    if not SECRET:
        parser.error("set SECRET")
    with ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Receiver) as server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
