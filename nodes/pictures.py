"""From an IMAGE of the graph to a picture that can be sent, and what is to be said about it."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from . import beside, host
from .runware import media
from .runware.limits import PICTURE_SIDE_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger("kling")

AT_ONCE = 2
"""Pictures of a batch that are encoded side by side; each is in memory as bytes meanwhile."""


async def encode(
    image: Any, *, node: str, field: str, encoding: media.Encoding = "png", max_side: int = PICTURE_SIDE_MAX
) -> tuple[media.Picture, list[str]]:
    """Encode the one picture of `image`, [1, height, width, channels], in a thread; and say what was done to it.

    A side longer than `max_side` pixels is reduced to it, with 0 none. Raises InputError, or ComfyUI's interruption.
    """
    return await beside.run(_encode, image, node=node, field=field, encoding=encoding, max_side=max_side)


def _encode(
    image: Any, *, node: str, field: str, encoding: media.Encoding, max_side: int
) -> tuple[media.Picture, list[str]]:
    from . import tensors

    make = partial(tensors.one_picture, image, node=node, field=field)
    return _finish(make, field=field, encoding=encoding, max_side=max_side)


async def encode_all(image: Any, *, node: str, field: str, most: int) -> tuple[tuple[media.Picture, ...], list[str]]:
    """Encode every picture of a batch of at most `most`, in threads; and say what was done to them.

    `image` is [batch, height, width, channels]. Raises InputError, or ComfyUI's interruption.
    """
    return await beside.run(_encode_all, image, node=node, field=field, most=most)


def _encode_all(image: Any, *, node: str, field: str, most: int) -> tuple[tuple[media.Picture, ...], list[str]]:
    from . import tensors

    makers = tensors.pictures(image, node=node, field=field, most=most)
    fields = [f"{field} {number}" for number in range(1, len(makers) + 1)]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="kling-pictures") as threads:
        finish = partial(_finish, encoding="png", max_side=PICTURE_SIDE_MAX)
        finished = list(threads.map(lambda make, name: finish(make, field=name), makers, fields))
    return tuple(picture for picture, _ in finished), [line for _, lines in finished for line in lines]


def _finish(
    make: Callable[[], NDArray[np.uint8]], *, field: str, encoding: media.Encoding, max_side: int
) -> tuple[media.Picture, list[str]]:
    pixels = make()
    height, width, _ = pixels.shape
    pixels = media.reduce(pixels, max_side)  # of the large ones nothing is kept
    picture = media.encode(pixels, encoding=encoding)
    lines = [f"{field}: {warning}" for warning in media.picture_warnings(picture)]
    if (width, height) != (picture.width, picture.height):
        lines.insert(0, f"{field}: reduced from {width}x{height} to {picture.width}x{picture.height} pixels.")
    return picture, lines


def tell(lines: list[str], *, node: str, node_id: str | None) -> None:
    """Put lines on the node and in the log."""
    if lines:
        host.status(node_id, "\n".join(lines))
    for line in lines:
        logger.warning("%s, %s", node, line)
