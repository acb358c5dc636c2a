"""A ComfyUI that is killed, started otherwise, or searched for what it must not have written."""

import pytest

from host.comfy import Comfy
from host.films import film_paths, text_to_video
from host.service import KEY, purchases, wait_for_request


@pytest.fixture
def environment(served):
    return {"RUNWARE_BASE_URL": served.base_url, "RUNWARE_API_KEY": KEY}


def test_a_purchase_survives_the_death_of_comfyui(service, environment, take, tmp_path):
    service.service.latency = 3.0
    with Comfy(tmp_path, env=environment) as comfy:
        graph, film = text_to_video(comfy.object_info, take=take)
        comfy.begin(graph)
        wait_for_request(service, "getResponse")
        comfy.kill()
        comfy.start()
        run = comfy.run(graph)
        assert len(film_paths(comfy, run, film.fetch)) == 1
    assert len(purchases(service)) == 1


def test_without_a_cache_and_without_metadata_a_film_is_bought_once(service, environment, take, tmp_path):
    with Comfy(tmp_path, env=environment, args=["--cache-none", "--disable-metadata"]) as comfy:
        graph, film = text_to_video(comfy.object_info, take=take)
        first = comfy.run(graph, workflow={"nodes": []})
        again = comfy.run(graph, workflow={"nodes": []})
        assert film_paths(comfy, again, film.fetch) == film_paths(comfy, first, film.fetch)
        (path,) = film_paths(comfy, first, film.fetch)
        assert b"class_type" not in path.read_bytes()
    assert len(purchases(service)) == 1


def test_the_key_is_nowhere_but_where_the_user_put_it(service, environment, take, tmp_path):
    with Comfy(tmp_path, env=environment) as comfy:
        graph, film = text_to_video(comfy.object_info, take=take)
        run = comfy.run(graph, workflow={"nodes": []})
        (path,) = film_paths(comfy, run, film.fetch)
        assert b"class_type" in path.read_bytes()
        assert KEY not in comfy.get("/history").text
        assert KEY not in str(run.events)
    written = [
        path for path in tmp_path.rglob("*") if path.is_file() and not path.is_relative_to(tmp_path / "custom_nodes")
    ]
    assert len(written) > 5
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []
