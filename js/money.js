// @ts-check
/** @fileoverview Dollars without rounding errors: every amount is a whole number of millionths. */

const MILLION = 1_000_000;

/**
 * Read an amount as Python writes it ("0.084").
 * @param {string} text
 * @returns {number} millionths of a dollar
 */
export function millionths(text) {
  return Math.round(Number(text) * MILLION);
}

/**
 * Write an amount in cents, or with all its digits where it is less than one cent.
 * @param {number} amount millionths of a dollar
 */
export function dollars(amount) {
  if (amount > 0 && amount < MILLION / 100) return `$${String(amount / MILLION)}`;
  return `$${(Math.round(amount / 10_000) / 100).toFixed(2)}`;
}
