"""The models that can be bought, each one file of data."""

from __future__ import annotations

from . import kling_3_4k, kling_3_pro, kling_3_standard
from .profile import Profile

_IN_ORDER = (kling_3_standard.PROFILE, kling_3_pro.PROFILE, kling_3_4k.PROFILE)

PROFILES: dict[str, Profile] = {profile.title: profile for profile in _IN_ORDER}
"""By the title that stands in the widget; the first is the default, and a new one is added at the end."""

BY_MODEL: dict[str, Profile] = {profile.model: profile for profile in PROFILES.values()}
"""By the identifier that is sent."""

__all__ = ["BY_MODEL", "PROFILES", "Profile"]
