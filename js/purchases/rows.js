// @ts-check
/**
 * @fileoverview The rows of the list: only those that changed are made anew, pictures come as they
 * are seen.
 */

import { say } from "../words.js";
import { make } from "./dom.js";
import { row } from "./row.js";

/**
 * @typedef {import("./feed.js").Purchase} Purchase
 * @typedef {{ item: HTMLElement, purchase: Purchase, open: boolean }} Row what is shown, and of
 *   what it was made
 */

/** A list element that follows a list of purchases. */
export class Rows {
  constructor() {
    this.element = make("ul", { class: "kling-list", "aria-label": say("purchases") });
    /** @type {Map<string, Row>} by task UUID */
    this.rows = new Map();
    /** @type {Purchase[]} */
    this.purchases = [];
    this.opened = "";
    this.seen = new IntersectionObserver((entries) => entries.forEach((each) => this.see(each)), {
      rootMargin: "300px",
    });
  }

  /**
   * Show purchases, in their order.
   * @param {Purchase[]} purchases
   */
  show(purchases) {
    this.purchases = purchases;
    purchases.forEach((purchase, index) => this.put(purchase, index));
  }

  /** Take all rows away. */
  clear() {
    this.rows.clear();
    this.element.replaceChildren();
  }

  /** Leave nothing behind. */
  close() {
    this.seen.disconnect();
  }

  /**
   * Put one row where it belongs.
   * @param {Purchase} purchase
   * @param {number} index
   */
  put(purchase, index) {
    const open = this.opened === purchase.task_uuid;
    let known = this.rows.get(purchase.task_uuid);
    if (!known || known.open !== open || differs(known.purchase, purchase)) {
      known = { item: this.make(purchase, open, known?.item), purchase, open };
      this.rows.set(purchase.task_uuid, known);
    }
    const there = this.element.children[index];
    if (there !== known.item) this.element.insertBefore(known.item, there ?? null);
  }

  /**
   * Make a row, in the place of an earlier one, and leave the focus where it was.
   * @param {Purchase} purchase
   * @param {boolean} open
   * @param {HTMLElement} [earlier]
   */
  make(purchase, open, earlier) {
    const toggle = () => this.toggle(purchase.task_uuid);
    const item = row(purchase, { open, now: Date.now() / 1000, toggle });
    const focused = earlier?.contains(document.activeElement);
    earlier?.replaceWith(item);
    if (focused) item.querySelector("button")?.focus();
    this.seen.observe(item);
    return item;
  }

  /**
   * Open a row, or close it; one is open at a time.
   * @param {string} uuid
   */
  toggle(uuid) {
    this.opened = this.opened === uuid ? "" : uuid;
    this.show(this.purchases);
  }

  /**
   * Load the picture of a row that has come into sight.
   * @param {IntersectionObserverEntry} entry
   */
  see({ isIntersecting, target }) {
    if (!isIntersecting) return;
    this.seen.unobserve(target);
    for (const video of target.querySelectorAll("video")) {
      if (video.dataset.src) video.src = video.dataset.src;
    }
  }
}

/**
 * @param {Purchase} one
 * @param {Purchase} other
 */
function differs(one, other) {
  return one !== other && JSON.stringify(one) !== JSON.stringify(other);
}
