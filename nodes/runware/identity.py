"""Which purchase a request is: the same graph with the same take has the same task UUID, on any machine, for ever.

Every function here is frozen by golden tests: a change would buy again what is already bought.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from typing import TYPE_CHECKING, Any

from .media import Clip, Picture, Source
from .request import task

if TYPE_CHECKING:
    from .request import VideoInference

SCHEMA = "kling-request-1"

DELIVERY = ("deliveryMethod", "includeCost", "webhookURL", "uploadEndpoint", "ttl")
"""How and for how long results are handed over: no part of what the film is."""


def canonical(request: VideoInference) -> bytes:
    """Everything the film depends on, as sorted compact JSON.

    Pictures and clips stand for their contents, not for their encoding. What is left at its default is absent, so a
    parameter added later changes no identity until it is used.
    """
    fields = {key: value for key, value in task(request).items() if key not in DELIVERY}
    return json.dumps(
        {"schema": SCHEMA, "task": fields},
        default=_identity,
        ensure_ascii=False,
        separators=(",", ":"),
        sort_keys=True,
    ).encode("utf-8")


def _identity(value: Any) -> str:
    if not isinstance(value, (Source, Picture, Clip)):
        raise TypeError(f"{type(value).__name__} has no identity")
    return value.identity


def intent(canonical: bytes, take: int) -> str:
    """What the user means to buy, in hex: this request, for the `take`-th time."""
    return hashlib.sha256(b"kling-intent-1\n%d\n" % take + canonical).hexdigest()


def task_uuid(api_key: str, canonical: bytes, take: int, attempt: int) -> str:
    """The name of one try at an intent: shaped like a v4 UUID, and a secret of the account.

    Without the key nobody can compute it, so the same workflow in other hands never meets this account's tasks.
    """
    secret = hmac.digest(api_key.encode("utf-8"), b"kling-task-uuid-1", "sha256")
    name = f"{intent(canonical, take)}:{attempt}".encode("ascii")
    return str(uuid.UUID(bytes=hmac.digest(secret, name, "sha256")[:16], version=4))


def key_fingerprint(api_key: str, salt: bytes) -> str:
    """Tell two keys apart without keeping either: 16 hex digits, meaningless without the salt."""
    return hmac.new(salt, b"kling-key-1\n" + api_key.encode("utf-8"), "sha256").hexdigest()[:16]
