"""Decoded frames to float32 RGB: the right matrix, range and chroma, by the quickest way that keeps them right."""

from __future__ import annotations

from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from .info import turn

if TYPE_CHECKING:
    import numpy as np
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter
    from numpy.typing import NDArray

    Steps = tuple[dict[str, Any], ...]
    """What is told to one converter after the other."""

SWS_BICUBIC, SWS_ACCURATE_RND, SWS_UNSTABLE = 0x4, 0x40000, 0x100000
"""libswscale's own numbers: PyAV names the second one only since version 18, the third not at all."""

NEW_SINCE = (9, 5)
"""The libswscale, of FFmpeg 8.1, that has the new converter."""

NEW_FOR = frozenset({"yuv420p", "yuvj420p"})
"""What the service's films are in."""

AGREEMENT = 3 / 255
"""How far both ways may be apart at any pixel; they are two levels apart on noise."""

AVCOL_SPC_UNSPECIFIED = 2

PAL_WIDTH, PAL_HEIGHT = 1024, 576
"""Pixels: what is larger than standard definition (with square pixels) is HD."""

BYTE_BITS = 8

BAND = 48
"""Rows of a picture that are packed and scaled at a time: they stay in the processor's cache."""


class Painter:
    """Paints the frames of one film into arrays of `shape`, [height, width, 3]. Several threads may paint at a time.

    The proven way gives planes with bicubic chroma, 59 dB from a float64 reference. Without accurate rounding swscale
    repeats chroma samples (42 dB); more than 8 bits of an 8-bit film cost it twice the time and 6 dB (they come out
    half a level too dark).

    The new way stretches the chroma and leaves the rest to libswscale's new converter: 55 dB, the colours packed, in
    little more than half the work. Its makers call it unstable, so it paints a film only if both ways agree about the
    first frame.
    """

    def __init__(self, first: VideoFrame, workers: int) -> None:
        import av
        from av.video.reformatter import VideoReformatter

        self.rotation = turn(first)
        size = (first.width, first.height) if self.rotation in (90, 270) else (first.height, first.width)
        self.shape = (*size, 3)
        # Converters keep their tables from frame to frame, and are used by one thread at a time.
        self.converters: SimpleQueue[tuple[VideoReformatter, ...]] = SimpleQueue()
        for _ in range(workers):
            self.converters.put((VideoReformatter(), VideoReformatter()))
        self.steps = _proven(first)
        if first.format.name in NEW_FOR and av.library_versions["libswscale"] >= NEW_SINCE:
            new = _new(first)
            if self._agree(first, self.steps, new):
                self.steps = new

    def paint(self, frame: VideoFrame, target: NDArray[np.float32]) -> None:
        """Convert one frame into an array of `shape`: RGB, 0..1."""
        self._paint(frame, target, self.steps)

    def _agree(self, frame: VideoFrame, *ways: Steps) -> bool:
        import numpy as np

        pictures = [np.empty(self.shape, np.float32) for _ in ways]
        with suppress(OSError, ValueError):
            for picture, steps in zip(pictures, ways):  # noqa: B905  3.10
                self._paint(frame, picture, steps)
            return bool(np.abs(pictures[0] - pictures[1]).max() <= AGREEMENT)
        return False

    def _paint(self, frame: VideoFrame, target: NDArray[np.float32], steps: Steps) -> None:
        import numpy as np

        converters = self.converters.get()
        try:
            for converter, options in zip(converters, steps):  # noqa: B905  3.10
                frame = converter.reformat(frame, **options)
        finally:
            self.converters.put(converters)
        planes = self._planes(frame)
        packed = np.empty((BAND, *target.shape[1:]), planes[0].dtype)
        white = np.iinfo(packed.dtype).max
        for top in range(0, len(target), BAND):
            band = target[top : top + BAND]
            if len(planes) == 1:
                colours = planes[0][top : top + BAND]
            else:
                colours = packed[: len(band)]
                for channel, plane in enumerate(planes):
                    colours[..., channel] = plane[top : top + BAND]
            np.copyto(band, colours)  # and scaled where it is: quicker than one operation that also converts
            np.multiply(band, np.float32(1 / white), out=band)

    def _planes(self, picture: VideoFrame) -> list[NDArray[Any]]:
        """View a picture's memory, turned as a player turns it: [height, width, 3], or red, green and blue alone."""
        import numpy as np

        is_planar = picture.format.name.startswith("gbrp")
        depth = np.dtype("u1" if picture.format.name == "gbrp" else "<u2")
        size = (picture.width,) if is_planar else (picture.width, 3)
        planes = []
        for plane in picture.planes:
            lines = np.frombuffer(memoryview(plane), depth).reshape(picture.height, -1)  # padded at their ends
            pixels = lines[:, : int(np.prod(size))].reshape(picture.height, *size)
            planes.append(np.rot90(pixels, self.rotation // 90))
        if is_planar:
            green, blue, red = planes
            return [red, green, blue]
        return planes


def _proven(film: VideoFrame) -> Steps:
    is_deep = max(component.bits for component in film.format.components) > BYTE_BITS
    return (
        {
            **_colours(film),
            "format": "gbrp16le" if is_deep else "gbrp",
            "interpolation": SWS_BICUBIC | SWS_ACCURATE_RND,
        },
    )


def _new(film: VideoFrame) -> Steps:
    source = _colours(film)
    same = {"dst_colorspace": source["src_colorspace"], "dst_color_range": source["src_color_range"]}
    return (
        {**source, **same, "format": "yuv444p", "interpolation": SWS_BICUBIC},
        {**source, "format": "rgb48le", "interpolation": SWS_BICUBIC | SWS_ACCURATE_RND | SWS_UNSTABLE},
    )


def _colours(frame: VideoFrame) -> dict[str, int]:
    """Give size, YUV matrix and range in so many words: left to itself PyAV before 17 takes every film for BT.601.

    It looks at them only where those of the result differ, though RGB has none. A film that names no matrix has BT.709
    if it is HD, else BT.601.
    """
    from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

    matrix = frame.colorspace
    if matrix == AVCOL_SPC_UNSPECIFIED:
        is_hd = frame.width > PAL_WIDTH or frame.height > PAL_HEIGHT
        matrix = Colorspace.ITU709 if is_hd else Colorspace.ITU601
    other = Colorspace.ITU601 if matrix == Colorspace.ITU709 else Colorspace.ITU709
    is_full = frame.color_range == ColorRange.JPEG
    told = {
        "width": frame.width,
        "height": frame.height,
        "src_colorspace": int(matrix),
        "dst_colorspace": int(other),
        "src_color_range": int(ColorRange.JPEG if is_full else ColorRange.MPEG),
    }
    if "threads" in (VideoReformatter.reformat.__doc__ or ""):
        # Since PyAV 17, whose default takes all cores for each frame and costs more than it saves.
        told["threads"] = 1
    return told
