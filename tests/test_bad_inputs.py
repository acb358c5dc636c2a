"""Wrong inputs, one per row, judged as KlingGenerate judges a graph before it spends: by node, field and rule."""

import json
import math
import re
import socket

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from kling.nodes import graph
from kling.nodes.runware import draft, request
from kling.nodes.runware.assemble import assemble
from kling.nodes.runware.errors import shorten
from kling.nodes.runware.fields import WIDGETS, fault
from kling.nodes.runware.simulator.media import MediaStore
from kling.nodes.runware.simulator.rules import check

UUID = "236ba4b9-e789-4ff4-8fa9-7ca57ab56210"
LINK = ["media", 0]
MOTION = {"reference_image": LINK, "reference_video": LINK, "character_orientation": "video"}
ELEMENT = {"element_id": "ada", "frontal_image": LINK, "images": LINK}
NOT_WHOLE = [True, False, None, "5", "", 5.0, 5.5, math.nan, math.inf, [5], {"value": 5}]
NOT_TEXT = [None, 5, True, 1.5, {"text": "a film"}]
NOT_SWITCH = [None, 0, 1, "true", "", 1.0]
NUL, SURROGATE = "a\0film", "a \ud83c film"


def made(*, prompts=None, frames=None, elements=None, generate=None, fetch=None):
    """A graph of all five kinds of nodes; each argument says what differs from one that is right."""
    nodes = {"media": {"class_type": "LoadImage", "inputs": {}}}
    chains = {"prompt": "KlingPrompt", "element": "KlingElement"}
    ends = {}
    for name, items in (("prompt", prompts or [{}]), ("element", elements or [])):
        for number, inputs in enumerate(items, start=1):
            default = {"positive_prompt": "a film"} if name == "prompt" else {}
            nodes[f"{name} {number}"] = {"class_type": chains[name], "inputs": {**default, **inputs}}
            if number > 1:
                nodes[f"{name} {number}"]["inputs"]["previous"] = [f"{name} {number - 1}", 0]
            ends[name] = [f"{name} {number}", 0]
    inputs = {"prompt": ends["prompt"], **(generate or {})}
    if "element" in ends:
        inputs["elements"] = ends["element"]
    if frames is not None:
        nodes["frames"] = {"class_type": "KlingFrameImages", "inputs": frames}
        inputs["frame_images"] = ["frames", 0]
    nodes["generate"] = {"class_type": "KlingGenerate", "inputs": inputs}
    nodes["fetch"] = {"class_type": "KlingFetchVideo", "inputs": {"task": ["generate", 0], **(fetch or {})}}
    return nodes


def alone(kind, field, value):
    """The graph in which one widget of one node has a wrong value."""
    if kind == "KlingPrompt":
        return made(prompts=[{field: value}]), "prompt 1"
    if kind == "KlingFrameImages":
        return made(frames={"first_frame": LINK, field: value}), "frames"
    if kind == "KlingElement":
        right = {"element_id": "ada"} if field.endswith(("_source", "_sources")) else ELEMENT
        return made(frames={"first_frame": LINK}, elements=[{**right, field: value}]), "element 1"
    if kind == "KlingGenerate":
        return made(generate={field: value}), "generate"
    return made(fetch={field: value}), "fetch"


def each(kind, field, values, rule):
    return [(kind, field, value, rule) for value in values]


