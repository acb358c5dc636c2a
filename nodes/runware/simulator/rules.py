"""The documented rules of `videoInference` for Kling VIDEO 3.0, on a raw JSON task.

A second, independent reading of the model's page: nothing here comes from the client's request models.
The order is the real service's: unknown names, missing parameters, prompts, values, combinations.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .media import Kind, MediaStore
from .models import DEFAULT_DURATION, MODELS, Model
from .refusal import Refusal
from .values import array, boolean, integer, invalid, missing, names, one_of, text, uri, uuid_v4

TASK = (
    "taskType", "taskUUID", "outputType", "outputFormat", "outputQuality", "webhookURL", "deliveryMethod",
    "uploadEndpoint", "safety", "ttl", "includeCost", "numberResults", "inputs", "model", "positivePrompt",
    "negativePrompt", "width", "height", "duration", "providerSettings",
)  # fmt: skip
INPUTS = ("referenceImages", "frameImages", "referenceVideos", "elements")
ELEMENT = ("id", "description", "frontalImage", "images", "videos", "voices", "tags")
ELEMENT_MEDIA: tuple[tuple[str, Kind], ...] = (("images", "image"), ("videos", "video"), ("voices", "audio"))
KLINGAI = ("characterOrientation", "keepOriginalSound", "multiPrompt", "shotType", "sound")
TAGS = ("Hottest", "Character", "Animal", "Item", "Costume", "Scene", "Effect", "Others")
FRAMES = {"first": "first", 0: "first", "0": "first", "last": "last", -1: "last", "-1": "last"}
TAG_IN_PROMPT = re.compile(r"<<<\s*element_(\d+)\s*>>>")


def check(task: dict[str, Any], media: MediaStore) -> None:
    """Raise `Refusal` for the first documented rule that a task breaks."""
    model = _model(task)
    _names(task)
    _required(task)
    _prompts(task)
    _values(task)
    _media(task, media)
    _combinations(task, model)


def inputs_of(task: dict[str, Any]) -> dict[str, Any]:
    """Give the task's `inputs`, empty if there are none."""
    inputs: dict[str, Any] = task.get("inputs", {})
    return inputs


def settings_of(task: dict[str, Any]) -> dict[str, Any]:
    """Give the task's `providerSettings.klingai`, empty if there are none."""
    settings: dict[str, Any] = task.get("providerSettings", {}).get("klingai", {})
    return settings


def _model(task: dict[str, Any]) -> Model:
    if "model" not in task:
        raise missing("model")
    model = MODELS.get(text("model", task["model"]))
    if model is None:
        message = f"Invalid value for 'model' parameter. The model '{task['model'][:80]}' was not found."
        raise Refusal("invalidModel", message, parameter="model", type="string", allowedValues=list(MODELS))
    return model


def _names(task: dict[str, Any]) -> None:
    names("", task, TASK)
    if "safety" in task:
        names("safety", task["safety"], ("checkContent", "mode"))
    if "inputs" in task:
        _input_names(names("inputs", task["inputs"], INPUTS))
    if "providerSettings" in task:
        provider = names("providerSettings", task["providerSettings"], ("klingai",))
        klingai = names("providerSettings.klingai", provider.get("klingai", {}), KLINGAI)
        path = "providerSettings.klingai.multiPrompt"
        for segment in array(path, klingai.get("multiPrompt", []), 0, None):
            names(path, segment, ("prompt", "duration"))


def _input_names(inputs: dict[str, Any]) -> None:
    for frame in array("inputs.frameImages", inputs.get("frameImages", []), 0, None):
        if not isinstance(frame, str):
            names("inputs.frameImages", frame, ("image", "frame"))
    for element in array("inputs.elements", inputs.get("elements", []), 0, None):
        names("inputs.elements", element, ELEMENT)


def _required(task: dict[str, Any]) -> None:
    if "taskUUID" not in task:
        raise missing("taskUUID")
    shots = settings_of(task).get("multiPrompt")
    if "positivePrompt" not in task and not shots:
        raise missing("positivePrompt")
    inputs = inputs_of(task)
    sized = "width" in task or "height" in task
    if not sized and "frameImages" not in inputs and "referenceVideos" not in inputs:
        raise missing("width", "height")
    if sized and not ("width" in task and "height" in task):
        raise missing("height" if "width" in task else "width")
    for name in ("prompt", "duration"):
        if any(name not in segment for segment in shots or ()):
            raise missing(f"providerSettings.klingai.multiPrompt.{name}")
    if any(isinstance(frame, dict) and "image" not in frame for frame in inputs.get("frameImages", ())):
        raise missing("inputs.frameImages.image")
    if any("id" not in element for element in inputs.get("elements", ())):
        raise missing("inputs.elements.id")


