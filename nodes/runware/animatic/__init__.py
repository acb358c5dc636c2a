"""The film of a rehearsal: each shot for its seconds, with its words, its pictures and its sound.

request -> storyboard (what is shown when) -> lettering, layers (drawn once) -> film (frames and sound, encoded)
"""

from __future__ import annotations

from typing import Any


def render(request: dict[str, Any], index: int, *, rehearsal: bool = True) -> bytes:
    """Render result `index` of a `videoInference` task, as a whole MP4, WEBM or MOV file.

    The film has the task's size and seconds at 24 frames a second, and sound where the task asks for it.
    Pictures that stand in the task are shown; those known only to the service are drawn as cards.
    `rehearsal` writes REHEARSAL across it.
    """
    from .film import write
    from .storyboard import read

    return write(read(request, index, rehearsal=rehearsal))


__all__ = ["render"]
