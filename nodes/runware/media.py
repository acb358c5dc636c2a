"""The three forms in which a picture, a film or a sound reaches the service.

Source     text that the service resolves itself: a UUID of media it already has, or an https URL
Picture    encoded pixels that travel inside the request as a data URI
Clip       a local film or sound, which is uploaded through mediaStorage first

Each has an `identity`: what the film depends on, and nothing of how the bytes were packed.
"""

from __future__ import annotations

import hashlib
import io
import threading
import zlib
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakValueDictionary

from . import limits

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

Encoding = Literal["png", "jpeg", "webp"]


@dataclass(frozen=True)
class Source:
    """Media the service finds by itself."""

    text: str
    """A UUID or an https URL."""

    @property
    def identity(self) -> str:
        """The text itself: what it names is the service's affair."""
        return self.text


@dataclass(frozen=True)
class Picture:
    """One encoded picture."""

    pixels_sha256: str
    """Of the size and the uint8 RGB pixels, so that another encoder or another encoding is the same picture."""
    width: int
    height: int
    mime_type: str
    data: bytes = field(repr=False, compare=False)

    @property
    def identity(self) -> str:
        """The pixels' hash."""
        return f"sha256:{self.pixels_sha256}"


@dataclass(frozen=True)
class Clip:
    """A local film or sound."""

    path: Path
    sha256: str
    """Of what is seen and heard, not of the container's bytes: another version of a muxer gives the same."""
    kind: Literal["video", "audio"]
    seconds: float | None = None
    width: int | None = None
    height: int | None = None

    @property
    def identity(self) -> str:
        """The content's hash."""
        return f"sha256:{self.sha256}"


Media = Source | Picture | Clip


def encode(pixels: NDArray[np.uint8], *, encoding: Encoding = "png") -> Picture:
    """Encode one picture; the same pixels are encoded once for as long as anyone holds the result.

    `pixels` is [height, width, 3], RGB. PNG and WEBP are lossless; JPEG is quality 95 with full colour resolution.
    Safe to call from several threads, which then encode side by side.
    """
    height, width, _ = pixels.shape
    key = (hash_pixels(pixels), encoding)
    with _lock:
        picture = _encoded.get(key)
        if picture is not None:
            return picture
        first = key not in _under_way
        future = _under_way.setdefault(key, Future())
    if not first:
        return future.result()
    try:
        picture = Picture(key[0], width, height, f"image/{encoding}", _compress(pixels, encoding))
    except BaseException as error:
        with _lock:
            del _under_way[key]
        future.set_exception(error)
        raise
    with _lock:
        _encoded[key] = picture
        del _under_way[key]
    future.set_result(picture)
    return picture


_lock = threading.Lock()
_encoded: WeakValueDictionary[tuple[str, str], Picture] = WeakValueDictionary()
_under_way: dict[tuple[str, str], Future[Picture]] = {}


def hash_pixels(pixels: NDArray[np.uint8]) -> str:
    """SHA-256 of the size and the pixels, in hex."""
    import numpy as np

    height, width, _ = pixels.shape
    digest = hashlib.sha256(f"rgb8 {width}x{height}\n".encode("ascii"))
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


_SETTINGS: dict[str, dict[str, Any]] = {
    # Run lengths only, over Pillow's row filters: smaller than zlib's default on photographs, and 2 to 6 times faster.
    "png": {"compress_level": 1, "compress_type": zlib.Z_RLE},
    "jpeg": {"quality": 95, "subsampling": 0},
    # Lossless, where "quality" means effort. Pillow's own default effort takes 20 times as long.
    "webp": {"lossless": True, "quality": 0, "method": 0},
}


def _compress(pixels: NDArray[np.uint8], encoding: Encoding) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, encoding.upper(), **_SETTINGS[encoding])
    return file.getvalue()


def reduce(pixels: NDArray[np.uint8], max_side: int) -> NDArray[np.uint8]:
    """Shrink a picture with Lanczos until its longer side is `max_side` pixels; 0 leaves it as it is."""
    import numpy as np
    from PIL import Image

    height, width, _ = pixels.shape
    longer = max(height, width)
    if max_side <= 0 or longer <= max_side:
        return pixels
    size = (max(1, round(width * max_side / longer)), max(1, round(height * max_side / longer)))
    # One colour after the other: Pillow holds RGB in four bytes a pixel, beside the three that are here.
    colours = (Image.fromarray(pixels[..., colour]) for colour in range(3))
    return np.stack([np.asarray(each.resize(size, Image.Resampling.LANCZOS)) for each in colours], axis=-1)


def picture_warnings(picture: Picture) -> list[str]:
    """Say what the service may refuse in this picture, by the documented limits of Kling's other models."""
    least, most = limits.PICTURE_SIDE_MIN, limits.PICTURE_SIDE_MAX
    size = f"{picture.width}x{picture.height}"
    warnings = []
    if min(picture.width, picture.height) < least:
        warnings.append(f"The picture is {size}; other Kling models refuse sides under {least} pixels.")
    if max(picture.width, picture.height) > most:
        warnings.append(f"The picture is {size}; other Kling models refuse sides over {most} pixels (see max_side).")
    if max(picture.width, picture.height) > limits.PICTURE_RATIO_MAX * min(picture.width, picture.height):
        warnings.append(f"The picture is {size}; Kling refuses pictures longer than 2.5 times their width or height.")
    if len(picture.data) > limits.PICTURE_BYTES_MAX:
        megabytes = len(picture.data) / 1_000_000
        warnings.append(
            f"The picture has {megabytes:.1f} MB; other Kling models refuse more than 20 MB (see encoding)."
        )
    return warnings
