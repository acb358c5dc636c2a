"""What the simulated service accepts and refuses."""

from __future__ import annotations

import pytest

from runware.simulator.asking import (
    FILM,
    PICTURE,
    UUID,
    accepted,
    elements,
    framed,
    motion,
    picture_uri,
    refusal_of,
    settings,
    task,
)


@pytest.mark.parametrize(
    "right",
    [
        task(),
        task(duration=None),
        task(width=960, height=960),
        task(width=720, height=1280, **settings(sound=True)),
        task(duration=8, positivePrompt=None, **settings(multiPrompt=[{"prompt": "ab", "duration": 8}])),
        task(**settings(multiPrompt=[{"prompt": "ab", "duration": 2}, {"prompt": "cd", "duration": 3}])),
        task(**settings(shotType="intelligence")),
        task(negativePrompt="no", outputType="URL", outputFormat="WEBM", outputQuality=20, ttl=60, numberResults=4),
        task(safety={"checkContent": True, "mode": "full"}, webhookURL="https://a.example/x?y=1"),
        task(uploadEndpoint="https://a.example/film.mp4?X-Amz-Signature=abc"),
        task(positivePrompt="\U0001f3ac" * 2500),
        task(taskUUID=UUID.upper()),
        task(model="klingai:kling-video@3-pro", width=1920, height=1080),
        task(model="klingai:kling-video@3-4k", width=3840, height=2160),
        framed(),
        framed(**settings()),
        framed(inputs={"frameImages": [{"image": "https://a.example/b.jpg"}]}),
        framed(inputs={"frameImages": [PICTURE, {"image": FILM, "frame": "last"}]}),
        framed(inputs={"frameImages": [{"image": PICTURE, "frame": -1}, {"image": FILM, "frame": 0}]}),
        framed(inputs={"frameImages": [{"image": PICTURE, "frame": "last"}]}),
        framed(inputs={"frameImages": [picture_uri("PNG"), picture_uri("WEBP")]}),
        framed(inputs={"frameImages": [picture_uri("JPEG").partition(",")[2]]}),
        elements({"id": "x" * 20, "frontalImage": PICTURE, "images": [FILM], "voices": [PICTURE], "tags": ["Animal"]}),
        elements({"id": "a"}, {"id": "b", "videos": ["https://a.example/b.mp4"]}, {"id": "c"}),
        {**elements({"id": "a"}), "positivePrompt": "<<<element_1>>> walks"},
        motion(),
        motion(keepOriginalSound=True, sound=False),
        {**motion(), "width": 1280, "height": 720},
        motion({"frameImages": [PICTURE], "referenceImages": None}),
    ],
)
def test_a_documented_request_is_accepted(right):
    assert accepted(right)


