// @ts-check
/**
 * @fileoverview The purchases as far as they are known here: pages of the journal, merged by task
 * UUID.
 */

/**
 * @typedef {object} Purchase
 * @property {string} task_uuid
 * @property {string} state
 * @property {boolean} rehearsal
 * @property {string} prompt its first words
 * @property {number | null} seconds of one film
 * @property {number} results
 * @property {number} take
 * @property {string | null} planned USD
 * @property {number | null} billed USD
 * @property {number} created_at seconds since 1970
 * @property {number} updated_at
 * @property {{ filename: string, subfolder: string }[]} films
 * @property {string} fault
 *
 * @typedef {object} Answer
 * @property {number} total
 * @property {number} waiting
 * @property {number} unreadable records that are in no sum
 * @property {string} today USD
 * @property {string} month USD
 * @property {string | null} budget USD a day
 * @property {Purchase[]} purchases
 */

export const PAGE = 50;

/** What is known of one list of purchases. */
export class Feed {
  /** @param {(path: string) => Promise<Response>} ask */
  constructor(ask, rehearsals = false) {
    this.ask = ask;
    this.rehearsals = rehearsals;
    /** @type {Map<string, Purchase>} */
    this.known = new Map();
    /** @type {Answer | null} the sums */
    this.answer = null;
    this.read = 0;
  }

  /** Whether the journal holds purchases that were not read yet. */
  get more() {
    return this.answer === null || this.read < this.answer.total;
  }

  /** All that is known, last changed first. */
  get purchases() {
    return [...this.known.values()].sort((one, other) => other.updated_at - one.updated_at);
  }

  /** Read what changed since the last look. */
  async refresh() {
    await this.fetch(0);
    this.read = Math.max(this.read, Math.min(PAGE, this.answer?.total ?? 0));
  }

  /** Read one page more. */
  async next() {
    await this.fetch(this.read);
    this.read += PAGE;
  }

  /** @param {number} offset */
  async fetch(offset) {
    const query = new URLSearchParams({ offset: String(offset), limit: String(PAGE) });
    if (this.rehearsals) query.set("rehearsals", "1");
    const response = await this.ask(`/kling/purchases?${query}`);
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(answer.error ?? `HTTP ${response.status}`);
    this.answer = answer;
    for (const each of answer.purchases) this.known.set(each.task_uuid, each);
  }
}
