"""The example workflows, as a user opens them."""

import pytest

from page.stage import example_names


@pytest.mark.parametrize("name", example_names())
def test_an_example_opens_with_its_price_and_without_a_complaint(stage, name):
    stage.example(name)
    stage.until("return find('KlingFetchVideo').length > 0")
    stage.wait_for_badge("KlingGenerate", stage.badges("KlingGenerate")[0])
    assert all(badge.startswith("rehearsal · $0") for badge in stage.badges("KlingGenerate"))
    assert all(badge and "missing" not in badge for badge in stage.badges("KlingPrompt"))
    stage.shoot(f"example-{name.replace(' ', '-')}")


def test_an_example_opens_from_the_template_browser(stage):
    stage.command("Comfy.BrowseTemplates")
    card = stage.page.locator('[data-testid="template-workflow-text to video"]')
    card.scroll_into_view_if_needed()
    stage.shoot("templates")
    card.click()
    stage.until("return find('KlingGenerate').length === 1")
    stage.wait_for_badge("KlingGenerate", "rehearsal · $0 · 5 s · 1 film")
