"""The examples in the real page, in both of its renderers."""

import json

import pytest

from host.api_form import api_form
from host.page import complaints
from host.test_examples import EXAMPLES

pytestmark = pytest.mark.page

LOAD = "async workflow => { await app.loadGraphData(workflow); return (await app.graphToPrompt()).output }"


RENDERERS = {"canvas": False, "vue": True}


@pytest.fixture(params=RENDERERS)
def page(pages, request):
    return pages(vue_nodes=RENDERERS[request.param])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_page_queues_an_example_as_the_tests_post_it(comfy, page, path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    queued = page.evaluate(LOAD, workflow)
    posted = api_form(workflow, comfy.object_info)
    assert {name: known(node, comfy.object_info) for name, node in queued.items()} == {
        name: node["inputs"] for name, node in posted.items()
    }


def known(node, object_info):
    """Leave out what the page still knows of an input that this ComfyUI no longer has."""
    inputs = object_info[node["class_type"]]["input"]
    names = {name for group in inputs.values() for name in group}
    return {name: value for name, value in node["inputs"].items() if name.split(".")[0] in names}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_opens_without_a_word_of_complaint(page, path):
    page.console_lines.clear()
    page.evaluate(LOAD, json.loads(path.read_text(encoding="utf-8")))
    assert page.locator(".p-dialog:visible").count() == 0
    assert complaints(page) == []
