// @ts-check
/** @fileoverview A missing or refused key, told with what to do about it. */

import { notify } from "./page.js";
import { say } from "./words.js";

const FAULTS = /** @type {const} */ ({
  MissingKeyError: "key_missing",
  AuthenticationError: "key_refused",
});

const READING_MILLISECONDS = 30_000;

/** @param {any} api */
export function tellKeyFaults(api) {
  api.addEventListener("execution_error", (/** @type {any} */ { detail }) => {
    const name = String(detail.exception_type).split(".").at(-1) ?? "";
    const word = FAULTS[/** @type {keyof typeof FAULTS} */ (name)];
    if (word && String(detail.node_type).startsWith("Kling")) {
      notify("error", say(word), detail.exception_message, READING_MILLISECONDS);
    }
  });
}
