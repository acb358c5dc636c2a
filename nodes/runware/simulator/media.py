"""Pictures, films and sounds as they stand in a task: UUID, address, data URI or bare base64."""

from __future__ import annotations

import base64
import binascii
import io
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from .refusal import Refusal
from .values import UUID_SHAPE, invalid, is_address, text, uuid_v4

Kind = Literal["image", "video", "audio"]

DATA_URI = re.compile(r"data:(?P<mime>[\w.+-]+/[\w.+-]+)?(;[\w.+-]+=[\w.+-]+)*;base64,")
IMAGE_FORMATS = ("PNG", "JPEG", "WEBP")
SHORTEST_FILE = 12


@dataclass
class MediaStore:
    """What has been uploaded. A v4 UUID never seen here counts as an upload of another day, if `trusting`."""

    trusting: bool = True
    kinds: dict[str, Kind] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)

    def check(self, path: str, value: object, kind: Kind, *, inline: bool) -> None:
        """Take a reference to a medium of one kind. `inline`: data URI and base64 are accepted too.

        A voice may be the sound of a film (mp4 and mov are documented for it).
        """
        given = text(path, value)
        if UUID_SHAPE.fullmatch(given):
            self._check_uuid(path, uuid_v4(path, given), kind)
        elif given.startswith(("http:", "https:")):
            if not is_address(given):
                raise invalid(path, "The value must be a valid URL.", "string")
        elif not inline:
            raise invalid(path, "The value must be a UUID or a URL.", "string")
        else:
            found = sniff(decode(path, given))
            if found != kind:
                raise invalid(path, f"The file must be a {kind} of a supported format.", "string")

    def _check_uuid(self, path: str, uuid: str, kind: Kind) -> None:
        known = self.kinds.get(uuid)
        if uuid in self.deleted or (known is None and not self.trusting):
            raise Refusal("mediaNotFound", f"No media found for UUID '{uuid}'.", status=404, parameter=path)
        if known is not None and known != kind and (known, kind) != ("video", "audio"):
            raise invalid(path, f"The media '{uuid}' is of type {known}; expected {kind}.", "string")


def decode(path: str, value: str) -> bytes:
    """Decode a data URI or bare base64."""
    found = DATA_URI.match(value)
    if value.startswith("data:") and not found:
        raise invalid(path, "The data URI is malformed.", "string")
    encoded = value[found.end() :] if found else value
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise invalid(path, "The value must be a UUID, a URL, a data URI or base64.", "string") from None
    if len(content) < SHORTEST_FILE:
        raise invalid(path, "The file is empty or too short.", "string")
    return content


def sniff(content: bytes) -> Kind | None:
    """Tell what a file is from its first bytes; a picture must also be whole enough to be read."""
    if is_picture(content):
        return "image"
    if content[4:8] == b"ftyp":
        return "audio" if content[8:11] == b"M4A" else "video"
    if content[:4] == b"\x1aE\xdf\xa3":
        return "video"
    riff_wave = content[:4] == b"RIFF" and content[8:12] == b"WAVE"
    mpeg_audio = content[:3] == b"ID3" or (content[0] == 0xFF and content[1] & 0xE0 == 0xE0)  # noqa: PLR2004
    if riff_wave or mpeg_audio or content[:4] in (b"OggS", b"fLaC"):
        return "audio"
    return None


def is_picture(content: bytes) -> bool:
    """Tell whether bytes are a PNG, JPEG or WEBP that opens."""
    magic = content.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))
    if not magic and not (content[:4] == b"RIFF" and content[8:12] == b"WEBP"):
        return False
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=IMAGE_FORMATS) as picture:
            picture.verify()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False
    return True


def upload_kind(task: dict[str, Any]) -> Kind:
    """Tell what a `mediaStorage` upload holds; an address is judged by its ending."""
    value = text("media", task["media"], 1)
    if is_address(value):
        ending = value.partition("?")[0].rpartition(".")[2].lower()
        audio = ending in ("mp3", "wav", "ogg", "flac", "m4a")
        return "audio" if audio else "video" if ending in ("mp4", "mov", "webm") else "image"
    found = sniff(decode("media", value))
    if found is None:
        raise invalid("media", "The file must be an image, a video or a sound of a supported format.", "string")
    return found
