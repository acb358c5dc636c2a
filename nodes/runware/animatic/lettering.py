"""Fonts and the breaking of lines."""

from __future__ import annotations

import functools

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

LATIN = ("Inter-Regular.ttf", "segoeui.ttf", "HelveticaNeue.ttc", "NotoSans-Regular.ttf", "DejaVuSans.ttf", "arial.ttf")
BOLD = ("Inter-Bold.ttf", "segoeuib.ttf", "HelveticaNeue.ttc", "NotoSans-Bold.ttf", "DejaVuSans-Bold.ttf",
        "arialbd.ttf")  # fmt: skip
FIXED = ("DejaVuSansMono.ttf", "consola.ttf", "Menlo.ttc", "LiberationMono-Regular.ttf", "cour.ttf")
EAST_ASIAN = (
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "SourceHanSans-Regular.ttc", "msyh.ttc", "YuGothM.ttc",
    "malgun.ttf", "PingFang.ttc", "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc", "wqy-microhei.ttc",
)  # fmt: skip
FIRST_EAST_ASIAN = 0x2E80
LAST_EAST_ASIAN = 0xFFEF


@functools.lru_cache(maxsize=64)
def _load(names: tuple[str, ...], size: int) -> Font:
    for name in names:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def east_asian(character: str) -> bool:
    """Tell whether a character is Chinese, Japanese or Korean, and so may end a line."""
    return FIRST_EAST_ASIAN <= ord(character) <= LAST_EAST_ASIAN


def font(text: str, size: int, names: tuple[str, ...] = LATIN) -> Font:
    """Give a font of the system that can write a text, or Pillow's own. `size` in pixels."""
    return _load(EAST_ASIAN + names if any(map(east_asian, text)) else names, max(8, size))


def wrap(text: str, face: Font, width: int) -> list[str]:
    """Break a text into lines no wider than `width` pixels; words longer than a line are broken too."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for piece in _pieces(paragraph):
            if not line or face.getlength((line + piece).rstrip()) <= width:
                line += piece
            else:
                lines.append(line.rstrip())
                line = piece.lstrip()
            while len(line) > 1 and face.getlength(line.rstrip()) > width:
                end = _fitting(line, face, width)
                lines.append(line[:end])
                line = line[end:]
        if line.strip():
            lines.append(line.rstrip())
    return lines


def _pieces(paragraph: str) -> list[str]:
    """Split into what must stay together: a word with its blank, or one East Asian character."""
    pieces = [""]
    for character in paragraph:
        if east_asian(character) or pieces[-1].endswith(" ") or (pieces[-1] and east_asian(pieces[-1][-1])):
            pieces.append(character)
        else:
            pieces[-1] += character
    return pieces


def _fitting(line: str, face: Font, width: int) -> int:
    low, high = 1, len(line)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if face.getlength(line[:middle]) <= width else (low, middle - 1)
    return low


def fit(text: str, sizes: tuple[int, ...], width: int, height: int) -> tuple[Font, list[str], int]:
    """Choose the largest of some sizes at which a text fits; at the smallest, what does not fit is cut.

    Gives font, lines and the height of a line in pixels.
    """
    for size in sizes:
        face, pitch = font(text, size), round(size * 1.34)
        lines = wrap(text, face, width)
        if len(lines) * pitch <= height:
            return face, _even(text, face, width, len(lines)), pitch
    room = max(1, height // pitch)
    return face, [*lines[: room - 1], shorten(lines[room - 1], face, width, always=True)], pitch


def _even(text: str, face: Font, width: int, count: int) -> list[str]:
    """Break a text into `count` lines of about one length, so that no word is left alone on the last."""
    low, high = width // 2, width
    while high - low > width // 40:
        middle = (low + high) // 2
        low, high = (low, middle) if len(wrap(text, face, middle)) <= count else (middle, high)
    return wrap(text, face, high)


def shorten(text: str, face: Font, width: int, *, always: bool = False) -> str:
    """Cut a text to one line of `width` pixels, with an ellipsis where it was cut (or `always`)."""
    if not always and face.getlength(text) <= width:
        return text
    while text and face.getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip() + "..."
