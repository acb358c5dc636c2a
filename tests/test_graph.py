from copy import deepcopy

import pytest
from kling.nodes import graph
from kling.nodes.runware.errors import InputError

UUID = "236ba4b9-e789-4ff4-8fa9-7ca57ab56210"

WHOLE = {
    "1": {"class_type": "KlingPrompt", "inputs": {"positive_prompt": "all of @ada", "shot_seconds": 0}},
    "2": {"class_type": "KlingPrompt", "inputs": {"positive_prompt": "one", "shot_seconds": 4, "previous": ["1", 0]}},
    "3": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "4": {"class_type": "KlingFrameImages", "inputs": {"first_frame": ["3", 0]}},
    "5": {
        "class_type": "KlingElement",
        "inputs": {"element_id": "ada", "frontal_image": ["3", 0], "images": ["3", 0]},
    },
    "6": {
        "class_type": "KlingGenerate",
        "inputs": {"prompt": ["2", 0], "frame_images": ["4", 0], "elements": ["5", 0], "duration": 9},
    },
    "7": {"class_type": "KlingFetchVideo", "inputs": {"task": ["6", 0], "filename_prefix": "video/kling"}},
}


def changed(node, **inputs):
    """The whole graph with other inputs of one node; an input that is None is taken away."""
    copy = deepcopy(WHOLE)
    for name, value in inputs.items():
        copy[node]["inputs"][name] = value
        if value is None:
            del copy[node]["inputs"][name]
    return copy


def found(value):
    return [(fault.node, fault.field) for fault in graph.faults(value)]


def test_a_good_graph_has_no_faults():
    assert graph.faults(WHOLE) == []
    graph.check(WHOLE)


def test_an_empty_graph_has_no_faults():
    assert graph.faults({}) == []


@pytest.mark.parametrize(
    ("node", "inputs", "expected"),
    [
        ("1", {"positive_prompt": "x"}, ("KlingPrompt (node 1)", "positive_prompt")),
        ("1", {"positive_prompt": "@bob"}, ("KlingPrompt (node 1)", "positive_prompt")),
        ("2", {"shot_seconds": 0}, ("KlingPrompt (node 2)", "shot_seconds")),
        ("2", {"shot_seconds": 2}, ("KlingPrompt (node 2)", "shot_seconds")),
        ("4", {"first_frame_source": UUID}, ("KlingFrameImages (node 4)", "first_frame_source")),
        ("4", {"first_frame": None}, ("KlingFrameImages (node 4)", "first_frame")),
        ("5", {"video": ["3", 0]}, ("KlingElement (node 5)", "video")),
        ("5", {"frontal_image": None}, ("KlingElement (node 5)", "images")),
        ("6", {"duration": 2}, ("KlingGenerate (node 6)", "duration")),
        ("6", {"frame_images": None}, ("KlingGenerate (node 6)", "elements")),
        ("6", {"elements": None}, ("KlingPrompt (node 1)", "positive_prompt")),
        ("6", {"reference_image": ["3", 0]}, ("KlingGenerate (node 6)", "reference_image")),
        ("7", {"filename_prefix": "../kling"}, ("KlingFetchVideo (node 7)", "filename_prefix")),
        ("7", {"task": None}, ("KlingFetchVideo (node 7)", "task")),
        ("7", {"task_uuid": "236ba4b9"}, ("KlingFetchVideo (node 7)", "task_uuid")),
        ("7", {"task_uuid": UUID}, ("KlingFetchVideo (node 7)", "task_uuid")),
    ],
    ids=str,
)
def test_a_fault_anywhere_is_found_at_its_node_and_field(node, inputs, expected):
    assert found(changed(node, **inputs)) == [expected]


def test_the_first_fault_is_raised():
    with pytest.raises(InputError, match=r"KlingGenerate \(node 6\), duration is 2"):
        graph.check(changed("6", duration=2))


def test_faults_of_several_nodes_are_all_found():
    value = changed("6", duration=2)
    value["7"]["inputs"]["filename_prefix"] = "/kling"
    assert found(value) == [("KlingGenerate (node 6)", "duration"), ("KlingFetchVideo (node 7)", "filename_prefix")]


def test_a_fault_shared_by_two_purchases_is_said_once():
    value = changed("1", positive_prompt="")
    value["8"] = deepcopy(value["6"])
    value["9"] = {"class_type": "KlingFetchVideo", "inputs": {"task": ["8", 0]}}
    assert found(value) == [("KlingPrompt (node 1)", "positive_prompt")]


