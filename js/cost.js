// @ts-check
/** @fileoverview What the KlingGenerate nodes of a graph will cost, and the badge that says it. */

import { chainTo } from "./chains.js";
import { active, everyNode, source, value } from "./graph.js";
import { dollars } from "./money.js";
import { estimate } from "./price.js";
import { table } from "./prices.js";
import { joined, say } from "./words.js";

/**
 * @typedef {import("./labels.js").Label} Label
 * @typedef {import("./price.js").Estimate} Estimate
 */

/**
 * The price of a KlingGenerate.
 * @param {any} node
 * @returns {Label}
 */
export function generateBadge(node) {
  const found = priceOf(node);
  if (!found) return { text: "", tone: "plain" };
  if (found.kind === "over") {
    return { text: joined(known(found), say("over_max_cost")), tone: "fault" };
  }
  if (found.kind === "rehearsal") {
    return { text: joined(say("rehearsal"), "$0", size(found)), tone: "quiet" };
  }
  const why = found.kind === "unknown" && motion(node) ? say("motion_control") : "";
  return { text: joined(known(found), why || size(found)), tone: "money" };
}

/**
 * What a KlingGenerate will cost; null where it will not run, or as long as the prices are not
 * known.
 * @param {any} node
 * @returns {Estimate | null}
 */
export function priceOf(node) {
  const prices = table();
  if (!prices || !active(node)) return null;
  const wish = Object.fromEntries(
    ["model", "duration", "sound", "number_results", "mode", "max_cost"].map((name) => [
      name,
      value(node, name),
    ]),
  );
  const prompt = source(node, "prompt")?.node;
  const seconds = prompt ? chainTo(prompt).map((each) => value(each, "shot_seconds")) : [];
  const shots_seconds = seconds.includes(undefined)
    ? undefined
    : seconds.reduce((sum, each) => sum + each, 0);
  return estimate({ ...wish, shots_seconds, motion: motion(node) }, prices);
}

/** @param {any} node */
function motion(node) {
  return Boolean(source(node, "reference_video") || value(node, "reference_video_source")?.trim());
}

/** @param {Estimate} found */
function known({ cost }) {
  return cost === null ? say("price_unknown") : dollars(cost);
}

/** @param {Estimate} found */
function size({ seconds, films }) {
  const length = seconds === undefined ? "" : say("seconds", { n: seconds });
  const count = films === undefined ? "" : say(films === 1 ? "film" : "films", { n: films });
  return joined(length, count);
}

/**
 * What all of a graph costs at most: what was bought before with the same inputs and take is not
 * paid again.
 * @param {any} graph
 * @returns {{ cost: number, nodes: number, unknown: number }} cost in millionths of a dollar
 */
export function totalOf(graph) {
  const found = [...everyNode(graph)]
    .filter((node) => node.comfyClass === "KlingGenerate")
    .map(priceOf)
    .filter((each) => each !== null && each.kind !== "rehearsal");
  const costs = found.map((each) => each?.cost ?? null);
  return {
    cost: costs.reduce((/** @type {number} */ sum, each) => sum + (each ?? 0), 0),
    nodes: costs.length,
    unknown: costs.filter((each) => each === null).length,
  };
}
