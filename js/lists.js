// @ts-check
/**
 * @fileoverview How often a node runs: ComfyUI runs it once for each item of the longest list that
 * leads into it, through whatever nodes.
 */

import { source, sources, value } from "./graph.js";
import { executionId } from "./instances.js";

/** @typedef {import("./graph.js").Output} Output */
/** @typedef {import("./instances.js").Instance} Instance */
/** @typedef {Map<string, number | undefined>} Known by execution id */

/**
 * How often a node runs; undefined if only the run will tell.
 * @param {Instance} instance
 * @param {Known} [known] so that a node which many others lead to is looked at once
 * @returns {number | undefined}
 */
export function runs(instance, known = new Map()) {
  const id = executionId(instance);
  if (known.has(id)) return known.get(id);
  known.set(id, 1); // where a loop of links is cut
  if (takesLists(instance)) return 1;
  const lists = [...sources(instance)].map((output) => items(output, known));
  const longest = lists.includes(undefined)
    ? undefined
    : Math.max(1, .../** @type {number[]} */ (lists));
  known.set(id, longest);
  return longest;
}

/**
 * How many items an output gives in all its node's runs.
 * @param {Output} output
 * @param {Known} known
 */
function items(output, known) {
  const times = runs(output, known);
  if (!kind(output)?.output_is_list?.[output.slot]) return times;
  const each = output.node.comfyClass === "KlingFetchVideo" ? films(output) : undefined;
  return times && each && times * each;
}

/**
 * How many films one purchase gives.
 * @param {Instance} fetchVideo
 * @returns {number | undefined}
 */
function films(fetchVideo) {
  const bought = source(fetchVideo, "task");
  return bought?.node.comfyClass === "KlingGenerate" ? value(bought, "number_results") : undefined;
}

/**
 * Whether a node is given its lists whole; older servers do not say.
 * @param {Instance} instance
 */
function takesLists(instance) {
  return Boolean(kind(instance)?.is_input_list);
}

/**
 * What the server says of nodes of this kind; nothing of those that the page alone knows.
 * @param {Instance} instance
 */
function kind({ node }) {
  return node.constructor.nodeData;
}
