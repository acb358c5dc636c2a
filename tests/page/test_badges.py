"""What stands above the nodes, and that it follows every change of the graph."""

TEXT = "text to video"
STORYBOARD = "three-shot storyboard with sound"


def buying(stage):
    stage.example(TEXT)
    stage.set("KlingGenerate", "mode", "generate")


def test_a_storyboard_shows_its_time_and_its_price(stage):
    stage.example(STORYBOARD)
    stage.wait_for_badge("KlingPrompt", "shot 3 of 3 · 7-10 s")
    assert stage.badges("KlingPrompt") == ["shot 1 of 3 · 0-3 s", "shot 2 of 3 · 3-7 s", "shot 3 of 3 · 7-10 s"]
    assert stage.badges("KlingGenerate") == ["rehearsal · $0 · 10 s · 1 film"]
    stage.shoot("storyboard")


def test_the_price_follows_every_widget(stage):
    stage.example(TEXT)
    stage.wait_for_badge("KlingGenerate", "rehearsal · $0 · 5 s · 1 film")
    for widget, value, badge in (
        ("mode", "generate", "$0.42 · 5 s · 1 film"),
        ("sound", True, "$0.63 · 5 s · 1 film"),
        ("number_results", 2, "$1.26 · 5 s · 2 films"),
        ("model", "Kling 3.0 Pro", "$1.68 · 5 s · 2 films"),
        ("max_cost", 1.0, "$1.68 · over max_cost"),
        ("reference_video_source", "https://films.example/dance.mp4", "price unknown · over max_cost"),
    ):
        stage.set("KlingGenerate", widget, value)
        stage.wait_for_badge("KlingGenerate", badge)
    stage.shoot("over-max-cost")


def test_the_price_follows_the_shots_of_another_node(stage):
    buying(stage)
    stage.set("KlingPrompt", "shot_seconds", 10)
    stage.look()
    stage.wait_for_badge("KlingGenerate", "$0.84 · 10 s · 1 film")


def test_a_prompt_alone_and_an_element_say_what_they_are(stage):
    stage.example("character with voice")
    stage.wait_for_badge("KlingElement", f"@{stage.value('KlingElement', 'element_id')}")
    stage.example(TEXT)
    stage.wait_for_badge("KlingPrompt", "whole film")


def test_too_long_too_short_and_a_shot_without_seconds_are_marked(stage):
    stage.example(STORYBOARD)
    stage.evaluate("find('KlingPrompt')[2].widgets.find(each => each.name === 'shot_seconds').value = 9")
    stage.look()
    stage.wait_for_badge("KlingPrompt", "shot 3 of 3 · 7-16 s · over 15 s")
    stage.shoot("too-long")
    stage.evaluate("find('KlingPrompt')[2].widgets.find(each => each.name === 'shot_seconds').value = 0")
    stage.look()
    stage.wait_for_badge("KlingPrompt", "shot_seconds is missing")


def test_words_for_a_whole_film_of_one_shot_count_no_shots(stage):
    stage.example(STORYBOARD)
    stage.evaluate("find('KlingPrompt')[0].widgets.find(each => each.name === 'shot_seconds').value = 0")
    stage.look()
    stage.evaluate("find('KlingPrompt')[1].mode = 4")
    stage.look()
    stage.wait_for_badge("KlingPrompt", "whole film · 3 s")


def test_badges_follow_rewiring_muting_and_bypassing(stage):
    stage.example(STORYBOARD)
    stage.evaluate("find('KlingPrompt')[1].mode = 4")
    stage.look()
    stage.wait_for_badge("KlingPrompt", "shot 2 of 2 · 3-6 s")
    stage.evaluate("find('KlingPrompt')[1].mode = 2")
    stage.look()
    stage.wait_for_badge("KlingGenerate", "rehearsal · $0 · 3 s · 1 film")
    stage.evaluate("find('KlingPrompt')[1].mode = 0")
    stage.evaluate("const [one,, three] = find('KlingPrompt'); one.connect(0, three, three.findInputSlot('previous'))")
    stage.look()
    stage.wait_for_badge("KlingGenerate", "rehearsal · $0 · 6 s · 1 film")
    stage.evaluate("find('KlingGenerate')[0].mode = 2")
    stage.look()
    stage.wait_for_badge("KlingGenerate", "")


