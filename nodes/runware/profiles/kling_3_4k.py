"""Kling VIDEO 3.0 4K: 2160p, $0.42 a second with or without sound, and no motion control."""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType

from .profile import Profile

PROFILE = Profile(
    title="Kling 3.0 4K",
    model="klingai:kling-video@3-4k",
    documentation="https://runware.ai/docs/models/klingai-video-3-0-4k",
    sizes=MappingProxyType({"16:9": (3840, 2160), "1:1": (2880, 2880), "9:16": (2160, 3840)}),
    price=Decimal("0.42"),
    price_with_sound=Decimal("0.42"),
    motion_control_price=None,  # its page has no rule for a reference video
    verified=False,
)
