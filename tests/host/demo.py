"""`make demo`: one example workflow, played in rehearsal by a real ComfyUI. Costs nothing and needs no key."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .api_form import api_form
from .comfy import Comfy
from .comfyui import ROOT, HostError
from .run import PromptRefused, Run

EXAMPLES = ROOT / "example_workflows"
EXAMPLE = EXAMPLES / "first and last frame.json"
OUTPUT = ROOT / "output"
SECONDS_TO_REHEARSE = 300.0


def main() -> None:
    """Start ComfyUI, queue the workflow, say where the film is, stop ComfyUI."""
    with tempfile.TemporaryDirectory(prefix="kling-demo-") as base:
        comfy = Comfy(Path(base), args=["--output-directory", str(OUTPUT)])
        print(f"Starting ComfyUI ({comfy.host.code}) ...", flush=True)
        try:
            with comfy:
                print(f'Playing "{EXAMPLE.stem}" in rehearsal: no key, no network, no cost ...', flush=True)
                began = time.monotonic()
                run = rehearse(comfy)
                tell(run, time.monotonic() - began)
        except (HostError, PromptRefused, TimeoutError) as error:
            sys.exit(f"make demo: {error}")


def rehearse(comfy: Comfy) -> Run:
    """Queue the example as the page does, every generation of it in rehearsal, and wait for its end."""
    workflow = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    provide_pictures(comfy)
    prompt = rehearsed(api_form(workflow, comfy.object_info))
    return comfy.run(prompt, workflow=workflow, timeout=SECONDS_TO_REHEARSE)


def rehearsed(prompt: dict[str, Any]) -> dict[str, Any]:
    """Set every generation of a prompt to rehearsal."""
    for node in prompt.values():
        if node["class_type"] == "KlingGenerate":
            node["inputs"]["mode"] = "rehearse"
    return prompt


def provide_pictures(comfy: Comfy) -> None:
    """Put the files that example workflows load into the input folder, where a user would upload them."""
    for file in EXAMPLES.glob("input/*"):
        shutil.copy(file, comfy.base / "input")


def tell(run: Run, seconds: float) -> None:
    """Print where the films are and what they are, or why there are none."""
    if run.status != "success":
        sys.exit(f"make demo: {run.error.get('exception_message', run.status)}")
    print(f"Done in {seconds:.1f} s.")
    for shown in (file for output in run.outputs.values() for file in output.get("images", [])):
        film = OUTPUT / shown["subfolder"] / shown["filename"]
        sidecar = film.with_suffix(".json")
        if shown["type"] == "output" and sidecar.is_file():
            print(describe(film, json.loads(sidecar.read_text(encoding="utf-8"))))


def describe(film: Path, about: dict[str, Any]) -> str:
    """Say of one film what a buyer asks: where, how large, how long, how much."""
    megabytes = film.stat().st_size / 1e6
    return (
        f"\n  film    {film}"
        f"\n  size    {about['width']} x {about['height']} pixels, {megabytes:.1f} MB"
        f"\n  length  {about['seconds']:.1f} s, {about['frame_count']} frames at {about['frame_rate']:g} per second"
        f"\n  cost    nothing; bought, it would have cost ${about['planned_usd']:.2f}"
    )


if __name__ == "__main__":
    main()
