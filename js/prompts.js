// @ts-check
/**
 * @fileoverview Which page queued a prompt, and for which workflow: asked of ComfyUI's own queue,
 * once for each.
 */

import { host } from "./page.js";

/** @typedef {{ mine: boolean, workflow: string }} Owner */

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
 * Whether the graph that is open is the one a prompt was made of.
 * @param {Owner | null} found
 */
export function isOpen(found) {
  return found !== null && found.workflow !== "" && found.workflow === String(host().graph.id);
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
    workflow: String(extra.extra_pnginfo?.workflow?.id ?? ""),
  };
}
