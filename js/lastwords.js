// @ts-check
/**
 * @fileoverview The last words of a run. Newer pages take a node's line away when the run ends, and
 * with it a warning, or what a cancelled purchase goes on doing; it is put back until the next run.
 * On the canvas it gets the room it needs: the page shows two rows of it and hides the rest.
 */

import { nodeById } from "./page.js";
import { isOpen, owner } from "./prompts.js";

const ENDS = ["execution_success", "execution_error", "execution_interrupted"];
const LINE = "$$node-text-preview";

/** @type {Map<string, string>} node, as the server calls it -> its words in this run */
const words = new Map();
/** @type {Set<string>} nodes that bear an error */
const failed = new Set();

/** @param {any} api */
export function keepLastWords(api) {
  api.addEventListener("execution_start", () => {
    takeErrorsAway();
    words.clear();
  });
  api.addEventListener("progress_text", (/** @type {any} */ { detail }) => {
    words.set(String(detail.nodeId), detail.text);
  });
  api.addEventListener("execution_error", (/** @type {any} */ { detail }) => tellError(detail));
  for (const end of ENDS) {
    api.addEventListener(end, async (/** @type {any} */ { detail }) => {
      if (isOpen(await owner(detail.prompt_id))) requestAnimationFrame(() => tellAgain(api));
    });
  }
}

/**
 * Let an error stand on its node. Newer pages say only that there was one, until they are asked;
 * what the items of a list have said for themselves stays. It can quote what stands in a workflow
 * of somebody else's, and a line is read as HTML: no tag may begin in it, as in the server's words.
 * @param {any} detail
 */
function tellError(detail) {
  const nodeId = String(detail.node_id);
  if (/^1\. /.test(words.get(nodeId) ?? "")) return;
  words.set(nodeId, String(detail.exception_message).trim().replaceAll("<", "\u2039"));
  failed.add(nodeId);
}

/** Not every node says something in the next run, and would go on bearing what was mended. */
function takeErrorsAway() {
  for (const nodeId of failed) {
    const node = nodeById(nodeId);
    const line = node?.comfyClass?.startsWith("Kling") && lineOf(node);
    if (!line) continue;
    line.onRemove?.();
    node.widgets.splice(node.widgets.indexOf(line), 1);
    const { from, to } = grown.get(node) ?? { from: 0, to: 0 };
    if (node.size[1] === to) node.setSize([node.size[0], from]);
  }
  failed.clear();
}

/** @param {any} api */
function tellAgain(api) {
  for (const [nodeId, text] of words) {
    const node = nodeById(nodeId);
    if (!node?.comfyClass?.startsWith("Kling")) continue;
    if (lineOf(node)?.value !== text) api.dispatchCustomEvent("progress_text", { nodeId, text });
    giveRoom(node);
  }
}

/** @param {any} node */
function lineOf(node) {
  return node.widgets?.find((/** @type {any} */ each) => each.name === LINE);
}

/** How the page draws a line, in pixels: broken anywhere, and scrolled when it is very long. */
const LINE_FONT = "12px Inter, Arial, sans-serif";
const ROW = 16;
const ABOVE_AND_BELOW = 36;
const BESIDE = 52;
const MOST_ROWS = 11;

/** @type {WeakSet<any>} lines that have been given room */
const roomy = new WeakSet();
/** @type {WeakMap<any, { from: number, to: number }>} node -> how it has grown for its line */
const grown = new WeakMap();

/**
 * Let a node grow until its line can be read, and back when it has less to say.
 * @param {any} node
 */
function giveRoom(node) {
  const line = lineOf(node);
  if (!line?.options?.getMinHeight || /** @type {any} */ (window).LiteGraph.vueNodesMode) return;
  if (!roomy.has(line)) {
    const least = line.options.getMinHeight;
    roomy.add(line);
    line.options.getMinHeight = () => Math.max(least(), heightOf(String(line.value), node.size[0]));
  }
  const { from, to } = grown.get(node) ?? { from: 0, to: 0 };
  const before = node.size[1] === to ? from : node.size[1];
  const needed = Math.max(before, node.computeSize()[1]);
  grown.set(node, { from: before, to: needed });
  if (needed !== node.size[1]) node.setSize([node.size[0], needed]);
}

/** @type {CanvasRenderingContext2D | null} */
let pen = null;

/**
 * @param {string} text
 * @param {number} width of the node
 */
function heightOf(text, width) {
  pen ??= document.createElement("canvas").getContext("2d");
  if (!pen) return 0;
  pen.font = LINE_FONT;
  let rows = 0;
  for (const line of text.split("\n")) {
    rows += Math.ceil(pen.measureText(line).width / Math.max(width - BESIDE, ROW)) || 1;
  }
  return ABOVE_AND_BELOW + ROW * Math.min(rows, MOST_ROWS);
}