def test_badges_follow_copies_and_undo(stage):
    buying(stage)
    stage.look()
    stage.choose("KlingGenerate", "Next take")
    assert stage.value("KlingGenerate", "take") == 2
    stage.set("KlingGenerate", "duration", 8)
    stage.look()
    stage.command("Comfy.Undo")
    stage.wait_for_badge("KlingGenerate", "$0.42 · 5 s · 1 film")
    stage.evaluate("app.canvas.selectNodes(find('KlingPrompt'))")
    stage.evaluate("app.canvas.copyToClipboard(); app.canvas.pasteFromClipboard()")
    stage.look()
    stage.until("return find('KlingPrompt').length === 2")
    assert stage.badges("KlingPrompt") == ["whole film", "whole film"]


def test_badges_see_through_a_subgraph(stage):
    stage.example(STORYBOARD)
    stage.evaluate("app.canvas.graph.convertToSubgraph(new Set(find('KlingPrompt').slice(0, 2)))")
    stage.look()
    stage.wait_for_badge("KlingPrompt", "shot 3 of 3 · 7-10 s")
    stage.wait_for_badge("KlingGenerate", "rehearsal · $0 · 10 s · 1 film")
    inside = stage.evaluate(
        "const outer = app.rootGraph.nodes.find(each => each.subgraph);"
        "return outer.subgraph.nodes.map(each => each.badges.at(-1)().text)"
    )
    assert sorted(inside) == ["shot 1 of 3 · 0-3 s", "shot 2 of 3 · 3-7 s"]


def test_a_film_is_continued_once_for_each_result_of_the_one_before(stage):
    stage.example("two clips chained by last frame")
    stage.evaluate(
        "for (const { widgets } of find('KlingGenerate')) for (const each of widgets) {"
        " if (each.name === 'mode') each.value = 'generate'; if (each.name === 'number_results') each.value = 2; }"
    )
    stage.look()
    stage.wait_for_badge("KlingGenerate", "$1.68 · 5 s · 4 films")
    sums = stage.open_sidebar().locator(".kling-sums")
    sums.get_by_text("$2.52").wait_for()
    stage.shoot("two-results-continued")


def test_the_menu_switches_between_rehearsing_and_buying(stage):
    stage.example(TEXT)
    stage.choose("KlingGenerate", "Buy for real")
    stage.wait_for_badge("KlingGenerate", "$0.42 · 5 s · 1 film")
    stage.choose("KlingGenerate", "Rehearse")
    stage.wait_for_badge("KlingGenerate", "rehearsal · $0 · 5 s · 1 film")


def test_the_menu_sets_the_primitive_that_decides_the_mode(stage):
    stage.example(TEXT)
    stage.evaluate(
        "const primitive = LiteGraph.createNode('PrimitiveNode'), [node] = find('KlingGenerate');"
        "app.rootGraph.add(primitive); primitive.connect(0, node, node.findInputSlot('mode'))"
    )
    stage.look()
    stage.choose("KlingGenerate", "Buy for real")
    stage.wait_for_badge("KlingGenerate", "$0.42 · 5 s · 1 film")


def test_each_instance_of_a_subgraph_is_counted_and_the_menu_inside_sets_them_all(stage):
    stage.example(TEXT)
    stage.evaluate(
        "app.rootGraph.convertToSubgraph(new Set(find('KlingGenerate')));"
        "const first = app.rootGraph.nodes.find(each => each.subgraph), [node] = first.subgraph.nodes;"
        "const mode = node.inputs[node.findInputSlot('mode')];"
        "first.subgraph.addInput('mode', mode.type).connect(mode, node);"
        "const second = LiteGraph.createNode(first.type); app.rootGraph.add(second);"
        "find('KlingPrompt')[0].connect(0, second, 0);"
        "[first, second].forEach((each, index) => { each.widgets[0].value = ['rehearse', 'generate'][index] });"
    )
    inside = "const [node] = app.rootGraph.nodes.find(each => each.subgraph).subgraph.nodes;"
    badge = f"{inside} return node.badges.at(-1)().text"
    assert stage.evaluate(badge) == "$0.42 · 5 s · 1 film"
    stage.open_sidebar().locator(".kling-sums").get_by_text("$0.42").wait_for()
    stage.shoot("two-instances")
    stage.evaluate(f"{inside} app.collectNodeMenuItems(node).find(each => each?.content === 'Rehearse').callback()")
    assert stage.evaluate(badge) == "rehearsal · $0 · 5 s · 1 film"
