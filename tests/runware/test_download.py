"""From an address to a whole file: whatever the host does, the file is exact or there is none."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import re
import ssl
import tracemalloc
from random import Random

import httpx
import pytest
from kling.nodes.runware import download
from kling.nodes.runware.client import Client
from kling.nodes.runware.download import Gone, NotReady, check_address, save
from kling.nodes.runware.errors import DownloadError, StorageError
from kling.nodes.runware.files import Disk
from kling.nodes.runware.simulator import tiny_film

from world.clockwork import VirtualLoop

URL = "https://vm.runware.ai/video/ws/5/vi/b7db282d-2943-4f12-992f-77df3ad3ec71.mp4"
MP4 = tiny_film.render({"taskUUID": "x"}, 0)
WEBM = tiny_film.render({"taskUUID": "x", "outputFormat": "WEBM"}, 0)
HASH = hashlib.sha256(MP4).hexdigest()


class Host(httpx.AsyncBaseTransport):
    """Gives a film as a script says: for each exchange, what is changed in an honest reply."""

    def __init__(self, *script, film=MP4, etag='"one"'):
        self.script = list(script)
        self.film = film
        self.etag = etag
        self.asked = []

    async def handle_async_request(self, request):
        self.asked.append(request)
        change = self.script.pop(0) if self.script else {}
        if "error" in change:
            raise change["error"]
        start = 0
        status, headers = 200, {"Content-Type": "video/mp4"}
        if self.etag:
            headers["ETag"] = self.etag
        found = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        if found and request.headers.get("if-range", self.etag) == self.etag and change.get("ranges", True):
            start = int(found[1])
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(self.film) - 1}/{len(self.film)}"
        body = change.get("body", self.film[start:])
        headers["Content-Length"] = str(len(body))
        headers.update(change.get("headers", {}))
        sent = [(name, value) for name, value in headers.items() if value is not None] + change.get("more", [])
        stream = _Stream(body, change.get("cut"), change.get("pause", 0.0))
        return httpx.Response(change.get("status", status), headers=sent, stream=stream)


class _Stream(httpx.AsyncByteStream):
    def __init__(self, body, cut, pause):
        self.body, self.cut, self.pause = body, cut, pause

    async def __aiter__(self):
        body = self.body if self.cut is None else self.body[: self.cut]
        size = 1024 if not self.pause else 64
        for start in range(0, len(body), size):
            await asyncio.sleep(self.pause)
            yield body[start : start + size]
        if self.cut is not None and self.cut < len(self.body):
            raise httpx.RemoteProtocolError("peer closed connection")


class Inline(Disk):
    async def offload(self, work, *arguments):
        return work(*arguments)


def fetch(host, target, *, container="mp4", url=URL, disk=None):
    loop = VirtualLoop()

    async def work():
        return await save(
            Client("a-key-of-ours", transport=host), url, target, disk=disk or Inline(), container=container
        )

    try:
        return loop.run_until_complete(work())
    finally:
        target.parent.joinpath("seconds").write_text(str(loop.time()))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(asyncio.sleep(1.0))  # streams within streams are closed one round after the other
        loop.close()


def nothing_left(folder):
    return not [path.name for path in folder.iterdir() if path.name != "seconds"]


def test_a_film_is_saved_whole_and_hashed(tmp_path):
    host = Host()
    saved = fetch(host, tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == MP4
    assert (saved.size, saved.sha256) == (len(MP4), HASH)
    assert "authorization" not in host.asked[0].headers


CUT_HEADERS = {
    "strong ETag": ({}, '"one"'),
    "weak ETag": ({}, 'W/"one"'),
    "no ETag": ({}, None),
    "ETag beyond ASCII": ({}, b'"\xe9"'),
    "no length": ({"Content-Length": None}, '"one"'),
    "ranges ignored": ({}, '"one"'),
}
OFFSETS = sorted({0, 1, 7, len(MP4) - 1, *Random(1).sample(range(len(MP4)), 196)})  # noqa: S311


@pytest.mark.parametrize(("headers", "etag"), CUT_HEADERS.values(), ids=CUT_HEADERS)
def test_a_transfer_cut_anywhere_gives_the_exact_film(tmp_path, headers, etag, request):
    ranges = "ranges ignored" not in request.node.name
    assert len(OFFSETS) == 200
    for cut in OFFSETS:
        host = Host({"cut": cut, "headers": headers}, {"ranges": ranges}, etag=etag)
        assert fetch(host, tmp_path / "film.mp4").sha256 == HASH
        assert (tmp_path / "film.mp4").read_bytes() == MP4
        resumed = "range" in host.asked[1].headers
        assert resumed == (etag == '"one"' and headers == {} and cut > 0)
        if resumed:
            assert host.asked[1].headers["if-range"] == '"one"'
            assert host.asked[1].headers["range"] == f"bytes={cut}-"


@pytest.mark.parametrize("container", ["mp4", "webm"])
def test_a_file_cut_anywhere_and_announced_nowhere_never_gets_its_name(tmp_path, container):
    film = MP4 if container == "mp4" else WEBM
    for length in [*Random(2).sample(range(len(film)), 60), len(film) - 1]:  # noqa: S311
        host = Host(*[{"body": film[:length], "headers": {"Content-Length": None}}] * 9, film=film)
        with pytest.raises(NotReady):
            fetch(host, tmp_path / "film", container=container)
        assert nothing_left(tmp_path)


def test_a_file_cut_after_its_index_never_gets_its_name(tmp_path):
    """World 8824: announced nowhere and cut between two boxes, `ftyp` and `moov` passed for a film."""
    length = MP4.index(b"mdat") - 4
    host = Host(*[{"body": MP4[:length], "headers": {"Content-Length": None}}] * 9)
    with pytest.raises(NotReady, match="no pictures"):
        fetch(host, tmp_path / "film.mp4")
    assert nothing_left(tmp_path)


def test_a_film_in_fragments_needs_an_announced_length(tmp_path):
    film = MP4 + b"\0\0\0\x08moof" + b"\0\0\0\x08mdat"
    assert fetch(Host(film=film), tmp_path / "film.mp4").size == len(film)
    with pytest.raises(NotReady, match="not announced"):
        fetch(Host(*[{"headers": {"Content-Length": None}}] * 9, film=film), tmp_path / "other.mp4")


def test_a_line_that_breaks_often_brings_the_film_in_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PROGRESS", 64)
    cuts = range(100, len(MP4), 100)
    assert len(cuts) > 2 * download.TRIES
    saved = fetch(Host(*[{"cut": 100}] * len(cuts), {}), tmp_path / "film.mp4")
    assert saved.size == len(MP4)
    assert (tmp_path / "film.mp4").read_bytes() == MP4


def test_a_cut_that_goes_on_as_another_file_is_begun_anew(tmp_path):
    other = tiny_film.render({"taskUUID": "y"}, 0)

    class Changing(Host):
        async def handle_async_request(self, request):
            reply = await super().handle_async_request(request)
            self.film, self.etag = other, '"two"'
            return reply

    assert fetch(Changing({"cut": 900}), tmp_path / "film.mp4").sha256 == hashlib.sha256(other).hexdigest()


@pytest.mark.parametrize(
    "wrong",
    [
        {"Content-Range": "bytes 0-2676/2677"}, {"Content-Range": "bytes 901-2676/2677"}, {"Content-Range": None},
        {"Content-Range": "bytes 900-2675/2676"}, {"Content-Range": "bytes 900-2676/*"}, {"Content-Range": "900"},
        {"Content-Range": f"bytes 900-{'9' * 5_000}/{'9' * 5_000}"}, {"ETag": '"two"'}, {"ETag": 'W/"one"'},
    ],
)  # fmt: skip
def test_a_rest_that_does_not_fit_is_never_joined(tmp_path, wrong):
    host = Host({"cut": 900}, {"headers": wrong})
    assert fetch(host, tmp_path / "film.mp4").sha256 == HASH
    assert len(host.asked) == 3
    assert "range" not in host.asked[2].headers


LENGTHS = {
    "too big": ({"headers": {"Content-Length": str(len(MP4) + 1)}}, False),
    "too small": ({"headers": {"Content-Length": str(len(MP4) - 7)}}, False),
    "zero": ({"headers": {"Content-Length": "0"}}, False),
    "negative": ({"headers": {"Content-Length": "-1"}}, False),
    "no number": ({"headers": {"Content-Length": "many"}}, False),
    "hexadecimal": ({"headers": {"Content-Length": "0xa75"}}, False),
    "other digits": ({"headers": {"Content-Length": "\u0662"}}, False),
    "two": ({"more": [("Content-Length", "9")]}, False),
    "two in one": ({"headers": {"Content-Length": f"{len(MP4)}, 9"}}, False),
    "the same twice": ({"more": [("Content-Length", str(len(MP4)))]}, True),
    "absent": ({"headers": {"Content-Length": None}}, True),
}


@pytest.mark.parametrize(("change", "whole"), LENGTHS.values(), ids=LENGTHS)
def test_a_length_is_true_or_there_is_no_file(tmp_path, change, whole):
    if "\u0662" in str(change):
        change = {"headers": [], "more": []}
        with pytest.raises(NotReady):
            download._length(["\u0662"])
        return
    host = Host(*[change] * 9)
    if whole:
        assert fetch(host, tmp_path / "film.mp4").sha256 == HASH
    else:
        with pytest.raises(NotReady):
            fetch(host, tmp_path / "film.mp4")
        assert nothing_left(tmp_path)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_address_that_no_longer_works_is_gone(tmp_path, status):
    with pytest.raises(Gone):
        fetch(Host({"status": status}), tmp_path / "film.mp4")
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("status", [408, 422, 425, 429, 500, 502, 503, 504, 204, 206, 226, 416, 418])
def test_a_file_that_is_not_ready_is_tried_again(tmp_path, status):
    assert fetch(Host({"status": status}, {"status": status}), tmp_path / "film.mp4").sha256 == HASH
    with pytest.raises(NotReady):
        fetch(Host(*[{"status": status}] * 9), tmp_path / "other.mp4")


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/", "file:///etc/passwd", "https://vm.runware.ai/b.mp4", "//x"]
)
@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(tmp_path, status, target):
    host = Host({"status": status, "headers": {"Location": target}})
    with pytest.raises(DownloadError, match="redirect"):
        fetch(host, tmp_path / "film.mp4")
    assert len(host.asked) == 1


@pytest.mark.parametrize("target", ["https://xn--i-7iq.ws/", "https://xn--a/", "/" + "a" * 65_530])
def test_a_redirect_to_what_no_address_may_be_is_one_more_try(tmp_path, target):
    """A portal's page, say, at a name of pictures: the library looks at it, though nobody follows it."""
    host = Host({"status": 302, "headers": {"Location": target}})
    assert fetch(host, tmp_path / "film.mp4").sha256 == HASH
    assert len(host.asked) == 2


