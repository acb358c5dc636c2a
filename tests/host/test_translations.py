"""The translated tooltips against the English ones, as the real ComfyUI hands them out."""

import re

import pytest

from test_locales import LANGUAGES, read

WORDS = {"1", "2", "4"}
"""Numbers that some languages write where English has a word: one, twice, a quarter."""


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_names_no_number_that_the_english_tooltip_does_not(comfy, language):
    for name, node in read(language, "nodeDefs.json").items():
        inputs = comfy.object_info[name]["input"]
        english = {**inputs.get("required", {}), **inputs.get("optional", {})}
        for field, each in node["inputs"].items():
            numbers = set(re.findall(r"\d+", each["tooltip"]))
            known = set(re.findall(r"\d+", english[field][1].get("tooltip", "")))
            assert numbers <= known | WORDS, (name, field, numbers - known)
