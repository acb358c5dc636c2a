"""One exchange each, over transports made for the test: what leaves, and what every fault becomes."""

from __future__ import annotations

import asyncio
import contextlib
import email.message
import email.utils
import hashlib
import json
import logging
import re
import ssl
from pathlib import Path
from types import SimpleNamespace
from urllib.request import Request

import httpx
import pytest
from kling.nodes.runware import client as module
from kling.nodes.runware.client import Client, Uncertain, retry_after
from kling.nodes.runware.errors import NotSent, ServerError, ServiceError
from kling.nodes.runware.files import Disk

from world.clockwork import VirtualLoop

KEY = "canary-key-0123456789"
UUID = "24cd5dff-cb81-4db5-8506-b72a9425f9d1"
NOW = 1_790_000_000.0


def run(work):
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(asyncio.sleep(1.0))  # streams within streams are closed one round after the other
        loop.close()


def answering(reply, asked=None):
    async def handle(request):
        if asked is not None:
            asked.append(request)
        await request.aread()
        given = reply(request) if callable(reply) else reply
        if given.is_stream_consumed:
            return httpx.Response(given.status_code, headers=given.headers, stream=httpx.ByteStream(given.content))
        return given

    return Client(KEY, transport=httpx.MockTransport(handle))


def test_a_purchase_leaves_as_its_spooled_bytes_with_the_key_in_one_header(tmp_path):
    asked = []
    body = b'[{"taskType":"videoInference"}]' + b" " * 600_000
    (tmp_path / "body").write_bytes(body)
    client = answering(httpx.Response(200, json={"data": []}), asked)
    run(client.submit(Disk(), tmp_path / "body", len(body)))
    (request,) = asked
    assert request.content == body
    assert request.headers["content-length"] == str(len(body))
    assert "transfer-encoding" not in request.headers
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept-encoding"] == "identity"
    assert str(request.url) == "https://api.runware.ai/v1"
    assert KEY not in str(request.url)


@pytest.mark.parametrize("length", [40, 600_000])
def test_a_damaged_request_never_leaves_whole(tmp_path, length):
    left = []

    async def take(request):
        async for piece in request.stream:
            left.append(piece)  # noqa: PERF401  the stream is to break
        return httpx.Response(200, json={"data": []})

    class Line(httpx.AsyncBaseTransport):
        handle_async_request = staticmethod(take)

    (tmp_path / "body").write_bytes(b" " * length)
    recorded = hashlib.sha256(b"x" * length).hexdigest()
    with pytest.raises(OSError, match="damaged"):
        run(Client(KEY, transport=Line()).submit(Disk(), tmp_path / "body", length, sha256=recorded))
    assert sum(map(len, left)) < length


@pytest.mark.parametrize("length", [40, 600_000])
def test_what_a_last_look_raises_keeps_a_request_from_leaving_whole(tmp_path, length):
    left = []

    async def take(request):
        async for piece in request.stream:
            left.append(piece)  # noqa: PERF401  the stream is to break
        return httpx.Response(200, json={"data": []})

    class Line(httpx.AsyncBaseTransport):
        handle_async_request = staticmethod(take)

    async def look():
        assert sum(map(len, left)) == max(0, length - 1_024)
        raise LookupError

    (tmp_path / "body").write_bytes(b" " * length)
    with pytest.raises(LookupError):
        run(Client(KEY, transport=Line()).submit(Disk(), tmp_path / "body", length, last_look=look))
    assert sum(map(len, left)) < length


def test_a_copy_gets_no_more_time_than_it_is_given(tmp_path):
    asked = []
    (tmp_path / "body").write_bytes(b"[]")
    client = answering(httpx.Response(200, json={"data": []}), asked)
    run(client.submit(Disk(), tmp_path / "body", 2, seconds_left=lambda: 4.0))
    assert asked[0].extensions["timeout"] == {"connect": 4.0, "read": 4.0, "write": 4.0, "pool": None}


class Idle:
    """A server that keeps connections open, and closes one, without a word, on the second request that it brings."""

    def __init__(self):
        self.asked = []
        """What kind of task each connection brought, in the order of the connections."""
        self.conversations = []

    async def converse(self, reader, writer):
        kinds = []
        self.asked.append(kinds)
        self.conversations.append(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                task = json.loads(await reader.readexactly(int(re.search(r"content-length: (\d+)", head)[1])))[0]
                kinds.append(task["taskType"])
                if len(kinds) > 1:
                    break
                writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"data":[]}')
                await writer.drain()
        writer.close()
        await writer.wait_closed()


