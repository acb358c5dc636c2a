"""One prompt in a ComfyUI: its events while it runs, its history entry when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .comfyui import HostError
from .events import Event, Listener

if TYPE_CHECKING:
    from .comfy import Comfy

ENDS = {
    "execution_success": "success",
    "execution_error": "error",
    "execution_interrupted": "interrupted",
}

SECONDS_TO_HISTORY = 20.0
"""ComfyUI writes the history entry just after it has told how the prompt ended, and then tells that no node runs."""


def is_last(event: Event) -> bool:
    """Whether ComfyUI says nothing more about the prompt: no node runs, and the history has its entry."""
    return event.type == "executing" and event.data["node"] is None


class PromptRefused(Exception):
    """ComfyUI did not accept the prompt. `answer` is what it said."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        super().__init__(str(answer))


class Run:
    """A prompt that ComfyUI has accepted."""

    def __init__(self, comfy: Comfy, listener: Listener, prompt_id: str) -> None:
        self._comfy = comfy
        self._listener = listener
        self.prompt_id = prompt_id
        self.status = "running"
        """running, success, error or interrupted."""
        self.history: dict[str, Any] = {}
        """The entry of /history, once `wait` has returned."""

    def wait(self, timeout: float = 120.0) -> Run:
        """Wait for the end, in `timeout` seconds, and fetch the history entry.

        Raises:
            HostError: ComfyUI stopped meanwhile.
            TimeoutError: it did not end in time.
        """
        end = self.wait_for(lambda event: event.type in ENDS, timeout)
        self.status = ENDS[end.type]
        self.wait_for(is_last, SECONDS_TO_HISTORY)
        self.history = dict(self._comfy.get(f"/history/{self.prompt_id}").json()[self.prompt_id])
        return self

    def wait_for(self, wanted: Any, timeout: float = 60.0) -> Event:
        """Wait for the first event of this prompt for which `wanted(event)` is true."""
        event = self._listener.wait(lambda e: e.prompt_id == self.prompt_id and wanted(e), timeout)
        if event is None:
            msg = f"ComfyUI stopped while a prompt was running. Its log ends:\n{self._comfy.log[-3000:]}"
            raise HostError(msg)
        return event

    def wait_for_text(self, part: str, timeout: float = 60.0) -> str:
        """Wait until a node shows a status text with this part, and return the text."""
        event = self.wait_for(lambda e: e.type == "progress_text" and part in e.data["text"], timeout)
        return str(event.data["text"])

    @property
    def events(self) -> list[Event]:
        """What ComfyUI said about this prompt so far, oldest first."""
        return self._listener.events(self.prompt_id)

    @property
    def outputs(self) -> dict[str, Any]:
        """What the output nodes showed, by node id."""
        return dict(self.history["outputs"])

    @property
    def error(self) -> dict[str, Any]:
        """The failure as the page gets it: node_id, node_type, exception_message ..., or {}."""
        return next((event.data for event in self.events if event.type == "execution_error"), {})

    @property
    def why(self) -> str:
        """Why it failed, in ComfyUI's words and with its traceback, for whoever reads a failed test."""
        lines = [self.error.get("node_type", self.status), self.error.get("exception_message", "")]
        return "\n".join([*lines, *self.error.get("traceback", [])])

    @property
    def cached(self) -> list[str]:
        """The ids of the nodes ComfyUI did not run again."""
        return next((list(event.data["nodes"]) for event in self.events if event.type == "execution_cached"), [])

    def texts(self, node: str | None = None) -> list[str]:
        """The status texts one node showed, or all of them, oldest first."""
        return [
            str(event.data["text"])
            for event in self.events
            if event.type == "progress_text" and node in (None, event.data["node"])
        ]
