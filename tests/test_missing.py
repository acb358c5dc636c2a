"""What a KlingFetchVideo lacks, and when ComfyUI hears of it; without ComfyUI."""

import asyncio

import pytest
from kling.nodes import host, missing
from kling.nodes.runware.errors import KlingError
from kling.nodes.runware.record import Film, Record

UUID = "236ba4b9-e789-4ff4-8fa9-7ca57ab56210"


class Interrupted(BaseException):
    """As ComfyUI's own is, from 0.20 on."""


def graph(take, prefix="kling"):
    return {
        "2": {"inputs": {"take": take}},
        "3": {"inputs": {"task": ["2", 0], "sizes": [], "places": [["2", 0], 1]}},
        "4": {"inputs": {"images": ["3", 1], "filename_prefix": prefix}},
    }


@pytest.fixture
def come(monkeypatch):
    """How many films there are by now, or what ends the question, by task UUID."""
    answers = {}

    async def films(task_uuid):
        answer = answers[task_uuid]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr(missing, "_films", films)
    monkeypatch.setattr(missing, "_nodes", {})
    monkeypatch.setattr(host, "interrupt", Interrupted)
    monkeypatch.setattr(host, "prompt", lambda: graph(take=1))
    return answers


def run(monkeypatch, prompt_id, *, films, ordered=2, task_uuid=UUID, node_id="3"):
    monkeypatch.setattr(host, "execution", lambda: (prompt_id, node_id))
    made = [Film(video_uuid=str(number)) for number in range(films)]
    missing.note(Record(task_uuid=task_uuid, number_results=ordered, films=made))


def came(monkeypatch, node_id="3"):
    monkeypatch.setattr(host, "execution", lambda: ("a later prompt", node_id))
    return asyncio.run(missing.came())


def test_what_is_whole_is_not_asked_for(monkeypatch, come):
    run(monkeypatch, "one", films=2)
    assert came(monkeypatch) == came(monkeypatch) == 0


def test_the_node_is_run_again_for_a_film_that_came_and_then_stays(monkeypatch, come):
    run(monkeypatch, "one", films=1)
    come[UUID] = 1
    assert came(monkeypatch) == 0
    come[UUID] = 2
    assert came(monkeypatch) == 1
    run(monkeypatch, "two", films=2)
    come.clear()
    assert came(monkeypatch) == 1


def test_another_node_is_not_run_again(monkeypatch, come):
    run(monkeypatch, "one", films=1)
    come[UUID] = 2
    assert came(monkeypatch, "4") == 0


def test_a_node_of_the_same_id_in_another_graph_asks_for_nothing(monkeypatch, come):
    run(monkeypatch, "one", films=1)
    monkeypatch.setattr(host, "prompt", lambda: graph(take=2))
    assert came(monkeypatch) == 0
    come[UUID] = 2
    monkeypatch.setattr(host, "prompt", lambda: graph(take=1, prefix="what follows is another matter"))
    assert came(monkeypatch) == 1


def test_each_purchase_of_a_list_is_asked_for_whatever_ends_the_question_of_another(monkeypatch, come):
    for task_uuid, films in (("a", 1), ("b", 1), ("c", 1), ("d", 2)):
        run(monkeypatch, "one", films=films, task_uuid=task_uuid)
    come.update(a=KlingError("The service cannot be reached."), b=2, c=2)
    assert came(monkeypatch) == 2


def test_the_purchases_of_a_list_are_asked_for_at_once(monkeypatch, come):
    """Eight of them kept a prompt from beginning for 80 s where the service was slow."""
    under_way = []

    async def slow(task_uuid):
        under_way.append(task_uuid)
        await asyncio.sleep(0.01)
        assert len(under_way) == 8
        return 1

    monkeypatch.setattr(missing, "_films", slow)
    for number in range(8):
        run(monkeypatch, "one", films=1, task_uuid=str(number))
    assert came(monkeypatch) == 0


def test_cancel_is_left_to_comfyui(monkeypatch, come):
    run(monkeypatch, "one", films=1)
    come[UUID] = Interrupted()
    assert came(monkeypatch) == 0