def test_a_purchase_leaves_on_a_fresh_connection(tmp_path):
    """One that was idle may be closed just then: of a question no matter, but nobody knows whether a purchase came."""
    server, body = Idle(), b'[{"taskType":"videoInference"}]'
    (tmp_path / "body").write_bytes(body)

    async def submit():
        listening = await asyncio.start_server(server.converse, "127.0.0.1", 0)
        client = Client(KEY, base_url=f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1")
        await client.ask(UUID)
        try:
            return [await client.submit(Disk(), tmp_path / "body", len(body)) for _ in range(3)]
        finally:
            await client.close()
            await asyncio.gather(*server.conversations)
            listening.close()

    assert [(answer.status, answer.readable) for answer in asyncio.run(submit())] == [(200, True)] * 3
    assert server.asked == [["getResponse"], *[["videoInference"]] * 3]


def test_a_question_names_the_task_it_asks_about():
    asked = []
    run(answering(httpx.Response(200, json={"data": []}), asked).ask(UUID))
    assert json.loads(asked[0].content) == [{"taskType": "getResponse", "taskUUID": UUID}]


FAULTS = {
    "no name": (httpx.ConnectError("[Errno -2]"), NotSent),
    "no connection in time": (httpx.ConnectTimeout(""), NotSent),
    "proxy": (httpx.ProxyError("407"), NotSent),
    "pool": (httpx.PoolTimeout(""), NotSent),
    "no answer in time": (httpx.ReadTimeout(""), Uncertain),
    "no more data taken": (httpx.WriteTimeout(""), Uncertain),
    "reset": (httpx.ReadError(""), Uncertain),
    "broken pipe": (httpx.WriteError(""), Uncertain),
    "closed": (httpx.RemoteProtocolError("Server disconnected"), Uncertain),
    "our own fault in the protocol": (httpx.LocalProtocolError("Too little data"), Uncertain),
    "close failed": (httpx.CloseError(""), Uncertain),
    "a length of too many digits": (ValueError("Exceeds the limit for integer string conversion"), Uncertain),
    "damaged on its way": (ssl.SSLError(1, "decryption failed or bad record mac"), Uncertain),
}


@pytest.mark.parametrize(("fault", "kind"), FAULTS.values(), ids=FAULTS)
def test_only_a_connection_never_made_proves_that_nothing_was_sent(fault, kind):
    def fail(_request):
        raise fault

    with pytest.raises(kind) as caught:
        run(answering(fail).ask(UUID))
    assert KEY not in repr(caught.value) + str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("length", range(0, 60, 7))
def test_an_answer_shorter_than_announced_is_no_answer(length):
    body = b'{"data":[{"taskUUID":"' + UUID.encode() + b'"}]}'

    class Cut(httpx.AsyncByteStream):
        async def __aiter__(self):
            yield body[:length]

    reply = httpx.Response(200, headers={"Content-Length": str(len(body))}, stream=Cut())
    with pytest.raises(Uncertain):
        run(answering(reply).ask(UUID))


def test_an_endless_answer_is_cut_off():
    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self):
            while True:
                yield b" " * 2**20

    with pytest.raises(Uncertain, match="without a whole answer"):
        run(answering(httpx.Response(200, stream=Endless())).ask(UUID))


def test_an_answer_that_drips_is_cut_off_though_every_drop_is_in_time():
    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self):
            while True:
                await asyncio.sleep(9.0)
                yield b" "

    async def ask():
        with pytest.raises(Uncertain):
            await answering(httpx.Response(200, stream=Drip())).ask(UUID)
        return asyncio.get_running_loop().time()

    assert run(ask()) <= module.QUESTION_SECONDS


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(status):
    asked = []
    client = answering(httpx.Response(status, headers={"Location": "https://evil.example/"}), asked)
    assert run(client.ask(UUID)).status == status
    assert len(asked) == 1


@pytest.mark.parametrize("target", ["https://xn--i-7iq.ws/", "https://xn--a/", "/" + "a" * 65_530])
def test_a_redirect_to_what_no_address_may_be_is_told_as_any_broken_answer(target):
    """A portal's page, say, at a name of pictures: the library looks at it, though nobody follows it."""
    asked = []
    client = answering(httpx.Response(302, headers={"Location": target}), asked)
    with pytest.raises(Uncertain, match="the connection failed"):
        run(client.ask(UUID))
    assert len(asked) == 1


def test_no_cookie_is_kept():
    """Thousands go into one answer, and a client lives as long as its process."""
    answer, client = email.message.Message(), answering(httpx.Response(200))
    answer["Set-Cookie"] = "name=value"
    for each in (client._questions, client._submissions, client._files):
        each.cookies.jar.extract_cookies(SimpleNamespace(info=lambda: answer), Request("https://api.runware.ai/v1"))
        assert len(each.cookies.jar) == 0


