"""The last frame of a film as it was given first, so that a clip which begins with it stays the same purchase.

Another version of PyAV makes slightly other pixels of the same film (16 and 18 do), and a request with other pixels is
another purchase: after an update each further clip of a chain would be bought again.
"""

from __future__ import annotations

import contextlib
import io
import re
from typing import TYPE_CHECKING

from .runware.files import Disk, write_whole

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

FOLDER = "frames"
"""Below the state folder; each picture is named by the SHA-256 of its film."""


def as_given_first(folder: Path, sha256: str | None, frame: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the last frame of the film of this hash as `folder` has it, or `frame`, which is then kept there.

    Both are [1, height, width, 3], RGB, 0 to 1. What cannot be kept is given as it is: a full disk withholds no film.
    """
    if not re.fullmatch("[0-9a-f]{64}", sha256 or ""):
        return frame
    path = folder / f"{sha256}.png"
    kept = _kept(path)
    if kept is not None and kept.shape == frame.shape:
        return kept
    with contextlib.suppress(OSError):
        _keep(path, frame)
    return frame


def _kept(path: Path) -> NDArray[np.float32] | None:
    """Read a picture; None where there is none that can be read."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as picture:
            pixels = np.asarray(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # Pillow's words for what is damaged
        return None
    return _floats(pixels)[None] if pixels.dtype == np.uint8 else None


def _keep(path: Path, frame: NDArray[np.float32]) -> None:
    """Write a picture, whole or not at all; one of more than 8 bits would not come back as it is, and is not kept."""
    import numpy as np
    from PIL import Image

    pixels = np.rint(frame[0] * 255).astype(np.uint8)
    if not np.array_equal(_floats(pixels), frame[0]):
        return
    file, disk = io.BytesIO(), Disk()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    disk.make_folder(path.parent)
    write_whole(disk, path, [file.getvalue()])


def _floats(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scale to 0 to 1 as frames of films are."""
    import numpy as np

    floats = np.empty(pixels.shape, np.float32)
    np.divide(pixels, np.float32(255), out=floats)
    return floats
