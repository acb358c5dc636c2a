import pytest
from kling.nodes.runware.errors import InputError
from kling.nodes.runware.fields import WIDGETS, fault, read


def test_widgets_that_are_absent_have_their_defaults():
    values = read("KlingFetchVideo", "KlingFetchVideo", {"select_every_nth": 2})
    assert values == {
        "task_uuid": None,
        "filename_prefix": "video/kling",
        "load_frames": "all",
        "skip_first_frames": 0,
        "select_every_nth": 2,
        "frame_load_cap": 0,
    }


def test_a_wrong_widget_is_told_by_the_label_of_its_node():
    with pytest.raises(InputError, match=r"^KlingGenerate \(node 7\), duration is 2: "):
        read("KlingGenerate", "KlingGenerate (node 7)", {"duration": 2})


def test_what_is_not_known_yet_is_not_judged():
    assert fault("KlingGenerate", dict.fromkeys(WIDGETS["KlingGenerate"])) == ""


def test_what_is_known_is_judged_without_a_run():
    sentence = fault("KlingPrompt", {"positive_prompt": None, "shot_seconds": 99})
    assert sentence.startswith("KlingPrompt, shot_seconds is 99: ")


def test_a_path_is_given_back_with_slashes():
    values = read("KlingFetchVideo", "KlingFetchVideo", {"filename_prefix": " video\\kling ", "task_uuid": " "})
    assert (values["filename_prefix"], values["task_uuid"]) == ("video/kling", None)
