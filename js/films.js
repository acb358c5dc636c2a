// @ts-check
/** @fileoverview The films on KlingFetchVideo: kept, shown again after a reload, and each alone. */

import { everyNode } from "./instances.js";
import { host, nodeById, viewUrl } from "./page.js";
import { isOpen, madeAs, owner, ownerOf } from "./prompts.js";
import { rememberTask } from "./tasks.js";

/**
 * @typedef {{ filename: string, subfolder: string, type: string }} Film
 * @typedef {{ images: Film[], animated: boolean[], kling_task_uuid?: string[] }} Output
 */

const HISTORY_READ = 32;

/** @type {WeakMap<object, Output>} node -> everything it has fetched */
const fetched = new WeakMap();

/** @param {any} api */
export function rememberFilms(api) {
  api.addEventListener("executed", async (/** @type {any} */ { detail }) => {
    const { node: id, output, prompt_id } = detail;
    if (!output?.kling_task_uuid || detail.again || !isOpen(await owner(prompt_id))) return;
    remember(String(id), output);
  });
}

/**
 * The films of a node, all of them, whichever are shown.
 * @param {any} node
 * @returns {Film[]}
 */
export function filmsOf(node) {
  return fetched.get(node)?.images ?? [];
}

/**
 * Show some of a node's films.
 * @param {any} node
 * @param {string} id as the server calls the node
 * @param {Film[]} films
 */
export function show(node, id, films) {
  const output = fetched.get(node);
  if (output) display(id, { ...output, images: films });
}

/**
 * Show the films of the graph's last run again, where the page has lost them: after a reload, in a
 * second page.
 */
export async function restoreFilms() {
  const { graph, api } = host();
  const nodes = [...everyNode(graph)].filter((node) => node.comfyClass === "KlingFetchVideo");
  if (!nodes.length) return;
  const answer = await api.fetchApi(`/history?max_items=${HISTORY_READ}`);
  if (!answer.ok) return;
  const runs = Object.values(await answer.json()).filter(({ prompt: [, , , extra] }) => {
    const found = ownerOf(extra);
    return isOpen(found) && madeAs(graph, found.workflow);
  });
  for (const run of runs.reverse()) {
    for (const [id, output] of Object.entries(run.outputs)) await restore(id, output);
  }
}

/**
 * @param {string} id
 * @param {Output} output
 */
async function restore(id, output) {
  const node = nodeById(id);
  const [first] = output.images ?? [];
  if (node?.comfyClass !== "KlingFetchVideo" || !output.kling_task_uuid || !first) return;
  if (fetched.has(node)) return;
  remember(id, output);
  const there = await fetch(viewUrl(first), { method: "HEAD" });
  if (there.ok) display(id, output);
}

/**
 * @param {string} id
 * @param {Output} output
 */
function remember(id, output) {
  const node = nodeById(id);
  if (!node) return;
  fetched.set(node, output);
  rememberTask(node, output.kling_task_uuid?.[0] ?? "");
}

/**
 * Have the page show an output as if it had just been made. The canvas puts the film on the node
 * when it draws it, and draws a page at rest only when asked.
 * @param {string} id
 * @param {Output} output
 */
function display(id, output) {
  const { api, graph } = host();
  const detail = { node: id, display_node: id, output, prompt_id: "", again: true };
  api.dispatchCustomEvent("executed", detail);
  graph.setDirtyCanvas(true, true);
}

/**
 * Forget a node's films, so that the next `restoreFilms` shows newer ones.
 * @param {any} node
 */
export function forgetFilms(node) {
  fetched.delete(node);
}
