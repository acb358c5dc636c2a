"""The page in a browser, with what the tests do in it."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page
from playwright.sync_api import TimeoutError as Late

from host.comfy import Comfy
from host.comfyui import ROOT
from host.page import READY

from .noise import ours

SHOTS = ROOT / "output" / "page"
"""Screenshots of each station, by frontend and renderer."""

MILLISECONDS = 20_000
EMPTY = {"last_node_id": 0, "last_link_id": 0, "nodes": [], "links": [], "groups": [], "config": {}, "version": 0.4}
CLEAR = """async workflow => {
  const { workflow: open, toast } = app.extensionManager;
  (toast.dismissAll ?? toast.removeAll).call(toast);
  await app.loadGraphData(workflow, true, true, open.activeWorkflow);
  for (const each of [...open.openWorkflows]) if (each !== open.activeWorkflow) await open.closeWorkflow(each);
}"""
DRAWN = """async () => {
  for (let frame = 0; frame < 3; frame++) {  // a node that has grown is drawn whole in the next frame
    app.canvas.setDirty(true, true);
    await new Promise(requestAnimationFrame);
  }
}"""
FIND = "const find = type => [...app.rootGraph.nodes].filter(each => each.type === type);"


class Stage:
    """One frontend with one renderer, open in a browser."""

    def __init__(self, name: str, comfy: Comfy, page: Page, *, vue: bool) -> None:
        self.name = name
        self.comfy = comfy
        self.page = page
        self.vue = vue
        self.newest = name.startswith("newest")
        page.set_default_timeout(MILLISECONDS)

    def clear(self) -> None:
        """Take everything away that a test before may have left: runs, dialogs, messages, all workflows but one."""
        self.comfy.interrupt()
        self.page.keyboard.press("Escape")
        self.wait_until_idle()
        self.page.evaluate(CLEAR, EMPTY)
        self.page.console_lines.clear()

    def faults(self) -> list[str]:
        """Errors and warnings in the console since the test began that the page does not make by itself."""
        return ours(self.page.console_lines)

    def shoot(self, station: str) -> None:
        """Keep a picture of the page."""
        folder = SHOTS / self.name.replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        self.page.evaluate(DRAWN)
        self.page.screenshot(path=folder / f"{station}.png")

    def evaluate(self, script: str, argument: Any = None) -> Any:
        """Run a script in the page; in it, `find(type)` lists nodes."""
        return self.page.evaluate(f"argument => {{ {FIND} {script} }}", argument)

    def until(self, script: str, argument: Any = None, timeout: float = MILLISECONDS) -> None:
        """Wait until a script in the page returns something true."""
        self.page.wait_for_function(f"argument => {{ {FIND} {script} }}", arg=argument, timeout=timeout)

    def load(self, workflow: dict[str, Any]) -> None:
        """Open a workflow as the page does with a file, and bring all of it into view."""
        self.evaluate("return app.loadGraphData(argument)", workflow)
        self.evaluate("app.extensionManager.command.execute('Comfy.Canvas.FitView')")

    def example(self, name: str) -> dict[str, Any]:
        """Open one of the pack's example workflows."""
        workflow = read_example(name)
        self.load(workflow)
        return workflow

    def badges(self, kind: str) -> list[str]:
        """Read the badges of a kind of node: as they stand in the page, or as the canvas draws them."""
        if self.vue:
            ids = self.evaluate("return find(argument).map(each => String(each.id))", kind)
            return [self._vue_badge(each) for each in ids]
        return self.evaluate("return find(argument).map(each => each.badges.at(-1)().text)", kind)

    def _vue_badge(self, node_id: str) -> str:
        """Read the last of a node's badges; a node that is small on the screen has its words, but hides them."""
        words = self.node(node_id).evaluate(
            "node => [...node.querySelectorAll('div, span')].filter(each => !each.children.length)"
            ".map(each => each.textContent.trim())"
        )
        return next((text for text in reversed(words) if " · " in text or text.startswith("@") or text in WORDS), "")

    def node(self, node_id: str) -> Locator:
        """Find a Vue node."""
        return self.page.locator(f'[data-node-id="{node_id}"]').first

    def wait_for_badge(self, kind: str, text: str) -> None:
        """Wait until a node of a kind shows a badge."""
        for _ in range(100):
            if text in self.badges(kind):
                return
            self.page.wait_for_timeout(50)
        found = self.badges(kind)
        assert text in found, found

    def set(self, kind: str, widget: str, value: Any) -> None:
        """Set a widget of the first node of a kind, as the page does when the user turns it."""
        self.evaluate(
            "const widget = find(argument[0])[0].widgets.find(each => each.name === argument[1]);"
            "widget.value = argument[2]; widget.callback?.(argument[2]); app.canvas.setDirty(true, true);",
            [kind, widget, value],
        )

    def run(self) -> None:
        """Press Run, and wait until the prompt is in the queue."""
        self.command("Comfy.QueuePrompt")

    def wait_for_film(self) -> None:
        """Wait until a node plays a film; when none comes, tell what ComfyUI did meanwhile."""
        try:
            self.page.locator(self.player).first.wait_for(state="attached", timeout=60_000)
        except Late as error:
            queue = self.comfy.get("/queue").json()
            running = len(queue["queue_running"]), len(queue["queue_pending"])
            words = self.words("KlingGenerate") or self.words("KlingFetchVideo")
            msg = f"No film; running, pending: {running}; {words!r}; the log ends:\n{self.comfy.log[-2000:]}"
            raise AssertionError(msg) from error

    @property
    def player(self) -> str:
        """Where a film plays on a node."""
        return "[data-node-id] video" if self.vue else ".dom-widget video, .comfy-img-preview video"

    def words(self, kind: str) -> str:
        """Read the line of a running node."""
        return self.evaluate(
            "const line = find(argument)[0]?.widgets?.find(each => each.name.startsWith('$$'));"
            "return line?.value ?? ''",
            kind,
        )

    def wait_for_words(self, kind: str, part: str, timeout: float = MILLISECONDS) -> None:
        """Wait until a running node's line holds some words."""
        self.until(
            "return find(argument[0])[0]?.widgets?.some("
            "each => each.name.startsWith('$$') && each.value.includes(argument[1]))",
            [kind, part],
            timeout,
        )

    def wait_until_idle(self, seconds: float = 60.0) -> None:
        """Wait until no prompt runs. ComfyUI is asked from here: the page does not wait for a promise's value."""
        deadline = time.monotonic() + seconds
        while any(self.comfy.get("/queue").json().values()):
            assert time.monotonic() < deadline, f"Still at work; the log ends:\n{self.comfy.log[-2000:]}"
            self.page.wait_for_timeout(50)

    def choose(self, kind: str, *entries: str) -> None:
        """Choose an entry of the first node's context menu, through its submenus."""
        self.evaluate(
            "let items = app.collectNodeMenuItems(find(argument[0])[0]), found = null;"
            "for (const entry of argument[1]) {"
            " found = items.find(each => each?.content.includes(entry)); items = found?.submenu?.options ?? []; }"
            "found.callback()",
            [kind, list(entries)],
        )

    def value(self, kind: str, widget: str) -> Any:
        """Read a widget of the first node of a kind."""
        return self.evaluate(
            "return find(argument[0])[0].widgets.find(each => each.name === argument[1]).value", [kind, widget]
        )

    def look(self) -> None:
        """Make the page look at what has changed, as it does after each key and click; a script gives none."""
        self.evaluate(
            "const tracker = app.extensionManager.workflow.activeWorkflow.changeTracker;"
            "(tracker.captureCanvasState ?? tracker.checkState).call(tracker)"
        )

    def command(self, name: str) -> None:
        """Run one of the page's commands."""
        self.evaluate("return app.extensionManager.command.execute(argument)", name)

    def reload(self) -> None:
        """Load the page anew; it comes back with the workflow it had."""
        self.page.reload()
        self.page.wait_for_function(READY, timeout=90_000)
        self.until("return find('KlingFetchVideo').length > 0")

    def open_sidebar(self) -> Locator:
        """Open the Kling tab."""
        self.evaluate("app.extensionManager.command.execute('Workspace.ToggleSidebarTab.kling.purchases')")
        inside = self.page.locator(".kling-purchases")
        inside.wait_for()
        return inside

    def close_sidebar(self) -> None:
        """Close the Kling tab, if it is open."""
        if self.page.locator(".kling-purchases").count():
            self.evaluate("app.extensionManager.command.execute('Workspace.ToggleSidebarTab.kling.purchases')")
            self.page.locator(".kling-purchases").wait_for(state="detached")


WORDS = ("whole film", "shot_seconds is missing")

_takes = itertools.count(int(time.time()))


def new_take() -> int:
    """Give a take that nobody has bought."""
    return next(_takes)


def read_example(name: str) -> dict[str, Any]:
    """Read an example workflow."""
    return json.loads((ROOT / "example_workflows" / f"{name}.json").read_text(encoding="utf-8"))


def example_names() -> list[str]:
    """Name the example workflows."""
    return sorted(path.stem for path in Path(ROOT / "example_workflows").glob("*.json"))
