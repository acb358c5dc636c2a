"""The help pages: every input named in every language, a picture, and one example that can be pasted."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

DOCS = Path(__file__).resolve().parent.parent / "js" / "docs"
NODES = json.loads((Path(__file__).parent / "host" / "object_info.json").read_text(encoding="utf-8"))
LANGUAGES = ("", "ja", "zh")
"""The first stands for English: the page without a language, which every other language falls back to."""

FENCE = re.compile(r"^```text\n(.*)\n```$", re.MULTILINE)
PICTURE = re.compile(r'<img src="(images/\w+\.jpg)" alt="[^"]+"')
PICTURE_BYTES = 90_000


def path_of(node, language=""):
    """Where the page looks for a node's help."""
    return DOCS / node / f"{language}.md" if language else DOCS / f"{node}.md"


def read_help(node, language=""):
    return path_of(node, language).read_text(encoding="utf-8")


def example_of(node, language=""):
    """The workflow of a help page, as it stands there."""
    (example,) = FENCE.findall(read_help(node, language))
    return example


def names(node):
    info = NODES[node]
    hidden = set(info["input_order"].get("hidden", ()))
    inputs = {name for group in info["input_order"].values() for name in group}
    return (inputs - hidden) | {"prompt"} & set(info["input_order"].get("required", ())) | set(info["output_name"])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("node", NODES)
def test_a_page_names_every_input_and_output_and_shows_its_picture(node, language):
    text = read_help(node, language)
    assert names(node) - set(re.findall(r"`([a-z_]+)`", text)) == set()
    (picture,) = PICTURE.findall(text)
    with Image.open(DOCS / picture) as image:
        assert image.width >= 600
    assert (DOCS / picture).stat().st_size <= PICTURE_BYTES


@pytest.mark.parametrize("node", NODES)
def test_the_example_is_the_same_in_every_language_and_buys_nothing(node):
    (example,) = {example_of(node, language) for language in LANGUAGES}
    nodes = json.loads(example)["nodes"]
    assert node in {each["type"] for each in nodes}
    (generate,) = [each for each in nodes if each["type"] == "KlingGenerate"]
    assert "rehearse" in generate["widgets_values"]
    assert "generate" not in generate["widgets_values"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_has_as_many_parts_as_the_english_one(language):
    for node in NODES:
        parts = [re.findall(r"^(#+) ", text, re.MULTILINE) for text in (read_help(node), read_help(node, language))]
        assert parts[0] == parts[1], node
