"""What the widgets' help says of the models: their sizes, their prices, and which were never tried."""

from __future__ import annotations

from . import PROFILES
from .profile import Profile


def of_models() -> str:
    """What each costs and cannot do."""
    told = "; ".join(f"{_short(each)} {_price(each)}{_lacks(each)}" for each in PROFILES.values())
    untried = [_short(each) for each in PROFILES.values() if not each.verified]
    note = f" Not verified against the live service: {', '.join(untried)}." if untried else ""
    return f"The model that makes the film. USD a second: {told}.{note}"


def of_sizes() -> str:
    """How large the film of each shape is, model by model, in pixels."""
    ratios = next(iter(PROFILES.values())).sizes
    told = "; ".join(f"{ratio} is {', '.join(_size(each, ratio) for each in PROFILES.values())}" for ratio in ratios)
    return f"Shape of the film in pixels: {told}. Not sent when frame images decide."


def of_sound() -> str:
    """What sound costs, model by model."""
    dearer = [each for each in PROFILES.values() if each.price_with_sound > each.price]
    told = ", ".join(f"${each.price_with_sound} instead of ${each.price} a second ({_short(each)})" for each in dearer)
    same = ", ".join(_short(each) for each in PROFILES.values() if each not in dearer)
    return f"Sound made with the film: {told}{f'; the same price with {same}' if same else ''}."


def _short(profile: Profile) -> str:
    return profile.title.rpartition(" ")[2]


def _price(profile: Profile) -> str:
    if profile.price == profile.price_with_sound:
        return f"${profile.price} with or without sound"
    return f"${profile.price}, ${profile.price_with_sound} with sound"


def _lacks(profile: Profile) -> str:
    return "" if profile.motion_control else " (no motion control)"


def _size(profile: Profile, ratio: str) -> str:
    width, height = profile.sizes[ratio]
    return f"{width}x{height} ({_short(profile)})"
