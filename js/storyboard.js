// @ts-check
/**
 * @fileoverview The time of a chain of shots, and what is wrong with it. Pure: nothing here knows
 * the page.
 */

/**
 * @typedef {import("./price.js").Limits} Limits
 * @typedef {{ seconds: number | undefined, type: string | undefined }} Shot one KlingPrompt;
 *   undefined is not known yet
 *
 * @typedef {object} Place Where one prompt stands in its chain.
 * @property {"whole" | "heading" | "shot" | "unknown"} kind whole: the only prompt, for all of the
 *   film; heading: the
 *   same before shots of their own
 * @property {number} number of this shot, from 1
 * @property {number} shots in the chain
 * @property {number} from second at which the shot begins
 * @property {number} to second at which it ends
 * @property {number} total seconds of all shots
 * @property {"" | "long" | "short" | "many" | "unset" | "mixed"} fault
 */

/**
 * Find one prompt's place.
 * @param {Shot[]} chain first to last
 * @param {number} index of the prompt that is asked about
 * @param {Limits} limits
 * @returns {Place}
 */
export function place(chain, index, limits) {
  const seconds = chain.map((shot) => shot.seconds ?? 0);
  const shots = seconds.filter((each) => each > 0).length;
  const from = sum(seconds.slice(0, index));
  const to = from + /** @type {number} */ (seconds[index]);
  const number = seconds.slice(0, index + 1).filter((each) => each > 0).length;
  const found = { number, shots, from, to, total: sum(seconds), kind: kindOf(chain, index, shots) };
  return { ...found, fault: found.kind === "unknown" ? "" : faultOf(chain, index, found, limits) };
}

/** @param {number[]} numbers */
function sum(numbers) {
  return numbers.reduce((total, each) => total + each, 0);
}

/**
 * @param {Shot[]} chain
 * @param {number} index
 * @param {number} shots
 * @returns {Place["kind"]}
 */
function kindOf(chain, index, shots) {
  if (chain.some((shot) => shot.seconds === undefined)) return "unknown";
  if (chain[index]?.seconds || index > 0) return "shot";
  return shots ? "heading" : "whole";
}

/**
 * @param {Shot[]} chain
 * @param {number} index
 * @param {Omit<Place, "fault">} found
 * @param {Limits} limits
 * @returns {Place["fault"]}
 */
function faultOf(chain, index, found, limits) {
  const shot = chain[index];
  if (shot?.type === "intelligence" && (shot.seconds || chain.length > 1)) return "mixed";
  if (index > 0 && shot?.seconds === 0) return "unset";
  if (found.number > limits.shots) return "many";
  if (found.to > limits.duration[1]) return "long";
  const last = index === chain.length - 1;
  return last && found.shots > 0 && found.total < limits.duration[0] ? "short" : "";
}
