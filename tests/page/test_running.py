"""A run as the page shows it: words, the film, a reload in the middle, a second page, Cancel."""

import pytest

from host.page import open_page
from page.stage import new_take

FILM = "return app.nodeOutputs && Object.values(app.nodeOutputs).some(each => each.images?.length === argument)"


def short(stage, **widgets):
    """A film of three seconds, rehearsed."""
    stage.example("text to video")
    for name, value in {"duration": 3, **widgets}.items():
        stage.set("KlingGenerate", name, value)
    stage.look()


def test_a_rehearsal_tells_what_it_does_and_plays_its_film(stage):
    short(stage, take=new_take())
    stage.run()
    stage.wait_for_words("KlingGenerate", "")
    stage.wait_for_film()
    stage.wait_until_idle()
    assert "mp4" in stage.page.locator(stage.player).first.get_attribute("src")
    stage.shoot("film")


def test_after_a_reload_the_film_plays_again_and_its_task_is_known(stage):
    short(stage, take=new_take())
    stage.run()
    stage.wait_for_film()
    stage.wait_until_idle()
    stage.reload()
    stage.wait_for_film()
    stage.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    stage.choose("KlingGenerate", "Copy task UUID")
    stage.until("return navigator.clipboard.readText().then(text => /^[0-9a-f-]{36}$/.test(text))")
    stage.shoot("after-reload")


def test_several_films_come_all_and_each_can_be_played_alone(stage):
    short(stage, take=new_take(), number_results=2)
    stage.run()
    stage.wait_for_film()
    stage.wait_until_idle()
    stage.until(FILM, 2)
    stage.choose("KlingFetchVideo", "Play one film", "2:")
    stage.until(FILM, 1)
    stage.choose("KlingFetchVideo", "Play one film", "All films")
    stage.until(FILM, 2)


@pytest.fixture
def rendering(served):
    """A service that renders until it is told to be done: `rendering()`."""
    service = served.simulator.service
    usual, service.latency = service.latency, 3600.0

    def done():
        service.latency = usual
        for jobs in list(service.jobs.values()):
            for job in jobs:
                job.seconds = min(job.seconds, usual)

    yield done
    done()


def test_words_go_on_after_a_reload_in_the_middle(stage, key, rendering):
    short(stage, take=new_take(), mode="generate")
    stage.run()
    stage.wait_for_words("KlingGenerate", "so far")
    stage.reload()
    stage.wait_for_words("KlingGenerate", "so far")
    stage.shoot("reload-in-the-middle")
    rendering()
    stage.wait_until_idle()
    stage.wait_for_film()


def test_a_second_page_sees_the_words_and_the_film(stage, key, rendering):
    short(stage, take=new_take(), mode="generate")
    workflow = stage.evaluate("return app.rootGraph.serialize()")
    second = open_page(stage.page.context.browser, stage.comfy, vue_nodes=stage.vue)
    try:
        second.evaluate("workflow => app.loadGraphData(workflow)", workflow)
        stage.run()
        second.wait_for_function(
            "() => app.rootGraph.nodes.some(each => each.widgets?.some("
            "widget => widget.name.startsWith('$$') && widget.value.includes('so far')))",
            timeout=20_000,
        )
        rendering()
        second.locator(stage.player).first.wait_for(state="attached", timeout=60_000)
    finally:
        second.close()


def test_cancel_leaves_a_purchase_that_can_be_collected(stage, key, rendering):
    short(stage, take=new_take(), mode="generate")
    stage.run()
    stage.wait_for_words("KlingGenerate", "so far")
    stage.command("Comfy.Interrupt")
    stage.wait_until_idle(10)
    stage.wait_for_words("KlingGenerate", "the purchase goes on, collecting it is free")
    stage.shoot("cancelled")
    if not stage.vue:  # a Vue node grows by itself
        line = stage.page.locator(".dom-widget > div", has_text="the purchase goes on").last
        line.wait_for()
        assert line.evaluate("line => line.scrollHeight <= line.clientHeight")
    rendering()
    stage.run()
    stage.wait_for_film()
    stage.wait_until_idle()
