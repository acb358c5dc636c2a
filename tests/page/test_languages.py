"""The page in other languages."""

import re

import pytest

from test_locales import LANGUAGES, read


@pytest.fixture
def language(stage):
    """Switch the page's language, and back."""

    def switch(name):
        stage.evaluate("return app.extensionManager.setting.set('Comfy.Locale', argument)", name)
        stage.page.wait_for_timeout(500)

    yield switch
    switch("en")


@pytest.mark.parametrize("name", ["zh", "ja"])
def test_badges_menus_and_the_tab_speak_the_page_s_language(stage, language, name):
    words = read(name, "main.json")["kling"]
    language(name)
    stage.example("text to video")
    stage.look()
    assert words["rehearsal"] in stage.evaluate("return find('KlingGenerate')[0].badges.at(-1)().text")
    menu = stage.evaluate("return app.collectNodeMenuItems(find('KlingGenerate')[0]).map(each => each?.content)")
    assert words["next_take"] in menu
    inside = stage.open_sidebar()
    assert words["today"] in inside.locator(".kling-sums").inner_text()
    stage.shoot(f"language-{name}")


@pytest.mark.parametrize("name", LANGUAGES)
def test_no_language_breaks_the_page(stage, language, name):
    language(name)
    stage.example("text to video")
    title = read(name, "nodeDefs.json")["KlingPrompt"]["display_name"]
    if stage.vue:
        stage.page.get_by_text(title).first.wait_for()
    else:
        stage.page.wait_for_timeout(200)
    assert stage.faults() == []


def test_translations_name_no_number_that_the_english_tooltips_do_not(stage):
    for language in LANGUAGES:
        for name, node in read(language, "nodeDefs.json").items():
            inputs = stage.comfy.object_info[name]["input"]
            english = {**inputs.get("required", {}), **inputs.get("optional", {})}
            for field, each in node["inputs"].items():
                numbers = set(re.findall(r"\d+", each["tooltip"]))
                known = set(re.findall(r"\d+", english[field][1].get("tooltip", "")))
                assert numbers <= known | {"1", "4"}, (language, name, field, numbers - known)
