"""What ComfyUI tells a page while a prompt runs, decoded and kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

TEXT = 3
"""The type of a binary message that carries `progress_text`: [4 bytes 3][4 bytes length][node id][text]."""


@dataclass(frozen=True)
class Event:
    """One message of the websocket; `prompt_id` is the prompt that was running when it came, "" if none."""

    type: str
    prompt_id: str
    data: dict[str, Any] = field(default_factory=dict)


def decode(message: str | bytes, running: str) -> Event:
    """Decode one message. Binary ones do not say which prompt they belong to: it is the `running` one."""
    if isinstance(message, bytes):
        kind = int.from_bytes(message[:4], "big")
        if kind != TEXT:
            return Event("preview", running, {"bytes": len(message)})
        length = int.from_bytes(message[4:8], "big")
        node, text = message[8 : 8 + length], message[8 + length :]
        return Event("progress_text", running, {"node": node.decode(), "text": text.decode()})
    content = json.loads(message)
    data = content.get("data") or {}
    return Event(content["type"], data.get("prompt_id") or running, data)


class Listener:
    """Records every event of one client, in a thread of its own, until the server goes or `close` is called."""

    def __init__(self, url: str) -> None:
        # no pings: a host busy with decoding may be silent for longer than they allow
        self._open = ExitStack()
        self._socket = self._open.enter_context(connect(url, max_size=None, ping_interval=None, proxy=None))
        self._heard = threading.Condition()
        self._events: list[Event] = []
        self._running = ""
        self._closed = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            for message in self._socket:
                self._keep(decode(message, self._running))
        except ConnectionClosed:
            pass
        finally:
            with self._heard:
                self._closed = True
                self._heard.notify_all()

    def _keep(self, event: Event) -> None:
        with self._heard:
            if event.type == "execution_start":
                self._running = event.prompt_id
            self._events.append(event)
            self._heard.notify_all()

    def events(self, prompt_id: str) -> list[Event]:
        """List what was said about one prompt so far, oldest first."""
        with self._heard:
            return [event for event in self._events if event.prompt_id == prompt_id]

    def wait(self, wanted: Callable[[Event], bool], timeout: float) -> Event | None:
        """Wait until a wanted event has come, now or earlier. None: the server is gone.

        Raises:
            TimeoutError: it did not come within `timeout` seconds.
        """
        found: list[Event] = []

        def come() -> bool:
            found[:] = [event for event in self._events if wanted(event)]
            return bool(found) or self._closed

        with self._heard:
            if not self._heard.wait_for(come, timeout):
                msg = f"ComfyUI did not send what was waited for within {timeout} s; last: {self._events[-3:]}"
                raise TimeoutError(msg)
        return found[0] if found else None

    def close(self) -> None:
        """Stop listening."""
        self._open.close()
        self._thread.join()
