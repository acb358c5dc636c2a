// @ts-check
/**
 * @fileoverview The inside of the tab: pages as one scrolls, news by events, sums, and words where
 * there is nothing.
 */

import { say } from "../words.js";
import { make } from "./dom.js";
import { Feed } from "./feed.js";
import { sums } from "./head.js";
import { Rows } from "./rows.js";

const NEWS_MILLISECONDS = 400;
const WAITING_MILLISECONDS = 10_000;

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
    this.busy = false;
    this.timer = 0;
    this.rows = new Rows();
    this.sums = make("div");
    this.message = make("div", { class: "kling-message", role: "status" });
    this.end = make("div", { class: "kling-end" });
    this.bottom = new IntersectionObserver(([entry]) => entry?.isIntersecting && this.more(), {
      rootMargin: "600px",
    });
    element.replaceChildren(
      make("link", { rel: "stylesheet", href: new URL("./purchases.css", import.meta.url).href }),
      make(
        "section",
        { class: "kling-purchases", "aria-label": "Kling" },
        make("header", {}, this.choice(), this.sums),
        this.message,
        this.rows.element,
        this.end,
      ),
    );
  }

  /** Begin to read and to listen. */
  open() {
    const { signal } = this.closing;
    const news = () => this.soon(NEWS_MILLISECONDS);
    for (const event of ["kling.purchase", "graphChanged"]) {
      this.api.addEventListener(event, news);
      signal.addEventListener("abort", () => this.api.removeEventListener(event, news));
    }
    this.draw();
  }

  /** Leave nothing behind. */
  close() {
    this.closing.abort();
    this.bottom.disconnect();
    this.rows.close();
    clearTimeout(this.timer);
  }

  /** @param {boolean} rehearsals */
  newFeed(rehearsals) {
    return new Feed((path) => this.api.fetchApi(path, { signal: this.closing.signal }), rehearsals);
  }

  /** Purchases or rehearsals. */
  choice() {
    const choose = (/** @type {Event} */ { target }) => {
      this.feed = this.newFeed(/** @type {HTMLSelectElement} */ (target).value === "rehearsals");
      this.rows.clear();
      this.draw();
    };
    return make(
      "select",
      { class: "kling-choice", "aria-label": say("show"), onchange: choose },
      make("option", { value: "purchases" }, say("purchases")),
      make("option", { value: "rehearsals" }, say("rehearsals")),
    );
  }

  /** The end of the list is in sight. */
  more() {
    if (this.feed.more) this.read((feed) => feed.next());
  }

  /**
   * Look for news after some time, once for many.
   * @param {number} milliseconds
   */
  soon(milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.read((feed) => feed.refresh()), milliseconds);
  }

  /**
   * Read, and show what was read, or why it could not be.
   * @param {(feed: Feed) => Promise<void>} work
   */
  async read(work) {
    if (this.busy) return this.soon(NEWS_MILLISECONDS);
    this.busy = true;
    const feed = this.feed;
    if (!feed.answer) this.tell(say("loading"));
    try {
      await work(feed);
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
    const { answer, rehearsals, purchases, more } = this.feed;
    const nothing = answer !== null && purchases.length === 0;
    const kind = rehearsals ? "rehearsed" : "bought";
    this.sums.replaceChildren(sums(answer));
    this.tell(nothing ? say(`nothing_${kind}`) : "", nothing ? say(`nothing_${kind}_hint`) : "");
    this.rows.show(purchases);
    this.bottom.unobserve(this.end);
    if (more) this.bottom.observe(this.end);
  }

  /**
   * @param {string} text
   * @param {string} [hint]
   */
  tell(text, hint = "") {
    this.message.replaceChildren();
    if (text) this.message.append(make("p", {}, text));
    if (hint) this.message.append(make("p", { class: "kling-hint" }, hint));
  }

  /** @param {unknown} error */
  fail(error) {
    const again = () => this.read((feed) => feed.refresh());
    this.tell(say("cannot_load"), error instanceof Error ? error.message : "");
    this.message.append(
      make("button", { type: "button", class: "kling-button", onclick: again }, say("try_again")),
    );
  }
}