NUMBERS = [
    ("KlingPrompt", "shot_seconds", [-1, 16, 10**9], "from 0 to 15 seconds"),
    ("KlingGenerate", "duration", [2, 16, 0, -5, 10**9], "from 3 to 15 seconds"),
    ("KlingGenerate", "number_results", [0, 5, -1], "from 1 to 4 films"),
    ("KlingGenerate", "take", [0, -1, 2**31], "from 1 to 2147483647"),
    ("KlingGenerate", "timeout_minutes", [0, -1, 1441], "from 1 to 1440 minutes"),
    ("KlingGenerate", "output_quality", [19, 100, 0], "from 20 to 99"),
    ("KlingGenerate", "ttl", [1, 59, -1, -60], "whole number of seconds from 60"),
    ("KlingFrameImages", "max_side", [-1, 16_384], "from 0 to 16383 pixels"),
    ("KlingFetchVideo", "skip_first_frames", [-1, 2**31], "from 0 to 2147483647 frames"),
    ("KlingFetchVideo", "select_every_nth", [0, -1, 2**31], "from 1 to 2147483647 frames"),
    ("KlingFetchVideo", "frame_load_cap", [-1, 2**31], "from 0 to 2147483647 frames"),
]

CHOICES = [
    ("KlingPrompt", "shot_type", "single, intelligence"),
    ("KlingFrameImages", "encoding", "png, jpeg, webp"),
    ("KlingGenerate", "model", "Kling 3.0 Standard"),
    ("KlingGenerate", "aspect_ratio", "16:9, 1:1, 9:16"),
    ("KlingGenerate", "mode", "generate, rehearse"),
    ("KlingGenerate", "character_orientation", "none, image, video"),
    ("KlingGenerate", "output_format", "MP4, WEBM, MOV"),
    ("KlingGenerate", "safety", "none, fast, full"),
    ("KlingFetchVideo", "load_frames", "all, none"),
]

TEXTS = [
    ("KlingPrompt", "positive_prompt"),
    ("KlingPrompt", "negative_prompt"),
    ("KlingFrameImages", "first_frame_source"),
    ("KlingElement", "element_id"),
    ("KlingElement", "description"),
    ("KlingElement", "tags"),
    ("KlingElement", "images_sources"),
    ("KlingGenerate", "reference_video_source"),
    ("KlingGenerate", "webhook_url"),
    ("KlingGenerate", "upload_endpoint"),
    ("KlingFetchVideo", "task_uuid"),
    ("KlingFetchVideo", "filename_prefix"),
]

PLACES = [
    ("KlingFrameImages", "first_frame_source"),
    ("KlingFrameImages", "last_frame_source"),
    ("KlingElement", "frontal_image_source"),
    ("KlingElement", "images_sources"),
    ("KlingElement", "video_source"),
    ("KlingElement", "voice_source"),
    ("KlingGenerate", "reference_video_source"),
]
NO_SOURCES = [
    "a.png",
    "/a/b.png",
    "C:\\a.png",
    UUID[:-1],
    "http://a.example/a.png",
    "file:///etc/passwd",
    "data:image/png;base64,AAAA",
    "https://",
    "https://ada:secret@a.example/a.png",
    "https://a.example/a b.png",
    "https://a.example:port/a.png",
    "https://a.example/" + "x" * 2048,
]
NO_DELIVERY = [
    "a.example/hook",
    "http://a.example/hook",
    "ftp://a.example/hook",
    "https://",
    "https://a.example/a b",
    "https://a.example\\b",
    "https://a.example:port/",
    "https://[::1/",
    "https://a.example/" + "x" * 2048,
]
NO_PREFIXES = {
    "needs a name": ["", "   "],
    "below the output folder": ["/etc/kling", "\\\\server\\share", "~/kling"],
    "no part of a path is empty": [
        "..", "../kling", "video/../../kling", "video\\..\\kling", "./kling", "video//kling", "video/",
    ],
    "begins or ends with a space": ["video /kling", "video/kling.", "video/ kling"],
    "contains no control characters": [
        "C:\\kling", "kling?", "kling*", "kl|ing", "<kling>", 'kling"', "kl\ning", "kl\x7fing",
    ],
    "device on Windows": ["nul", "video/CON.txt", "com1/kling"],
    "at most 200": ["x" * 201],
}  # fmt: skip
UNSHOWN = re.compile(r".*_sources?|webhook_url|upload_endpoint|.*_prompt")
"""Widgets whose text may carry a secret, or is a prompt: no error repeats it."""

