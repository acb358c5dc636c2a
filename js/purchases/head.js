// @ts-check
/** @fileoverview The sums above the list: what was spent, what is left, what is still to come. */

import { totalOf } from "../cost.js";
import { dollars, millionths } from "../money.js";
import { host } from "../page.js";
import { joined, say } from "../words.js";
import { make } from "./dom.js";

/** @typedef {import("./feed.js").Answer} Answer */

/**
 * @param {Answer | null} answer
 * @returns {HTMLElement}
 */
export function sums(answer) {
  const list = make("dl", { class: "kling-sums" });
  for (const [name, amount, tone] of lines(answer)) {
    list.append(make("div", { class: tone }, make("dt", {}, name), make("dd", {}, amount)));
  }
  return list;
}

/**
 * @param {Answer | null} answer
 * @returns {[string, string, string][]}
 */
function lines(answer) {
  /** @type {[string, string, string][]} */
  const found = [[say("this_graph"), graphTotal(), "kling-plain"]];
  if (!answer) return found;
  found.push([say("today"), usd(answer.today), "kling-plain"]);
  found.push([say("this_month"), usd(answer.month), "kling-plain"]);
  if (answer.budget !== null) {
    const left = Math.max(0, millionths(answer.budget) - millionths(answer.today));
    found.push([say("budget_left"), dollars(left), left ? "kling-plain" : "kling-bad"]);
  }
  found.push([say("waiting_for"), String(answer.waiting), "kling-plain"]);
  if (answer.unreadable) {
    found.push([say("unreadable"), String(answer.unreadable), "kling-bad"]);
  }
  return found;
}

/** What Run would cost at most, now; with a sign where a list can make it more. */
function graphTotal() {
  const { cost, more, unknown } = totalOf(host().graph);
  return joined(`${dollars(cost)}${more ? "+" : ""}`, unknown ? say("price_unknown") : "");
}

/** @param {string} amount */
function usd(amount) {
  return dollars(millionths(amount));
}
