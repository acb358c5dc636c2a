"""What a purchase costs, before it is made."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

from .limits import DURATION_DEFAULT

if TYPE_CHECKING:
    from .profiles import Profile
    from .request import VideoInference


def price(request: VideoInference, profile: Profile, reference_seconds: float | None = None) -> Decimal | None:
    """USD for all results of the request; None if nobody can know.

    A film led by a reference video lasts as long as that video, and its price is on no page: with the video's
    `reference_seconds` the answer is an estimate after Kling's own list, without them None. Where a duration is sent as
    well, the longer of the two counts: nobody says which is billed.
    """
    if request.motion_control:
        if profile.motion_control_price is None or reference_seconds is None:
            return None
        sent = 0 if request.duration == DURATION_DEFAULT else request.duration
        return profile.motion_control_price * max(math.ceil(reference_seconds), sent) * request.number_results
    rate = profile.price_with_sound if request.kling.sound else profile.price
    return rate * request.duration * request.number_results


def usd(amount: Decimal | float) -> str:
    """Write an amount of dollars with all its digits, and at least cents: $0.42, $0.504, $7.56."""
    text = f"{Decimal(str(amount)):.6f}"
    whole, _, fraction = text.partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"
