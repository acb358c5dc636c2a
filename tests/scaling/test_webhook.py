"""The documented example that takes the service's calls."""

import importlib.util

import pytest

from host.comfyui import ROOT


@pytest.fixture
def webhook():
    spec = importlib.util.spec_from_file_location("webhook", ROOT / "docs" / "scaling-out" / "webhook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("called", "expected"),
    [
        ({"taskUUID": "a"}, [{"taskUUID": "a"}]),
        ({"data": [{"taskUUID": "a"}, {"taskUUID": "b"}]}, [{"taskUUID": "a"}, {"taskUUID": "b"}]),
        ({"data": "?"}, []),
        ([1], []),
        ("text", []),
    ],
)
def test_a_call_holds_one_result_or_a_list_of_them(webhook, called, expected):
    assert webhook.rows(called) == expected


def test_a_repeated_call_is_no_news_and_each_result_of_a_task_is(webhook, capsys):
    for video_uuid in ("1", "1", "2"):
        webhook.note({"taskUUID": "a", "videoUUID": video_uuid})
    assert len(capsys.readouterr().out.splitlines()) == 2
