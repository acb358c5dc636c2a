"""Transfers cut on real sockets: at two hundred places, under five kinds of header, each gives the film or nothing."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import Counter
from random import Random

import pytest
from kling.nodes.runware.client import Client
from kling.nodes.runware.download import NotReady, save
from kling.nodes.runware.files import Disk
from kling.nodes.runware.simulator import tiny_film

FILM = tiny_film.render({"taskUUID": "x"}, 0)
HASH = hashlib.sha256(FILM).hexdigest()
OFFSETS = sorted({0, 1, 7, len(FILM) - 1, *Random(3).sample(range(len(FILM)), 196)})  # noqa: S311
AT_ONCE = 100
HEADERS = {
    "strong ETag": {"ETag": '"one"', "Content-Length": str(len(FILM))},
    "weak ETag": {"ETag": 'W/"one"', "Content-Length": str(len(FILM))},
    "no ETag": {"Content-Length": str(len(FILM))},
    "no length": {"ETag": '"one"'},
    "ranges ignored": {"ETag": '"one"', "Content-Length": str(len(FILM))},
}


class Host:
    """Cuts the first transfer of each address after so many bytes as its path says; later ones are whole."""

    def __init__(self, kind):
        self.kind = kind
        self.asked = Counter()
        self.ranges = {}

    async def converse(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ")[1]
        cut = int(path.strip("/").partition(".")[0]) if not self.asked[path] else None
        self.asked[path] += 1
        wanted = re.search(r"(?im)^range: bytes=(\d+)-", head)
        status, headers, start = "200 OK", dict(HEADERS[self.kind]), 0
        if wanted:
            self.ranges[path] = int(wanted[1]) if '\r\nif-range: "one"\r\n' in head.lower() else None
        if wanted and self.kind != "ranges ignored":
            start = int(wanted[1])
            status = "206 Partial Content"
            headers["Content-Range"] = f"bytes {start}-{len(FILM) - 1}/{len(FILM)}"
            headers["Content-Length"] = str(len(FILM) - start)
        lines = [f"HTTP/1.1 {status}", "Content-Type: video/mp4", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + FILM[start:][:cut])
        await writer.drain()
        writer.close()


@pytest.mark.parametrize("kind", HEADERS)
def test_a_transfer_cut_anywhere_on_a_socket_gives_the_film_or_nothing(tmp_path, kind):
    host, ends = Host(kind), {}

    async def fetch(client, base, offset, places):
        target = tmp_path / str(offset) / "film.mp4"
        target.parent.mkdir()
        async with places:
            try:
                saved = await save(client, f"{base}/{offset}.mp4", target, disk=Disk())
            except NotReady:
                ends[offset] = "not ready"
                assert list(target.parent.iterdir()) == []
            else:
                ends[offset] = "film"
                assert saved.sha256 == HASH
                assert target.read_bytes() == FILM

    async def fetch_all():
        server = await asyncio.start_server(host.converse, "127.0.0.1", 0)
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client, places = Client("a-key-of-ours", base_url=f"{base}/v1"), asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(fetch(client, base, offset, places) for offset in OFFSETS))
        await client.close()
        server.close()

    asyncio.run(fetch_all())
    assert len(ends) == 200
    if kind == "no length":  # nothing tells that it was cut, but the film itself
        assert set(ends.values()) == {"not ready"}
    else:
        assert set(ends.values()) == {"film"}
    resumed = {f"/{offset}.mp4": offset for offset in OFFSETS if offset > 0}
    assert host.ranges == (resumed if kind in {"strong ETag", "ranges ignored"} else {})
