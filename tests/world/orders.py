"""What the users of a world want to buy."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from kling.nodes.runware import assemble, draft, identity
from kling.nodes.runware import request as rq
from kling.nodes.runware.media import Clip
from kling.nodes.runware.order import Order

if TYPE_CHECKING:
    from kling.nodes.runware.request import VideoInference

REFERENCE = Path("/temp/reference.mp4")
REFERENCE_BYTES = b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00"


@dataclass(frozen=True)
class Kind:
    """One sort of request; `clip` is whether a local film is uploaded for it."""

    results: int = 1
    ending: str = "mp4"
    clip: bool = False


KINDS = (Kind(), Kind(), Kind(results=3), Kind(ending="webm"), Kind(clip=True))


@cache
def _request(kind: Kind) -> tuple[VideoInference, bytes, tuple[Clip, ...]]:
    settings = draft.settings(number_results=kind.results, output_format=kind.ending.upper())
    prompt = draft.prompt(positive_prompt="A red fox runs", negative_prompt="", shot_seconds=0, shot_type="single")
    request = assemble.assemble(prompt, settings)
    clips = (Clip(REFERENCE, "ab" * 32, "video", 5.0, 1280, 720),) if kind.clip else ()
    return request, identity.canonical(request) + (b"clip" if kind.clip else b""), clips


@lru_cache(maxsize=16)
def order(kind: Kind, key: str, take: int = 1) -> Order:
    """Make the order that KlingGenerate would make; a reference film is uploaded, though the request leaves it out."""
    request, canonical, clips = _request(kind)
    return Order(
        canonical=canonical,
        take=take,
        key=key,
        price=Decimal("0.42") * kind.results,
        number_results=kind.results,
        seconds=5,
        model=request.model,
        container=kind.ending,
        public=rq.public(request),
        clips=clips,
        body=partial(rq.body, request),
    )
