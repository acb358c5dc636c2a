"""KlingGenerate: one purchase, made at most once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from . import fanout, graph, host
from .compat import known
from .labels import label
from .runware import limits
from .runware.fields import ASPECT_RATIOS, MODES, ORIENTATIONS, WIDGETS, fault
from .runware.profiles import PROFILES, words
from .sockets import KlingElements, KlingFrameImages, KlingPrompt, KlingTask

if TYPE_CHECKING:
    from .runware import draft

NODE = "KlingGenerate"
DEFAULTS = {name: widget.default for name, widget in WIDGETS[NODE].items()}


class KlingGenerate(io.ComfyNode):
    """Buy a film, or find it again: the same request with the same take is the same purchase, for ever."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """List the inputs and outputs."""
        return io.Schema(
            node_id="KlingGenerate",  # in full, for programs that read the source, such as comfy-test
            display_name="Kling Generate",
            category="Kling",
            description="Makes a film with Kling VIDEO 3.0 at Runware. Every film is paid once: the same inputs with "
            "the same take give the film that was bought, also after a restart. Connect task to KlingFetchVideo.",
            inputs=[*_sockets(), *_film_widgets(), *_purchase_widgets(), *_file_widgets()],
            outputs=[
                KlingTask.Output(
                    "task", display_name="task", tooltip="The purchase; KlingFetchVideo gives its film and sound."
                ),
                io.String.Output(
                    "task_uuid",
                    display_name="task_uuid",
                    tooltip="The purchase's UUID. KlingFetchVideo collects it by this, also on another day, for free.",
                ),
                io.Float.Output("cost", display_name="cost", tooltip="USD as billed, all results; 0 in a rehearsal."),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
            **known(
                io.Schema,
                search_aliases=[
                    "kling", "runware", "text to video", "image to video", "first last frame", "storyboard",
                    "motion control",
                ],
            ),
        )  # fmt: skip

    @classmethod
    def validate_inputs(
        cls,
        reference_video_source: str | None = None,
        ttl: int | None = None,
        webhook_url: str | None = None,
        upload_endpoint: str | None = None,
    ) -> bool | str:
        """Judge what is typed in and ComfyUI cannot judge itself; what comes through a link is None here.

        ComfyUI repeats the answer for every parameter and drops its own check of it, so there are no more than needed.
        """
        widgets = {
            "reference_video_source": reference_video_source,
            "ttl": ttl,
            "webhook_url": webhook_url,
            "upload_endpoint": upload_endpoint,
        }
        return fault(NODE, widgets) or True

    @classmethod
    async def execute(
        cls,
        prompt: draft.Prompt,
        frame_images: draft.FrameImages | None = None,
        elements: draft.Elements | None = None,
        reference_image: Any = None,
        reference_video: Any = None,
        **widgets: Any,
    ) -> io.NodeOutput:
        """Check everything, then buy or find the purchase, and wait until its films are here.

        Spends the price that the node shows, once for this request and take. Raises KlingError.
        """
        from . import buying
        from .runware import draft

        node_id = cls.hidden.unique_id
        connected = buying.Connected(prompt, frame_images, elements, reference_image, reference_video)
        async with fanout.item() as item:
            settings = draft.settings(node=label(NODE, node_id), **widgets)
            outputs = host.wanted_outputs()
            graph.check(cls.hidden.prompt or {}, outputs, collects=node_id, folder=host.output_folder())
            task, cost = await buying.buy(connected, settings, item, node_id)
        return io.NodeOutput(task, task.task_uuid, cost)


def _sockets() -> list[Any]:
    return [
        KlingPrompt.Input("prompt", tooltip="A KlingPrompt, or the last one of a chain of shots."),
        KlingFrameImages.Input(
            "frame_images",
            optional=True,
            tooltip="First and last frame. The film then has the picture's shape, not aspect_ratio.",
        ),
        KlingElements.Input(
            "elements", optional=True, tooltip=f"Up to {limits.ELEMENTS_MAX} characters or things; needs frame_images."
        ),
        io.Image.Input(
            "reference_image",
            optional=True,
            tooltip="Motion control: the figure that moves as in the reference video. One picture.",
        ),
        io.Video.Input(
            "reference_video",
            optional=True,
            tooltip="Motion control: the film whose motion is taken, "
            f"{limits.CLIP_SECONDS_MIN} to {limits.CLIP_SECONDS_MAX} s ({limits.CLIP_SECONDS_BY_IMAGE_MAX} s if "
            "character_orientation is image). Uploaded once.",
        ),
        io.String.Input(
            "reference_video_source",
            default=DEFAULTS["reference_video_source"],
            tooltip="Instead of reference_video: a UUID or https URL known to Runware.",
        ),
    ]


def _film_widgets() -> list[Any]:
    return [
        io.Combo.Input("model", options=list(PROFILES), default=DEFAULTS["model"], tooltip=words.of_models()),
        io.Combo.Input(
            "aspect_ratio",
            options=list(ASPECT_RATIOS),
            default=DEFAULTS["aspect_ratio"],
            tooltip=words.of_sizes(),
        ),
        io.Int.Input(
            "duration",
            default=DEFAULTS["duration"],
            min=limits.DURATION_MIN,
            max=limits.DURATION_MAX,
            tooltip=f"Seconds of film, {limits.DURATION_MIN} to {limits.DURATION_MAX}. "
            "Shots with seconds of their own set it instead.",
        ),
        io.Boolean.Input(
            "sound",
            default=DEFAULTS["sound"],
            tooltip=words.of_sound(),
        ),
        io.Int.Input(
            "number_results",
            default=DEFAULTS["number_results"],
            min=limits.RESULTS_MIN,
            max=limits.RESULTS_MAX,
            tooltip="Films from one purchase, each with a seed of its own. Each is paid for, and all of them come out.",
        ),
    ]


def _purchase_widgets() -> list[Any]:
    return [
        io.Int.Input(
            "take",
            default=DEFAULTS["take"],
            min=1,
            max=limits.INTEGER_MAX,
            control_after_generate=False,
            tooltip="The purchase's name: the same inputs with the same take are never bought twice. "
            "Raise it by one to buy another film.",
        ),
        io.Combo.Input(
            "mode",
            options=list(MODES),
            default=DEFAULTS["mode"],
            tooltip="generate buys. rehearse runs the whole graph with an animatic in the film's place: no key, "
            "no network, no cost.",
        ),
        io.Float.Input(
            "max_cost",
            default=DEFAULTS["max_cost"],
            min=0.0,
            max=float(limits.COST_MAX),
            step=0.01,
            tooltip="USD; a purchase above it is refused before anything is sent. 0: no limit.",
        ),
        io.Int.Input(
            "timeout_minutes",
            default=DEFAULTS["timeout_minutes"],
            min=1,
            max=limits.TIMEOUT_MAX,
            tooltip="Minutes this node waits. The purchase itself goes on after it and can be collected.",
        ),
    ]


def _file_widgets() -> list[Any]:
    return [
        io.Combo.Input(
            "character_orientation",
            options=list(ORIENTATIONS),
            default=DEFAULTS["character_orientation"],
            tooltip="Motion control only: whether the figure faces as in the reference image or as in the video.",
        ),
        io.Boolean.Input(
            "keep_original_sound",
            default=DEFAULTS["keep_original_sound"],
            tooltip="Motion control only: keep the reference video's sound.",
        ),
        io.Combo.Input(
            "output_format",
            options=list(limits.OUTPUT_FORMATS),
            default=DEFAULTS["output_format"],
            tooltip="Container of the film. MP4 plays everywhere.",
        ),
        io.Int.Input(
            "output_quality",
            default=DEFAULTS["output_quality"],
            min=limits.QUALITY_MIN,
            max=limits.QUALITY_MAX,
            tooltip=f"Quality of the compression, {limits.QUALITY_MIN} to {limits.QUALITY_MAX}. "
            "Higher is better and larger.",
        ),
        io.Combo.Input(
            "safety",
            options=list(limits.SAFETY_MODES),
            default=DEFAULTS["safety"],
            tooltip="Content check by Runware: none, fast (key frames), full (all frames).",
        ),
        io.Int.Input(
            "ttl",
            default=DEFAULTS["ttl"],
            min=0,
            max=limits.INTEGER_MAX,
            tooltip=f"Seconds that Runware keeps the film: 0 (its own choice) or at least {limits.TTL_MIN}. "
            "It is fetched at once anyway.",
        ),
        io.String.Input(
            "webhook_url",
            default=DEFAULTS["webhook_url"],
            tooltip="https address that Runware calls for each result. "
            "$KLING_NAME reads it from that environment variable.",
        ),
        io.String.Input(
            "upload_endpoint",
            default=DEFAULTS["upload_endpoint"],
            tooltip="https address to which Runware also PUTs the film. $KLING_NAME reads it from that environment "
            "variable, so that a signed URL stays out of the workflow.",
        ),
    ]