@pytest.mark.parametrize(
    ("wrong", "code", "parameter"),
    [
        (task(seed=1), "unsupportedParameter", "seed"),
        (task(safety={"level": 1}), "unsupportedParameter", "safety.level"),
        (task(providerSettings={"kling": {}}), "unsupportedParameter", "providerSettings.kling"),
        (task(**settings(cfg=1)), "unsupportedParameter", "providerSettings.klingai.cfg"),
        (elements({"id": "a", "voice": "x"}), "unsupportedParameter", "inputs.elements.voice"),
        (framed(inputs={"frames": []}), "unsupportedParameter", "inputs.frames"),
        (task(inputs=[]), "invalidInputs", "inputs"),
        (task(taskUUID=None), "missingTaskUUID", "taskUUID"),
        (task(model=None), "missingModel", "model"),
        (task(model="klingai:9@9"), "invalidModel", "model"),
        (task(positivePrompt=None), "missingPositivePrompt", "positivePrompt"),
        (task(width=None, height=None), "missingWidth", ["width", "height"]),
        (task(height=None), "missingHeight", "height"),
        (task(positivePrompt="x"), "invalidPositivePromptLength", "positivePrompt"),
        (task(positivePrompt="x" * 2501), "invalidPositivePromptLength", "positivePrompt"),
        (task(positivePrompt=5), "invalidPositivePrompt", "positivePrompt"),
        (task(negativePrompt=""), "invalidNegativePromptLength", "negativePrompt"),
        (task(taskUUID="236ba4b9-e789-1ff4-8fa9-7ca57ab56210"), "invalidTaskUUID", "taskUUID"),
        (task(width=1280, height=960), "unsupportedDimensions", ["width", "height"]),
        (task(width=1280.0), "invalidWidth", "width"),
        (task(duration=2), "valueTooSmall", "duration"),
        (task(duration=16), "valueTooLarge", "duration"),
        (task(duration=True), "invalidDuration", "duration"),
        (task(duration=5.0), "invalidDuration", "duration"),
        (task(duration="5"), "invalidDuration", "duration"),
        (task(outputType=["URL"]), "invalidOutputType", "outputType"),
        (task(outputFormat="mp4"), "invalidOutputFormat", "outputFormat"),
        (task(outputQuality=19), "valueTooSmall", "outputQuality"),
        (task(outputQuality=100), "valueTooLarge", "outputQuality"),
        (task(numberResults=5), "valueTooLarge", "numberResults"),
        (task(numberResults=0), "valueTooSmall", "numberResults"),
        (task(ttl=59), "valueTooSmall", "ttl"),
        (task(deliveryMethod="sync"), "invalidDeliveryMethod", "deliveryMethod"),
        (task(includeCost=1), "invalidIncludeCost", "includeCost"),
        (task(safety={"mode": "on"}), "invalidSafetyMode", "safety.mode"),
        (task(safety={"checkContent": "yes"}), "invalidSafetyCheckContent", "safety.checkContent"),
        (task(webhookURL="ftp://a.example"), "invalidWebhookURL", "webhookURL"),
        (task(uploadEndpoint="here"), "invalidUploadEndpoint", "uploadEndpoint"),
        (task(**settings(sound=1)), "invalidSound", "providerSettings.klingai.sound"),
        (task(**settings(shotType="single")), "invalidShotType", "providerSettings.klingai.shotType"),
        (task(**settings(multiPrompt=[])), "arrayTooSmall", "providerSettings.klingai.multiPrompt"),
        (
            task(duration=7, **settings(multiPrompt=[{"prompt": "ab", "duration": 1}] * 7)),
            "arrayTooLarge",
            "providerSettings.klingai.multiPrompt",
        ),
        (
            task(**settings(multiPrompt=[{"prompt": "ab", "duration": 4}])),
            "invalidMultiPrompt",
            "providerSettings.klingai.multiPrompt",
        ),
        (
            task(duration=None, **settings(multiPrompt=[{"prompt": "ab", "duration": 6}])),
            "invalidMultiPrompt",
            "providerSettings.klingai.multiPrompt",
        ),
        (
            task(**settings(multiPrompt=[{"prompt": "a", "duration": 5}])),
            "invalidMultiPromptPromptLength",
            "providerSettings.klingai.multiPrompt.prompt",
        ),
        (
            task(**settings(multiPrompt=[{"prompt": "ab"}])),
            "missingMultiPromptDuration",
            "providerSettings.klingai.multiPrompt.duration",
        ),
        (framed(width=1280, height=720), "incompatibleParameters", ["inputs.frameImages", "width", "height"]),
        (framed(inputs={"frameImages": []}), "arrayTooSmall", "inputs.frameImages"),
        (framed(inputs={"frameImages": [PICTURE] * 3}), "arrayTooLarge", "inputs.frameImages"),
        (framed(inputs={"frameImages": [{"frame": "first"}]}), "missingFrameImagesImage", "inputs.frameImages.image"),
        (
            framed(inputs={"frameImages": [{"image": PICTURE, "frame": "middle"}]}),
            "invalidFrameImagesFrame",
            "inputs.frameImages.frame",
        ),
        (
            framed(inputs={"frameImages": [{"image": PICTURE, "frame": False}]}),
            "invalidFrameImagesFrame",
            "inputs.frameImages.frame",
        ),
        (
            framed(inputs={"frameImages": [{"image": PICTURE, "frame": "last"}, FILM]}),
            "invalidFrameImagesFrame",
            "inputs.frameImages.frame",
        ),
        (framed(inputs={"frameImages": ["c:/a.png"]}), "invalidFrameImagesImage", "inputs.frameImages.image"),
        (
            framed(inputs={"frameImages": ["data:image/png;base64,bm90IGEgcGljdHVyZQ=="]}),
            "invalidFrameImagesImage",
            "inputs.frameImages.image",
        ),
        (
            framed(inputs={"frameImages": [picture_uri()[:200]]}),
            "invalidFrameImagesImage",
            "inputs.frameImages.image",
        ),
        (task(inputs={"elements": [{"id": "a"}]}), "missingFrameImages", "inputs.frameImages"),
        (elements(), "arrayTooSmall", "inputs.elements"),
        (elements(*({"id": name} for name in "abcd")), "arrayTooLarge", "inputs.elements"),
        (elements({"id": "a"}, {"id": "a"}), "duplicateElementsId", "inputs.elements.id"),
        (elements({"description": "x"}), "missingElementsId", "inputs.elements.id"),
        (elements({"id": "x" * 21}), "invalidElementsId", "inputs.elements.id"),
        (elements({"id": "a", "images": [PICTURE]}), "missingElementsFrontalImage", "inputs.elements.frontalImage"),
        (
            elements({"id": "a", "frontalImage": PICTURE, "images": [PICTURE] * 4}),
            "arrayTooLarge",
            "inputs.elements.images",
        ),
        (
            elements({"id": "a", "frontalImage": PICTURE, "videos": [FILM]}),
            "incompatibleParameters",
            "inputs.elements.videos",
        ),
        (elements({"id": "a", "voices": [FILM]}), "incompatibleParameters", "inputs.elements.voices"),
        (elements({"id": "a", "tags": ["character"]}), "invalidElementsTags", "inputs.elements.tags"),
        (
            {**elements({"id": "a"}), "positivePrompt": "<<<element_2>>> walks"},
            "invalidPositivePrompt",
            "positivePrompt",
        ),
        (
            framed(inputs={"frameImages": [PICTURE], "referenceImages": [PICTURE]}),
            "missingReferenceVideos",
            "inputs.referenceVideos",
        ),
        (motion({"referenceVideos": [FILM, FILM]}), "arrayTooLarge", "inputs.referenceVideos"),
        (
            motion({"referenceVideos": ["data:video/mp4;base64,AAAA"]}),
            "invalidReferenceVideos",
            "inputs.referenceVideos",
        ),
        (
            motion(characterOrientation=None),
            "missingCharacterOrientation",
            "providerSettings.klingai.characterOrientation",
        ),
        (motion(sound=True), "incompatibleParameters", "providerSettings.klingai.sound"),
        (task(**settings(keepOriginalSound=True)), "missingReferenceVideos", "inputs.referenceVideos"),
        (
            task(**settings(shotType="intelligence", multiPrompt=[{"prompt": "ab", "duration": 5}])),
            "incompatibleParameters",
            "providerSettings.klingai.shotType",
        ),
        (task(**settings(characterOrientation="image")), "missingReferenceVideos", "inputs.referenceVideos"),
        (motion({"referenceImages": None}), "missingReferenceImages", "inputs.referenceImages"),
        (
            motion(multiPrompt=[{"prompt": "ab", "duration": 5}]),
            "incompatibleParameters",
            "providerSettings.klingai.multiPrompt",
        ),
        ({**motion(), "model": "klingai:kling-video@3-4k"}, "unsupportedParameter", "inputs.referenceVideos"),
    ],
)
def test_a_request_against_the_documentation_is_refused(wrong, code, parameter):
    error = refusal_of(wrong)
    assert (error["code"], error["parameter"]) == (code, parameter)
    assert error["documentation"].startswith("https://runware.ai/docs/models/klingai-video-3-0-standard")


def test_refusals_come_in_the_order_of_the_real_service():
    wrong = task(seed=1, positivePrompt="x", duration=99, width=None)
    order = []
    for repair in ({"seed": None}, {"width": 1280}, {"positivePrompt": "xy"}, {"duration": 5}):
        order.append(refusal_of(wrong)["code"])
        wrong.update(repair)
        wrong = {name: value for name, value in wrong.items() if value is not None}
    assert order == ["unsupportedParameter", "missingWidth", "invalidPositivePromptLength", "valueTooLarge"]
    assert accepted(wrong)


def test_an_error_reads_as_the_real_ones_do():
    error = refusal_of(task(model="klingai:kling-video@3-4k", width=1, height=1))
    assert error["message"] == (
        "Unsupported use of width/height parameters. The specified dimensions are not supported for the "
        "kling video 3.0 4k model. Supported values are: '3840x2160', '2880x2880', '2160x3840'."
    )
    assert error["allowedValues"] == ["3840x2160", "2880x2880", "2160x3840"]
    missing = refusal_of(task(width=None, height=None))
    assert missing["message"] == "Missing required parameter: 'width/height'."
    assert (missing["taskType"], missing["taskUUID"]) == ("videoInference", UUID)
