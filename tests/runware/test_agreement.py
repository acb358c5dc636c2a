"""What the nodes let through, the simulator accepts: two readings of the same page, written apart."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from kling.nodes.runware import draft, request
from kling.nodes.runware.assemble import assemble, warnings
from kling.nodes.runware.errors import InputError
from kling.nodes.runware.media import Clip, Source, encode
from kling.nodes.runware.simulator.media import MediaStore
from kling.nodes.runware.simulator.rules import check

UUID = "236ba4b9-e789-4ff4-8fa9-7ca57ab56210"
PICTURE = encode(np.zeros((30, 40, 3), np.uint8))
CLIP = Clip("dance.mp4", "cd" * 32, "video", 8.0)
VOICE = Clip("voice.wav", "ef" * 32, "audio", 8.0)
UPLOADS = {CLIP.identity: UUID, VOICE.identity: "446ba4b9-e789-4ff4-8fa9-7ca57ab56210"}
IDS = ("ada", "rex", "sea-3")

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0@<>"), max_size=20)
pictures = st.sampled_from([PICTURE, Source("https://a.example/a.png")])
films = st.sampled_from([CLIP, Source("https://a.example/a.mp4")])
voices = st.sampled_from([VOICE, Source("https://a.example/a.wav")])


def prompts(ids):
    """Texts that name some of the elements."""
    tags = [f"@{each}" for each in ids] + [f"<<<element_{number}>>>" for number in range(1, len(ids) + 1)]
    words = st.sampled_from(["a film", "x" * 600, "\U0001f600", "a<b", "5 @ 3", *tags])
    return st.lists(words | texts, max_size=4).map(lambda found: " ".join(["so", *found]))


def optional(strategy):
    return st.none() | strategy


element_media = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"video": films, "tags": st.sampled_from(["", "item, Scene"])}),
    st.fixed_dictionaries(
        {
            "frontal_image": pictures,
            "images": st.lists(pictures, max_size=3).map(tuple),
            "voice": optional(voices),
            "description": texts,
        }
    ),
)
motion = st.fixed_dictionaries(
    {"character_orientation": st.sampled_from(["image", "video"]), "keep_original_sound": st.booleans()}
)
widgets = st.fixed_dictionaries(
    {
        "aspect_ratio": st.sampled_from(["16:9", "1:1", "9:16"]),
        "duration": st.integers(3, 15),
        "sound": st.booleans(),
        "number_results": st.integers(1, 4),
        "output_format": st.sampled_from(["MP4", "WEBM", "MOV"]),
        "output_quality": st.integers(20, 99),
        "safety": st.sampled_from(["none", "fast", "full"]),
        "ttl": st.just(0) | st.integers(60, 10**6),
        "webhook_url": st.sampled_from(["", "https://a.example/hook?key=1"]),
        "upload_endpoint": st.sampled_from(["", "https://a.example/put?key=1"]),
    }
)


@st.composite
def graphs(draw):
    """Everything that can be connected to a KlingGenerate; most of it goes together, some of it does not."""
    led = draw(st.sampled_from([False, False, False, True]))
    ids = draw(st.lists(st.sampled_from(IDS), unique=True, max_size=3))
    elements = None
    for each in ids:
        elements = draft.element(element_id=each, previous=elements, **draw(element_media))
    framed = draw(st.booleans()) or bool(ids)
    frames = draft.frame_images(first_frame=draw(pictures), last_frame=draw(optional(pictures))) if framed else None
    seconds = [] if led else draw(st.lists(st.integers(1, 5), max_size=3))
    heads = [0] if not seconds or draw(st.booleans()) else []
    prompt = None
    for each in [*heads, *seconds]:
        prompt = draft.prompt(
            positive_prompt=draw(prompts(ids)),
            negative_prompt=draw(st.just("") | prompts(ids)),
            shot_seconds=each,
            shot_type=draw(st.sampled_from(["single", "single" if seconds else "intelligence"])),
            previous=prompt,
        )
    chosen = {**draw(widgets), **(draw(motion) if led else {})}
    return {
        "prompt": prompt,
        "settings": draft.settings(**chosen),
        "frame_images": frames,
        "elements": elements,
        "reference_image": draw(pictures) if led else None,
        "reference_video": draw(films) if led else None,
    }


sent = []


@given(graphs())
@settings(max_examples=200, deadline=None)
def check_agreement(graph):
    try:
        value = assemble(**graph)
    except InputError:
        return
    [task] = json.loads(b"".join(request.body(value, UUID, UPLOADS)))
    check(task, MediaStore(kinds={UPLOADS[VOICE.identity]: "audio"}))
    assert all(line.startswith("Kling") for line in warnings(value))
    sent.append(value)


def test_a_request_that_is_not_refused_here_is_not_refused_there():
    sent.clear()
    check_agreement()
    assert len(sent) > 60
    assert any(value.motion_control for value in sent)
    assert any(value.inputs.elements for value in sent)
    assert any(value.kling.multi_prompt for value in sent)
    assert any(value.kling.shot_type for value in sent)