def _prompts(task: dict[str, Any]) -> None:
    for name in ("positivePrompt", "negativePrompt"):
        if name in task:
            text(name, task[name], 2, 2500)
    for segment in settings_of(task).get("multiPrompt", ()):
        text("providerSettings.klingai.multiPrompt.prompt", segment["prompt"], 2, 2500)


def _values(task: dict[str, Any]) -> None:
    checks: dict[str, Callable[[str, Any], object]] = {
        "taskUUID": uuid_v4,
        "outputType": lambda path, value: one_of(path, value, ("URL",)),
        "outputFormat": lambda path, value: one_of(path, value, ("MP4", "WEBM", "MOV")),
        "outputQuality": lambda path, value: integer(path, value, 20, 99),
        "webhookURL": uri,
        "uploadEndpoint": uri,
        "deliveryMethod": lambda path, value: one_of(path, value, ("async",)),
        "ttl": lambda path, value: integer(path, value, 60),
        "includeCost": boolean,
        "numberResults": lambda path, value: integer(path, value, 1, 4),
        "width": lambda path, value: integer(path, value, 1),
        "height": lambda path, value: integer(path, value, 1),
        "duration": lambda path, value: integer(path, value, 3, 15),
        "safety.checkContent": boolean,
        "safety.mode": lambda path, value: one_of(path, value, ("none", "fast", "full")),
    }
    flat = {**task, **{f"safety.{name}": value for name, value in task.get("safety", {}).items()}}
    for path, look in checks.items():
        if path in flat:
            look(path, flat[path])
    _settings(task)
    _elements(inputs_of(task).get("elements"))


def _settings(task: dict[str, Any]) -> None:
    settings, path = settings_of(task), "providerSettings.klingai"
    for name in ("keepOriginalSound", "sound"):
        if name in settings:
            boolean(f"{path}.{name}", settings[name])
    if "characterOrientation" in settings:
        one_of(f"{path}.characterOrientation", settings["characterOrientation"], ("image", "video"))
    if "shotType" in settings:
        one_of(f"{path}.shotType", settings["shotType"], ("intelligence",))
    if "multiPrompt" in settings:
        path += ".multiPrompt"
        shots = array(path, settings["multiPrompt"], 1, 6)
        total = sum(integer(f"{path}.duration", shot["duration"], 1) for shot in shots)
        duration = task.get("duration", DEFAULT_DURATION)
        if total != duration:
            rule = f"The sum of all segment durations ({total}) must equal the root-level duration ({duration})."
            raise invalid(path, rule, "array")


def _elements(elements: list[dict[str, Any]] | None) -> None:
    if elements is None:
        return
    path = "inputs.elements"
    array(path, elements, 1, 3)
    for element in elements:
        _element(path, element)
    ids = [element["id"] for element in elements]
    if len(set(ids)) < len(ids):
        message = f"Every element needs an id of its own, got {ids}."
        raise Refusal("duplicateElementsId", message, parameter=f"{path}.id", type="string")


def _element(path: str, element: dict[str, Any]) -> None:
    # The real service reports an id that is too long as a type error, not as a length error.
    if not isinstance(element["id"], str) or not 1 <= len(element["id"]) <= 20:  # noqa: PLR2004
        raise invalid(f"{path}.id", "The value must be a string of 1 to 20 characters.", "string")
    if "description" in element:
        text(f"{path}.description", element["description"])
    for tag in array(f"{path}.tags", element.get("tags", []), 0, None):
        one_of(f"{path}.tags", tag, TAGS)
    for name, most in (("images", 3), ("videos", None), ("voices", None)):
        if name in element:
            array(f"{path}.{name}", element[name], 1, most)
    pictures = "frontalImage" in element or "images" in element
    if "images" in element and "frontalImage" not in element:
        raise missing(f"{path}.frontalImage")
    if "videos" in element and (pictures or "voices" in element):
        raise _clash(f"{path}.videos", "'videos' cannot be combined with images or voices.")
    if "voices" in element and not pictures:
        raise _clash(f"{path}.voices", "'voices' can only be combined with images.")


