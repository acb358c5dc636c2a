"""Kling VIDEO 3.0 Standard: 720p, $0.084 a second, $0.126 with sound."""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType

from .profile import Profile

PROFILE = Profile(
    title="Kling 3.0 Standard",
    model="klingai:kling-video@3-standard",
    documentation="https://runware.ai/docs/models/klingai-video-3-0-standard",
    sizes=MappingProxyType({"16:9": (1280, 720), "1:1": (960, 960), "9:16": (720, 1280)}),
    price=Decimal("0.084"),
    price_with_sound=Decimal("0.126"),
    motion_control_price=Decimal("0.126"),  # what Kling itself asks for its 3.0 Standard
    verified=False,
)
