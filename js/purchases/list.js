// @ts-check
/** @fileoverview The list of purchases: pages as one scrolls, pictures as they come into sight, news by events. */

import { say } from "../words.js";
import { make } from "./dom.js";
import { Feed } from "./feed.js";
import { sums } from "./head.js";
import { row } from "./row.js";

const NEWS_MILLISECONDS = 400;
const WAITING_MILLISECONDS = 10_000;

/**
 * @typedef {import("./feed.js").Purchase} Purchase
 * @typedef {{ item: HTMLElement, purchase: Purchase, open: boolean }} Row what is shown, and what it was made of
 */

/** The inside of the tab, from opening to closing. */
export class List {
  /**
   * @param {HTMLElement} element
   * @param {any} api
   */
  constructor(element, api) {
    this.api = api;
    this.closing = new AbortController();
    this.feed = this.newFeed(false);
    /** @type {Map<string, Row>} by task UUID */
    this.rows = new Map();
    this.opened = "";
    this.busy = false;
    this.timer = 0;
    this.sums = make("div");
    this.message = make("div", { class: "kling-message", role: "status" });
    this.items = make("ul", { class: "kling-list", "aria-label": say("purchases") });
    this.end = make("div", { class: "kling-end" });
    this.seen = new IntersectionObserver((entries) => entries.forEach((each) => this.see(each)), {
      rootMargin: "300px",
    });
    const style = new URL("./purchases.css", import.meta.url).href;
    element.replaceChildren(
      make("link", { rel: "stylesheet", href: style }),
      make(
        "section",
        { class: "kling-purchases", "aria-label": "Kling" },
        make("header", {}, this.choice(), this.sums),
        this.message,
        this.items,
        this.end,
      ),
    );
  }

  /** @param {boolean} rehearsals */
  newFeed(rehearsals) {
    return new Feed((path) => this.api.fetchApi(path, { signal: this.closing.signal }), rehearsals);
  }

  /** Begin to read and to listen. */
  open() {
    const { signal } = this.closing;
    const news = () => this.soon(NEWS_MILLISECONDS);
    for (const event of ["kling.purchase", "graphChanged"]) {
      this.api.addEventListener(event, news);
      signal.addEventListener("abort", () => this.api.removeEventListener(event, news));
    }
    this.seen.observe(this.end);
    this.draw();
  }

  /** Leave nothing behind. */
  close() {
    this.closing.abort();
    this.seen.disconnect();
    clearTimeout(this.timer);
  }

  /** Purchases or rehearsals. */
  choice() {
    const choose = (/** @type {Event} */ { target }) => {
      this.feed = this.newFeed(/** @type {HTMLSelectElement} */ (target).value === "rehearsals");
      this.rows.clear();
      this.items.replaceChildren();
      this.read(() => this.feed.next());
    };
    return make(
      "select",
      { class: "kling-choice", "aria-label": say("show"), onchange: choose },
      make("option", { value: "purchases" }, say("purchases")),
      make("option", { value: "rehearsals" }, say("rehearsals")),
    );
  }

  /** Look for news after some time, once for many.
   * @param {number} milliseconds
   */
  soon(milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.read(() => this.feed.refresh()), milliseconds);
  }

  /** Read, and show what was read, or why it could not be.
   * @param {() => Promise<void>} work
   */
  async read(work) {
    if (this.busy) return this.soon(NEWS_MILLISECONDS);
    this.busy = true;
    if (!this.feed.answer) this.tell(say("loading"));
    try {
      await work();
      this.draw();
    } catch (error) {
      if (!this.closing.signal.aborted) this.fail(error);
    } finally {
      this.busy = false;
    }
    if (!this.closing.signal.aborted && this.feed.answer?.waiting) this.soon(WAITING_MILLISECONDS);
  }

  /** Show everything that is known, touching only what changed. */
  draw() {
    const { answer, rehearsals, purchases } = this.feed;
    this.sums.replaceChildren(sums(answer));
    if (answer)
      this.tell(
        purchases.length ? "" : say(rehearsals ? "nothing_rehearsed" : "nothing_bought"),
        purchases.length ? "" : say(rehearsals ? "nothing_rehearsed_hint" : "nothing_bought_hint"),
      );
    purchases.forEach((purchase, index) => this.put(purchase, index));
    this.seen.unobserve(this.end);
    if (this.feed.more) this.seen.observe(this.end);
  }

  /**
   * Put one row where it belongs.
   * @param {Purchase} purchase
   * @param {number} index
   */
  put(purchase, index) {
    const uuid = purchase.task_uuid;
    const open = this.opened === uuid;
    let known = this.rows.get(uuid);
    if (!known || known.open !== open || differs(known.purchase, purchase)) {
      const toggle = () => this.toggle(uuid);
      const item = row(purchase, { open, now: Date.now() / 1000, toggle });
      const focused = known?.item.contains(document.activeElement);
      known?.item.replaceWith(item);
      if (focused) item.querySelector("button")?.focus();
      known = { item, purchase, open };
      this.rows.set(uuid, known);
      this.seen.observe(item);
    }
    const there = this.items.children[index];
    if (there !== known.item) this.items.insertBefore(known.item, there ?? null);
  }

  /** @param {string} uuid */
  toggle(uuid) {
    this.opened = this.opened === uuid ? "" : uuid;
    this.draw();
  }

  /** A row or the end of the list has come into sight.
   * @param {IntersectionObserverEntry} entry
   */
  see({ isIntersecting, target }) {
    if (!isIntersecting) return;
    if (target === this.end) {
      if (this.feed.more) this.read(() => this.feed.next());
      return;
    }
    this.seen.unobserve(target);
    for (const video of target.querySelectorAll("video")) {
      if (video.dataset.src) video.src = video.dataset.src;
    }
  }

  /**
   * @param {string} text
   * @param {string} [hint]
   */
  tell(text, hint = "") {
    this.message.replaceChildren(
      ...(text ? [make("p", {}, text)] : []),
      ...(hint ? [make("p", { class: "kling-hint" }, hint)] : []),
    );
  }

  /** @param {unknown} error */
  fail(error) {
    const again = () => this.read(() => this.feed.refresh());
    this.tell(say("cannot_load"), error instanceof Error ? error.message : "");
    this.message.append(
      make("button", { type: "button", class: "kling-button", onclick: again }, say("try_again")),
    );
  }
}

/**
 * @param {Purchase} one
 * @param {Purchase} other
 */
function differs(one, other) {
  return one !== other && JSON.stringify(one) !== JSON.stringify(other);
}
