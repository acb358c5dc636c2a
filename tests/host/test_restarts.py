"""A ComfyUI that is killed while it buys, one that caches nothing, and what neither must have written."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from host.comfy import Comfy
from host.films import film_paths, text_to_video
from host.service import KEY, purchases, wait_for_requests

WORKFLOW = {"nodes": [], "links": []}


@pytest.fixture(scope="module")
def environment(served):
    return {"RUNWARE_BASE_URL": served.base_url, "RUNWARE_API_KEY": KEY}


@dataclass(frozen=True)
class Aftermath:
    """What is left of a purchase during which ComfyUI was killed."""

    base: Path
    films: list[Path]
    bought: int
    told: str


@pytest.fixture(scope="module")
def aftermath(served, environment, tmp_path_factory):
    service = served.simulator
    service.service.latency = 3.0
    service.requests.clear()
    with Comfy(tmp_path_factory.mktemp("killed"), env=environment) as comfy:
        graph, film = text_to_video(comfy.object_info, "a ship in a bottle")
        comfy.begin(graph, workflow=WORKFLOW)
        wait_for_requests(service, "videoInference", "getResponse")
        comfy.kill()
        comfy.start()
        run = comfy.run(graph, workflow=WORKFLOW)
        told = comfy.get("/history").text + str(run.events)
        yield Aftermath(comfy.base, film_paths(comfy, run, film.fetch), len(purchases(service)), told)


def test_a_purchase_survives_the_death_of_comfyui(aftermath):
    assert len(aftermath.films) == 1
    assert aftermath.bought == 1


def test_the_film_carries_its_workflow(aftermath):
    assert b"class_type" in aftermath.films[0].read_bytes()


def test_the_key_is_nowhere_but_in_the_environment(aftermath):
    written = [path for path in aftermath.base.rglob("*") if path.is_file() and not path.is_symlink()]
    assert aftermath.films[0] in written
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []
    assert KEY not in aftermath.told


@pytest.mark.parametrize("shared", [True, False], ids=["one state folder", "two state folders"])
def test_two_comfyuis_that_run_the_same_graph_at_once_pay_once_and_both_show_the_film(
    service, environment, take, tmp_path, shared
):
    service.service.latency = 4.0
    first = Comfy(tmp_path / "first", env=environment)
    second = Comfy(
        tmp_path / "second", env=environment, args=["--user-directory", str(first.base / "user")] if shared else []
    )
    with first, second:
        graph, film = text_to_video(first.object_info, take=take)
        runs = [comfy.begin(graph) for comfy in (first, second)]
        paths = [film_paths(comfy, run.wait(), film.fetch) for comfy, run in zip((first, second), runs, strict=True)]
    assert [len(shown) for shown in paths] == [1, 1]
    assert {path.is_file() for shown in paths for path in shown} == {True}
    bought = {task["taskUUID"] for task in purchases(service)}
    assert [service.billed(task_uuid) for task_uuid in bought] == [1]


def test_without_cache_and_metadata_a_film_is_bought_once_and_bare(service, environment, take, tmp_path):
    with Comfy(tmp_path, env=environment, args=["--cache-none", "--disable-metadata"]) as comfy:
        graph, film = text_to_video(comfy.object_info, take=take)
        first = comfy.run(graph, workflow=WORKFLOW)
        again = comfy.run(graph, workflow=WORKFLOW)
        assert film_paths(comfy, again, film.fetch) == film_paths(comfy, first, film.fetch)
        (path,) = film_paths(comfy, first, film.fetch)
        assert b"class_type" not in path.read_bytes()
    assert len(purchases(service)) == 1
