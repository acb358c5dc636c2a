// @ts-check
/**
 * @fileoverview To the clipboard, or, where the browser does not let a page of plain http copy,
 * before the eyes.
 */

import { notify } from "./page.js";
import { say } from "./words.js";

/** @param {string} text */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    notify("success", say("copied"), text, 2000);
  } catch {
    notify("info", say("not_copied", { text }), undefined, 20_000);
  }
}
