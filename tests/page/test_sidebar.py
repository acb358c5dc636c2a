"""The Kling tab: what was bought, and what can be done with it."""

import re
import time
from contextlib import contextmanager

import psutil
import pytest
from kling.nodes.runware.journal import Journal, Record, State

from page.stage import new_take

ROUTE = "**/kling/purchases*"


def rehearsed(stage, take):
    stage.example("text to video")
    stage.set("KlingGenerate", "duration", 3)
    stage.set("KlingGenerate", "take", take)
    stage.run()
    stage.wait_for_film()
    stage.wait_until_idle()


def wait_for_picture(stage, player):
    player.wait_for()
    stage.page.wait_for_function("player => player.readyState >= 2", arg=player.element_handle())


def test_nothing_bought_is_said(stage):
    inside = stage.open_sidebar()
    if not list((stage.comfy.state / "tasks").glob("*.json")):
        inside.get_by_text("Nothing bought yet").wait_for()
        stage.shoot("sidebar-empty")
    assert inside.locator(".kling-sums").inner_text()


def test_a_purchase_appears_while_the_tab_is_open_and_can_be_collected(stage, key):
    inside = stage.open_sidebar()
    take = new_take()
    stage.example("text to video")
    for name, value in {"duration": 3, "take": take, "mode": "generate"}.items():
        stage.set("KlingGenerate", name, value)
    stage.run()
    row = inside.locator(".kling-row").filter(has_text=f"take {take}")
    row.get_by_text("ready").wait_for(timeout=60_000)
    stage.wait_until_idle()
    row.locator("video").wait_for(state="attached")
    row.locator(".kling-head").click()
    wait_for_picture(stage, row.locator(".kling-player"))
    assert "output/video/kling" in row.inner_text()
    assert row.locator(".kling-head").get_attribute("aria-expanded") == "true"
    stage.shoot("sidebar")
    row.get_by_role("button", name="Collect").click()
    stage.until("return find('KlingFetchVideo').length === 2")
    uuid = row.get_attribute("data-uuid")
    assert re.fullmatch(r"[0-9a-f-]{36}", uuid)
    found = "return find('KlingFetchVideo').some(each => each.widgets.some(widget => widget.value === argument))"
    stage.until(found, uuid)


def test_a_film_opens_its_workflow(stage):
    take = new_take()
    rehearsed(stage, take)
    stage.clear()
    inside = stage.open_sidebar()
    inside.get_by_label("Show").select_option("rehearsals")
    row = inside.locator(".kling-row").filter(has_text=f"take {take}")
    row.locator(".kling-head").click()
    row.get_by_role("button", name="Open its workflow").click()
    stage.until("return find('KlingGenerate').length === 1")
    assert stage.value("KlingGenerate", "take") == take


def test_the_tab_is_used_by_keyboard(stage):
    rehearsed(stage, new_take())
    inside = stage.open_sidebar()
    inside.get_by_label("Show").select_option("rehearsals")
    head = inside.locator(".kling-head").first
    head.focus()
    stage.page.keyboard.press("Enter")
    inside.locator(".kling-player").first.wait_for()
    stage.page.keyboard.press("Tab")
    assert stage.page.evaluate("document.activeElement.closest('.kling-details') !== null")
    head.focus()
    stage.page.keyboard.press("Enter")
    inside.locator(".kling-player").first.wait_for(state="detached")


@contextmanager
def answers(stage, answer):
    """Answer the page's question here, in place of ComfyUI."""
    stage.page.route(ROUTE, answer)
    try:
        yield stage.open_sidebar()
    finally:
        stage.page.unroute(ROUTE)


def test_an_answer_that_does_not_come_is_told_and_can_be_asked_again(stage):
    with answers(stage, lambda route: route.fulfill(status=500, json={"error": "No such folder."})) as inside:
        inside.get_by_text("No such folder.").wait_for()
        stage.shoot("sidebar-error")
    inside.get_by_role("button", name="Try again").click()
    inside.get_by_text("No such folder.").wait_for(state="detached")
    stage.page.console_lines[:] = [line for line in stage.page.console_lines if "500" not in line]


MANY = 10_000


@pytest.fixture
def many(stage):
    """Ten thousand purchases in the journal of rehearsals, beside those of other tests."""
    journal = Journal(stage.comfy.state / "rehearsal", clock=time.time)
    journal.open()
    records = [rehearsal(number) for number in range(MANY)]
    for record in records:
        journal.path(record.task_uuid).write_text(record.model_dump_json(exclude_none=True))
    yield
    for record in records:
        journal.path(record.task_uuid).unlink()


def rehearsal(number):
    return Record(
        task_uuid=f"{number:08x}-0000-4000-8000-000000000000",
        state=State.COMMITTED,
        price="0.42",
        request={"positivePrompt": f"Film {number}: a red fox runs through fresh snow.", "duration": 5},
        created_at=time.time() - number,
    )


def work_for(comfy, path):
    """Seconds that ComfyUI works for an answer, however busy the machine is otherwise."""
    process = psutil.Process(comfy._process.pid)
    before = process.cpu_times()
    answer = comfy.get(path)
    after = process.cpu_times()
    assert answer.json()["total"] >= MANY
    return after.user + after.system - before.user - before.system


def test_ten_thousand_purchases_come_page_by_page_and_scroll_without_a_stutter(stage, many):
    path = "/kling/purchases?rehearsals=1&limit=50&offset="
    work_for(stage.comfy, f"{path}0")  # the first time, each record is read
    assert min(work_for(stage.comfy, f"{path}{50 * page}") for page in range(5)) < 0.2
    inside = stage.open_sidebar()
    inside.get_by_label("Show").select_option("rehearsals")
    inside.locator(".kling-row").nth(49).wait_for(state="attached")
    frames = stage.page.evaluate(SCROLL)
    assert inside.locator(".kling-row").count() >= 1000
    assert sorted(frames)[len(frames) // 2] < 100  # milliseconds, on a machine that draws without a graphics card
    stage.shoot("sidebar-ten-thousand")


SCROLL = """async () => {
  const box = document.querySelector('.kling-purchases');
  const frames = [];
  const began = performance.now();
  let before = began;
  while (box.querySelectorAll('.kling-row').length < 1000 && before - began < 30_000) {
    box.querySelector('.kling-end').scrollIntoView();
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    frames.push(now - before);
    before = now;
  }
  return frames;
}"""
