// @ts-check
/** @fileoverview A purchase in words: state, cost, age. */

import { dollars, millionths } from "../money.js";
import { joined, locale, say } from "../words.js";

/** @typedef {import("./feed.js").Purchase} Purchase */

const STATES = [
  ...["intent", "sending", "held", "accepted", "result"],
  ...["committed", "rejected", "failed", "expired"],
];
const WAITING = ["sending", "held", "accepted", "result"];
const BAD = ["rejected", "failed", "expired"];
const UNITS = /** @type {const} */ ([
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
]);

/**
 * @param {Purchase} purchase
 * @returns {string}
 */
export function stateOf({ state }) {
  return STATES.includes(state)
    ? say(/** @type {import("../words.js").Word} */ (`state_${state}`))
    : state;
}

/**
 * How the state is coloured.
 * @param {Purchase} purchase
 * @returns {"waiting" | "bad" | "good"}
 */
export function toneOf({ state }) {
  if (WAITING.includes(state)) return "waiting";
  return BAD.includes(state) ? "bad" : "good";
}

/** @param {Purchase} purchase */
export function costOf({ rehearsal, state, billed, planned }) {
  if (rehearsal) return say("free");
  if (state === "rejected" || state === "intent") return say("not_billed");
  if (billed !== null) return dollars(millionths(String(billed)));
  if (planned === null) return say("cost_unknown");
  return `${dollars(millionths(planned))} ${say("planned")}`;
}

/** @param {Purchase} purchase */
export function sizeOf({ seconds, results, take }) {
  return joined(
    seconds ? say("seconds", { n: seconds }) : "",
    results > 1 ? say("films", { n: results }) : "",
    take > 1 ? say("take", { n: take }) : "",
  );
}

/**
 * How long ago something was, in the user's language.
 * @param {number} at seconds since 1970
 * @param {number} now seconds since 1970
 */
export function ageOf(at, now) {
  const words = new Intl.RelativeTimeFormat(locale(), { numeric: "auto", style: "short" });
  const passed = Math.max(0, now - at);
  const [unit, length] = UNITS.find((each) => passed >= each[1]) ?? ["second", 1];
  return words.format(-Math.floor(passed / length), unit);
}
