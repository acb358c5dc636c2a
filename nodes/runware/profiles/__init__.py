"""The models that can be bought, each one file of data."""

from __future__ import annotations

from . import kling_3_standard
from .profile import Profile

PROFILES: dict[str, Profile] = {profile.title: profile for profile in (kling_3_standard.PROFILE,)}
"""By the title that stands in the widget; the first is the default."""

BY_MODEL: dict[str, Profile] = {profile.model: profile for profile in PROFILES.values()}
"""By the identifier that is sent."""

__all__ = ["BY_MODEL", "PROFILES", "Profile"]
