"""A render farm on this machine: a real Redis, workers of docs/scaling-out, each beside a ComfyUI of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil

from host.comfy import Comfy, free_port
from host.comfyui import ROOT
from host.service import KEY

EXAMPLE = ROOT / "docs" / "scaling-out"
PYTHON = ROOT / ".venv" / "scaling" / "bin" / "python"

NEEDED = {
    "redis-server is not installed (Debian: apt-get install redis-server)": lambda: shutil.which("redis-server"),
    "the queue's programs are not here: make setup-scaling": PYTHON.exists,
}


def missing() -> str:
    """Say what keeps the farm from running here; empty if nothing does."""
    return next((what for what, there in NEEDED.items() if not there()), "")


@contextlib.contextmanager
def program(*command: str | Path, log: Path, cwd: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", **variables}
    with log.open("ab") as out:
        process = subprocess.Popen([str(part) for part in command], cwd=cwd, env=environment, stdout=out, stderr=out)
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a program and everything it started, as a power cut does."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
    process.wait()


def wait_until(there: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Wait until a question is answered with yes.

    Raises:
        TimeoutError: it was not.
    """
    deadline = time.monotonic() + seconds
    while not there():
        if time.monotonic() > deadline:
            msg = f"{what} did not happen within {seconds:.0f} s."
            raise TimeoutError(msg)
        time.sleep(0.1)


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A Redis server on a free port; give its URL."""
    port = free_port()
    command = ("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder))
    with program(*command, log=folder / "redis.log", cwd=folder):
        wait_until(lambda: b"Ready to accept" in (folder / "redis.log").read_bytes(), "Redis's start")
        yield f"redis://127.0.0.1:{port}"


@contextlib.contextmanager
def object_store(folder: Path) -> Iterator[dict[str, str]]:
    """An S3 server with a bucket `films`; give the environment that boto3 wants."""
    port = free_port()
    variables = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with program(PYTHON.with_name("moto_server"), "-p", str(port), log=folder / "s3.log", cwd=folder):
        wait_until(lambda: b"Running on" in (folder / "s3.log").read_bytes(), "the S3 server's start")
        asked(variables, "create_bucket(Bucket='films')")
        yield variables


def asked(variables: Mapping[str, str], call: str) -> Any:
    """Ask the S3 server something."""
    code = f"import boto3, json; print(json.dumps(boto3.client('s3').{call}, default=str))"
    done = subprocess.run(
        [str(PYTHON), "-c", code], env={**os.environ, **variables}, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


class Seat:
    """A ComfyUI with a state folder of its own, and the worker beside it."""

    def __init__(self, folder: Path, service_url: str, queue_url: str, **variables: str) -> None:
        """Prepare; nothing runs yet. `variables` are the worker's."""
        self.folder = folder
        self.comfy = Comfy(folder, env={"RUNWARE_BASE_URL": service_url, "RUNWARE_API_KEY": KEY})
        self._variables = {"REDIS": queue_url, **variables}
        self._stack = contextlib.ExitStack()
        self._worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Seat:  # noqa: PYI034  typing.Self is not in Python 3.10
        """Start both."""
        self._stack.enter_context(self.comfy)
        self._worker = self._stack.enter_context(
            program(
                PYTHON, "worker.py", log=self.folder / "worker.log", cwd=EXAMPLE,
                COMFYUI=self.comfy.url, **self._variables,
            )
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        """Stop both."""
        self._stack.close()

    def lose(self) -> None:
        """Lose the machine: ComfyUI, the worker and what it is doing, at once."""
        if self._worker is not None:
            kill(self._worker)
        self.comfy.kill()

    def films(self) -> list[dict[str, Any]]:
        """What the sidecars beside the films say."""
        return [json.loads(path.read_text(encoding="utf-8")) for path in self.comfy.output.rglob("*.json")]


def deal(folder: Path, queue_url: str, prompts: list[str], *, times: int) -> subprocess.Popen[bytes]:
    """Start dealing out; its lines go to `folder`/dealt.jsonl."""
    (folder / "prompts.txt").write_text("\n".join(prompts), encoding="utf-8")
    graph = json.loads((EXAMPLE / "clip.json").read_text(encoding="utf-8"))
    graph["film"]["inputs"]["duration"] = 3
    (folder / "clip.json").write_text(json.dumps(graph), encoding="utf-8")
    with (folder / "dealt.jsonl").open("wb") as out, (folder / "deal.log").open("wb") as err:
        return subprocess.Popen(
            [str(PYTHON), "deal.py", str(folder / "clip.json"), str(folder / "prompts.txt"), "--times", str(times)],
            cwd=EXAMPLE, env={**os.environ, "REDIS": queue_url}, stdout=out, stderr=err,
        )  # fmt: skip


def miss_the_dead(queue_url: str) -> None:
    """Let the queue give up on workers that are gone, as it does by itself after some two minutes."""
    code = (
        "import sys, time; from redis import Redis; from rq import Queue; from rq.registry import StartedJobRegistry; "
        "queue = Queue('kling', connection=Redis.from_url(sys.argv[1])); "
        "StartedJobRegistry(queue=queue).cleanup(timestamp=time.time() + 600)"
    )
    subprocess.run([str(PYTHON), "-c", code, queue_url], check=True)


def state(service_origin: str) -> dict[str, Any]:
    """Ask the simulated service for its books."""
    return dict(httpx.get(f"{service_origin}/_simulator/state", trust_env=False, timeout=60).json())
