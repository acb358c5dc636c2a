// @ts-check
/**
 * @fileoverview Badges above the nodes: the price of a purchase, the time of a shot, the name of an
 * element.
 */

import { generateBadge } from "./cost.js";
import { elementBadge, promptBadge } from "./labels.js";

/** @typedef {import("./labels.js").Label} Label */

/** @type {Record<string, (node: any) => Label>} */
const LABELS = {
  KlingPrompt: promptBadge,
  KlingElement: elementBadge,
  KlingGenerate: generateBadge,
};

const COLOURS = {
  plain: { fgColor: "#ffffff", bgColor: "#3b4252" },
  money: { fgColor: "#ffffff", bgColor: "#1d5f3a" },
  quiet: { fgColor: "#ffffff", bgColor: "#44506b" },
  fault: { fgColor: "#ffffff", bgColor: "#a3262f" },
};

/**
 * Give a node of ours its badge. It is made whenever the page draws it, so it cannot be out of
 * date.
 * @param {any} node
 */
export function addBadge(node) {
  const label = LABELS[node.comfyClass];
  if (!label) return;
  const Badge = /** @type {any} */ (window).LGraphBadge;
  let shown = { text: "", tone: "plain" };
  let badge = new Badge({ text: "" });
  node.badges.push(() => {
    const { text, tone } = node.graph
      ? label(node)
      : { text: "", tone: /** @type {const} */ ("plain") };
    if (text !== shown.text || tone !== shown.tone) {
      shown = { text, tone };
      badge = new Badge({ text, ...COLOURS[tone] });
    }
    return badge;
  });
}

/**
 * Have all badges drawn again: on the canvas, and in the Vue nodes of older pages, which look at a
 * node's badges when one of its properties is set. Newer pages see by themselves which values a
 * badge was made of.
 * @param {Iterable<any>} nodes
 */
export function refreshBadges(nodes) {
  for (const node of nodes) {
    if (!LABELS[node.comfyClass] || !node.graph) continue;
    // eslint-disable-next-line no-self-assign -- the setter tells the page
    node.title = node.title;
    node.setDirtyCanvas(true, true);
  }
}
