"""One worker of a render farm: takes graphs from a queue and has the ComfyUI beside it play them.

    COMFYUI=http://127.0.0.1:8188 REDIS=redis://queue:6379 python worker.py

Start one beside each ComfyUI. It needs requirements.txt and nothing of the pack. With BUCKET set, the service itself
also brings each film to that bucket (object_storage.py); with WEBHOOK set, it calls that address (webhook.py).
"""

from __future__ import annotations

import os
import time
from pathlib import PurePath
from typing import Any

import httpx
from redis import Redis
from rq import Queue, Worker

QUEUE = "kling"
COMFYUI = os.environ.get("COMFYUI", "http://127.0.0.1:8188")
REDIS = os.environ.get("REDIS", "redis://127.0.0.1:6379")
BUCKET = os.environ.get("BUCKET", "")
WEBHOOK = os.environ.get("WEBHOOK", "")

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_TO_RECOVER = 5.0
SECONDS_TO_MISS_A_WORKER = 60
"""The queue's own patience of a minute comes on top of it."""


class Unfinished(Exception):
    """ComfyUI is gone, has lost the prompt, or a node failed: to be played again, which buys nothing twice."""


def play(graph: dict[str, Any]) -> dict[str, Any]:
    """Play one graph in API form; give its films, as paths below ComfyUI's output folder.

    Raises:
        Unfinished: with what the nodes said; the queue gives the job out again.
        httpx.HTTPStatusError: ComfyUI refuses the graph (400). Nothing was bought, and it would be refused again.
    """
    with httpx.Client(base_url=COMFYUI, timeout=30) as http:
        try:
            answer = http.post("/prompt", json={"prompt": _with_delivery(graph)})
            answer.raise_for_status()
            entry = _wait_for(http, answer.json()["prompt_id"])
        except httpx.TransportError as error:
            time.sleep(SECONDS_TO_RECOVER)
            raise Unfinished(f"ComfyUI at {COMFYUI} does not answer: {error}") from error
    if entry["status"]["status_str"] != "success":
        said = [told.get("exception_message", "") for kind, told in entry["status"]["messages"] if "error" in kind]
        raise Unfinished(" ".join(said) or "The prompt was interrupted.")
    shown = [file for output in entry["outputs"].values() for file in output.get("images", [])]
    return {"films": [str(PurePath(file["subfolder"], file["filename"])) for file in shown]}


def _with_delivery(graph: dict[str, Any]) -> dict[str, Any]:
    """Say where results go besides. It is no part of what is bought: the same film with another address is the same."""
    places = {"webhook_url": WEBHOOK} if WEBHOOK else {}
    if BUCKET:
        from object_storage import upload_address

        places["upload_endpoint"] = upload_address(BUCKET, graph)
    return {
        name: {**node, "inputs": {**node["inputs"], **(places if node["class_type"] == "KlingGenerate" else {})}}
        for name, node in graph.items()
    }


def _wait_for(http: httpx.Client, prompt_id: str) -> dict[str, Any]:
    """Wait for the end of a prompt, whichever it is."""
    while True:
        queue = http.get("/queue").json()
        waiting = any(prompt_id in item for item in queue["queue_running"] + queue["queue_pending"])
        history = http.get(f"/history/{prompt_id}").json()
        if prompt_id in history:
            return dict(history[prompt_id])
        if not waiting:
            raise Unfinished("ComfyUI was restarted and has forgotten the prompt.")
        time.sleep(SECONDS_BETWEEN_LOOKS)


def main() -> None:
    """Work until stopped."""
    connection = Redis.from_url(REDIS)
    worker = Worker(
        [Queue(QUEUE, connection=connection)],
        connection=connection,
        maintenance_interval=SECONDS_TO_MISS_A_WORKER,
        job_monitoring_interval=SECONDS_TO_MISS_A_WORKER,
    )
    worker.work(logging_level="WARNING")


if __name__ == "__main__":
    main()
