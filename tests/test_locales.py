"""The translations: complete, and free of what the page's i18n would read as code."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ("ar", "es", "fr", "ja", "ko", "ru", "tr", "zh", "zh-TW")
"""What the pages from 1.32 to 1.58 share, but for English, which stands in the code."""

SPECIAL = set("@{}|$%")
"""To vue-i18n these are code; pages differ in whether a tooltip goes through it."""

NODES = json.loads((ROOT / "tests" / "host" / "object_info.json").read_text(encoding="utf-8"))


def read(language, name):
    return json.loads((ROOT / "locales" / language / name).read_text(encoding="utf-8"))


def texts(content):
    if isinstance(content, str):
        return [content]
    return [text for value in content.values() for text in texts(value)]


def english_words():
    source = (ROOT / "js" / "words.js").read_text(encoding="utf-8")
    block = source.split("ENGLISH = {")[1].split("};")[0]
    return dict(re.findall(r'^\s*(\w+):\s*"(.*)",$', block, re.MULTILINE))


def test_the_languages_are_those_that_all_pages_know():
    assert tuple(sorted(path.name for path in (ROOT / "locales").iterdir())) == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_node_input_and_output_has_its_name_and_its_tooltip(language):
    defs = read(language, "nodeDefs.json")
    assert set(defs) == set(NODES)
    for name, node in NODES.items():
        inputs = {each for group in ("required", "optional") for each in node["input"].get(group, {})}
        assert set(defs[name]["inputs"]) == inputs
        assert set(defs[name]["outputs"]) == {str(index) for index in range(len(node["output"]))}
        assert defs[name]["display_name"]
        assert defs[name]["description"]
        for each in (*defs[name]["inputs"].values(), *defs[name]["outputs"].values()):
            assert each["name"]
            assert each["tooltip"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_the_page_is_translated_with_the_same_blanks(language):
    english, words = english_words(), read(language, "main.json")["kling"]
    assert len(english) > 50
    assert set(words) == set(english)
    for name, text in english.items():
        blanks = set(re.findall(r"\[\w+\]", text))
        assert set(re.findall(r"\[\w+\]", words[name])) == blanks, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_is_translated(language):
    source = (ROOT / "js" / "menu.js").read_text(encoding="utf-8")
    ids = {found.replace(".", "_") for found in re.findall(r'id: "(kling\.\w+)"', source)}
    assert set(read(language, "commands.json")) == ids


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_in_them_is_code_to_the_page(language):
    for path in (ROOT / "locales" / language).iterdir():
        for text in texts(read(language, path.name)):
            assert not SPECIAL & set(text), (path.name, text)
            assert text.strip() == text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_tooltip_begins_with_the_name_that_messages_use(language):
    for name, node in read(language, "nodeDefs.json").items():
        for field, each in node["inputs"].items():
            assert each["tooltip"].startswith(f"{field}: "), (name, field)
