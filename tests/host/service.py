"""What the simulated service has seen, asked from outside its thread."""

from __future__ import annotations

import time
from typing import Any

from kling.nodes.runware.simulator import Simulator

KEY = "made-up-key-5b0c8e4f2a9d"


def purchases(service: Simulator) -> list[dict[str, Any]]:
    """List the generation requests that reached the service, oldest first, repetitions included."""
    return [
        task for exchange in list(service.requests) for task in exchange.tasks if task["taskType"] == "videoInference"
    ]


def channels(service: Simulator) -> list[str]:
    """Name what was asked, in order: videoInference, getResponse, download ..."""
    return [exchange.channel for exchange in list(service.requests)]


def wait_for_request(service: Simulator, channel: str, timeout: float = 30.0) -> None:
    """Wait until the service is asked this.

    Raises:
        TimeoutError: it was not, within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while channel not in channels(service):
        if time.monotonic() > deadline:
            msg = f"The service was asked {channels(service)} within {timeout} s, but not {channel}."
            raise TimeoutError(msg)
        time.sleep(0.01)
