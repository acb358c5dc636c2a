"""The pack under a private package name, so that its `nodes` never meets ComfyUI's own module of that name."""

from __future__ import annotations

import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_pack = types.ModuleType("kling")
_pack.__path__ = [str(ROOT)]
sys.modules.setdefault("kling", _pack)
