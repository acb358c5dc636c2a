// @ts-check
/** @fileoverview The Kling tab of the sidebar: its life from opening to closing. */

import { host } from "../page.js";
import { say } from "../words.js";
import { List } from "./list.js";

/** The tab as ComfyUI registers it. */
export function purchasesTab() {
  /** @type {List | null} */
  let list = null;
  return {
    id: "kling.purchases",
    icon: "pi pi-video",
    title: "Kling",
    tooltip: `Kling: ${say("purchases")}`,
    /** @type {"custom"} */
    type: "custom",
    render(/** @type {HTMLElement} */ element) {
      list?.close();
      list = new List(element, host().api);
      list.open();
    },
    destroy() {
      list?.close();
      list = null;
    },
  };
}
