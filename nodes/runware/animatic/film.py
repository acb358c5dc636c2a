"""The moving part: frames from the layers, a clock and a bar over them, and the encoding."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from PIL import Image, ImageDraw

from . import layers, lettering, tones
from .layers import Planes
from .storyboard import FRAME_RATE, Shot, Storyboard

CODECS = {
    "mp4": ("mp4", "libx264", "aac"),
    "mov": ("mov", "libx264", "aac"),
    "webm": ("webm", "libvpx-vp9", "libopus"),
}
X264 = {"preset": "ultrafast", "crf": "19"}
VP9 = {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "crf": "30", "b": "0"}
TIMESCALE = Fraction(1, FRAME_RATE)
BT709 = 1
LIMITED_RANGE = 1
BRIGHT = 235
DONE = (185, 76, 152)
AHEAD = (92, 128, 128)
"""Y, U and V of the bar: warm light for what has been, grey for what is to come."""


def write(board: Storyboard) -> bytes:
    """Encode a storyboard: H.264 and AAC in MP4 or MOV, VP9 and Opus in WEBM."""
    form, video_codec, audio_codec = CODECS[board.container]
    held = io.BytesIO()
    # bitexact: no encoder version in the file, so that equal tasks give equal bytes.
    with av.open(held, "w", format=form, options={"fflags": "+bitexact"}) as output:
        video = output.add_stream(video_codec, rate=FRAME_RATE, options=VP9 if form == "webm" else X264)
        video.width, video.height, video.pix_fmt = board.width, board.height, "yuv420p"
        video.time_base = video.codec_context.time_base = TIMESCALE
        context = video.codec_context
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.color_range = LIMITED_RANGE
        audio = output.add_stream(audio_codec, rate=tones.SAMPLE_RATE, layout="stereo") if board.sound else None
        for number, planes in enumerate(pictures(board)):
            picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            picture.pts, picture.time_base = number, TIMESCALE
            output.mux(video.encode(picture))
        output.mux(video.encode())
        if audio:
            for sound in tones.frames(board):
                output.mux(audio.encode(sound))
            output.mux(audio.encode())
    return held.getvalue()


def pictures(board: Storyboard) -> Iterator[Planes]:
    """Give every frame in turn. The array is used again for the next one."""
    out = np.empty((board.height * 3 // 2, board.width), np.uint8)
    work = np.empty(out.shape, np.uint16)
    clock = Clock(board)
    for shot in board.shots:
        begin, end = (Image.fromarray(layers.planes(picture)) for picture in _scene(board, shot))
        letters = layers.letters(board, shot)
        for place in range(shot.frames):
            part = _ease(place / max(1, shot.frames - 1))
            letters.over(np.asarray(Image.blend(begin, end, part)), out, work)
            clock.draw(out, shot.start + place)
            yield out


def _scene(board: Storyboard, shot: Shot) -> tuple[Image.Image, Image.Image]:
    """Give the pictures a shot begins and ends with: the frames of the task where they belong."""
    opening, closing = shot is board.shots[0], shot is board.shots[-1]
    first = board.first if opening else None
    last = board.last if closing else None
    known = board.first or board.last
    begin = layers.frame(board, first, "FIRST FRAME") if first else None
    end = layers.frame(board, last, "LAST FRAME") if last else None
    if known and not (begin and end):
        room = layers.blurred(board, known)
        return begin or room, end or begin or room
    if begin and end:
        return begin, end
    return layers.slate(board, shot, 0.2), layers.slate(board, shot, 0.8)


def _ease(part: float) -> float:
    """Dissolve slowly: still for the first and last eighth."""
    part = min(max((part - 0.125) / 0.75, 0.0), 1.0)
    return part * part * (3 - 2 * part)


class Clock:
    """What changes with every frame: the time code and the bar of the shots."""

    def __init__(self, board: Storyboard) -> None:
        self._board = board
        self._scale = layers.unit(board)
        self._left = round(layers.margin(board))
        self._face = lettering.font("0", round(22 * self._scale), lettering.FIXED)
        self._box = (round(self._face.getlength("00:00:00:00")) + 4, round(34 * self._scale))

    def draw(self, out: Planes, frame: int) -> None:
        """Draw both into the planes of a frame."""
        self._code(out, frame)
        for shot in self._board.shots:
            self._bar(out, shot, frame)

    def _code(self, out: Planes, frame: int) -> None:
        seconds, rest = divmod(frame, FRAME_RATE)
        mask = Image.new("L", self._box)
        text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{rest:02}"
        ImageDraw.Draw(mask).text((0, self._box[1] / 2), text, 255, self._face, anchor="lm")
        x, y = self._board.width - self._left - self._box[0], round(14 * self._scale)
        alpha = np.asarray(mask, dtype=np.uint16)
        part = out[y : y + self._box[1], x : x + self._box[0]]
        part[:] = (part * (255 - alpha) + BRIGHT * alpha) // 255

    def _bar(self, out: Planes, shot: Shot, frame: int) -> None:
        board = self._board
        width = board.width - 2 * self._left
        gap = round(6 * self._scale) if shot is not board.shots[-1] else 0
        start = self._left + width * shot.start // board.frames
        stop = self._left + width * (shot.start + shot.frames) // board.frames - gap
        done = start + round((stop - start) * min(max((frame + 1 - shot.start) / shot.frames, 0), 1))
        self._fill(out, start, done, DONE)
        self._fill(out, done, stop, AHEAD)

    def _fill(self, out: Planes, start: int, stop: int, colour: tuple[int, int, int]) -> None:
        """Fill the bar's rows from one column to another, in even steps because of the chroma planes."""
        height, width = self._board.height, self._board.width
        top = (height - round(24 * self._scale)) // 2
        rows = slice(top, top + max(1, round(3 * self._scale)))
        columns = slice(start // 2, stop // 2)
        out[2 * rows.start : 2 * rows.stop, 2 * columns.start : 2 * columns.stop] = colour[0]
        chroma = out[height:].reshape(2, height // 2, width // 2)
        chroma[0, rows, columns], chroma[1, rows, columns] = colour[1:]
