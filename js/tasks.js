// @ts-check
/** @fileoverview Which purchase a node made last. */

import { source } from "./graph.js";
import { everyInstance } from "./instances.js";
import { host, nodeById } from "./page.js";
import { isOpen, owner } from "./prompts.js";

/** @type {WeakMap<object, string>} node -> task UUID */
const latest = new WeakMap();

/** @param {any} api */
export function rememberPurchases(api) {
  api.addEventListener("kling.purchase", async (/** @type {any} */ { detail }) => {
    if (!detail.task_uuid || !detail.node || !isOpen(await owner(detail.prompt_id))) return;
    const node = nodeById(detail.node);
    if (node) latest.set(node, detail.task_uuid);
  });
}

/**
 * Remember what a KlingFetchVideo has fetched.
 * @param {any} node
 * @param {string} taskUuid
 */
export function rememberTask(node, taskUuid) {
  latest.set(node, taskUuid);
}

/**
 * The task UUID of a node's latest purchase; "" if this page has seen none.
 * @param {any} node
 */
export function taskOf(node) {
  const own = latest.get(node);
  if (own) return own;
  for (const each of everyInstance(host().graph, "KlingFetchVideo")) {
    const found = source(each, "task")?.node === node && latest.get(each.node);
    if (found) return found;
  }
  return "";
}
