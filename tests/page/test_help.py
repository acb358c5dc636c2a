"""Help in the page: in its language, with its picture, and with an example that is pasted."""

import json
from contextlib import contextmanager

import pytest

from page.stage import DRAWN
from test_help import NODES, example_of

EXAMPLE = {"en": "Example", "zh": "\u793a\u4f8b", "ja": "\u4f8b"}
"""The last heading of a help page."""


@contextmanager
def help_of(stage, node):
    """Open the help of a node of the graph, and close it again."""
    button = stage.page.get_by_test_id("info-button")
    picture = stage.page.locator(f'img[src$="/docs/images/{node}.jpg"]')
    stage.evaluate("app.canvas.deselectAll(); app.canvas.selectNode(find(argument)[0])", node)
    stage.command("Comfy.Canvas.FitView")
    button.click()
    picture.wait_for()
    stage.page.wait_for_function("picture => picture.naturalWidth > 0", arg=picture.element_handle())
    try:
        yield
    finally:
        panel = stage.page.get_by_test_id("properties-panel")  # of newer pages; in 1.32 the same button closes it
        (panel.locator('button[aria-pressed="true"]') if stage.newest else button).click()
        picture.wait_for(state="detached")


@pytest.mark.parametrize("language", EXAMPLE)
def test_help_opens_in_the_page_s_language_with_its_picture(stage, switch_language, language):
    switch_language(language)
    with help_of(stage, "KlingGenerate"):
        stage.page.get_by_role("heading", name=EXAMPLE[language], exact=True).wait_for(state="attached")
        stage.shoot(f"help-{language}")
    forget_looked_for(stage)


def forget_looked_for(stage):
    """The page asks for its own language first, and writes to its console that there is no page for English."""
    kept = [line for line in stage.page.console_lines if not ("404" in line and "/docs/" in line)]
    stage.page.console_lines[:] = kept


def test_the_example_of_every_help_page_can_be_pasted(stage):
    stage.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    for node in NODES:
        example = example_of(node)
        stage.evaluate("return navigator.clipboard.writeText(argument)", example)
        stage.page.mouse.click(800, 900)
        stage.page.keyboard.press("Control+v")
        kinds = sorted(each["type"] for each in json.loads(example)["nodes"])
        stage.until("return app.rootGraph.nodes.map(each => each.type).sort().join() === argument", ",".join(kinds))
        links = stage.evaluate(
            "return app.rootGraph.nodes.flatMap(each => each.inputs).filter(each => each.link).length"
        )
        assert links == len(json.loads(example)["links"]), node
        assert stage.badges("KlingGenerate")[0].startswith("rehearsal · $0"), node
        stage.command("Comfy.Canvas.FitView")
        stage.page.evaluate(DRAWN)
        stage.shoot(f"help-example-{node}")
