"""What the simulated service sells: model ids, sizes and prices, as its own pages list them.

Written apart from the client's profiles on purpose: a slip in one of the two must show as a refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MICRO = 1_000_000


@dataclass(frozen=True)
class Model:
    """One model of the service. Prices are micro-dollars for a second of one result."""

    name: str
    sizes: tuple[tuple[int, int], ...]
    silent: int
    sounding: int
    motion_control: bool = True


MODELS: dict[str, Model] = {
    "klingai:kling-video@3-standard": Model(
        "kling video 3.0 standard",
        ((1280, 720), (960, 960), (720, 1280)),
        84_000,
        126_000,
    ),
    "klingai:kling-video@3-pro": Model(
        "kling video 3.0 pro",
        ((1920, 1080), (1440, 1440), (1080, 1920)),
        112_000,
        168_000,
    ),
    "klingai:kling-video@3-4k": Model(
        "kling video 3.0 4k",
        ((3840, 2160), (2880, 2880), (2160, 3840)),
        420_000,
        420_000,
        motion_control=False,
    ),
}

DEFAULT_DURATION = 5


def cost_of_one_result(task: dict[str, Any]) -> float:
    """Price of one result in USD, as the service would report it with `includeCost`.

    Motion control is billed at the price with sound: Kling's own price for it, the page gives none.
    """
    model = MODELS[task["model"]]
    settings = task.get("providerSettings", {}).get("klingai", {})
    dear = settings.get("sound", False) or bool(task.get("inputs", {}).get("referenceVideos"))
    rate = model.sounding if dear else model.silent
    seconds: int = task.get("duration", DEFAULT_DURATION)
    return rate * seconds / MICRO
