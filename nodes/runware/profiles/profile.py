"""What one model differs in from its siblings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal


@dataclass(frozen=True)
class Profile:
    """One model: its name, the sizes it makes and what they cost."""

    title: str
    """As the widget shows it; saved in workflows, so never renamed."""
    model: str
    """The service's identifier."""
    documentation: str
    sizes: Mapping[str, tuple[int, int]]
    """Aspect ratio -> (width, height) in pixels; the same ratios for every model, because a widget lists them."""
    price: Decimal
    """USD for each second of film without sound."""
    price_with_sound: Decimal
    """USD for each second of film with sound."""
    motion_control_price: Decimal | None
    """USD for each second of a film led by a reference video, an estimate: no page names it. None: it takes none."""
    verified: bool
    """Whether this pack has been run against the live model."""

    @property
    def motion_control(self) -> bool:
        """Whether the model takes a reference video."""
        return self.motion_control_price is not None
