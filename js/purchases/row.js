// @ts-check
/**
 * @fileoverview One purchase in the list: a line to read, and what can be done with it when it is
 * opened.
 */

import { copy } from "../copy.js";
import { viewUrl } from "../page.js";
import { joined, say } from "../words.js";
import { collect, openWorkflow, pathOf } from "./actions.js";
import { icon, make } from "./dom.js";
import { ageOf, costOf, sizeOf, stateOf, toneOf } from "./told.js";

/** @typedef {import("./feed.js").Purchase} Purchase */

/**
 * Make the row of a purchase.
 * @param {Purchase} purchase
 * @param {{ open: boolean, now: number, toggle: () => void }} view
 */
export function row(purchase, { open, now, toggle }) {
  const details = `kling-${purchase.task_uuid}`;
  const head = make(
    "button",
    {
      class: "kling-head",
      type: "button",
      "aria-expanded": String(open),
      "aria-controls": details,
      onclick: toggle,
    },
    picture(purchase),
    make("span", { class: "kling-words" }, title(purchase), ...lines(purchase, now)),
  );
  const item = make("li", { class: "kling-row", "data-uuid": purchase.task_uuid }, head);
  if (open) item.append(inside(purchase, details));
  return item;
}

/** @param {Purchase} purchase */
function title({ prompt, task_uuid }) {
  return make("span", { class: "kling-prompt" }, prompt || task_uuid);
}

/**
 * How it stands and for how long, and below that what it is.
 * @param {Purchase} purchase
 * @param {number} now
 */
function lines(purchase, now) {
  const state = make("span", { class: `kling-state kling-${toneOf(purchase)}` }, stateOf(purchase));
  const age = make("span", {}, ageOf(purchase.created_at, now));
  return [
    make("span", { class: "kling-line kling-apart" }, state, age),
    make("span", { class: "kling-line" }, joined(sizeOf(purchase), costOf(purchase))),
  ];
}

/**
 * The first picture of the film; `data-src` becomes the source when the row is seen.
 * @param {Purchase} purchase
 */
function picture({ films, state }) {
  const [film] = films;
  if (!film) {
    const name = state === "failed" || state === "rejected" ? "times-circle" : "video";
    return make("span", { class: "kling-picture" }, icon(name));
  }
  const video = make("video", {
    class: "kling-picture",
    muted: true,
    playsInline: true,
    preload: "metadata",
    tabIndex: -1,
    "aria-hidden": "true",
    "data-src": viewUrl(film),
  });
  return video;
}

/**
 * @param {Purchase} purchase
 * @param {string} id
 */
function inside(purchase, id) {
  const { films, task_uuid, fault } = purchase;
  const buttons = make(
    "div",
    { class: "kling-buttons" },
    button("download", say("collect"), () => collect(purchase), say("collect_hint")),
    button("copy", say("copy_uuid"), () => copy(task_uuid)),
  );
  const [film] = films;
  if (film) buttons.append(button("sitemap", say("open_workflow"), () => openWorkflow(film)));
  return make(
    "div",
    { class: "kling-details", id },
    fault ? make("p", { class: "kling-fault" }, fault) : null,
    ...films.map(player),
    make("code", { class: "kling-code" }, task_uuid),
    buttons,
  );
}

/** @param {{ filename: string, subfolder: string }} film */
function player(film) {
  const path = pathOf(film);
  const video = make("video", {
    class: "kling-player",
    controls: true,
    loop: true,
    playsInline: true,
    preload: "metadata",
    src: viewUrl(film),
    "aria-label": `${say("play")}: ${film.filename}`,
  });
  const copier = button("copy", say("show_path"), () => copy(path));
  return make("figure", { class: "kling-film" }, video, make("figcaption", {}, path, copier));
}

/**
 * @param {string} name of its icon
 * @param {string} text
 * @param {() => unknown} onclick
 * @param {string} [title]
 */
function button(name, text, onclick, title = "") {
  return make(
    "button",
    { type: "button", class: "kling-button", onclick, title },
    icon(name),
    text,
  );
}
