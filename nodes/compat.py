"""What newer ComfyUIs know and older ones refuse, left out where it is not known."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def known(target: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """Keep those arguments that `target` takes on this ComfyUI."""
    parameters = inspect.signature(target).parameters
    return {name: value for name, value in arguments.items() if name in parameters}