def test_bytes_that_were_damaged_on_their_way_are_no_fault_of_the_disk(tmp_path):
    """The library lets the error through as it is, and by its kind it is one of the system's."""
    damaged = {"error": ssl.SSLError(1, "decryption failed or bad record mac")}
    assert fetch(Host(damaged, damaged), tmp_path / "film.mp4").sha256 == HASH
    with pytest.raises(NotReady):
        fetch(Host(*[damaged] * 9), tmp_path / "other.mp4")


def test_an_address_whose_name_cannot_be_read_is_told_and_opens_nothing(tmp_path):
    host = Host()
    with pytest.raises(NotReady):
        fetch(host, tmp_path / "film.mp4", url="https://xn--a.runware.ai/a.mp4")
    assert host.asked == []


@pytest.mark.parametrize(
    "change",
    [
        {"headers": {"Content-Encoding": "gzip"}, "body": gzip.compress(MP4)},
        {"headers": {"Content-Encoding": "gzip"}, "body": gzip.compress(b"\0" * 10**7)},
        {"headers": {"Content-Encoding": "br"}},
        {"headers": {"Content-Encoding": "deflate, gzip"}},
        {"headers": {"Content-Type": "text/html; charset=utf-8"}},
        {"headers": {"Content-Type": "application/json"}},
        {"headers": {"Content-Type": "TEXT/PLAIN"}, "body": b"Please wait"},
        {"body": b"<html>Please wait</html>"},
        {"body": b""},
        {"body": b"\0" * 3000},
        {"body": MP4 + b"\0\0\0\x07free"},
        {"body": MP4 + b"\xff"},
        {"body": MP4[:24]},
        {"body": b"\0\0\0\x18ftypisom" + b"\0" * 12 + b"\0\0\0\1mdat" + b"\xff" * 8},
        {"body": b"\0\0\0\x08moov" * 20_000},
    ],
)
def test_what_is_no_whole_film_never_gets_its_name(tmp_path, change):
    with pytest.raises(NotReady):
        fetch(Host(*[change] * 9), tmp_path / "film.mp4")
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("kind", ["video/mp4", "application/octet-stream", "binary/octet-stream", "", None])
def test_a_type_that_says_nothing_is_taken_and_the_content_decides(tmp_path, kind):
    assert fetch(Host({"headers": {"Content-Type": kind}}), tmp_path / "film.mp4").sha256 == HASH


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError(""),
        httpx.ReadTimeout(""),
        httpx.ReadError(""),
        httpx.ConnectTimeout(""),
        ValueError("digits"),
    ],
)
def test_a_broken_connection_is_tried_again_and_bounded(tmp_path, error):
    assert fetch(Host({"error": error}), tmp_path / "film.mp4").sha256 == HASH
    host = Host(*[{"error": error}] * 99)
    with pytest.raises(NotReady):
        fetch(host, tmp_path / "other.mp4")
    assert len(host.asked) == download.TRIES


