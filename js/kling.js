// @ts-check
/**
 * @fileoverview Registers everything that the pack does in the page; the other files do nothing
 * when imported.
 */

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { addBadge, refreshBadges } from "./badges.js";
import { rememberFilms, restoreFilms } from "./films.js";
import { followOtherPages } from "./follow.js";
import { everyNode } from "./instances.js";
import { tellKeyFaults } from "./keys.js";
import { keepLastWords } from "./lastwords.js";
import { commands, menuItems, toolboxCommands } from "./menu.js";
import { host, notify, use } from "./page.js";
import { fetchPrices } from "./prices.js";
import { purchasesTab } from "./purchases/tab.js";
import { rememberPurchases } from "./tasks.js";
import { speak } from "./words.js";

const MODULE = /^Kling(Prompt|FrameImages|Element|Generate|FetchVideo)$/;

app.registerExtension({
  name: "kling.nodes",
  commands,

  async init() {
    use(app, api);
    rememberPurchases(api);
    rememberFilms(api);
    followOtherPages(api);
    tellKeyFaults(api);
    keepLastWords(api);
    const [i18n] = await Promise.all([
      api.getCustomNodesI18n().catch(() => ({})),
      fetchPrices(api).catch((error) => notify("warn", "Kling", String(error.message))),
    ]);
    speak(i18n, () => host().locale());
  },

  setup() {
    api.addEventListener("graphChanged", refresh);
    app.extensionManager.registerSidebarTab(purchasesTab());
  },

  nodeCreated(/** @type {any} */ node) {
    if (!MODULE.test(node.comfyClass)) return;
    addBadge(node);
    if (node.comfyClass === "KlingFetchVideo") node.previewMediaType = "video";
  },

  afterConfigureGraph() {
    refresh();
    restoreFilms();
  },

  getNodeMenuItems: menuItems,
  getSelectionToolboxCommands: toolboxCommands,
});

function refresh() {
  refreshBadges(everyNode(app.rootGraph));
}
