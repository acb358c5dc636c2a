"""Kling VIDEO 3.0 Pro: 1080p, $0.112 a second, $0.168 with sound."""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType

from .profile import Profile

PROFILE = Profile(
    title="Kling 3.0 Pro",
    model="klingai:kling-video@3-pro",
    documentation="https://runware.ai/docs/models/klingai-video-3-0-pro",
    sizes=MappingProxyType({"16:9": (1920, 1080), "1:1": (1440, 1440), "9:16": (1080, 1920)}),
    price=Decimal("0.112"),
    price_with_sound=Decimal("0.168"),
    motion_control_price=Decimal("0.168"),  # as for Standard, where Kling asks the price with sound
    verified=False,
)
