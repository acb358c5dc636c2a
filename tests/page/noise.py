"""What the page says to its console without this pack, too: tried with an empty pack in its place."""

from __future__ import annotations

import re

NOISE = (
    r"user\.css|favicon\.ico",
    r"Content Security Policy|violates the document's",
    r"/api/jobs|Jobs API|Failed to fetch (jobs|queue)|JobsApiError",  # asked by newer pages, known to newer ComfyUIs
    r"legacy queue/history menu is deprecated|open_maskeditor is deprecated|input\.link is deprecated",
    r"Invalid layout total size",
    r"reading 'id'\).*onChange",  # 1.32, at its start, when Vue nodes are on or off
    r"canvas is null",  # 1.32, of words that arrive while it starts
    r"api\.comfy\.org|huggingface\.co",
    r"/templates/index|core workflow templates|Localized templates",  # comfyui-workflow-templates is not installed here
)


def ours(lines: list[str]) -> list[str]:
    """Keep the errors and warnings that are not the page's own."""
    bad = [line for line in lines if line.startswith(("error", "warning"))]
    return [line for line in bad if not any(re.search(noise, line, re.DOTALL) for noise in NOISE)]
