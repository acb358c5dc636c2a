"""The four kinds of value that travel between Kling nodes; each is frozen."""

from __future__ import annotations

from comfy_api.latest import io

KlingPrompt = io.Custom("KLING_PROMPT")
"""`draft.Prompt`: a chain of prompts."""

KlingFrameImages = io.Custom("KLING_FRAME_IMAGES")
"""`draft.FrameImages`: the pictures a film begins and ends with."""

KlingElements = io.Custom("KLING_ELEMENTS")
"""`draft.Elements`: a chain of elements."""

KlingTask = io.Custom("KLING_TASK")
"""A purchase that can be collected."""
