// @ts-check
/** @fileoverview What the KlingGenerate nodes of a graph will cost, and the badge that says it. */

import { chainTo } from "./chains.js";
import { source, value } from "./graph.js";
import { active, everyInstance, instancesOf } from "./instances.js";
import { runs } from "./lists.js";
import { dollars } from "./money.js";
import { estimate } from "./price.js";
import { table } from "./prices.js";
import { joined, say } from "./words.js";

/**
 * @typedef {import("./instances.js").Instance} Instance
 * @typedef {import("./labels.js").Label} Label
 * @typedef {import("./price.js").Estimate} Estimate
 */

/**
 * The price of a KlingGenerate; of several instances, the highest.
 * @param {any} node
 * @returns {Label}
 */
export function generateBadge(node) {
  const instances = [...instancesOf(node)];
  const [found] = prices(instances).sort((one, other) => rank(other) - rank(one));
  if (!found) return { text: "", tone: "plain" };
  if (found.kind === "over") {
    return { text: joined(known(found), say("over_max_cost")), tone: "fault" };
  }
  if (found.kind === "rehearsal") {
    return { text: joined(say("rehearsal"), "$0", size(found)), tone: "quiet" };
  }
  const why = found.kind === "unknown" && instances.some(motion) ? say("motion_control") : "";
  return { text: joined(known(found), why || size(found)), tone: "money" };
}

/** @param {Estimate} found */
function rank({ cost }) {
  return cost ?? Infinity;
}

/**
 * What KlingGenerate nodes will cost, those that will run; nothing as long as the prices are not
 * known.
 * @param {Iterable<Instance>} instances
 * @returns {Estimate[]}
 */
function prices(instances) {
  const known = table();
  return known ? [...instances].filter(active).map((each) => estimate(wishOf(each), known)) : [];
}

/**
 * @param {Instance} instance
 * @returns {import("./price.js").Wish}
 */
function wishOf(instance) {
  const wish = Object.fromEntries(
    ["model", "duration", "sound", "number_results", "mode", "max_cost"].map((name) => [
      name,
      value(instance, name),
    ]),
  );
  const prompt = source(instance, "prompt");
  const seconds = prompt ? chainTo(prompt).map((each) => value(each, "shot_seconds")) : [];
  const shots_seconds = seconds.includes(undefined)
    ? undefined
    : seconds.reduce((sum, each) => sum + each, 0);
  return { ...wish, shots_seconds, motion: motion(instance), purchases: runs(instance) };
}

/** @param {Instance} instance */
function motion(instance) {
  const given = value(instance, "reference_video_source")?.trim();
  return Boolean(source(instance, "reference_video") || given);
}

/** @param {Estimate} found */
function known({ cost, per_item }) {
  if (cost === null) return say("price_unknown");
  return per_item ? say("per_item", { price: dollars(cost) }) : dollars(cost);
}

/** @param {Estimate} found */
function size({ seconds, films }) {
  const length = seconds === undefined ? "" : say("seconds", { n: seconds });
  const count = films === undefined ? "" : say(films === 1 ? "film" : "films", { n: films });
  return joined(length, count);
}

/**
 * What all of a graph costs at most: what was bought before with the same inputs and take is not
 * paid again. With a list whose length only the run will tell, the cost of one item is in it, and
 * `more` is true.
 * @param {any} graph
 * @returns {{ cost: number, more: boolean, unknown: number }} cost in millionths of a dollar
 */
export function totalOf(graph) {
  const all = prices(everyInstance(graph, "KlingGenerate"));
  const found = all.filter(({ kind }) => kind !== "rehearsal");
  const costs = found.map(({ cost }) => cost);
  return {
    cost: costs.reduce((/** @type {number} */ sum, each) => sum + (each ?? 0), 0),
    more: found.some(({ per_item }) => per_item),
    unknown: costs.filter((each) => each === null).length,
  };
}
