"""What a task asks to be shown: size, shots and their frames, pictures, names, sound."""

from __future__ import annotations

import base64
import binascii
import io
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from PIL import Image, ImageOps, UnidentifiedImageError

FRAME_RATE = 24
DEFAULT_SECONDS = 5
USUAL_AREA = 1280 * 720
AREAS = {"klingai:kling-video@3-pro": 1920 * 1080, "klingai:kling-video@3-4k": 3840 * 2160}
"""Pixels of a film whose size follows a picture; the others have 720p."""
WIDEST = 2.5
ELEMENT_TAG = re.compile(r"<<<\s*element_(\d+)\s*>>>")
PLACES = {"first": 0, 0: 0, "0": 0, "last": 1, -1: 1, "-1": 1}


@dataclass(frozen=True)
class Still:
    """One picture of a task: its pixels, or only how it is called when the service alone has them."""

    name: str
    picture: Image.Image | None = None


@dataclass(frozen=True)
class Element:
    """One element: its id, its picture if it has one, and what else it brings."""

    name: str
    still: Still | None
    note: str = ""


@dataclass(frozen=True)
class Shot:
    """One shot: `start` and `frames` count frames of the film."""

    number: int
    prompt: str
    start: int
    frames: int

    @property
    def seconds(self) -> int:
        """Its length in seconds."""
        return self.frames // FRAME_RATE


@dataclass(frozen=True)
class Storyboard:
    """Everything that is shown, and heard."""

    width: int
    height: int
    shots: tuple[Shot, ...]
    first: Still | None
    last: Still | None
    elements: tuple[Element, ...]
    sound: bool
    container: str
    negative: str
    footer: str
    title: str
    rehearsal: bool
    variant: str

    @property
    def frames(self) -> int:
        """Number of frames of the film."""
        return sum(shot.frames for shot in self.shots)


def read(request: dict[str, Any], index: int, *, rehearsal: bool) -> Storyboard:
    """Read a storyboard from a raw task; what is missing or unreadable is shown as such, never an error."""
    inputs = request.get("inputs", {})
    settings = request.get("providerSettings", {}).get("klingai", {})
    first, last = _frames(inputs)
    width, height = _size(request, first or last)
    elements = tuple(_element(element) for element in inputs.get("elements", ()))
    results = request.get("numberResults", 1)
    footer = [f"task {str(request.get('taskUUID', ''))[:8]}", f"result {index + 1} of {results}"]
    return Storyboard(
        width=width,
        height=height,
        shots=_shots(request, settings, [element.name for element in elements]),
        first=first,
        last=last,
        elements=elements,
        sound=bool(settings.get("sound") or settings.get("keepOriginalSound")),
        container=request.get("outputFormat", "MP4").lower(),
        negative=request.get("negativePrompt", ""),
        footer=("REHEARSAL, nothing was bought   " if rehearsal else "") + "   ".join(footer),
        title=_title(settings, inputs),
        rehearsal=rehearsal,
        variant=f"{request.get('taskUUID')}/{index}",
    )


def _frames(inputs: dict[str, Any]) -> tuple[Still | None, Still | None]:
    found: list[Still | None] = [None, None]
    for place, frame in enumerate(inputs.get("frameImages", ())[:2]):
        value = frame["image"] if isinstance(frame, dict) else frame
        named = frame.get("frame") if isinstance(frame, dict) else None
        found[PLACES.get(named, place)] = still(value)
    if not any(found) and inputs.get("referenceImages"):
        found[0] = still(inputs["referenceImages"][0])
    return found[0], found[1]


def _size(request: dict[str, Any], shown: Still | None) -> tuple[int, int]:
    if "width" in request:
        return request["width"], request["height"]
    picture = shown.picture if shown else None
    ratio = picture.width / picture.height if picture else 16 / 9
    ratio = min(max(ratio, 1 / WIDEST), WIDEST)
    area = AREAS.get(request.get("model", ""), USUAL_AREA)
    return 2 * round((area * ratio) ** 0.5 / 2), 2 * round((area / ratio) ** 0.5 / 2)


def _shots(request: dict[str, Any], settings: dict[str, Any], names: list[str]) -> tuple[Shot, ...]:
    whole = {"prompt": request.get("positivePrompt", ""), "duration": request.get("duration", DEFAULT_SECONDS)}
    shots, start = [], 0
    for number, segment in enumerate(settings.get("multiPrompt") or [whole], 1):
        frames = segment["duration"] * FRAME_RATE
        shots.append(Shot(number, _with_names(segment["prompt"], names), start, frames))
        start += frames
    return tuple(shots)


def _with_names(prompt: str, names: list[str]) -> str:
    def name(found: re.Match[str]) -> str:
        place = int(found[1]) - 1
        return f"@{names[place]}" if 0 <= place < len(names) else found[0]

    return ELEMENT_TAG.sub(name, prompt)


def _element(element: dict[str, Any]) -> Element:
    if "frontalImage" in element:
        extra = len(element.get("images", ()))
        note = (f"+{extra}" if extra else "") + ("  voice" if element.get("voices") else "")
        return Element(element["id"], still(element["frontalImage"]), note.strip())
    if element.get("videos"):
        return Element(element["id"], still(element["videos"][0]), "film")
    return Element(element["id"], None, "stored")


def _title(settings: dict[str, Any], inputs: dict[str, Any]) -> str:
    if inputs.get("referenceVideos"):
        return f"MOTION OF {still(inputs['referenceVideos'][0]).name}"
    return "CUTS BY THE MODEL" if settings.get("shotType") else ""


def still(value: str) -> Still:
    """Make a still from a data URI, base64, an address or a UUID.

    Of an address only host and file name are shown: its query may be a signature.
    """
    if value.startswith(("http:", "https:")):
        parts = urlsplit(value)
        return Still(f"{parts.hostname} / {parts.path.rpartition('/')[2]}")
    encoded = value.partition(",")[2] if value.startswith("data:") else value
    try:
        with Image.open(io.BytesIO(base64.b64decode(encoded, validate=True))) as opened:
            turned = ImageOps.exif_transpose(opened).convert("RGBA")
    except (binascii.Error, ValueError, OSError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        return Still(value[:40])
    opaque = Image.new("RGBA", turned.size, "black")
    return Still("", Image.alpha_composite(opaque, turned).convert("RGB"))
