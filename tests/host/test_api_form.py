"""Workflows from their saved form to the form that is posted."""

import pytest

from host.api_form import api_form

SAVED = {
    "nodes": [
        {"id": 1, "type": "EmptyImage", "widgets_values": [64, 32, 2, 255], "inputs": []},
        {"id": 2, "type": "Reroute", "inputs": [{"name": "", "link": 1}]},
        {
            "id": 3,
            "type": "SaveImage",
            "title": "Here",
            "widgets_values": ["x"],
            "inputs": [{"name": "images", "link": 2}],
        },
        {"id": 4, "type": "KSampler", "mode": 2, "widgets_values": [], "inputs": []},
        {"id": 5, "type": "MarkdownNote", "widgets_values": ["read me"]},
        {"id": 6, "type": "SaveLatent", "widgets_values": ["y"], "inputs": [{"name": "samples", "link": 3}]},
    ],
    "links": [[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"], [3, 4, 0, 6, 0, "LATENT"]],
}


def test_widgets_get_their_names_and_links_pass_through_reroutes(comfy):
    assert api_form(SAVED, comfy.object_info)["3"] == {
        "class_type": "SaveImage",
        "inputs": {"filename_prefix": "x", "images": ["1", 0]},
        "_meta": {"title": "Here"},
    }
    assert api_form(SAVED, comfy.object_info)["1"]["inputs"] == {
        "width": 64,
        "height": 32,
        "batch_size": 2,
        "color": 255,
    }


def test_notes_and_muted_nodes_are_left_out_with_their_links(comfy):
    converted = api_form(SAVED, comfy.object_info)
    assert set(converted) == {"1", "3", "6"}
    assert converted["6"]["inputs"] == {"filename_prefix": "y"}


def test_the_page_s_own_widget_behind_a_seed_is_not_taken_for_the_next_input(comfy):
    sampler = {
        "id": 1,
        "type": "KSampler",
        "inputs": [],
        "widgets_values": [5, "fixed", 20, 8.0, "euler", "simple", 1.0],
    }
    inputs = api_form({"nodes": [sampler], "links": []}, comfy.object_info)["1"]["inputs"]
    assert (inputs["seed"], inputs["steps"], inputs["sampler_name"]) == (5, 20, "euler")


def test_what_cannot_be_converted_is_refused(comfy):
    with pytest.raises(ValueError, match="Node 1"):
        api_form({"nodes": [{"id": 1, "type": "KSampler", "mode": 4}], "links": []}, comfy.object_info)