def _media(task: dict[str, Any], media: MediaStore) -> None:
    inputs = inputs_of(task)
    _frames(inputs.get("frameImages"), media)
    references: tuple[tuple[str, Kind], ...] = (("referenceImages", "image"), ("referenceVideos", "video"))
    for name, kind in references:
        if name in inputs:
            for value in array(f"inputs.{name}", inputs[name], 1, None):
                media.check(f"inputs.{name}", value, kind, inline=kind == "image")
    for element in inputs.get("elements", ()):
        path = "inputs.elements"
        if "frontalImage" in element:
            media.check(f"{path}.frontalImage", element["frontalImage"], "image", inline=True)
        for name, kind in ELEMENT_MEDIA:
            for value in element.get(name, ()):
                media.check(f"{path}.{name}", value, kind, inline=kind == "image")


def _frames(frames: list[Any] | None, media: MediaStore) -> None:
    if frames is None:
        return
    path = "inputs.frameImages"
    array(path, frames, 1, 2)
    places = []
    for index, frame in enumerate(frames):
        labelled = isinstance(frame, dict)
        media.check(f"{path}.image", frame["image"] if labelled else frame, "image", inline=True)
        if labelled and "frame" in frame:
            one_of(f"{path}.frame", frame["frame"], tuple(FRAMES))
            places.append(FRAMES[frame["frame"]])
        else:
            places.append(("first", "last")[index])
    if len(set(places)) < len(places):
        raise invalid(f"{path}.frame", f"Two images claim the {places[0]} frame.", "object")


def _combinations(task: dict[str, Any], model: Model) -> None:
    inputs, settings = inputs_of(task), settings_of(task)
    moving = "referenceVideos" in inputs
    if "width" in task and (task["width"], task["height"]) not in model.sizes:
        raise _unsupported_size(model)
    if "width" in task and "frameImages" in inputs and not moving:
        parameters = ["inputs.frameImages", "width", "height"]
        raise _clash(parameters, "Provide exactly one of: 'inputs.frameImages' or 'width/height'.")
    if "elements" in inputs and "frameImages" not in inputs and not moving:
        raise missing("inputs.frameImages")
    if "referenceImages" in inputs and not moving:
        raise missing("inputs.referenceVideos")
    if ("keepOriginalSound" in settings or "characterOrientation" in settings) and not moving:
        raise missing("inputs.referenceVideos")
    if "multiPrompt" in settings and "shotType" in settings:
        raise _clash("providerSettings.klingai.shotType", "'shotType' cannot be combined with 'multiPrompt'.")
    if moving:
        _motion_control(inputs, settings, model)
    _tags_in_prompts(task)


def _motion_control(inputs: dict[str, Any], settings: dict[str, Any], model: Model) -> None:
    if not model.motion_control:
        names("inputs", inputs, [name for name in INPUTS if not name.startswith("reference")])
    array("inputs.referenceVideos", inputs["referenceVideos"], 1, 1)
    if "characterOrientation" not in settings:
        raise missing("providerSettings.klingai.characterOrientation")
    if settings.get("sound"):
        rule = "'sound' cannot be used when 'inputs.referenceVideos' is provided."
        raise _clash("providerSettings.klingai.sound", rule)
    if "referenceImages" not in inputs and "frameImages" not in inputs:
        raise missing("inputs.referenceImages")
    if "multiPrompt" in settings or "shotType" in settings:
        rule = "Shots cannot be used when 'inputs.referenceVideos' is provided."
        raise _clash("providerSettings.klingai.multiPrompt", rule)


def _tags_in_prompts(task: dict[str, Any]) -> None:
    count = len(inputs_of(task).get("elements", ()))
    prompts = [("positivePrompt", task.get("positivePrompt", ""))]
    path = "providerSettings.klingai.multiPrompt.prompt"
    prompts += [(path, shot["prompt"]) for shot in settings_of(task).get("multiPrompt", ())]
    for name, prompt in prompts:
        for number in TAG_IN_PROMPT.findall(prompt):
            if not 1 <= int(number) <= count:
                raise invalid(name, f"<<<element_{number}>>> names none of the {count} element(s).", "string")


def _clash(parameter: str | list[str], rule: str) -> Refusal:
    return Refusal("incompatibleParameters", rule, parameter=parameter)


def _unsupported_size(model: Model) -> Refusal:
    sizes = [f"{width}x{height}" for width, height in model.sizes]
    listed = ", ".join(f"'{size}'" for size in sizes)
    return Refusal(
        "unsupportedDimensions",
        "Unsupported use of width/height parameters. The specified dimensions are not supported for the "
        f"{model.name} model. Supported values are: {listed}.",
        parameter=["width", "height"],
        allowedValues=sizes,
    )
