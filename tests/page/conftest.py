"""One ComfyUI and one browser at a time: each frontend with each renderer, opened once for all tests."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kling.nodes.runware.simulator import Simulator
from kling.nodes.runware.simulator.serve import Served
from playwright.sync_api import Browser

from host.comfy import Comfy
from host.footage import render
from host.page import NoBrowser, find_browser, open_browser, open_page
from host.service import KEY
from page.frontends import newest_frontend
from page.stage import Stage

HERE = Path(__file__).parent
STAGES = os.environ.get("KLING_TEST_STAGES", "1.32 classic,1.32 vue,newest classic,newest vue").split(",")
"""Which of them; `make test` takes the first alone."""


@pytest.hookimpl(trylast=True)  # after the shuffling
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, keep them in one process, and keep those of one stage together."""
    mine = [index for index, item in enumerate(items) if HERE in item.path.parents]
    for index in mine:
        items[index].add_marker("page")
        items[index].add_marker(pytest.mark.xdist_group("page"))
    ordered = sorted((items[index] for index in mine), key=_stage_of)
    for index, item in zip(mine, ordered, strict=True):
        items[index] = item


def _stage_of(item: pytest.Item) -> str:
    callspec = getattr(item, "callspec", None)
    return str(callspec.params.get("running_stage", "")) if callspec else ""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser; without one these tests say so and are left out."""
    try:
        find_browser()
    except NoBrowser as error:
        pytest.skip(str(error))
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """The simulated service on a socket of this machine."""
    with Simulator(key=KEY, render=render, threads=True, latency=1.0).serve() as served:
        yield served


@pytest.fixture(scope="session", params=STAGES)
def running_stage(
    request: pytest.FixtureRequest, browser: Browser, served: Served, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """A ComfyUI with one frontend, open in the browser with one renderer."""
    name = request.param
    frontend = ["--front-end-root", str(newest_frontend())] if name.startswith("newest") else []
    environment = {"RUNWARE_BASE_URL": served.base_url}
    vue = name.endswith("vue")
    base = tmp_path_factory.mktemp(name.replace(" ", "-"))
    with contextlib.ExitStack() as stack:
        comfy = stack.enter_context(Comfy(base, args=frontend, env=environment))
        page = open_page(browser, comfy, vue_nodes=vue)
        stack.callback(page.close)
        yield Stage(name, comfy, page, vue=vue)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Keep a picture of the page at the moment a test fails."""
    report = yield
    stage = getattr(item, "funcargs", {}).get("stage")
    if report.when == "call" and report.failed and stage is not None:
        stage.shoot(f"failed-{item.name.split('[')[0]}")
    return report


@pytest.fixture
def stage(running_stage: Stage) -> Iterator[Stage]:
    """The stage with an empty graph; it fails a test that made the page complain."""
    running_stage.clear()
    yield running_stage
    running_stage.close_sidebar()
    assert running_stage.faults() == []


@pytest.fixture
def key(stage: Stage) -> Iterator[str]:
    """An API key, where ComfyUI finds it."""
    stage.comfy.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = stage.comfy.state / "api_key"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(KEY)
    yield KEY
    path.unlink()


@pytest.fixture
def switch_language(stage: Stage) -> Iterator[Callable[[str], None]]:
    """Switch the page's language, and back in the end. The page opens its workflow anew when it has the new words."""

    def switch(name: str) -> None:
        if stage.evaluate("return app.extensionManager.setting.get('Comfy.Locale')") == name:
            return
        stage.evaluate(
            "for (const each of app.rootGraph.nodes) each.before = true;"
            "return app.extensionManager.setting.set('Comfy.Locale', argument)",
            name,
        )
        stage.until("const { nodes } = app.rootGraph; return nodes.length && nodes.every(each => !each.before)")

    stage.example("text to video")
    yield switch
    switch("en")
