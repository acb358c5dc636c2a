"""Everything a ComfyUI leaves behind, to be searched for what nobody may see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .comfy import Comfy
from .run import Run

ROUTES = ("history", "queue", "object_info", "settings", "userdata?dir=&recurse=true&full_info=true")


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
        return cls(comfy.base, runs, said)

    def sinks_with(self, canary: str) -> list[str]:
        """Name the sinks in which it stands."""
        assert len(self.said["log"]) > 1_000
        return [sink for sink, text in self.said.items() if canary in text]

    def files_with(self, canary: str, *, apart_from: Iterable[str] = ()) -> list[Path]:
        """List the files that hold it: films with their metadata, sidecars, journal, temp and log."""
        files = [path for path in self.base.rglob("*") if path.is_file() and not path.is_symlink()]
        assert {path.suffix for path in files} >= {".mp4", ".json", ".log"}
        kept = [path for path in files if path.suffix not in apart_from]
        return [path for path in kept if canary.encode() in path.read_bytes()]
