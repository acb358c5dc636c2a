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
 * Fetch the table, now and whenever the page is connected anew; the server tells of purchases only
 * those who have asked on the connection they have.
 * @param {any} api
 */
export async function fetchPrices(api) {
  const again = () => ask(api).catch(() => {});
  api.addEventListener("status", again, { once: true });
  api.addEventListener("reconnected", again);
  await ask(api);
}

/** @param {any} api */
async function ask(api) {
  const page = new URLSearchParams({ page: api.clientId ?? "" });
  const answer = await api.fetchApi(`/kling/prices?${page}`);
  if (!answer.ok) throw new Error(`/kling/prices: ${answer.status}`);
  prices = await answer.json();
}
