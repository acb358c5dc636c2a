// @ts-check
/**
 * @fileoverview Which page queued a prompt, and for which workflow: asked of ComfyUI's own queue,
 * once for each.
 */

import { everyNode } from "./instances.js";
import { host } from "./page.js";

/** @typedef {{ mine: boolean, workflow: any }} Owner workflow: as it was saved with the prompt */

/** @type {Map<string, Promise<Owner | null>>} */
const owners = new Map();

const KEPT = 50;

/**
 * Find out whose prompt it is; null if the queue does not know it.
 * @param {string} promptId
 * @returns {Promise<Owner | null>}
 */
export function owner(promptId) {
  const known = owners.get(promptId) ?? ask(promptId);
  owners.set(promptId, known);
  const [oldest] = owners.keys();
  if (owners.size > KEPT && oldest) owners.delete(oldest);
  return known;
}

/**
 * Whether the graph that is open is the one a prompt was made of: this page's own prompt, whatever
 * was changed since, or another page's that makes the same films. Workflows opened from one example
 * have the same id.
 * @param {Owner | null} found
 */
export function isOpen(found) {
  const { graph } = host();
  if (!found?.workflow?.id || String(found.workflow.id) !== String(graph.id)) return false;
  return found.mine || madeAs(graph, found.workflow);
}

/**
 * Whether the graph as it stands makes the films of a saved workflow. Behind a saved node's own
 * values may stand the words of an earlier run.
 * @param {any} graph
 * @param {any} workflow
 */
export function madeAs(graph, { nodes = [], definitions }) {
  const inside = definitions?.subgraphs?.flatMap((/** @type {any} */ each) => each.nodes) ?? [];
  const saved = new Map([...nodes, ...inside].map((each) => [String(each.id), each]));
  const ours = [...everyNode(graph)].filter((each) => each.comfyClass?.startsWith("Kling"));
  return ours.every((node) => {
    const values = saved.get(String(node.id))?.widgets_values ?? [];
    return ownWidgets(node).every((widget, index) => widget.value === values[index]);
  });
}

/**
 * A node's widgets without what only shows something.
 * @param {any} node
 * @returns {any[]}
 */
function ownWidgets({ widgets = [] }) {
  return widgets.filter(
    (/** @type {any} */ each) => each.serialize !== false && !each.name.startsWith("$$"),
  );
}

/** @param {string} promptId */
async function ask(promptId) {
  const { queue_running = [], queue_pending = [] } = await json("/queue");
  const waiting = [...queue_running, ...queue_pending].find((each) => each[1] === promptId);
  const prompt = waiting ?? (await json(`/history/${promptId}`))[promptId]?.prompt;
  if (!prompt) owners.delete(promptId);
  return prompt ? ownerOf(prompt[3]) : null;
}

/** @param {string} path */
async function json(path) {
  const answer = await host().api.fetchApi(path);
  return answer.ok ? answer.json() : {};
}

/** @param {any} extra the `extra_data` of a queued or finished prompt */
export function ownerOf(extra) {
  return {
    mine: extra.client_id === host().api.clientId,
    workflow: extra.extra_pnginfo?.workflow ?? null,
  };
}
