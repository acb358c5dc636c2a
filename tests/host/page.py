"""The page of a running ComfyUI in a real, headless browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

from .comfy import Comfy

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

MILLISECONDS_TO_OPEN = 90_000

DISMISSED = ("vueNodesBannerDismissed", "comfy.vueNodesMigration.dismissed")
"""Announcements of frontend 1.32 that would cover the graph."""

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
def open_page(comfy: Comfy, *, vue_nodes: bool = False, width: int = 1600, height: int = 1000) -> Iterator[Page]:
    """Open the page in a new profile and wait until its graph can be used: `page.evaluate("app.graph ...")`.

    `vue_nodes` chooses the renderer. Everything the console says is in `page.console_lines`.
    """
    browser_path = find_browser()
    choose_renderer(comfy, vue_nodes=vue_nodes)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            for name in DISMISSED:
                page.add_init_script(f"localStorage.setItem({name!r}, 'true')")
            page.console_lines = lines = []  # type: ignore[attr-defined]
            page.on("console", lambda said: lines.append(f"{said.type}: {said.text} ({said.location['url']})"))
            page.on("pageerror", lambda error: lines.append(f"error: {error}"))
            page.goto(comfy.url, timeout=MILLISECONDS_TO_OPEN)
            page.wait_for_function(READY, timeout=MILLISECONDS_TO_OPEN)
            yield page
        finally:
            browser.close()


def complaints(page: Page) -> list[str]:
    """List the console's errors and warnings, without those that every ComfyUI has."""
    lines: list[str] = page.console_lines  # type: ignore[attr-defined]
    loud = [line for line in lines if line.startswith(("error:", "warning:"))]
    return [line for line in loud if not any(noise in line for noise in HOST_NOISE)]


READY = "() => window.app?.graph && window.app.extensionManager && !document.querySelector('.p-progressspinner')"


def choose_renderer(comfy: Comfy, *, vue_nodes: bool) -> None:
    """Set which renderer pages opened from now on use: Vue nodes or the classic canvas."""
    path = comfy.base / "user" / "default" / "comfy.settings.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["Comfy.VueNodes.Enabled"] = vue_nodes
    path.write_text(json.dumps(settings), encoding="utf-8")
