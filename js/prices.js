// @ts-check
/** @fileoverview The one table of prices and limits, as Python sends it. */

/** @typedef {import("./price.js").Table} Table */

/** @type {Table | null} */
let prices = null;

/** The table; null until it is here. */
export function table() {
  return prices;
}

/**
 * Fetch the table.
 * @param {any} api
 */
export async function fetchPrices(api) {
  const answer = await api.fetchApi("/kling/prices");
  if (!answer.ok) throw new Error(`/kling/prices: ${answer.status}`);
  prices = await answer.json();
}
