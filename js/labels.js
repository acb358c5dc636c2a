// @ts-check
/**
 * @fileoverview What the badges of KlingPrompt and KlingElement say, from the graph as it stands.
 */

import { chainFrom, chainTo } from "./chains.js";
import { value } from "./graph.js";
import { active, instancesOf } from "./instances.js";
import { table } from "./prices.js";
import { place } from "./storyboard.js";
import { joined, say } from "./words.js";

/** @typedef {{ text: string, tone: "plain" | "money" | "quiet" | "fault" }} Label */

/** @type {Label} */
const NOTHING = { text: "", tone: "plain" };

/**
 * The place of a KlingPrompt in its film.
 * @param {any} node
 * @returns {Label}
 */
export function promptBadge(node) {
  const limits = table()?.limits;
  const instance = [...instancesOf(node)].find(active);
  if (!limits || !instance) return NOTHING;
  const before = chainTo(instance);
  const chain = [...before, ...chainFrom(instance)];
  const shots = chain.map((each) => ({
    seconds: value(each, "shot_seconds"),
    type: value(each, "shot_type"),
  }));
  const found = place(shots, before.length - 1, limits);
  if (found.kind === "unknown") return NOTHING;
  const [least, longest] = limits.duration;
  const most = found.fault === "many" ? limits.shots : longest;
  const fault = found.fault ? say(`fault_${found.fault}`, { least, most }) : "";
  return { text: joined(where(found), fault), tone: fault ? "fault" : "plain" };
}

/** @param {import("./storyboard.js").Place} found */
function where({ kind, number, shots, from, to, total, fault }) {
  if (fault === "unset") return ""; // it is no shot yet, and has no number
  if (kind === "whole") return say("whole_film");
  if (kind === "heading" && shots === 1)
    return joined(say("whole_film"), say("seconds", { n: total }));
  if (kind === "heading") return say("heading", { shots, total });
  const time = to > from ? say("shot_time", { from, to }) : "";
  return joined(say("shot", { n: number, shots }), time);
}

/**
 * The name by which prompts call a KlingElement.
 * @param {any} node
 * @returns {Label}
 */
export function elementBadge(node) {
  const limits = table()?.limits;
  const instance = [...instancesOf(node)].find(active);
  if (!limits || !instance) return NOTHING;
  const name = value(instance, "element_id");
  if (name === undefined) return NOTHING;
  if (!name) return { text: say("no_name"), tone: "fault" };
  const before = chainTo(instance);
  const twice = before.slice(0, -1).some((each) => value(each, "element_id") === name);
  const many = before.length > limits.elements;
  const fault = twice
    ? say("name_twice")
    : many
      ? say("too_many_elements", { most: limits.elements })
      : "";
  return { text: joined(`@${name}`, fault), tone: fault ? "fault" : "plain" };
}