def test_a_file_too_large_by_its_header_is_not_begun(tmp_path):
    with pytest.raises(DownloadError, match="more than"):
        fetch(Host({"headers": {"Content-Length": str(10 * 2**30)}}), tmp_path / "film.mp4")
    assert nothing_left(tmp_path)


def test_an_endless_file_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "FILE_BYTES_MOST", 100_000)
    with pytest.raises(NotReady, match="more bytes"):
        fetch(Host(*[{"body": MP4 * 99, "headers": {"Content-Length": None}}] * 9), tmp_path / "film.mp4")
    assert nothing_left(tmp_path)


def test_an_endless_file_is_never_held_in_memory(tmp_path, monkeypatch):
    """Half a gigabyte comes before it is cut off."""
    written = []

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self):
            piece = bytes(2**20)
            while True:
                yield piece

    class Counting(Inline):
        def append(self, _file, data):
            written.append(len(data))

    async def answer(_request):
        return httpx.Response(200, stream=Endless())

    monkeypatch.setattr(download, "TRIES", 1)
    tracemalloc.start()
    try:
        with pytest.raises(NotReady, match="more bytes"):
            fetch(httpx.MockTransport(answer), tmp_path / "film.mp4", disk=Counting())
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()
    assert sum(written) == download.FILE_BYTES_MOST
    assert nothing_left(tmp_path)