def test_a_key_that_the_service_quotes_back_is_taken_out_of_its_words():
    tree = {"errors": [{"code": "invalidApiKey", "message": f"The key {KEY} is not valid."}]}
    (failure,) = run(answering(httpx.Response(401, json=tree)).ask(UUID)).failures
    assert KEY not in failure.message
    assert "is not valid" in failure.message


@pytest.mark.parametrize("key", [KEY, "a/key+with/signs==", 'a"key\\of<strange>characters'])
def test_a_key_is_taken_out_however_json_escapes_it(key):
    """PHP escapes slashes, .NET the plus sign, JSON itself quotes."""
    words = json.dumps(f"The key {key} is not valid.")
    ways = (words, words.replace("/", "\\/"), f'"{"".join(f"{chr(92)}u{ord(each):04X}" for each in f"The key {key}")}"')
    for way in ways:
        body = f'{{"errors":[{{"code":"invalidApiKey","message":{way}}}]}}'.encode()
        transport = httpx.MockTransport(lambda _, body=body: httpx.Response(401, stream=httpx.ByteStream(body)))
        (failure,) = run(Client(key, transport=transport).ask(UUID)).failures
        assert failure.message.startswith("The key [the API key]")


def test_nobody_sees_the_key_of_a_client():
    client = answering(httpx.Response(200))
    assert KEY not in repr(client)
    assert KEY not in client.fingerprint(UUID)
    assert client.fingerprint(UUID) != Client("another-key", transport=httpx.MockTransport(lambda _: None)).fingerprint(
        UUID
    )


def test_a_file_is_asked_for_without_the_key():
    asked = []
    run(
        answering(httpx.Response(200, content=b"x"), asked).stream("https://vm.runware.ai/a.mp4", {"Range": "bytes=1-"})
    )
    assert "authorization" not in asked[0].headers
    assert asked[0].headers["range"] == "bytes=1-"
    assert asked[0].headers["accept-encoding"] == "identity"


def test_nobody_waits_without_an_end_for_a_connection_an_answer_or_the_next_bytes_of_a_film(tmp_path):
    (tmp_path / "body").write_bytes(b"[]")
    asked = []
    client = answering(httpx.Response(200, content=b"a page"), asked)
    for work in (client.submit(Disk(), tmp_path / "body", 2), client.ask(UUID), client.details(UUID)):
        run(work)
    run(client.stream("https://vm.runware.ai/a.mp4", {}))
    with pytest.raises(ServerError, match="no usable answer"):
        run(client.upload(_Inline(), tmp_path / "body"))
    waits = [request.extensions["timeout"] for request in asked]
    assert [wait["connect"] for wait in waits] == [10.0] * 5
    assert [wait["read"] for wait in waits] == [10.0, 20.0, 20.0, 30.0, 120.0]
    assert all(wait["write"] <= 30.0 for wait in waits)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None), ("0", 0.0), ("1", 1.0), ("7", 7.0), (" 7 ", 7.0), ("120", 120.0), ("121", 120.0),
        ("999999999", 120.0), ("1000000000", None), ("-3", None), ("2.5", None), ("1e9", None), ("soon", None),
        ("", None),
        ("\u0663", None), ("\u00b2", None), ("+5", None), ("0x10", None), ("5, 6", None), ("inf", None), ("nan", None),
        (email.utils.formatdate(NOW + 30, usegmt=True), 30.0),
        (email.utils.formatdate(NOW + 3_600, usegmt=True), 120.0),
        (email.utils.formatdate(NOW - 30, usegmt=True), None),
        (email.utils.formatdate(NOW + 10**7, usegmt=True), None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None), ("Wed, 99 Oct 2015 07:28:00 GMT", None), ("Thu, 01 Jan 1970", None),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None), ("21 Oct 2026 07:28:00", None),
    ],
)  # fmt: skip
def test_every_form_of_retry_after_is_a_sensible_wait_or_none(text, seconds):
    assert retry_after(text, NOW) == seconds


def stored(tree):
    return httpx.Response(200, json={"data": [{"taskType": "getTaskDetails", "taskUUID": UUID, "response": tree}]})


def test_the_archive_shows_the_stored_answer():
    film = {"taskUUID": UUID, "status": "success", "videoUUID": "x", "videoURL": "https://vm.runware.ai/x.mp4"}
    (row,) = run(answering(stored({"data": [film]})).details(UUID)).rows
    assert row.video_uuid == "x"
    (failure,) = run(
        answering(stored({"errors": [{"code": "conflictTaskUUID", "taskUUID": UUID}]})).details(UUID)
    ).failures
    assert failure.category == "conflict"


