"""Canaries, and each way in which a purchase that carries them can go wrong."""

from __future__ import annotations

from urllib.parse import quote

from kling.nodes.runware.simulator import faults

KEY = "canary-key-7d1f0c55e2a94b38"
SIGNATURE = "canary-signature-93be21"
HOOK = f"https://hook.example/kling?signature={SIGNATURE}"
PROMPT = "canary-prompt-of-a-film-maker"
QUOTED = (HOOK, HOOK.partition("//")[2], "/" + HOOK.rpartition("/")[2], quote(HOOK, safe=""), HOOK.replace("/", "\\/"))
ECHO = f"Refused: Authorization: Bearer {KEY}, webhookURL {', '.join(QUOTED)}."
"""What a careless service, or a proxy in between, says back."""

STATUSES = (400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 422, 425, 429, 500, 502, 503, 504, 520, 529)
BODIES = ("json", "html", "foreign")


def ways():
    """Each way things can go wrong: (channel, fault)."""
    for channel in ("videoInference", "getResponse", "mediaStorage"):
        for kind in faults.NEVER_SENT + faults.LOST + faults.ANSWERS:
            yield channel, {"kind": kind, "text": ECHO}
        for status in STATUSES:
            for body in BODIES:
                yield channel, {"kind": "status", "status": status, "body": body, "text": ECHO}
    for status in STATUSES:
        yield "videoInference", {"kind": "status", "status": status, "accepted": True, "text": ECHO}
        yield "download", {"kind": "status", "status": status, "text": ECHO}
    for kind in faults.FATES:
        yield "job", {"kind": kind, "text": ECHO}
    for kind in faults.DOWNLOADS:
        yield "download", {"kind": kind, "text": HOOK if kind == "redirect" else ""}


WAYS = list(ways())
