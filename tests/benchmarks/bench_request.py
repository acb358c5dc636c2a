"""A request with six pictures of 4K: what making it adds to the memory of the process, against its JSON body."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import clips
from measure import Mark, fewer, memory_now, peak_since, side_by_side, spread, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEIGHT, WIDTH = 2160, 3840
NODE = {"node": "KlingFrameImages"}

JOBS = {
    "as_sent": "two frame images as they are, four of an element reduced to 2048 pixels",
    "as_large": "all six as they are",
    "one_picture": "all six the same picture: encoded once",
}


def steps(rounds: int) -> int:
    """Count the measurements."""
    return fewer(rounds) * len(JOBS)


def run(rounds: int, step: Callable[[str], None]) -> Iterator[str | Mark]:
    """Measure, and yield the table."""
    results = side_by_side({name: ("bench_request", name, ()) for name in JOBS}, rounds=fewer(rounds), step=step)
    rows = []
    for name, runs in results.items():
        ratios = [each["memory"] / each["body"] for each in runs.extra]
        encodings = f"{runs.told('encodings'):.0f}"
        rows.append([JOBS[name], f"{runs.told('body') / 1e6:.0f}", spread(ratios), encodings, f"{runs.median():.2f}"])
        if name != "one_picture":
            yield Mark(f"peak memory of a request / its body: {JOBS[name]}", tuple(ratios), 2.0)
    head = ["six pictures of 4K", "JSON body, MB", "added memory / body", "encodings", "s until spooled and sent"]
    yield table("A request from tensors to the wire", head, rows)
    encodings = results["one_picture"].told("encodings")
    yield Mark("encodings of a picture that is used six times", (encodings,), 1, digits=0)


# Jobs: each prepares, and returns what is measured.


def as_sent() -> Callable[[], Any]:
    """Encode as KlingFrameImages (max_side 0) and KlingElement do."""
    return _request(max_side=2048, seeds=range(6))


def as_large() -> Callable[[], Any]:
    """Encode all in their own size."""
    return _request(max_side=0, seeds=range(6))


def one_picture() -> Callable[[], Any]:
    """Encode the same picture for every place."""
    return _request(max_side=0, seeds=[0] * 6)


def _request(*, max_side: int, seeds: Any) -> Callable[[], Any]:
    import httpx
    import torch
    from kling.nodes import pictures
    from kling.nodes.runware import media

    pictures.PICTURE_SIDE_MAX = max_side
    drawn = {seed: torch.from_numpy(clips.texture(HEIGHT, WIDTH, seed)).float()[None] / 255 for seed in set(seeds)}
    images = [drawn[seed] for seed in seeds]
    batch = torch.cat(images[3:])
    encodings = []
    compress = media._compress
    media._compress = lambda *arguments: encodings.append(1) or compress(*arguments)
    received = {"bytes": 0}

    class Service(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            async for piece in request.stream:
                received["bytes"] += len(piece)
            return httpx.Response(200, stream=httpx.ByteStream(b'{"data":[]}'))

    asyncio.run(_make([image[:, :300, :300] for image in images], batch[:, :300, :300], Service()))
    encodings.clear()
    received["bytes"] = 0

    def work() -> dict[str, float]:
        before = memory_now()
        began = time.perf_counter()
        size = asyncio.run(_make(images, batch, Service()))
        seconds = time.perf_counter() - began
        if received["bytes"] != size:
            raise RuntimeError("not the whole body was sent")
        return {
            "seconds": seconds,
            "memory": peak_since() - before,
            "body": size,
            "encodings": len(encodings),
        }

    return work


async def _make(images: list[Any], batch: Any, service: Any) -> int:
    """Encode like the nodes, assemble, spool to a file and stream it. Give the size of the body."""
    from kling.nodes import pictures
    from kling.nodes.runware import assemble, draft
    from kling.nodes.runware.client import Client
    from kling.nodes.runware.files import Disk, write_whole
    from kling.nodes.runware.request import body

    first, last, front = images[:3]
    frames = await asyncio.gather(
        *(pictures.encode(image, **NODE, field="first_frame", max_side=0) for image in (first, last))
    )
    frontal, _ = await pictures.encode(front, **NODE, field="frontal_image", max_side=pictures.PICTURE_SIDE_MAX)
    others, _ = await pictures.encode_all(batch, **NODE, field="images", most=3)
    request = assemble.assemble(
        draft.prompt(positive_prompt="@fox runs", negative_prompt="", shot_seconds=0, shot_type="single"),
        draft.settings(),
        draft.frame_images(first_frame=frames[0][0], last_frame=frames[1][0]),
        draft.element(element_id="fox", frontal_image=frontal, images=others),
    )
    disk = Disk()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "body")
        await disk.offload(write_whole, disk, path, body(request, "0" * 36, {}))
        size = (disk.stat(path) or (0, 0))[0]
        client = Client("made-up", transport=service)
        await client.submit(disk, path, size)
        await client.close()
    return size
