"""Result files, whole and broken."""

from __future__ import annotations

import asyncio
import io

import av
import httpx
import pytest
from kling.nodes.runware.simulator import Fault, Faults, Simulator, tiny_film

from runware.simulator.asking import API, UUID, client_of, framed, picture_uri, poll, run, task


@pytest.mark.parametrize("output_format", ["MP4", "MOV"])
def test_the_default_film_is_whole_boxes_of_the_right_size_and_seconds(output_format):
    film = tiny_film.render(task(outputFormat=output_format, duration=7), 0)
    found, at = [], 0
    while at < len(film):
        size = int.from_bytes(film[at : at + 4], "big")
        found.append(film[at + 4 : at + 8])
        at += size
    assert (found, at) == ([b"ftyp", b"moov", b"mdat"], len(film))
    with av.open(io.BytesIO(film)) as opened:
        stream = opened.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (1280, 720, 168)
        assert float(stream.duration * stream.time_base) == 7


def test_results_of_one_task_differ():
    for output_format in ("MP4", "WEBM"):
        wanted = task(outputFormat=output_format)
        assert tiny_film.render(wanted, 0) == tiny_film.render(wanted, 0)
        assert tiny_film.render(wanted, 0) != tiny_film.render(wanted, 1)


def downloaded(fault, *, headers=None, use=None, times=1):
    async def fetch(simulator):
        async with client_of(simulator) as client:
            await client.post(API, json=[task()])
            await asyncio.sleep(61)
            url = (await client.post(API, json=[poll()])).json()["data"][0]["videoURL"]
            for _ in range(times):
                answer = await client.get(url, headers=headers)
            return answer if use is None else use(answer)

    simulator = Simulator(faults=Faults.script([("download", fault)]))
    return run(fetch(simulator))


FILM_SIZE = len(downloaded(None).content)


@pytest.mark.parametrize("at", [0, 1, 7, 0.5, FILM_SIZE - 1])
def test_a_download_cut_short_is_noticed_by_its_length(at):
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        downloaded(Fault("cut", at=at))


def test_a_download_cut_without_a_length_ends_like_a_whole_one():
    answer = downloaded(Fault("cut", at=100, length="none"))
    assert (answer.status_code, len(answer.content)) == (200, 100)
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("fault", ["two_lengths", "garbage_length", Fault("wrong_length", count=5)])
def test_a_download_with_a_bad_length_fails(fault):
    with pytest.raises(httpx.RemoteProtocolError):
        downloaded(fault)


def test_a_download_with_a_length_too_small_looks_whole_but_is_not():
    assert len(downloaded(Fault("wrong_length", count=-5)).content) == FILM_SIZE - 5


@pytest.mark.parametrize(
    ("fault", "status"), [("403", 403), ("404", 404), ("422", 422), ("502", 502), ("redirect", 302)]
)
def test_a_download_refused(fault, status):
    assert downloaded(fault).status_code == status


def test_a_download_may_change_between_two_tries():
    first, second = downloaded(None), downloaded("changed")
    assert first.headers["etag"] != second.headers["etag"]
    assert second.content.startswith(first.content)


def test_a_download_may_be_gzipped_or_mislabelled_or_slow():
    assert downloaded("gzip").headers["content-encoding"] == "gzip"
    assert downloaded("content_type").headers["content-type"].startswith("text/html")
    assert len(downloaded(Fault("drip", seconds=0.5, count=64)).content) == FILM_SIZE
    with pytest.raises(httpx.ReadTimeout):
        downloaded(Fault("drip", seconds=11))


def test_a_download_resumes_by_range():
    whole = downloaded(None).content
    rest = downloaded(None, headers={"Range": "bytes=100-"})
    assert (rest.status_code, rest.content) == (206, whole[100:])
    assert rest.headers["content-range"] == f"bytes 100-{FILM_SIZE - 1}/{FILM_SIZE}"
    assert downloaded(None, headers={"Range": f"bytes={FILM_SIZE}-"}).status_code == 416
    assert downloaded(None, headers={"Range": "bytes=1-", "If-Range": '"old"'}).status_code == 200
    assert downloaded("range_ignored", headers={"Range": "bytes=1-"}).status_code == 200


def test_a_film_is_gone_after_its_ttl():
    async def fetch(simulator):
        async with client_of(simulator) as client:
            await client.post(API, json=[task(ttl=60)])
            await asyncio.sleep(100)
            url = (await client.post(API, json=[poll()])).json()["data"][0]["videoURL"]
            soon = await client.get(url)
            await asyncio.sleep(30)
            return soon.status_code, (await client.get(url)).status_code

    assert run(fetch(Simulator())) == (200, 404)


@pytest.mark.parametrize("threads", [False, True])
def test_a_film_is_rendered_once_when_first_fetched(threads):
    rendered = []

    def render(request, index):
        rendered.append((request["taskUUID"], index))
        return b"\0\0\0\x0cftypisom"

    async def fetch(simulator):
        async with client_of(simulator) as client:
            await client.post(API, json=[task(numberResults=2)])
            row = (await client.post(API, json=[poll()])).json()["data"][1]
            assert rendered == []
            return [(await client.get(row["videoURL"])).content for _ in range(2)]

    simulator = Simulator(render=render, latency=0, threads=threads)
    assert asyncio.run(fetch(simulator)) == [b"\0\0\0\x0cftypisom"] * 2
    assert rendered == [(UUID, 1)]


def test_pictures_of_finished_tasks_are_forgotten_when_records_are_bounded():
    async def fetch(simulator):
        async with client_of(simulator) as client:
            await client.post(API, json=[framed(inputs={"frameImages": [picture_uri("PNG", 320)]})])
            row = (await client.post(API, json=[poll()])).json()["data"][0]
            before = len(repr(simulator.requests))
            await client.get(row["videoURL"])
            return before, len(repr(simulator.requests))

    before, after = run(fetch(Simulator(latency=0, keep=9)))
    assert before > 300_000
    assert after < 5_000
