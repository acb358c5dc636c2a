"""KlingPrompt: what is seen, in one shot or in a chain of shots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from .compat import known
from .labels import label
from .runware.fields import SHOT_TYPES, WIDGETS, fault
from .runware.limits import DURATION_MAX, DURATION_MIN, PROMPT_MAX, PROMPT_MIN, SHOTS_MAX
from .sockets import KlingPrompt as PromptSocket

if TYPE_CHECKING:
    from .runware import draft

DEFAULTS = {name: widget.default for name, widget in WIDGETS["KlingPrompt"].items()}


class KlingPrompt(io.ComfyNode):
    """Write what the film shows; chain several for a film of several shots."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """List the inputs and outputs."""
        return io.Schema(
            node_id="KlingPrompt",
            display_name="Kling Prompt",
            category="Kling",
            description="Says what the film shows. Chain several, each with its shot_seconds, to make several shots.",
            inputs=[
                io.String.Input(
                    "positive_prompt",
                    multiline=True,
                    default=DEFAULTS["positive_prompt"],
                    dynamic_prompts=False,
                    tooltip=f"What is seen and heard, {PROMPT_MIN} to {PROMPT_MAX} characters. "
                    "@ and the id of a KlingElement names that element.",
                ),
                io.String.Input(
                    "negative_prompt",
                    multiline=True,
                    default=DEFAULTS["negative_prompt"],
                    dynamic_prompts=False,
                    tooltip=f"What must not appear, {PROMPT_MIN} to {PROMPT_MAX} characters, or empty. "
                    "Those of a chain are sent as one.",
                ),
                io.Int.Input(
                    "shot_seconds",
                    default=DEFAULTS["shot_seconds"],
                    min=0,
                    max=DURATION_MAX,
                    tooltip="Seconds of this shot. 0: the prompt describes the whole film. The shots of a chain "
                    f"set the film's duration, {DURATION_MIN} to {DURATION_MAX} s together.",
                ),
                io.Combo.Input(
                    "shot_type",
                    options=list(SHOT_TYPES),
                    default=DEFAULTS["shot_type"],
                    tooltip="single: one shot, or the shots of this chain. intelligence: the model cuts the film into "
                    "shots by itself; excludes your own shots.",
                ),
                PromptSocket.Input(
                    "previous",
                    optional=True,
                    tooltip=f"The shot before this one. A film has at most {SHOTS_MAX} shots.",
                ),
            ],
            outputs=[
                PromptSocket.Output(
                    "prompt",
                    display_name="prompt",
                    tooltip="To KlingGenerate, or to previous of the KlingPrompt with the next shot.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
            **known(
                io.Schema,
                search_aliases=["kling text", "kling storyboard", "kling multi shot", "runware prompt"],
            ),
        )

    @classmethod
    def validate_inputs(cls, positive_prompt: str | None = None, negative_prompt: str | None = None) -> bool | str:
        """Judge what is typed in and ComfyUI cannot judge itself; what comes through a link is None here."""
        return fault("KlingPrompt", {"positive_prompt": positive_prompt, "negative_prompt": negative_prompt}) or True

    @classmethod
    async def execute(cls, previous: draft.Prompt | None = None, **widgets: Any) -> io.NodeOutput:
        """Add this prompt to the chain. Spends nothing. Raises InputError."""
        from .runware import draft

        node = label("KlingPrompt", cls.hidden.unique_id)
        return io.NodeOutput(draft.prompt(node=node, previous=previous, **widgets))
