"""The page in other languages."""

import pytest

from test_locales import LANGUAGES, read


@pytest.mark.parametrize("name", ["zh", "ja"])
def test_badges_menus_and_the_tab_speak_the_page_s_language(stage, switch_language, name):
    words = read(name, "main.json")["kling"]
    switch_language(name)
    assert words["rehearsal"] in stage.evaluate("return find('KlingGenerate')[0].badges.at(-1)().text")
    menu = stage.evaluate("return app.collectNodeMenuItems(find('KlingGenerate')[0]).map(each => each?.content)")
    assert words["next_take"] in menu
    inside = stage.open_sidebar()
    inside.get_by_text(words["today"]).wait_for()
    stage.shoot(f"language-{name}")


@pytest.mark.parametrize("name", ["zh", "ja"])
def test_nodes_have_their_names_in_the_page_s_language(stage, switch_language, name):
    """Two limits of the page: 1.32 drops the words of packs; newer ones name nodes in a language they have loaded."""
    if stage.newest:
        for language in (name, "en", name):
            switch_language(language)
        title = read(name, "nodeDefs.json")["KlingPrompt"]["display_name"]
        assert stage.evaluate("return find('KlingPrompt')[0].title") == title
    assert stage.faults() == []


def test_no_language_breaks_the_page(stage, switch_language):
    for name in LANGUAGES:
        switch_language(name)
        assert stage.faults() == [], name
