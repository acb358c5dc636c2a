"""How the service says no: one error object, with the HTTP status that goes with it."""

from __future__ import annotations

from typing import Any

DOCUMENTATION = "https://runware.ai/docs/models/klingai-video-3-0-standard"


class Refusal(Exception):
    """A task the service does not accept. Nothing is billed for it."""

    def __init__(self, code: str, message: str, *, status: int = 400, **fields: object) -> None:
        self.code = code
        self.status = status
        self.fields = fields
        super().__init__(message)

    def row(self, task: dict[str, Any]) -> dict[str, Any]:
        """Give the error object as it stands in `errors`: code, message, parameter, taskUUID ..."""
        row: dict[str, Any] = {"code": self.code, "message": str(self), **self.fields}
        row.setdefault("documentation", documentation(self.fields.get("parameter")))
        for name in ("taskType", "taskUUID"):
            if isinstance(task.get(name), str):
                row[name] = task[name]
        return row


def documentation(parameter: object) -> str:
    """Give the address of a parameter's description."""
    if isinstance(parameter, list):
        parameter = parameter[0] if parameter else None
    if not isinstance(parameter, str):
        return DOCUMENTATION
    return f"{DOCUMENTATION}#request-{parameter.replace('.', '-').lower()}"