ALONE = [
    *(row for kind, field, values, rule in NUMBERS for row in each(kind, field, values, rule)),
    *each("KlingGenerate", "duration", NOT_WHOLE, "from 3 to 15 seconds"),
    *each("KlingPrompt", "shot_seconds", NOT_WHOLE, "from 0 to 15 seconds"),
    *each("KlingGenerate", "number_results", NOT_WHOLE, "from 1 to 4 films"),
    *each("KlingGenerate", "ttl", NOT_WHOLE, "whole number of seconds from 60"),
    *each("KlingGenerate", "max_cost", [-0.01, math.nan, math.inf, "1", None, True, 10_001], "amount from 0 to 10000"),
    *each("KlingGenerate", "sound", NOT_SWITCH, "on or off"),
    *each("KlingGenerate", "keep_original_sound", NOT_SWITCH, "on or off"),
    *(row for kind, field, rule in CHOICES for row in each(kind, field, ["", "other", None, 1], f"one of {rule}")),
    *each("KlingGenerate", "aspect_ratio", ["1280x720", "4:3", " 16:9", "16/9"], "one of 16:9, 1:1, 9:16"),
    *each("KlingGenerate", "output_format", ["mp4", "GIF"], "one of MP4, WEBM, MOV"),
    *(row for kind, field in TEXTS for row in each(kind, field, NOT_TEXT, "must be a text")),
    *(row for kind, field in TEXTS for row in each(kind, field, [NUL], "NUL character")),
    *(row for kind, field in TEXTS for row in each(kind, field, [SURROGATE], "character 3 is half of a character")),
    *each("KlingPrompt", "positive_prompt", [""], "it is empty; a prompt has 2 to 2500 characters"),
    *each("KlingPrompt", "positive_prompt", [" ", "\n\t  ", "\u3000\u3000"], "it is only spaces"),
    *each("KlingPrompt", "positive_prompt", ["x", "\u00e9", "\U0001f600"], "2 to 2500 characters, this one has 1"),
    *each("KlingPrompt", "positive_prompt", ["x" * 2501], "this one has 2501 (2501 in UTF-16)"),
    *each("KlingPrompt", "positive_prompt", ["@ada" + "<" * 200_000], "2 to 2500 characters, this one has 200004"),
    *each("KlingPrompt", "positive_prompt", ["\U0001f600" * 2501], "this one has 2501 (5002 in UTF-16)"),
    *each("KlingPrompt", "positive_prompt", ["e\u0301" * 1251], "this one has 2502"),
    *each("KlingPrompt", "positive_prompt", ["@ada walks", "see (@ada)"], "No element is connected"),
    *each("KlingPrompt", "positive_prompt", ["<<<element_1>>> walks"], "there is no such element"),
    *each("KlingPrompt", "positive_prompt", ["<<element_1>> walks", "<<<element1>>>"], "three brackets on each side"),
    *each("KlingPrompt", "positive_prompt", ["<<<element_4>>> walks"], "there is no such element"),
    *each("KlingPrompt", "negative_prompt", [" ", "\n", "\u3000\u3000"], "it is only spaces"),
    *each("KlingPrompt", "negative_prompt", ["x", "\u00e9", "\U0001f600"], "this one has 1"),
    *each("KlingPrompt", "negative_prompt", ["x" * 2501, "\U0001f600" * 2501], "this one has 2501"),
    *each("KlingPrompt", "negative_prompt", ["no @ada", "no (@ada)"], "No element is connected"),
    *each("KlingPrompt", "negative_prompt", ["<<<element_1>>>"], "there is no such element"),
    *each("KlingPrompt", "negative_prompt", ["<<element_1>>"], "three brackets on each side"),
    *each("KlingElement", "element_id", ["", "x" * 21], "1 to 20 characters"),
    *each("KlingElement", "element_id", ["a b", "ada!", "\u00e4da", "@ada", "a.b", "a/b"], "letters a to z, digits"),
    *each("KlingElement", "tags", ["Person", "Character; Item", "Character Item"], "the tags are Hottest"),
    *each("KlingElement", "images_sources", ["\n".join([UUID] * 4)], "4 sources, at most 3"),
    *(row for kind, field in PLACES for row in each(kind, field, NO_SOURCES, "A source is the UUID")),
    *each("KlingGenerate", "webhook_url", NO_DELIVERY, "URL"),
    *each("KlingGenerate", "upload_endpoint", NO_DELIVERY, "URL"),
    *each("KlingGenerate", "webhook_url", ["$HOME", "$RUNWARE_API_KEY", "$KLING_", "$kling_x"], "begin with KLING_"),
    *each("KlingGenerate", "upload_endpoint", ["$KLING_NOT_SET_HERE"], "is not set"),
    *each("KlingFetchVideo", "task_uuid", ["1", UUID[:-1], UUID + "0", UUID.replace("-", ""), "../x"], "36 characters"),
    *(row for rule, values in NO_PREFIXES.items() for row in each("KlingFetchVideo", "filename_prefix", values, rule)),
]


