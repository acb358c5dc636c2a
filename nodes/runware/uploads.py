"""Local films and sounds into mediaStorage, once for their content and key: nothing is bought by it.

What was uploaded is remembered in the journal's `media` folder, and forgotten when the service may no longer have it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from .errors import NOT_BILLED, NotSent, RateLimitError, ServerError, StorageError
from .files import write_whole
from .record import FILMLESS

if TYPE_CHECKING:
    from pathlib import Path

    from .journal import Journal
    from .media import Clip
    from .task import Purchase

KEPT_SECONDS = 25 * 86_400
"""The service deletes an uploaded file 30 days after its last use."""


async def bring(purchase: Purchase) -> dict[str, str]:
    """Bring every local film or sound of an order there, unless it is there; give each one's mediaUUID by its identity.

    Raises NotSent, ServerError, another ServiceError, or StorageError where a file is gone.
    """
    journal = purchase.journal
    media_uuids: dict[str, str] = {}
    for clip in purchase.wanted.clips:
        key_fingerprint = purchase.client.fingerprint(clip.sha256)
        media_uuid = find(journal, clip.sha256, key_fingerprint)
        if media_uuid is None:
            purchase.status.words = f"uploading a reference {clip.kind}"
            media_uuid = await _upload(purchase, clip)
            remember(journal, clip.sha256, media_uuid, key_fingerprint)
        note_use(journal, clip.sha256, purchase.record.task_uuid)
        media_uuids[clip.identity] = media_uuid
    return media_uuids


async def _upload(purchase: Purchase, clip: Clip) -> str:
    """Upload one file; repeating it is harmless, so faults of the network get three tries."""
    for wait in (1.0, 3.0, None):
        try:
            return await purchase.client.upload(purchase.journal.disk, clip.path)
        except (NotSent, ServerError, RateLimitError):
            if wait is None:
                raise
            await asyncio.sleep(wait)
        except OSError:
            raise StorageError(
                f"The reference {clip.kind} is no longer in ComfyUI's temp folder.",
                billing=NOT_BILLED,
                next_step="Run the graph again with a change before this node, or restart ComfyUI.",
            ) from None
    raise AssertionError


def find(journal: Journal, sha256: str, key_fingerprint: str) -> str | None:
    """Give the mediaUUID of a file uploaded lately with the same key, by its content's hash.

    None where the last purchase with it ended without a film, too: the service may have lost the file. One remembered
    by an earlier version does not say whose it is, and counts.
    """
    try:
        known = json.loads(journal.disk.read(_path(journal, sha256)))
        fresh = 0 <= journal.clock() - known["uploaded_at"] < KEPT_SECONDS
        is_ours = known.get("key_fingerprint", key_fingerprint) == key_fingerprint
        user = journal.get(known["used_by"]) if "used_by" in known else None
        doubtful = user is not None and user.state in FILMLESS and not (user.films or user.gone)
        return str(known["media_uuid"]) if fresh and is_ours and not doubtful else None
    except (OSError, ValueError, KeyError, TypeError, StorageError):
        return None


def remember(journal: Journal, sha256: str, media_uuid: str, key_fingerprint: str) -> None:
    """Remember an upload; that it cannot be remembered costs only another upload."""
    known = {"media_uuid": media_uuid, "uploaded_at": journal.clock(), "key_fingerprint": key_fingerprint}
    _put(journal, sha256, known)


def note_use(journal: Journal, sha256: str, task_uuid: str) -> None:
    """Write down which purchase names an upload, for how it ends says whether the file is still there."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        known = json.loads(journal.disk.read(_path(journal, sha256)))
        if known.get("used_by") != task_uuid:
            _put(journal, sha256, {**known, "used_by": task_uuid})


def forget(journal: Journal, sha256: str) -> None:
    """Upload a file anew next time: the service may no longer have it."""
    with contextlib.suppress(OSError):
        journal.disk.remove(_path(journal, sha256))


def _path(journal: Journal, sha256: str) -> Path:
    return journal.media / f"{sha256}.json"


def _put(journal: Journal, sha256: str, known: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        write_whole(journal.disk, _path(journal, sha256), [json.dumps(known).encode()])
