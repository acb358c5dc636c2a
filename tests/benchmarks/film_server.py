"""A server on this machine for the wire's benchmarks: films at a given speed, and questions that are counted.

Run as a program it prints its address. `GET /film?bytes=N&mbit=M` sends a film of N bytes, at M Mbit/s unless 0;
`POST /v1` answers as the service does for a task under way; `GET /counts` tells requests and connections of it.
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PIECE = 2**18
NOISE = bytes(range(256)) * (PIECE // 256)
HEAD = b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00" + b"\x00\x00\x00\x08moov"
COUNTS = {"connections": 0, "requests": 0}


class Handler(BaseHTTPRequestHandler):
    """One connection, which may carry many requests."""

    protocol_version = "HTTP/1.1"
    asked = 0

    def do_GET(self) -> None:
        """Send a film, or the counts."""
        url = urlsplit(self.path)
        if url.path == "/counts":
            self._answer(COUNTS)
            return
        wanted = {name: int(values[0]) for name, values in parse_qs(url.query).items()}
        self._send_film(wanted["bytes"], wanted["mbit"] * 1e6 / 8)

    def do_POST(self) -> None:
        """Say that the task is under way."""
        (task,) = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        COUNTS["requests"] += 1
        COUNTS["connections"] += not self.asked
        self.asked += 1
        row = {"taskType": "videoInference", "taskUUID": task["taskUUID"], "status": "processing"}
        self._answer({"data": [row]})

    def _answer(self, body: object) -> None:
        text = json.dumps(body).encode()
        self._head("application/json", len(text))
        self.wfile.write(text)

    def _head(self, kind: str, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send_film(self, size: int, speed: float) -> None:
        self._head("video/mp4", size)
        start = HEAD + (size - len(HEAD)).to_bytes(4, "big") + b"mdat"
        self.wfile.write(start)
        began, sent = time.monotonic(), len(start)
        while sent < size:
            sent += self.connection.send(NOISE[: min(PIECE, size - sent)])
            ahead = sent / speed - (time.monotonic() - began) if speed else 0
            if ahead > 0:
                time.sleep(ahead)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
