// @ts-check
/**
 * @fileoverview What one KlingGenerate will cost. The prices and limits come from Python
 * (`/kling/prices`).
 */

import { millionths } from "./money.js";

/**
 * @typedef {{ price: string, price_with_sound: string }} ModelPrices USD for each second of film
 * @typedef {{ duration: [number, number], shots: number, elements: number }} Limits
 * @typedef {{ models: Record<string, ModelPrices>, limits: Limits, largest_take: number }} Table
 *
 * @typedef {object} Wish What stands in a KlingGenerate; undefined is what only the run will tell.
 * @property {string} [model]
 * @property {number} [duration] seconds
 * @property {boolean} [sound]
 * @property {number} [number_results]
 * @property {string} [mode]
 * @property {number} [max_cost] USD, 0 is no limit
 * @property {number} [shots_seconds] how long the shots last together; 0 where there are none
 * @property {boolean} motion whether a reference video leads the film
 * @property {number} [purchases] how many of them a list makes that leads into the node
 *
 * @typedef {object} Estimate
 * @property {"price" | "rehearsal" | "over" | "unknown"} kind
 * @property {number | null} cost millionths of a dollar; null where nobody can know
 * @property {boolean} per_item whether only the run will tell how often that is paid
 * @property {number} [seconds] of one film
 * @property {number} [films]
 */

/**
 * Estimate a node's purchases as Python does before it sends them.
 * @param {Wish} wish
 * @param {Table} table
 * @returns {Estimate}
 */
export function estimate(wish, table) {
  const { number_results, purchases = 1 } = wish;
  const per_item = wish.purchases === undefined;
  const films = number_results === undefined ? undefined : number_results * purchases;
  const seconds = wish.motion ? undefined : length(wish);
  const found = { per_item, seconds, films };
  if (wish.mode === "rehearse") return { kind: "rehearsal", cost: 0, ...found };
  const cost = costOf(wish, table, seconds, films);
  const limit = millionths(String(wish.max_cost ?? 0));
  if (limit > 0 && (cost === null || cost > limit)) return { kind: "over", cost, ...found };
  return { kind: cost === null ? "unknown" : "price", cost, ...found };
}

/** @param {Wish} wish */
function length(wish) {
  return wish.shots_seconds === undefined ? undefined : wish.shots_seconds || wish.duration;
}

/**
 * @param {Wish} wish
 * @param {Table} table
 * @param {number | undefined} seconds
 * @param {number | undefined} films
 * @returns {number | null}
 */
function costOf(wish, table, seconds, films) {
  const prices = wish.model === undefined ? undefined : table.models[wish.model];
  const known = prices && seconds !== undefined && films !== undefined;
  if (!known || wish.sound === undefined || wish.mode === undefined) return null;
  const rate = millionths(wish.sound ? prices.price_with_sound : prices.price);
  return rate * seconds * films;
}
