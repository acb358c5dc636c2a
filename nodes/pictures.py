"""From an IMAGE of the graph to a picture that can be sent, and what is to be said about it."""

from __future__ import annotations

import logging
from typing import Any

from . import beside, host
from .runware import media

logger = logging.getLogger("kling")

MAX_SIDE = 2048
"""Pixels; the service reduces uploaded pictures to this anyway."""


async def encode(
    image: Any, *, node: str, field: str, encoding: media.Encoding = "png", max_side: int = MAX_SIDE
) -> tuple[media.Picture, list[str]]:
    """Encode the one picture of `image`, [1, height, width, channels], in a thread; and say what was done to it."""
    return await beside.run(_encode, image, node=node, field=field, encoding=encoding, max_side=max_side)


def _encode(
    image: Any, *, node: str, field: str, encoding: media.Encoding, max_side: int
) -> tuple[media.Picture, list[str]]:
    from . import tensors

    pixels = tensors.one_picture(image, node=node, field=field)
    return _finish(pixels, field=field, encoding=encoding, max_side=max_side)


async def encode_all(image: Any, *, node: str, field: str, most: int) -> tuple[tuple[media.Picture, ...], list[str]]:
    """Encode every picture of a batch of at most `most`, in a thread; and say what was done to them."""
    return await beside.run(_encode_all, image, node=node, field=field, most=most)


def _encode_all(image: Any, *, node: str, field: str, most: int) -> tuple[tuple[media.Picture, ...], list[str]]:
    from . import tensors

    finished = [
        _finish(pixels, field=f"{field} {number}", encoding="png", max_side=MAX_SIDE)
        for number, pixels in enumerate(tensors.pictures(image, node=node, field=field, most=most), start=1)
    ]
    return tuple(picture for picture, _ in finished), [line for _, lines in finished for line in lines]


def _finish(pixels: Any, *, field: str, encoding: media.Encoding, max_side: int) -> tuple[media.Picture, list[str]]:
    picture = media.encode(media.reduce(pixels, max_side), encoding=encoding)
    lines = [f"{field}: {warning}" for warning in media.picture_warnings(picture)]
    height, width, _ = pixels.shape
    if (width, height) != (picture.width, picture.height):
        lines.insert(0, f"{field}: reduced from {width}x{height} to {picture.width}x{picture.height} pixels.")
    return picture, lines


def tell(lines: list[str], *, node: str, node_id: str | None) -> None:
    """Put lines on the node and in the log."""
    if lines:
        host.status(node_id, "\n".join(lines))
    for line in lines:
        logger.warning("%s, %s", node, line)
