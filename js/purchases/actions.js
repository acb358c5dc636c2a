// @ts-check
/** @fileoverview What can be done with a purchase: nothing here spends. */

import { change, host, notify, viewUrl } from "../page.js";
import { say } from "../words.js";

/** @typedef {import("./feed.js").Purchase} Purchase */

const STEP = 40;

/**
 * Put a KlingFetchVideo with the purchase's task UUID into the middle of what is seen of the graph.
 * @param {Purchase} purchase
 */
export function collect({ task_uuid }) {
  const { app } = host();
  const node = /** @type {any} */ (window).LiteGraph.createNode("KlingFetchVideo");
  const canvas = app.canvas;
  const [x, y, width, height] = canvas.ds.visible_area;
  node.pos = free(canvas.graph, x + (width - node.size[0]) / 2, y + (height - node.size[1]) / 2);
  change(canvas.graph, () => {
    canvas.graph.add(node);
    node.widgets.find((/** @type {any} */ each) => each.name === "task_uuid").value = task_uuid;
  });
  canvas.selectNode(node);
}

/**
 * A place that no node has, so that two collected ones do not hide each other.
 * @param {any} graph
 * @param {number} x
 * @param {number} y
 * @returns {[number, number]}
 */
function free(graph, x, y) {
  const taken = graph.nodes.some(
    (/** @type {any} */ { pos }) =>
      Math.abs(pos[0] - x) < STEP / 2 && Math.abs(pos[1] - y) < STEP / 2,
  );
  return taken ? free(graph, x + STEP, y + STEP) : [x, y];
}

/**
 * Open the workflow that a film carries.
 * @param {{ filename: string, subfolder: string }} film
 */
export async function openWorkflow(film) {
  const answer = await fetch(viewUrl(film));
  if (!answer.ok) {
    notify("warn", say("no_workflow"), film.filename);
    return;
  }
  const content = await answer.blob();
  await host().app.handleFile(new File([content], film.filename, { type: content.type }));
}

/**
 * Where a film lies, below ComfyUI's folder.
 * @param {{ filename: string, subfolder: string }} film
 */
export function pathOf({ filename, subfolder }) {
  return ["output", subfolder, filename].filter(Boolean).join("/");
}
