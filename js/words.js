// @ts-check
/**
 * @fileoverview The page's own words: English here, other languages in
 * `locales/<language>/main.json`.
 */

export const ENGLISH = {
  film: "[n] film",
  films: "[n] films",
  seconds: "[n] s",
  rehearsal: "rehearsal",
  over_max_cost: "over max_cost",
  price_unknown: "price unknown",
  per_item: "[price] per list item",
  motion_control: "motion control",
  whole_film: "whole film",
  heading: "whole film, [shots] shots, [total] s",
  shot: "shot [n] of [shots]",
  shot_time: "[from]-[to] s",
  fault_long: "over [most] s",
  fault_short: "under [least] s",
  fault_many: "at most [most] shots",
  fault_unset: "shot_seconds is missing",
  fault_mixed: "intelligence excludes shots",
  no_name: "no element_id",
  name_twice: "twice",
  too_many_elements: "at most [most] elements",
  next_take: "Next take",
  rehearse: "Rehearse",
  buy_for_real: "Buy for real",
  copy_task_uuid: "Copy task UUID",
  play_one: "Play one film",
  play_all: "All films",
  copied: "Copied",
  not_copied: "The browser does not let pages copy here: [text]",
  no_purchase_yet: "This node has not bought or rehearsed anything yet.",
  set_elsewhere: "[name] comes from another node here; set it there.",
  key_missing: "Runware API key is missing",
  key_refused: "Runware refused the API key",
  purchases: "Purchases",
  rehearsals: "Rehearsals",
  show: "Show",
  today: "Today",
  this_month: "This month",
  budget_left: "Left of today's budget",
  this_graph: "This graph",
  waiting_for: "Still to come",
  unreadable: "Unreadable records",
  nothing_bought: "Nothing bought yet",
  nothing_bought_hint: "A film appears here as soon as a Kling Generate node has bought it.",
  nothing_rehearsed: "Nothing rehearsed yet",
  nothing_rehearsed_hint: "Set mode of a Kling Generate node to rehearse: it costs nothing.",
  cannot_load: "The purchases cannot be loaded",
  try_again: "Try again",
  loading: "Loading",
  play: "Play",
  collect: "Collect",
  collect_hint: "Puts a Kling Fetch Video with this task UUID into the graph",
  open_workflow: "Open its workflow",
  no_workflow: "The film holds no workflow.",
  show_path: "Copy path",
  copy_uuid: "Copy UUID",
  take: "take [n]",
  planned: "planned",
  free: "free",
  not_billed: "not billed",
  cost_unknown: "cost unknown",
  state_intent: "not sent",
  state_sending: "being sent",
  state_held: "not confirmed",
  state_accepted: "rendering",
  state_result: "being fetched",
  state_committed: "ready",
  state_rejected: "refused",
  state_failed: "failed",
  state_expired: "expired",
};

/** @typedef {keyof typeof ENGLISH} Word */

/** @type {Record<string, Partial<Record<Word, string>>>} */
let translations = {};

/** @type {() => string} */
let language = () => "en";

/**
 * Choose where words come from.
 * @param {Record<string, any>} i18n what ComfyUI's `/i18n` answers
 * @param {() => string} locale asked whenever something is said
 */
export function speak(i18n, locale) {
  translations = Object.fromEntries(
    Object.entries(i18n).map(([name, content]) => [name, content?.kling ?? {}]),
  );
  language = locale;
}

/** The language words are in now. */
export function locale() {
  return language();
}

/**
 * Say a word or sentence in the user's language.
 * @param {Word} word
 * @param {Record<string, string | number>} [values] what stands for `[name]` in it
 */
export function say(word, values = {}) {
  const text = translations[language()]?.[word] ?? ENGLISH[word];
  return text.replace(/\[(\w+)\]/g, (whole, name) => String(values[name] ?? whole));
}

/**
 * Put parts of a line together, leaving out the empty ones.
 * @param {...string} parts
 */
export function joined(...parts) {
  return parts.filter(Boolean).join(" · ");
}
