"""What goes wrong, as the page tells it."""

from kling.nodes.runware.simulator.faults import Faults

from page.stage import new_take


def close_dialogs(stage):
    for _ in range(3):
        stage.page.keyboard.press("Escape")


def test_a_missing_key_is_told_with_the_two_ways_to_set_it(stage):
    stage.example("text to video")
    stage.set("KlingGenerate", "mode", "generate")
    stage.run()
    toast = stage.page.get_by_text("Runware API key is missing")
    toast.first.wait_for()
    stage.shoot("missing-key")
    text = stage.page.locator("body").inner_text()
    assert "RUNWARE_API_KEY" in text
    assert "user/__kling/api_key" in text
    assert "Traceback" not in text
    close_dialogs(stage)
    forget_refusals(stage)


def test_what_is_refused_when_the_node_runs_stands_on_it(stage, key):
    stage.example("text to video")
    stage.set("KlingGenerate", "mode", "generate")
    stage.set("KlingGenerate", "max_cost", 0.1)
    stage.run()
    stage.wait_for_words("KlingGenerate", "max_cost is 0.1: the price of this run is $0.42")
    stage.shoot("over-max-cost-run")
    close_dialogs(stage)
    forget_refusals(stage)


def test_what_an_error_quotes_begins_no_tag_on_its_node(stage):
    """It can stand in a workflow of somebody else's, and ran as script in the page."""
    stage.example("text to video")
    stage.evaluate(
        "const fetch = find('KlingFetchVideo')[0], text = LiteGraph.createNode('PrimitiveString');"
        "app.graph.add(text); text.widgets[0].value = argument; fetch.disconnectInput(0);"
        "text.connect(0, fetch, fetch.inputs.findIndex(each => each.name === 'task_uuid'));",
        "<img src=x onerror=obeyed=1>",
    )
    stage.look()
    stage.run()
    stage.wait_for_words("KlingFetchVideo", "task_uuid is '")
    stage.shoot("quoted-words")
    words = stage.words("KlingFetchVideo")
    assert "\u2039img src=x" in words
    assert "<" not in words
    close_dialogs(stage)
    forget_refusals(stage)


def test_an_error_leaves_its_node_with_the_next_run(stage):
    stage.example("three-shot storyboard with sound")
    words = "return find('KlingPrompt').flatMap(each => each.widgets).some(each => each.value?.includes?.('add up to'))"
    for seconds in (9, 4):
        stage.evaluate(
            "find('KlingPrompt')[0].widgets.find(each => each.name === 'shot_seconds').value = argument", seconds
        )
        stage.run()
        stage.until(words if seconds == 9 else words.replace("return ", "return !"))
        close_dialogs(stage)
        forget_refusals(stage)


def test_a_refused_input_marks_its_node(stage):
    stage.example("text to video")
    stage.set("KlingPrompt", "positive_prompt", "x")
    stage.run()
    stage.until("return find('KlingPrompt')[0].has_errors || String(find('KlingPrompt')[0].id) in app.lastNodeErrors")
    stage.shoot("refused-input")
    if not stage.newest:  # which shows the sentence in its panel
        stage.page.get_by_text("2 to 2500").first.wait_for()
    close_dialogs(stage)
    forget_refusals(stage)


def test_what_the_service_says_is_shown_and_never_obeyed(stage, key, served):
    """The page reads a node's line as HTML."""
    words = f"Not made: <img src=x onerror='window.obeyed = true'{' ' * 250}> sorry."
    final = {"kind": "partial", "count": 1, "code": "invalidProviderContent", "text": words}
    served.simulator.faults = Faults().then([("job", final)])
    stage.example("text to video")
    for name, value in {"duration": 3, "take": new_take(), "mode": "generate", "number_results": 2}.items():
        stage.set("KlingGenerate", name, value)
    stage.look()
    stage.run()
    stage.wait_for_film()
    stage.wait_for_words("KlingGenerate", "Not made: ")
    stage.wait_until_idle()
    stage.shoot("words-of-the-service")
    assert not stage.evaluate("return window.obeyed")


def forget_refusals(stage):
    """The page itself writes each refusal to its console."""
    kept = [line for line in stage.page.console_lines if "400 (Bad Request)" not in line and "Prompt" not in line]
    stage.page.console_lines[:] = kept
