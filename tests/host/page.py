"""The page of a running ComfyUI in a real, headless browser."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, Playwright, ViewportSize, sync_playwright

from .comfy import Comfy

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
VIEWPORT: ViewportSize = {"width": 1600, "height": 1000}

MILLISECONDS_TO_OPEN = 90_000

DISMISSED = ("vueNodesBannerDismissed", "comfy.vueNodesMigration.dismissed")
"""Announcements of frontend 1.32 that would cover the graph."""
READY = "() => window.app?.graph && window.app.extensionManager && !document.querySelector('.p-progressspinner')"

HOST_NOISE = (
    "api.comfy.org",  # the page asks for news of every node; a strict host forbids it
    "/user.css",  # looked for beside the page and in the user folder
    "/favicon.ico",
    "GraphView",  # frontend 1.32 reads the locale before it is set
    "/api/jobs",  # frontends after 1.45 on an older server
)
"""What the console says of a ComfyUI without any pack."""


class NoBrowser(Exception):
    """There is no Chromium on this machine."""


def find_browser() -> str:
    """Find the Chromium of this machine.

    Raises:
        NoBrowser: there is none.
    """
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    msg = "There is no Chromium here (on Debian: apt-get install chromium)."
    raise NoBrowser(msg)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start the browser, for any number of pages.

    Raises:
        NoBrowser: there is none.
    """
    browser = _playwright().chromium.launch(executable_path=find_browser(), args=SWITCHES)
    try:
        yield browser
    finally:
        browser.close()


@functools.cache
def _playwright() -> Playwright:
    """Start what drives browsers; a process can have it once, whoever asks."""
    started = sync_playwright().start()
    atexit.register(started.stop)
    return started


def open_page(browser: Browser, comfy: Comfy, *, vue_nodes: bool = False) -> Page:
    """Open the page in a profile of its own and wait until its graph can be used: `page.evaluate("app.graph ...")`.

    `vue_nodes` chooses the renderer. Everything the console says is in `page.console_lines`.
    """
    choose_renderer(comfy, vue_nodes=vue_nodes)
    page = browser.new_page(viewport=VIEWPORT)
    for name in DISMISSED:
        page.add_init_script(f"localStorage.setItem({name!r}, 'true')")
    page.console_lines = lines = []  # type: ignore[attr-defined]
    page.on("console", lambda said: lines.append(f"{said.type}: {said.text} ({said.location['url']})"))
    page.on("pageerror", lambda error: lines.append(f"error: {error}"))
    page.goto(comfy.url, timeout=MILLISECONDS_TO_OPEN)
    page.wait_for_function(READY, timeout=MILLISECONDS_TO_OPEN)
    return page


def complaints(page: Page) -> list[str]:
    """List the console's errors and warnings, without those that every ComfyUI has."""
    lines: list[str] = page.console_lines  # type: ignore[attr-defined]
    loud = [line for line in lines if line.startswith(("error:", "warning:"))]
    return [line for line in loud if not any(noise in line for noise in HOST_NOISE)]


def choose_renderer(comfy: Comfy, *, vue_nodes: bool) -> None:
    """Set which renderer pages opened from now on use: Vue nodes or the classic canvas."""
    path = comfy.base / "user" / "default" / "comfy.settings.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["Comfy.VueNodes.Enabled"] = vue_nodes
    path.write_text(json.dumps(settings), encoding="utf-8")