def test_a_file_that_drips_is_given_up_in_time(tmp_path):
    with pytest.raises(NotReady, match="slowly"):
        fetch(Host(*[{"pause": 20.0}] * 9, etag=None), tmp_path / "film.mp4")
    assert float((tmp_path / "seconds").read_text()) < download.TRIES * (download.SLOW_SECONDS + 40.0)


def test_too_little_room_is_told_before_a_byte_is_written(tmp_path):
    class Full(Inline):
        def free(self, *_):
            return 1_000_000

    with pytest.raises(StorageError, match="MiB free"):
        fetch(Host(), tmp_path / "film.mp4", disk=Full())
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("operation", ["create", "append", "sync", "replace"])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, operation):
    disk = Inline()

    def fail(*_arguments):
        raise OSError(28, "No space left on device")

    setattr(disk, operation, fail)
    with pytest.raises(StorageError, match="No space left"):
        fetch(Host(), tmp_path / "film.mp4", disk=disk)
    assert nothing_left(tmp_path)


def test_a_film_that_is_there_already_is_replaced_in_one_step(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"old")
    with pytest.raises(Gone):
        fetch(Host({"cut": 5}, {"status": 404}), tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == b"old"
    fetch(Host(), tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == MP4


@pytest.mark.parametrize("container", ["mp4", "webm"])
def test_a_film_inside_the_answer_is_checked_and_saved(tmp_path, container):
    film = MP4 if container == "mp4" else WEBM
    url = "data:video/mp4;base64," + base64.b64encode(film).decode()
    host = Host()
    assert fetch(host, tmp_path / "film", url=url, container=container).size == len(film)
    assert (tmp_path / "film").read_bytes() == film
    assert host.asked == []
    for bad in (url[:-40], "data:video/mp4;base64,!!!!", "data:,", "data:text/html;base64,PGh0bWw+"):
        with pytest.raises(DownloadError):
            fetch(host, tmp_path / "none", url=bad, container=container)


HOSTILE = [
    "http://vm.runware.ai/a.mp4", "ftp://vm.runware.ai/a.mp4", "file:///etc/passwd", "file://vm.runware.ai/etc/passwd",
    "gopher://vm.runware.ai/", "javascript:alert(1)", "//vm.runware.ai/a.mp4", "vm.runware.ai/a.mp4", "", " ", "https://",
    "https:///a.mp4", "https://evil.example/a.mp4", "https://runware.ai.evil.example/a.mp4", "https://evilrunware.ai/a.mp4",
    "https://vm.runware.ai@evil.example/a.mp4", "https://evil.example#@vm.runware.ai/a.mp4",
    "https://evil.example?@vm.runware.ai/a.mp4", "https://evil.example\\@vm.runware.ai/", "https://vm.runware.ai\\.evil.example/",
    "https://user@vm.runware.ai/a.mp4", "https://user:word@vm.runware.ai/a.mp4", "https://:word@vm.runware.ai/a.mp4",
    "https://vm.runware.ai:8443/a.mp4", "https://vm.runware.ai:80/a.mp4", "https://vm.runware.ai:22/", "https://vm.runware.ai:0/",
    "https://a..runware.ai/a.mp4", "https://.runware.ai/a.mp4",
    "https://vm.runware.ai:99999/", "https://vm.runware.ai:x/", "https://127.0.0.1/a.mp4", "https://localhost/a.mp4",
    "https://[::1]/a.mp4", "https://169.254.169.254/latest/meta-data/", "https://[fd00:ec2::254]/", "https://10.0.0.1/",
    "https://192.168.0.1/", "https://0.0.0.0/", "https://0/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/",
    "https://127.1/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:a9fe:a9fe]/", "https://metadata.google.internal/",
    "https://vm.runware.ai.", "https://vm.runware.ai./a.mp4", "https://.runware.ai.evil/", "https://vm.runware.ai%2eevil.example/",
    "https://vm.runware.ai%00.evil.example/", "https://vm.runware.ai\x00.evil.example/", "https://vm.runware.ai\n.evil.example/",
    "https://vm.runware.ai/a.mp4\r\nHost: evil.example", "https://vm.runware.ai/a b.mp4", "https://vm.runware.ai/\ta",
    "https://vm.runw\u0430re.ai/a.mp4", "https://vm.runware.\u0430i/", "https://vm\u3002runware.ai/", "https://vm.runware.ai\u2024evil.example/",
    "https://xn--runwre-5nf.ai/", "https://[vm.runware.ai]/", "https://[::1", "https://vm.runware.ai]/", "unix:///var/run/docker.sock",
    "https+unix://vm.runware.ai/", "blob:https://vm.runware.ai/1", "view-source:https://vm.runware.ai/", "HTTP://VM.RUNWARE.AI/",
    "https://a_b.runware.ai/", "https://*.runware.ai/", "https://vm.runware.ai:443:443/", "wss://vm.runware.ai/",
]  # fmt: skip


def test_there_are_enough_hostile_addresses():
    assert len(set(HOSTILE)) >= 60


@pytest.mark.parametrize("url", HOSTILE)
def test_an_address_that_is_not_the_services_is_never_opened(tmp_path, url):
    host = Host()
    with pytest.raises(DownloadError) as caught:
        fetch(host, tmp_path / "film.mp4", url=url)
    assert host.asked == []
    shown = str(caught.value)
    assert not any(ord(letter) < 32 for letter in shown)
    assert "user:word" not in shown
    assert len(shown) < 400


@pytest.mark.parametrize(
    "url", [URL, "https://im.runware.ai/a.mp4?X-Signature=1", "https://runware.ai/a", "https://VM.Runware.AI:443/a.mp4"]
)
def test_the_services_own_addresses_are_opened(url):
    assert check_address(url) is None


def test_this_machine_is_opened_only_when_the_service_is_on_it():
    assert check_address("http://127.0.0.1:8000/a.mp4", "127.0.0.1") is None
    for url in (
        "http://10.0.0.1/a.mp4",
        "http://user@127.0.0.1/a.mp4",
        "http://127.0.0.1.evil.example/",
        "ftp://127.0.0.1/",
    ):
        with pytest.raises(DownloadError):
            check_address(url, "127.0.0.1")


def test_the_names_signature_stays_out_of_every_message(tmp_path):
    with pytest.raises(DownloadError) as caught:
        fetch(Host(), tmp_path / "film.mp4", url="https://evil.example/a.mp4?X-Amz-Signature=canary")
    assert "canary" not in str(caught.value) + repr(caught.value)


def test_a_film_that_is_called_text_is_a_film(tmp_path):
    host = Host({"headers": {"Content-Type": "text/plain"}})
    assert fetch(host, tmp_path / "film.mp4").sha256 == HASH
    assert len(host.asked) == 1