@pytest.fixture(scope="module", autouse=True)
def _no_network():
    """No row may ask anybody."""

    def refuse(*_):
        raise AssertionError("A wrong input was judged by a network call.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield


@pytest.mark.parametrize(
    ("kind", "field", "value", "rule"), ALONE, ids=[f"{row[1]}-{i}" for i, row in enumerate(ALONE)]
)
def test_a_wrong_widget_is_named_with_its_rule(kind, field, value, rule):
    value_graph, node = alone(kind, field, value)
    found = graph.faults(value_graph)
    assert [(each.node, each.field) for each in found] == [(f"{kind} (node {node})", field)]
    assert rule in found[0].rule
    assert str(found[0]).endswith("Not billed.")
    hidden = value in (NUL, SURROGATE) or (isinstance(value, str) and UNSHOWN.fullmatch(field))
    assert hidden or f"{kind} (node {node}), {field} is {shown(value, field)}: " in str(found[0])


def shown(value, field):
    """How an error shows a value."""
    if field == "filename_prefix" and isinstance(value, str):
        value = value.replace("\\", "/").strip()
    return "'nothing'" if value is None else shorten(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
VALUES = JSON | st.integers(0, 20) | st.sampled_from(["single", "1080p", "@ada", UUID])
CHOSEN = [(kind, field) for kind in WIDGETS for field in WIDGETS[kind]]


@given(chosen=st.sampled_from(CHOSEN), value=VALUES)
@example(chosen=("KlingGenerate", "ttl"), value=2**63)
@example(chosen=("KlingPrompt", "positive_prompt"), value=SURROGATE)
@settings(max_examples=600, deadline=None)
def test_a_value_is_refused_on_its_own_field_or_what_is_sent_is_accepted(chosen, value):
    kind, field = chosen
    assume(not (isinstance(value, list) and len(value) == 2))  # that is a link in ComfyUI's graphs
    value_graph, node = alone(kind, field, value)
    found = graph.faults(value_graph)
    if fault(kind, {field: value}):
        assert [(each.node, each.field) for each in found] == [(f"{kind} (node {node})", field)]
    else:  # right by itself; it may not go with the node's other widgets
        assert {each.node for each in found} <= {f"{kind} (node {node})"}
    if not found and kind in ("KlingPrompt", "KlingGenerate"):
        words = {"positive_prompt": "a film", **({field: value} if kind == "KlingPrompt" else {})}
        chosen_settings = draft.settings(**({field: value} if kind == "KlingGenerate" else {}))
        whole = assemble(draft.prompt(**words), chosen_settings, None, None, None, None)
        [task] = json.loads(b"".join(request.body(whole, UUID, {})))
        check(task, MediaStore())


@pytest.mark.parametrize("kind", WIDGETS)
def test_what_a_node_starts_with_is_right_but_for_what_must_be_filled_in(kind):
    must = {"positive_prompt": "a film", "element_id": "ada"}
    widgets = {name: must.get(name, widget.default) for name, widget in WIDGETS[kind].items()}
    assert fault(kind, widgets) == ""


FIRST = {"first_frame": LINK}
TOGETHER = [
    (
        {"prompts": [{"shot_type": "intelligence", "shot_seconds": 5}]},
        "prompt 1",
        "shot_type",
        "excludes your own shots",
    ),
    (
        {"prompts": [{"shot_type": "intelligence"}, {"shot_seconds": 3}]},
        "prompt 1",
        "shot_type",
        "excludes your own shots",
    ),
    (
        {"prompts": [{"shot_seconds": 3}, {"shot_type": "intelligence", "shot_seconds": 3}]},
        "prompt 2",
        "shot_type",
        "excludes your own shots",
    ),
    ({"prompts": [{}, {}]}, "prompt 2", "shot_seconds", "only the first prompt"),
    ({"prompts": [{"shot_seconds": 3}, {}]}, "prompt 2", "shot_seconds", "only the first prompt"),
    ({"prompts": [{"shot_seconds": 1}]}, "prompt 1", "shot_seconds", "add up to 1 s; a film lasts 3 to 15 s"),
    ({"prompts": [{"shot_seconds": 2}]}, "prompt 1", "shot_seconds", "add up to 2 s"),
    ({"prompts": [{}, {"shot_seconds": 2}]}, "prompt 2", "shot_seconds", "add up to 2 s"),
    ({"prompts": [{"shot_seconds": 8}, {"shot_seconds": 8}]}, "prompt 2", "shot_seconds", "add up to 16 s"),
    ({"prompts": [{"shot_seconds": 1}] * 7}, "prompt 7", "previous", "shot 7 of the chain"),
    ({"prompts": [{}, *[{"shot_seconds": 1}] * 7]}, "prompt 8", "previous", "at most 6 shots"),
    (
        {"prompts": [{"negative_prompt": letter * 1250, "shot_seconds": 3} for letter in "xy"]},
        "prompt 2",
        "negative_prompt",
        "has 2502 characters",
    ),
    (
        {"prompts": [{"shot_seconds": 3}, {"shot_seconds": 3, "positive_prompt": "@bob"}]},
        "prompt 2",
        "positive_prompt",
        "no connected element has this id",
    ),
    ({"frames": {}}, "frames", "first_frame", "neither a first nor a last frame"),
    ({"frames": {**FIRST, "first_frame_source": UUID}}, "frames", "first_frame_source", "only one of the two"),
    ({"frames": {"last_frame": LINK, "last_frame_source": UUID}}, "frames", "last_frame_source", "only one of the two"),
    ({"elements": [ELEMENT]}, "generate", "elements", "need frame images"),
    ({"frames": FIRST, "elements": [{**ELEMENT, "video": LINK}]}, "element 1", "video", "neither images nor a voice"),
    (
        {"frames": FIRST, "elements": [{"element_id": "ada", "video": LINK, "voice": LINK}]},
        "element 1",
        "video",
        "neither images nor a voice",
    ),
    (
        {"frames": FIRST, "elements": [{"element_id": "ada", "video_source": UUID, "frontal_image_source": UUID}]},
        "element 1",
        "video",
        "neither images nor a voice",
    ),
    ({"frames": FIRST, "elements": [{"element_id": "ada", "images": LINK}]}, "element 1", "images", "a frontal image"),
    ({"frames": FIRST, "elements": [{"element_id": "ada", "voice": LINK}]}, "element 1", "voice", "a frontal image"),
    (
        {"frames": FIRST, "elements": [{**ELEMENT, "frontal_image_source": UUID}]},
        "element 1",
        "frontal_image_source",
        "only one of the two",
    ),
    ({"frames": FIRST, "elements": [{**ELEMENT, "images_sources": UUID}]}, "element 1", "images_sources", "only one"),
    (
        {"frames": FIRST, "elements": [{"element_id": "ada", "video": LINK, "video_source": UUID}]},
        "element 1",
        "video_source",
        "only one",
    ),
    (
        {"frames": FIRST, "elements": [{**ELEMENT, "voice": LINK, "voice_source": UUID}]},
        "element 1",
        "voice_source",
        "only one",
    ),
    (
        {"frames": FIRST, "elements": [{"element_id": "ada", "description": "a girl"}]},
        "element 1",
        "description",
        "needs a picture or a video",
    ),
    (
        {"frames": FIRST, "elements": [{"element_id": "ada", "tags": "Character"}]},
        "element 1",
        "tags",
        "needs a picture or a video",
    ),
    ({"frames": FIRST, "elements": [ELEMENT, ELEMENT]}, "element 2", "element_id", "already has this id"),
    (
        {"frames": FIRST, "elements": [{"element_id": f"e{number}"} for number in range(4)]},
        "element 4",
        "previous",
        "already has 3 elements",
    ),
    ({"generate": {"reference_image": LINK}}, "generate", "reference_image", "together with a reference video"),
    ({"generate": {**MOTION, "character_orientation": "none"}}, "generate", "character_orientation", "orientation"),
    ({"generate": {**MOTION, "sound": True}}, "generate", "sound", "excludes generated sound"),
    (
        {"generate": {"reference_video": LINK, "character_orientation": "image"}},
        "generate",
        "reference_image",
        "picture of the character",
    ),
    (
        {"generate": {**MOTION, "reference_video_source": UUID}},
        "generate",
        "reference_video_source",
        "only one of the two",
    ),
    ({"generate": MOTION, "prompts": [{"shot_seconds": 5}]}, "prompt 1", "shot_seconds", "excludes your own shots"),
    ({"generate": MOTION, "prompts": [{"shot_type": "intelligence"}]}, "prompt 1", "shot_type", "intelligence"),
    ({"generate": {"keep_original_sound": True}}, "generate", "keep_original_sound", "no original sound"),
    ({"generate": {"character_orientation": "image"}}, "generate", "character_orientation", "needs a reference video"),
    ({"generate": {"character_orientation": "video"}}, "generate", "character_orientation", "needs a reference video"),
]


@pytest.mark.parametrize(
    ("changes", "node", "field", "rule"), TOGETHER, ids=[f"{row[2]}-{i}" for i, row in enumerate(TOGETHER)]
)
def test_what_does_not_go_together_is_named_with_its_rule(changes, node, field, rule):
    found = graph.faults(made(**changes))
    assert [(each.node.partition("(node ")[2].rstrip(")"), each.field) for each in found] == [(node, field)]
    assert rule in found[0].rule
    assert found[0].next_step
    assert str(found[0]).endswith("Not billed.")


def test_the_table_is_long_enough():
    assert len(ALONE) + len(TOGETHER) >= 234


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"frames": FIRST},
        {"frames": FIRST, "elements": [ELEMENT], "prompts": [{"positive_prompt": "@ada walks"}]},
        {"prompts": [{"shot_seconds": 3}, {"shot_seconds": 12}]},
        {"generate": MOTION},
        {"generate": {"ttl": 60, "max_cost": 0.5, "webhook_url": "https://a.example/hook"}},
        {"fetch": {"filename_prefix": "video\\kling %year%-%month%/\u00e9t\u00e9"}},
    ],
    ids=range(7),
)
def test_the_graphs_these_rows_differ_from_are_right(changes):
    assert graph.faults(made(**changes)) == []
