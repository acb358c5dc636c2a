// Which other pages' runs a page shows as its own: those of the graph that it has, as it stands.
import assert from "node:assert/strict";
import { test } from "node:test";

import { followOtherPages } from "../../js/follow.js";
import { use } from "../../js/page.js";
import { rememberPurchases, taskOf } from "../../js/tasks.js";
import { graph, node } from "./graphs.js";

let prompts = 0;

/**
 * A page with a prompt of these words, and a run of the workflow that was queued with others: its
 * line as it is shown here, and the task that is known of the node.
 */
async function hear({ here, there, mine = false }) {
  const prompt = node(1, "KlingPrompt", { positive_prompt: here });
  const generate = node(2, "KlingGenerate", { take: 1 });
  const whole = graph([prompt, generate]);
  const saved = [there, 1].map((value, index) => ({ id: index + 1, widgets_values: [value] }));
  const workflow = { id: whole.id, nodes: saved };
  const prompt_id = `prompt ${++prompts}`;
  const extra = { client_id: mine ? "this page" : "another", extra_pnginfo: { workflow } };
  const queue = { queue_running: [[0, prompt_id, {}, extra]] };
  const listeners = {};
  const lines = [];
  const api = {
    clientId: "this page",
    fetchApi: async () => ({ ok: true, json: async () => queue }),
    addEventListener: (name, work) => (listeners[name] = [...(listeners[name] ?? []), work]),
    dispatchCustomEvent: (name, { text }) => lines.push(text),
  };
  use({ rootGraph: whole }, api);
  followOtherPages(api);
  rememberPurchases(api);
  const tell = (name, detail) =>
    Promise.all(
      listeners[name].map((work) => work({ detail: { node: "2", prompt_id, ...detail } })),
    );
  await tell("kling.status", { text: "ready" });
  await tell("kling.purchase", { task_uuid: "a task" });
  return { lines, task: taskOf(generate) };
}

test("a page with the same graph shows another page's run", async () => {
  assert.deepEqual(await hear({ here: "a fox", there: "a fox" }), {
    lines: ["ready"],
    task: "a task",
  });
});

test("a page that has another prompt in the same example does not", async () => {
  assert.deepEqual(await hear({ here: "a horse", there: "a fox" }), { lines: [], task: "" });
});

test("a page's own run stays its own, whatever is changed meanwhile", async () => {
  const { task } = await hear({ here: "a horse", there: "a fox", mine: true });
  assert.equal(task, "a task");
});
