"""What is drawn once: backdrops, cards, captions. Layers are I420 planes, [height * 3 / 2, width] uint8, BT.709."""

from __future__ import annotations

import colorsys
import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from . import lettering
from .lettering import font
from .storyboard import Element, Shot, Still, Storyboard

Planes = NDArray[np.uint8]

GRAIN = 256
WHITE = (255, 255, 255, 255)
SOFT = (255, 255, 255, 170)
MATRIX = np.array([[0.1826, 0.6142, 0.0620], [-0.1006, -0.3386, 0.4392], [0.4392, -0.3989, -0.0403]], dtype=np.float32)
OFFSET = np.array([16, 128, 128], dtype=np.float32)


@dataclass(frozen=True)
class Overlay:
    """Something laid over a picture: `picture * keep + add`, in 256ths; both [height * 3 / 2, width] uint16."""

    keep: NDArray[np.uint16]
    add: NDArray[np.uint16]

    def over(self, picture: Planes, out: Planes, work: NDArray[np.uint16]) -> None:
        """Lay it over a picture, into `out`; `work` is room for the sums."""
        np.multiply(picture, self.keep, out=work, dtype=np.uint16)
        np.add(work, self.add, out=work)
        np.right_shift(work, 8, out=work)
        np.copyto(out, work, casting="unsafe")


def planes(picture: Image.Image) -> Planes:
    """Turn an RGB picture with even sides into I420."""
    rgb = np.asarray(picture, dtype=np.float32)
    yuv = rgb @ MATRIX.T + OFFSET
    return np.rint(_stack(yuv[..., 0], yuv[..., 1], yuv[..., 2])).clip(0, 255).astype(np.uint8)


def overlay(picture: Image.Image) -> Overlay:
    """Turn an RGBA picture with even sides into an overlay."""
    rgba = np.asarray(picture, dtype=np.float32)
    alpha = rgba[..., 3] * (256 / 255)
    yuv = (rgba[..., :3] @ MATRIX.T + OFFSET) * alpha[..., None]
    keep = 256 - _stack(alpha, alpha, alpha)
    add = _stack(yuv[..., 0], yuv[..., 1], yuv[..., 2])
    # Half a step up, so that the shift by 8 bits rounds.
    return Overlay(np.rint(keep).astype(np.uint16), np.rint(add + 128).clip(0, 65535).astype(np.uint16))


def _stack(y: NDArray[np.float32], u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.float32]:
    small = [plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2] for plane in (u, v)]
    return np.concatenate([y, np.concatenate([plane.ravel() for plane in small]).reshape(-1, y.shape[1]) / 4])


def unit(board: Storyboard) -> float:
    """Give the size of a pixel of 720p in this film."""
    return min(board.width, board.height) / 720