def test_a_node_that_nothing_asks_for_does_not_run_and_is_not_judged():
    value = deepcopy(WHOLE)
    value["8"] = {"class_type": "KlingPrompt", "inputs": {"positive_prompt": ""}}
    value["9"] = {"class_type": "KlingGenerate", "inputs": {"prompt": ["8", 0]}}
    assert graph.faults(value) == []


@pytest.mark.parametrize(
    ("node", "inputs"),
    [
        ("1", {"positive_prompt": ["3", 0]}),
        ("1", {"negative_prompt": ["3", 0]}),
        ("1", {"shot_seconds": ["3", 0]}),
        ("2", {"shot_seconds": ["3", 0]}),
        ("2", {"previous": ["3", 0]}),
        ("2", {"previous": ["missing", 0]}),
        ("4", {"first_frame_source": ["3", 0]}),
        ("4", {"max_side": ["3", 0]}),
        ("5", {"element_id": ["3", 0]}),
        ("5", {"tags": ["3", 0]}),
        ("6", {"duration": ["3", 0]}),
        ("6", {"character_orientation": ["3", 0]}),
        ("6", {"prompt": ["3", 0]}),
        ("6", {"prompt": None}),
        ("7", {"filename_prefix": ["3", 0]}),
        ("7", {"task": None, "task_uuid": ["3", 0]}),
    ],
    ids=str,
)
def test_what_comes_through_a_link_is_left_to_the_run(node, inputs):
    assert graph.faults(changed(node, **inputs)) == []


def test_what_does_not_hang_on_a_link_is_judged_all_the_same():
    assert found(changed("2", positive_prompt=["3", 0], shot_seconds=16)) == [("KlingPrompt (node 2)", "shot_seconds")]
    assert found(changed("1", shot_seconds=["3", 0], negative_prompt="x")) == [
        ("KlingPrompt (node 1)", "negative_prompt")
    ]


def test_a_reference_video_of_unknown_length_is_no_fault():
    value = changed(
        "6",
        elements=None,
        prompt=["1", 0],
        reference_video=["3", 0],
        reference_image=["3", 0],
        character_orientation="image",
    )
    value["1"]["inputs"]["positive_prompt"] = "she dances"
    assert graph.faults(value) == []


def test_nodes_inside_subgraphs_are_named_as_comfyui_names_them():
    value = changed("2", positive_prompt="", previous=["57:1", 0])
    value["57:1"] = value.pop("1")
    value["57:1"]["inputs"]["positive_prompt"] = ""
    assert found(value) == [("KlingPrompt (node 2)", "positive_prompt"), ("KlingPrompt (node 57:1)", "positive_prompt")]


def test_a_circle_of_links_ends():
    assert graph.faults(changed("1", previous=["2", 0])) == []


def test_what_a_run_in_part_does_not_need_is_not_judged():
    value = changed("1", positive_prompt="")
    value["8"] = {"class_type": "KlingPrompt", "inputs": {"positive_prompt": "a film"}}
    value["9"] = {"class_type": "KlingGenerate", "inputs": {"prompt": ["8", 0]}}
    value["10"] = {"class_type": "KlingFetchVideo", "inputs": {"task": ["9", 0]}}
    graph.check(value, {"10"})
    with pytest.raises(InputError, match=r"KlingPrompt \(node 1\)"):
        graph.check(value, {"10", "7"})
    with pytest.raises(InputError, match=r"KlingPrompt \(node 1\)"):
        graph.check(value)


def test_a_film_that_could_not_be_written_is_not_bought_though_comfyui_left_its_collector_out(tmp_path):
    """Another node wanted the task's UUID, and the film was bought and came out nowhere."""
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "out").symlink_to(tmp_path)
    value = changed("7", filename_prefix="out/film")
    value["8"] = {"class_type": "PreviewAny", "inputs": {"source": ["6", 1]}}
    with pytest.raises(InputError, match=r"KlingFetchVideo \(node 7\), filename_prefix .* a link in it leads out"):
        graph.check(value, {"8"}, collects="6", folder=tmp_path / "output")
    graph.check(value, {"8"}, folder=tmp_path / "output")
    graph.check(changed("7", filename_prefix=["8", 0]), folder=tmp_path / "output")
