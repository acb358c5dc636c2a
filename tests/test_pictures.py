import asyncio

import pytest
import torch
from kling.nodes import pictures
from kling.nodes.runware.errors import InputError


def encode(image, **options):
    return asyncio.run(pictures.encode(image, node="KlingFrameImages", field="first_frame", **options))


def test_a_picture_of_ordinary_size_is_sent_as_it_is_and_nothing_is_said():
    picture, lines = encode(torch.zeros(1, 720, 1280, 3))
    assert (picture.width, picture.height, picture.mime_type) == (1280, 720, "image/png")
    assert lines == []


def test_a_larger_picture_is_reduced_and_that_is_said():
    picture, lines = encode(torch.zeros(1, 1000, 1600, 3), max_side=800, encoding="jpeg")
    assert (picture.width, picture.height, picture.mime_type) == (800, 500, "image/jpeg")
    assert lines == ["first_frame: reduced from 1600x1000 to 800x500 pixels."]


def test_what_the_service_may_refuse_is_said():
    _, lines = encode(torch.zeros(1, 299, 400, 3))
    assert len(lines) == 1
    assert lines[0].startswith("first_frame: The picture is 400x299")


def test_a_batch_is_no_single_picture():
    with pytest.raises(InputError, match="KlingFrameImages, first_frame: it is a batch of 2 pictures"):
        encode(torch.zeros(2, 400, 400, 3))


def test_every_picture_of_a_batch_is_encoded_and_told_by_its_number():
    batch = torch.stack([torch.zeros(400, 2100, 3), torch.ones(400, 2100, 3)])
    encoded, lines = asyncio.run(pictures.encode_all(batch, node="KlingElement", field="images", most=3))
    assert [(each.width, each.height) for each in encoded] == [(2048, 390)] * 2
    assert encoded[0].identity != encoded[1].identity
    assert [line.partition(":")[0] for line in lines if "reduced" in line] == ["images 1", "images 2"]
