"""The real ComfyUI, started once for all the tests that need no more than one, and a service for it to buy from."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

import pytest
from kling.nodes.runware.simulator import Simulator
from kling.nodes.runware.simulator.faults import Faults
from kling.nodes.runware.simulator.serve import Served
from playwright.sync_api import Page

from host.comfy import Comfy
from host.footage import render
from host.page import NoBrowser, open_browser, open_page
from host.service import KEY

SECONDS_TO_RENDER = 1.0


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """The simulated service on a socket of this machine, for the whole session."""
    with Simulator(key=KEY, render=render, threads=True).serve() as served:
        yield served


@pytest.fixture(scope="session")
def comfy(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comfy]:
    """A running ComfyUI with the pack; it buys from `service`, once there is a key. Shared: do not stop it."""
    environment = {"RUNWARE_BASE_URL": served.base_url}
    with Comfy(tmp_path_factory.mktemp("a base folder"), env=environment) as running:
        yield running


@pytest.fixture(scope="session")
def pages(comfy: Comfy) -> Iterator[Callable[..., Page]]:
    """The page of the shared ComfyUI by its renderer, `pages(vue_nodes=True)`, opened once for each."""
    opened: dict[bool, Page] = {}
    try:
        with open_browser() as browser:

            def page(*, vue_nodes: bool) -> Page:
                if vue_nodes not in opened:
                    opened[vue_nodes] = open_page(browser, comfy, vue_nodes=vue_nodes)
                return opened[vue_nodes]

            yield page
    except NoBrowser as missing:
        pytest.skip(str(missing))


@pytest.fixture
def service(served: Served) -> Iterator[Simulator]:
    """The simulated service, faultless and quick, with an empty list of requests."""
    simulator = served.simulator
    simulator.faults = Faults()
    simulator.service.latency = SECONDS_TO_RENDER
    simulator.requests.clear()
    yield simulator
    simulator.faults = Faults()


@pytest.fixture
def key(comfy: Comfy) -> Iterator[str]:
    """An API key, where the shared ComfyUI finds it."""
    put_key(comfy)
    yield KEY
    (comfy.state / "api_key").unlink()


def put_key(comfy: Comfy) -> None:
    """Give a ComfyUI the service's key, as a user does who has no environment variables."""
    comfy.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(comfy.state / "api_key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(KEY)


_takes = itertools.count(1)


@pytest.fixture
def take() -> int:
    """A take that no other test of this session has bought."""
    return next(_takes)
