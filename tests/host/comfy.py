"""A real ComfyUI of its own, with the pack in it, for tests and the demo.

with Comfy(folder) as comfy:
    run = comfy.run({"1": {"class_type": "KlingPrompt", "inputs": {...}}, ...})
    print(run.status, run.outputs, run.texts())
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from .comfyui import ROOT, ComfyUI, HostError, find_comfyui
from .events import Listener
from .run import PromptRefused, Run

PACK_NAME = "kling-video"
SECONDS_TO_START = 180.0
SECONDS_TO_STOP = 15.0
LAUNCH = Path(__file__).with_name("launch.py")

BASE_FOLDERS = (
    *("custom_nodes", "input", "output", "temp", "models"),
    *("user/default/workflows", "user/default/subgraphs"),
)

NOWHERE = "http://127.0.0.1:1/v1"
"""No test and no demo ever reaches the real service, not even with a developer's key in the environment."""


class Comfy:
    """One ComfyUI process at a time, on one base folder. Restarting it keeps the folder."""

    def __init__(
        self,
        base: Path,
        *,
        packs: Mapping[str, Path] | None = None,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        host: ComfyUI | None = None,
    ) -> None:
        """Prepare; `packs` are folders by the name they get below `custom_nodes` (this pack if not given)."""
        self.base = base.absolute()
        self.packs = dict(packs if packs is not None else {PACK_NAME: ROOT})
        self.args = list(args)
        self.env = dict(env or {})
        self.host = host or find_comfyui()
        self.port = 0
        self.client_id = str(uuid.uuid4())
        self.object_info: dict[str, Any] = {}
        """What /object_info said when it first answered."""
        self._process: subprocess.Popen[bytes] | None = None
        self._listener: Listener | None = None
        self._http = httpx.Client(timeout=60.0, trust_env=False)

    def __enter__(self) -> Comfy:  # noqa: PYI034  typing.Self is not in Python 3.10
        """Start it and wait until it answers."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.close()

    def start(self) -> None:
        """Start ComfyUI on a free port and wait until it answers.

        Raises:
            HostError: it stopped, or did not answer in time; the end of its log is in the message.
        """
        self.host.check()
        make_base(self.base, self.packs, self.host.frontend_version())
        self.port = free_port()
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self.base,
                env=self._environment(),
                stdin=subprocess.PIPE,  # closed by our death, which ends it: see launch.py
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in a terminal is for us, not for it
            )
        self._wait_until_it_answers()
        self._listener = Listener(f"ws://127.0.0.1:{self.port}/ws?clientId={self.client_id}")

    def _command(self) -> list[str]:
        database = self.base / "user" / "comfyui.db"
        only_these = ["--disable-all-custom-nodes", "--whitelist-custom-nodes", *self.packs] if self.packs else []
        return [
            *(str(self.host.python), str(LAUNCH), str(self.host.code)),
            *("--cpu", "--listen", "127.0.0.1", "--port", str(self.port)),
            *("--base-directory", str(self.base), "--database-url", f"sqlite:///{database}"),
            *("--disable-api-nodes", *only_these, *self.args),
        ]

    def _environment(self) -> dict[str, str]:
        """Ours, without what would change the pack or slow the start, and with what was asked for."""
        dropped = ("RUNWARE_", "KLING_", "PYTEST_", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        return {**kept, "PYTHONUNBUFFERED": "1", "RUNWARE_BASE_URL": NOWHERE, **self.env}

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while self.alive and time.monotonic() < deadline:
            try:
                self.object_info = self.get("/object_info").json()
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                return
        what = f"did not answer within {SECONDS_TO_START:.0f} s" if self.alive else "stopped before it answered"
        msg = f"ComfyUI in {self.host.code} {what}. Its log ends:\n{self.log[-3000:]}"
        raise HostError(msg)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def url(self) -> str:
        """The address of the page, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> Path:
        """ComfyUI's output folder."""
        return self.base / "output"

    @property
    def state(self) -> Path:
        """The pack's state folder."""
        return self.base / "user" / "__kling"

    @property
    def log(self) -> str:
        """Everything ComfyUI printed since the base folder was made."""
        return self._log_file.read_text(encoding="utf-8", errors="replace") if self._log_file.exists() else ""

    @property
    def _log_file(self) -> Path:
        return self.base / "host.log"

    def get(self, path: str) -> httpx.Response:
        """Ask one route."""
        return self._http.get(self.url + path)

    def post(self, prompt: Mapping[str, Any], *, workflow: Mapping[str, Any] | None = None) -> httpx.Response:
        """Send a prompt in API form as the page does, with the `workflow` it would embed, and return the answer."""
        extra = {"extra_pnginfo": {"workflow": workflow}} if workflow is not None else {}
        body = {"prompt": prompt, "client_id": self.client_id, "extra_data": extra}
        return self._http.post(self.url + "/prompt", json=body)

    def begin(self, prompt: Mapping[str, Any], *, workflow: Mapping[str, Any] | None = None) -> Run:
        """Queue a prompt and return at once.

        Raises:
            PromptRefused: ComfyUI's answer says why.
        """
        if self._listener is None:
            msg = "This ComfyUI is not running."
            raise HostError(msg)
        answer = self.post(prompt, workflow=workflow)
        if answer.status_code != httpx.codes.OK:
            raise PromptRefused(answer.json())
        return Run(self, self._listener, answer.json()["prompt_id"])

    def run(
        self, prompt: Mapping[str, Any], *, workflow: Mapping[str, Any] | None = None, timeout: float = 120.0
    ) -> Run:
        """Queue a prompt and wait for its end, whichever it is."""
        return self.begin(prompt, workflow=workflow).wait(timeout)

    def interrupt(self) -> None:
        """Press Cancel."""
        self._http.post(self.url + "/interrupt").raise_for_status()

    def free(self) -> None:
        """Make ComfyUI forget the results of its nodes before the next prompt.

        It only takes note of the wish, and looks at its notes after a prompt: one that came at once would be answered
        from the results that were to be forgotten.
        """
        self._http.post(self.url + "/free", json={"free_memory": True}).raise_for_status()
        picture = {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 0}}
        self.run({"1": picture, "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}})

    def restart(self, *, args: Sequence[str] | None = None, env: Mapping[str, str] | None = None) -> None:
        """Stop it and start it again on the same base folder, with other arguments or environment if given."""
        self.stop()
        self.args = list(args) if args is not None else self.args
        self.env = dict(env) if env is not None else self.env
        self.start()

    def kill(self) -> None:
        """End it without a word, as a power cut does."""
        if self._process is not None and self.alive:
            self._process.kill()
        self.stop()

    def stop(self) -> None:
        """End it as Ctrl-C does, harder if need be. Does nothing when it is not running."""
        if self._process is not None:
            for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
                self._process.send_signal(ending)
                try:
                    self._process.wait(SECONDS_TO_STOP)
                    break
                except subprocess.TimeoutExpired:
                    continue
            if self._process.stdin is not None:
                self._process.stdin.close()
        if self._listener is not None:
            self._listener.close()
        self._process = self._listener = None

    def close(self) -> None:
        """Stop it for good."""
        self.stop()
        self._http.close()


def free_port() -> int:
    """Find a port on which nobody listens."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def make_base(base: Path, packs: Mapping[str, Path], frontend_version: str) -> None:
    """Make or complete a base folder: ComfyUI's folders, links to the packs, a page past its welcome tour."""
    for folder in BASE_FOLDERS:
        (base / folder).mkdir(parents=True, exist_ok=True)
    for name, pack in packs.items():
        link = base / "custom_nodes" / name
        if not link.exists():
            link.symlink_to(pack, target_is_directory=True)
    user = base / "user" / "default"
    settings = {"Comfy.TutorialCompleted": True, "Comfy.InstalledVersion": frontend_version}
    for name, content in {
        "comfy.settings.json": json.dumps(settings),
        "comfy.templates.json": "[]",
        "user.css": "",
    }.items():
        if not (user / name).exists():
            (user / name).write_text(content, encoding="utf-8")