def frame(board: Storyboard, shown: Still, role: str) -> Image.Image:
    """Fill the film's frame with a picture, or with a card that names one."""
    size = (board.width, board.height)
    if shown.picture:
        return ImageOps.fit(shown.picture, size, Image.Resampling.LANCZOS)
    card = backdrop(board, shown.name, 0.5)
    draw, step = ImageDraw.Draw(card, "RGBA"), round(80 * unit(board))
    for x in range(step, board.width, step):
        draw.line([(x, 0), (x, board.height)], (255, 255, 255, 14))
    for y in range(step, board.height, step):
        draw.line([(0, y), (board.width, y)], (255, 255, 255, 14))
    middle = (board.width // 2, round(board.height * 0.36))
    draw.text(middle, role, WHITE, font(role, round(44 * unit(board)), lettering.BOLD), anchor="mm")
    face = font(shown.name, round(20 * unit(board)), lettering.FIXED)
    name = lettering.shorten(shown.name, face, round(board.width * 0.8))
    draw.text((middle[0], middle[1] + 48 * unit(board)), name, SOFT, face, anchor="mm")
    return card


def backdrop(board: Storyboard, words: str, light: float) -> Image.Image:
    """Paint a dark room with one light at `light` (0 left, 1 right); its colour comes from the words."""
    chance = hashlib.sha256(f"{board.variant}/{words}".encode()).digest()
    hue = chance[0] / 255
    dark = np.array(colorsys.hsv_to_rgb(hue, 0.55, 0.13), dtype=np.float32)
    bright = np.array(colorsys.hsv_to_rgb((hue + 0.07) % 1, 0.5, 0.62), dtype=np.float32)
    longest = 0.42 * max(board.width, board.height)
    across = (np.arange(board.width, dtype=np.float32) - light * board.width) / longest
    y = np.arange(board.height, dtype=np.float32)
    down = (y - (0.18 + 0.2 * chance[1] / 255) * board.height) / longest
    glow = 0.8 * np.outer(np.exp(-(down**2)), np.exp(-(across**2)))[..., None]
    fall = (1 - 0.55 * y / board.height)[:, None, None]
    rgb = 255 * (dark * fall + (bright - dark) * glow) + _grain(board.height, board.width)[..., None]
    return Image.fromarray(np.rint(rgb).clip(0, 255).astype(np.uint8))


def _grain(height: int, width: int) -> NDArray[np.float32]:
    """Give the noise without which a dark gradient shows steps; one tile over and over."""
    tile = np.random.default_rng(0).normal(0, 1.3, (GRAIN, GRAIN)).astype(np.float32)
    return np.tile(tile, (height // GRAIN + 1, width // GRAIN + 1))[:height, :width]


def slate(board: Storyboard, shot: Shot, light: float) -> Image.Image:
    """Paint what stands for a shot without pictures: a lit room, the marks of a viewfinder, the shot's number."""
    room = backdrop(board, shot.prompt, light)
    draw, scale = ImageDraw.Draw(room, "RGBA"), unit(board)
    if len(board.shots) > 1:
        number = Image.new("L", room.size)
        middle, face = (board.width / 2, board.height * 0.36), font("0", round(300 * scale), lettering.BOLD)
        ImageDraw.Draw(number).text(middle, str(shot.number), 30, face, anchor="mm")
        room.paste((255, 255, 255), mask=number)
    side, thick = 46 * scale, max(1, round(2 * scale))
    for x, inwards in ((0.1 * board.width, side), (0.9 * board.width, -side)):
        for y, down in ((0.14 * board.height, side), (0.58 * board.height, -side)):
            draw.line([(x, y + down), (x, y), (x + inwards, y)], (255, 255, 255, 70), thick)
    x, y, arm = board.width / 2, 0.36 * board.height, 14 * scale
    if len(board.shots) == 1:
        draw.line([(x - arm, y), (x + arm, y)], (255, 255, 255, 70), thick)
        draw.line([(x, y - arm), (x, y + arm)], (255, 255, 255, 70), thick)
    return room


def blurred(board: Storyboard, shown: Still) -> Image.Image:
    """Make a dim, blurred room from a picture, for the shots it does not begin or end."""
    filled = frame(board, shown, "").resize((board.width // 8, board.height // 8), Image.Resampling.BOX)
    soft = filled.filter(ImageFilter.GaussianBlur(6 * unit(board))).resize((board.width, board.height))
    return Image.blend(Image.new("RGB", soft.size, (8, 9, 12)), soft, 0.55)


def letters(board: Storyboard, shot: Shot) -> Overlay:
    """Draw all that stands over a shot from its first frame to its last."""
    canvas = Image.new("RGBA", (board.width, board.height), (0, 0, 0, 0))
    words = Image.new("RGBA", canvas.size, (255, 255, 255, 0))
    draw = ImageDraw.Draw(words)
    _head(draw, board, shot)
    top = _caption(draw, board, shot)
    _shade(canvas, board, top)
    if board.rehearsal:
        _across(canvas, board, "REHEARSAL")
    canvas.alpha_composite(words)
    for place, element in enumerate(board.elements):
        _inset(canvas, board, element, place)
    return overlay(canvas)


def _shade(canvas: Image.Image, board: Storyboard, top: float) -> None:
    """Darken head and foot, from above the caption's `top` on, so that white letters are read over any picture."""
    y = np.arange(board.height, dtype=np.float32)
    head = np.clip(1 - y / (110 * unit(board)), 0, 1) ** 1.5
    foot = np.clip((y - top + 90 * unit(board)) / (150 * unit(board)), 0, 1)
    alpha = 150 * head + 190 * foot * foot * (3 - 2 * foot)
    shade = Image.fromarray(np.repeat(alpha.astype(np.uint8)[:, None], board.width, axis=1))
    canvas.putalpha(shade)


def _across(canvas: Image.Image, board: Storyboard, word: str) -> None:
    face = font(word, round(min(board.width * 0.145, board.height * 0.2)), lettering.BOLD)
    left, top, right, bottom = face.getbbox(word)
    room = Image.new("L", (round(right - left) + 8, round(bottom - top) + 8))
    ImageDraw.Draw(room).text((4 - left, 4 - top), word, 34, face)
    turned = room.rotate(16, expand=True, resample=Image.Resampling.BICUBIC)
    place = ((board.width - turned.width) // 2, round(board.height * 0.44) - turned.height // 2)
    stamp = Image.new("RGBA", canvas.size, (255, 255, 255, 0))
    stamp.paste(Image.new("RGBA", turned.size, WHITE), place, turned)
    canvas.alpha_composite(stamp)


def _head(draw: ImageDraw.ImageDraw, board: Storyboard, shot: Shot) -> None:
    scale, left = unit(board), margin(board)
    name = f"SHOT {shot.number}" if len(board.shots) > 1 else "ONE SHOT"
    bold, plain = font(name, round(26 * scale), lettering.BOLD), font(name, round(20 * scale))
    draw.text((left, 30 * scale), name, WHITE, bold, anchor="lm")
    of = f"of {len(board.shots)}   {shot.seconds} s" if len(board.shots) > 1 else f"{shot.seconds} s"
    more = "   ".join(part for part in (of, board.title, "SOUND" if board.sound else "") if part)
    at = left + bold.getlength(name) + 14 * scale
    room = round(board.width - at - left - 190 * scale)
    draw.text((at, 31 * scale), lettering.shorten(more, plain, room), SOFT, plain, anchor="lm")


def _caption(draw: ImageDraw.ImageDraw, board: Storyboard, shot: Shot) -> float:
    """Write the shot's words upwards from the bar; give the height at which they begin."""
    scale, left = unit(board), margin(board)
    small = font(board.footer, round(15 * scale))
    bottom = board.height - 24 * scale
    draw.text((left, bottom - 22 * scale), board.footer, SOFT, small, anchor="ls")
    bottom -= 58 * scale
    width = round(board.width - 2 * left)
    if board.negative:
        without = lettering.shorten(f"without: {board.negative}", font(board.negative, round(16 * scale)), width)
        draw.text((left, bottom), without, SOFT, font(without, round(16 * scale)), anchor="ls")
        bottom -= 34 * scale
    sizes = tuple(round(size * scale) for size in (34, 29, 25, 21, 18, 16))
    face, lines, pitch = lettering.fit(shot.prompt, sizes, width, round(board.height * 0.31))
    for place, line in enumerate(reversed(lines)):
        draw.text((left, bottom - place * pitch), line, WHITE, face, anchor="ls")
    return bottom - len(lines) * pitch


def _inset(canvas: Image.Image, board: Storyboard, element: Element, place: int) -> None:
    """Draw one element: a small picture with rounded corners, its name below."""
    scale = unit(board)
    side, gap = round(112 * scale), round(18 * scale)
    x = board.width - round(margin(board)) - side
    y = round(64 * scale) + place * (side + gap + round(24 * scale))
    shape = Image.new("L", (side, side))
    ImageDraw.Draw(shape).rounded_rectangle((0, 0, side - 1, side - 1), round(14 * scale), fill=255)
    shown = element.still.picture if element.still else None
    tile = ImageOps.fit(shown, (side, side)) if shown else Image.new("RGB", (side, side), (38, 42, 52))
    draw = ImageDraw.Draw(tile)
    if not shown:
        face = font("film", round(18 * scale))
        draw.text((side / 2, side / 2), element.note or "picture", (200, 205, 215), face, anchor="mm")
    canvas.paste(tile, (x, y), shape)
    draw = ImageDraw.Draw(canvas)
    edge = (x, y, x + side - 1, y + side - 1)
    draw.rounded_rectangle(edge, round(14 * scale), outline=SOFT, width=max(1, round(scale)))
    name = f"@{element.name}" + (f"  {element.note}" if shown and element.note else "")
    face = font(name, round(16 * scale))
    draw.text((x + side, y + side + 14 * scale), name, WHITE, face, anchor="rm")


def margin(board: Storyboard) -> float:
    """Give the distance of letters from the film's edge, in pixels."""
    return 36 * unit(board)
