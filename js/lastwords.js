// @ts-check
/**
 * @fileoverview The last words of a run. Newer pages take a node's line away when the run ends, and
 * with it a warning, or what a cancelled purchase goes on doing; it is put back until the next run.
 */

import { nodeById } from "./page.js";
import { isOpen, owner } from "./prompts.js";

const ENDS = ["execution_success", "execution_error", "execution_interrupted"];
const LINE = "$$node-text-preview";

/** @type {Map<string, string>} node, as the server calls it -> its words in this run */
const words = new Map();

/** @param {any} api */
export function keepLastWords(api) {
  api.addEventListener("execution_start", () => words.clear());
  api.addEventListener("progress_text", (/** @type {any} */ { detail }) => {
    words.set(String(detail.nodeId), detail.text);
  });
  for (const end of ENDS) {
    api.addEventListener(end, async (/** @type {any} */ { detail }) => {
      if (isOpen(await owner(detail.prompt_id))) requestAnimationFrame(() => tellAgain(api));
    });
  }
}

/** @param {any} api */
function tellAgain(api) {
  for (const [nodeId, text] of words) {
    const node = nodeById(nodeId);
    const ours = node?.comfyClass?.startsWith("Kling");
    const shown = node?.widgets?.some((/** @type {any} */ each) => each.name === LINE);
    if (ours && !shown) api.dispatchCustomEvent("progress_text", { nodeId, text });
  }
}
