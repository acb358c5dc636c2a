// @ts-check
/**
 * @fileoverview A second page with the same workflow: ComfyUI tells a run's words and progress only
 * to the page that queued it, so the pack tells all pages, and those with the workflow open show it
 * as their own.
 */

import { forgetFilms, restoreFilms } from "./films.js";
import { everyNode } from "./instances.js";
import { host } from "./page.js";
import { isOpen, owner } from "./prompts.js";

let finished = false;

/** @param {any} api */
export function followOtherPages(api) {
  listen(api, "kling.status", ({ node, text }) => {
    api.dispatchCustomEvent("progress_text", { nodeId: node, text });
  });
  listen(api, "kling.progress", ({ node, prompt_id, value, max }) => {
    const state = { node_id: node, display_node_id: node, real_node_id: node, prompt_id };
    const nodes = { [node]: { ...state, value, max, state: "running" } };
    api.dispatchCustomEvent("progress_state", { prompt_id, nodes });
  });
  listen(api, "kling.purchase", () => {
    finished = true;
  });
  api.addEventListener("status", showNewFilms);
}

/**
 * Hear of prompts that another page has queued for the workflow that is open here.
 * @param {any} api
 * @param {string} event
 * @param {(detail: any) => void} work
 */
function listen(api, event, work) {
  api.addEventListener(event, async (/** @type {any} */ { detail }) => {
    const found = await owner(detail.prompt_id);
    if (found && !found.mine && isOpen(found)) work(detail);
  });
}

/** A prompt has ended when the length of the queue changes. */
function showNewFilms() {
  if (!finished) return;
  finished = false;
  const { api, graph } = host();
  api.dispatchCustomEvent("progress_state", { prompt_id: "", nodes: {} });
  for (const node of everyNode(graph)) {
    if (node.comfyClass === "KlingFetchVideo") forgetFilms(node);
  }
  restoreFilms();
}
