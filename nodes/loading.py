"""The films of a purchase as the graph gets them: all written into the output folder, then decoded in turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import delivery, film, last_frame, tensors
from .runware.wire import WIRE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .film import FilmInfo
    from .runware.record import Film, Record
    from .runware.wire import Account

CHOICE = ("skip_first_frames", "select_every_nth", "frame_load_cap")
"""The widgets that choose frames, by the names that `film` has for them."""


@dataclass(frozen=True)
class Loaded:
    """One film as the graph gets it."""

    path: Path
    """In the output folder."""
    subfolder: str
    """Below the output folder, as ComfyUI's page asks for it."""
    frames: Any
    """IMAGE [frames, height, width, 3]; where none were wanted, what stops a node that uses it."""
    audio: Any
    """AUDIO, silent where the film has no sound."""
    last_frame: Any
    """IMAGE [1, height, width, 3]."""
    film: FilmInfo
    about: dict[str, Any]
    """What the sidecar says."""


def load(
    account: Account, record: Record, wanted: dict[str, Any], *, metadata: dict[str, str], cancelled: Callable[[], bool]
) -> list[Loaded]:
    """Write every film out first, then decode: what is paid lies complete on disk before a frame is touched.

    `wanted` are the node's widgets as they are used, `metadata` goes into every film; `cancelled` is asked before each
    frame. Takes seconds, and memory for every chosen frame. Raises StorageError or FilmError.
    """
    placed = delivery.deliver_all(
        WIRE.journal(account),
        record,
        prefix=wanted["filename_prefix"],
        metadata=metadata,
        about=lambda each, info: _about(record, each, info, account),
    )
    kept = None if account.rehearsal else account.folder / last_frame.FOLDER
    with film.turn(cancelled):
        _check_together([info for _, info, _ in placed], wanted)
        return [
            _decode(place, info, {**about, "file": str(place.path)}, wanted, cancelled, kept)
            for place, info, about in placed
        ]


def _decode(
    place: delivery.Delivered,
    info: FilmInfo,
    about: dict[str, Any],
    wanted: dict[str, Any],
    cancelled: Callable[[], bool],
    kept: Path | None,
) -> Loaded:
    """Read one film; `kept` is the folder of the last frames that were given before."""
    if wanted["load_frames"] == "none":
        frames, last = _not_loaded(), film.read_last_frame(place.path, cancelled=cancelled)
    else:
        choice = {name: wanted[name] for name in CHOICE}
        chosen, last = film.read_frames_and_last(place.path, **choice, cancelled=cancelled)
        frames = tensors.to_image(chosen)
    if kept is not None:
        last = last_frame.as_given_first(kept, about["sha256"], last)
    audio = tensors.to_audio(*film.read_audio(place.path, silent_seconds=info.seconds))
    return Loaded(place.path, place.subfolder, frames, audio, tensors.to_image(last), info, about)


def _check_together(infos: list[FilmInfo], wanted: dict[str, Any]) -> None:
    """Refuse frames that do not fit into memory together, before the first is decoded."""
    if wanted["load_frames"] == "none":
        return
    choice = {name: wanted[name] for name in CHOICE}
    frames = sum(len(film.select(info.frame_count, **choice)) for info in infos)
    film.ensure_memory(frames, infos[0].width, infos[0].height)


def _about(record: Record, each: Film, info: FilmInfo, account: Account) -> dict[str, Any]:
    """Say everything about one result: what was asked, what it is, what it cost."""
    return {
        "task_uuid": record.task_uuid,
        "video_uuid": each.video_uuid,
        "seed": each.seed,
        "nsfw": each.nsfw,
        "rehearsal": account.rehearsal,
        "planned_usd": float(record.price) if record.price else None,
        "billed_usd": 0.0 if account.rehearsal else record.billed,
        "cost_usd": 0.0 if account.rehearsal else each.cost,
        "model": record.model,
        "take": record.take,
        "number_results": record.number_results,
        "failures": record.failures,
        "width": info.width,
        "height": info.height,
        "frame_rate": float(info.frame_rate),
        "frame_count": info.frame_count,
        "seconds": info.seconds,
        "has_audio": info.has_audio,
        "size": each.size,
        "sha256": each.sha256,
        "request": record.request,
    }


def _not_loaded() -> Any:
    """Stand in for frames that were not wanted: who uses them is told so in a sentence."""
    from comfy_execution.graph_utils import ExecutionBlocker

    return ExecutionBlocker(
        "KlingFetchVideo, load_frames is 'none': no frames were loaded. Set it to 'all', or use video or last_frame."
    )