@pytest.mark.parametrize("tree", [{}, None, [], "gone", {"data": []}])
def test_a_stored_answer_that_shows_nothing_is_no_denial(tree):
    assert not run(answering(stored(tree)).details(UUID)).readable


def test_an_archive_that_does_not_know_the_task_says_so():
    reply = httpx.Response(404, json={"errors": [{"code": "taskNotFound", "taskUUID": UUID}]})
    assert run(answering(reply).details(UUID)).failures


MEDIA = "0b7d7a86-52a0-4b0c-a9f0-1c7c9d9ccb5b"


def uploading(*replies):
    left = list(replies)

    def reply(request):
        task = json.loads(request.content)[0]
        made = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(made, Exception):
            raise made
        status, rows = made
        rows = [{**row, "taskUUID": row.get("taskUUID", task["taskUUID"])} for row in rows.get("data", [])]
        return httpx.Response(status, json={**made[1], "data": rows})

    return answering(reply)


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"film")
    return path


def test_an_upload_gives_the_media_uuid(clip):
    assert run(uploading((200, {"data": [{"mediaUUID": MEDIA}]})).upload(_Inline(), clip)) == MEDIA


def test_an_upload_that_is_answered_too_early_is_waited_for(clip):
    unfinished = (200, {"data": [{"mediaUUID": "1"}]})
    client = uploading(unfinished, unfinished, (200, {"data": [{"mediaUUID": MEDIA}]}))
    assert run(client.upload(_Inline(), clip)) == MEDIA


def test_an_upload_that_is_refused_or_lost_costs_nothing_and_says_so(clip):
    refused = (400, {"errors": [{"code": "invalidMedia", "message": "Not a film."}]})
    with pytest.raises(ServiceError, match="Not a film"):
        run(uploading(refused).upload(_Inline(), clip))
    with pytest.raises(ServerError, match="did not finish"):
        run(uploading(httpx.ReadTimeout("")).upload(_Inline(), clip))
    with pytest.raises(ServerError, match="no usable answer"):
        run(uploading((200, {"data": [{"mediaUUID": "1"}]})).upload(_Inline(), clip))


CERTIFICATE = Path(__file__).with_name("self_signed.pem")
"""For 127.0.0.1, with its key, until 2126, by openssl req -x509; nobody has signed it."""


async def heard_by_an_impostor(exchange):
    """Let a client talk to a server on this machine that vouches for itself; give how that ended, and what came."""
    heard = []

    async def hear(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError):
            heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\n{"data": []}')
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    server = await asyncio.start_server(hear, "127.0.0.1", 0, ssl=context)
    address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    client = Client(KEY, base_url=address)
    try:
        end = await exchange(client, address)
    except (NotSent, httpx.HTTPError) as error:
        end = error
    finally:
        await client.close()
        server.close()
    return end, heard


async def _ask(client, _):
    return await client.ask(UUID)


async def _stream(client, address):
    answer = await client.stream(address, {})
    await answer.aclose()
    return answer


@pytest.mark.parametrize(("exchange", "refusal"), [(_ask, NotSent), (_stream, httpx.ConnectError)])
def test_a_server_whose_certificate_nobody_vouches_for_is_told_nothing(monkeypatch, exchange, refusal):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    end, heard = asyncio.run(heard_by_an_impostor(exchange))
    assert isinstance(end, refusal)
    assert heard == []
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))  # it was the certificate alone
    _, heard = asyncio.run(heard_by_an_impostor(exchange))
    assert len(heard) == 1
    assert (KEY.encode() in heard[0]) == (exchange is _ask)


class _Inline(Disk):
    async def offload(self, work, *arguments):
        return work(*arguments)


def test_the_libraries_lines_from_our_thread_stay_out_of_every_log(caplog):
    module.hide_from_logs("MainThread")
    try:
        with caplog.at_level(logging.DEBUG):
            logging.getLogger("httpx").warning("HTTP Request: https://x/?signature=1")
            logging.getLogger("httpcore.connection").warning("headers")
        assert caplog.text == ""
    finally:
        for name in module.SECRET_LOGGERS:
            logging.getLogger(name).filters.clear()


def test_a_path_is_only_read_while_it_is_sent(tmp_path):
    with pytest.raises(FileNotFoundError):
        run(answering(httpx.Response(200)).submit(Disk(), Path(tmp_path / "none"), 5))
