"""What the simulated service has seen, asked from outside its thread."""

from __future__ import annotations

import time
from collections.abc import Sequence
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


def wait_for_requests(service: Simulator, *wanted: str, timeout: float = 30.0) -> None:
    """Wait until the service has been asked all these, in this order, with anything else between them.

    Raises:
        TimeoutError: it was not, within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while not _in_order(wanted, channels(service)):
        if time.monotonic() > deadline:
            msg = f"The service was asked {channels(service)} within {timeout} s, not {wanted}."
            raise TimeoutError(msg)
        time.sleep(0.01)


def _in_order(wanted: Sequence[str], asked: Sequence[str]) -> bool:
    rest = iter(asked)
    return all(channel in rest for channel in wanted)
