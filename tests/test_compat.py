from dataclasses import dataclass

from kling.nodes.compat import known
from kling.nodes.labels import label


@dataclass
class OlderSchema:
    node_id: str
    category: str = ""


def test_what_an_older_comfyui_does_not_know_is_left_out():
    assert known(OlderSchema, category="Kling", search_aliases=["film"]) == {"category": "Kling"}


def test_a_node_is_named_with_its_number_where_there_is_one():
    assert label("KlingPrompt", "57:12") == "KlingPrompt (node 57:12)"
    assert label("KlingPrompt", None) == "KlingPrompt"
