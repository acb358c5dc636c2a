"""Everything a ComfyUI leaves behind, to be searched for what nobody may see."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kling.nodes.runware.ledger import PAGE_MOST

from .comfy import Comfy
from .comfyui import ROOT
from .run import Run

PURCHASES_MOST = 500
ROUTES = (
    *("history", "queue", "object_info", "settings", "userdata?dir=&recurse=true&full_info=true", "kling/prices"),
    *(f"kling/purchases?limit={PAGE_MOST}&offset={first}" for first in range(0, PURCHASES_MOST, PAGE_MOST)),
)


@dataclass
class Traces:
    """What was said and what was written. Taken while ComfyUI runs; its files may be searched when it has ended."""

    base: Path
    runs: dict[str, Run]
    said: dict[str, str] = field(default_factory=dict)
    """Sink -> all that was said there."""

    @classmethod
    def of(cls, comfy: Comfy, runs: dict[str, Run]) -> Traces:
        """Ask every route that tells something, and take what was told unasked."""
        said = {route: comfy.get(f"/{route}").text for route in ROUTES}
        said["log"] = comfy.log
        said["log over http"] = comfy.get("/internal/logs/raw").text
        said["websocket"] = "\n".join(str(run.events) for run in runs.values())
        said["terminal"] = listed(comfy.state)
        temporary = [path for path in (comfy.base / "temp").rglob("*") if path.is_file()]  # removed at its end
        said["temp"] = "\n".join(f"{path}\n{path.read_bytes().decode('latin-1')}" for path in temporary)
        return cls(comfy.base, runs, said)

    def sinks_with(self, canary: str) -> list[str]:
        """Name the sinks in which it stands."""
        assert len(self.said["log"]) > 1_000
        assert ".mp4" in self.said["temp"]
        assert "kling.status" in self.said["websocket"]
        assert self.said["terminal"].count('"task_uuid"') > 5
        assert self.said[ROUTES[-PURCHASES_MOST // PAGE_MOST]].count('"task_uuid"') > 5
        return [sink for sink, text in self.said.items() if canary in text]

    def files_with(self, canary: str, *, apart_from: Iterable[str] = ()) -> list[Path]:
        """List the files that hold it: films with their metadata, sidecars, journal and log."""
        files = [path for path in self.base.rglob("*") if path.is_file() and not path.is_symlink()]
        assert {path.suffix for path in files} >= {".mp4", ".json", ".log"}
        kept = [path for path in files if path.suffix not in apart_from]
        return [path for path in kept if canary.encode() in path.read_bytes()]


def listen(comfy: Comfy) -> None:
    """Ask for the pack's own events, as its page does; they are sent to nobody else."""
    comfy.get(f"/kling/prices?page={comfy.client_id}").raise_for_status()


def listed(state: Path) -> str:
    """Give all that is told of the purchases at a terminal."""
    command = [sys.executable, "-m", "nodes.runware", "--folder", str(state), "list", "-n", str(PURCHASES_MOST)]
    clean = {name: text for name, text in os.environ.items() if not name.startswith(("RUNWARE_", "KLING_"))}
    told = [
        subprocess.run([*command, *form], cwd=ROOT, env=clean, capture_output=True, text=True, check=True)
        for form in ([], ["--json"])
    ]
    return "".join(done.stdout + done.stderr for done in told)
