// @ts-check
/**
 * @fileoverview ComfyUI's page as the rest of this folder needs it: words to the user, changes that
 * can be undone.
 */

/** @type {any} */
let app = null;
/** @type {any} */
let api = null;

/**
 * Take the page's two public objects, once.
 * @param {any} theApp
 * @param {any} theApi
 */
export function use(theApp, theApi) {
  app = theApp;
  api = theApi;
}

/** What the page is now. */
export function host() {
  return {
    app,
    api,
    /** @type {any} the whole graph, whichever subgraph is open */
    graph: app.rootGraph,
    locale: () => String(app.extensionManager.setting.get("Comfy.Locale") ?? "en"),
  };
}

/**
 * Show a message for some seconds.
 * @param {"success" | "info" | "warn" | "error"} severity
 * @param {string} summary
 * @param {string} [detail]
 * @param {number} [life] milliseconds
 */
export function notify(severity, summary, detail, life = 4000) {
  app.extensionManager.toast.add({ severity, summary, detail, life });
}

/**
 * Change the graph in one step that Undo takes back.
 * @param {any} graph
 * @param {() => void} work
 */
export function change(graph, work) {
  graph.beforeChange();
  work();
  graph.afterChange();
  graph.setDirtyCanvas(true, true);
}

/**
 * Set widgets as if the user had, all in one step.
 * @param {any} graph the open one
 * @param {Iterable<any>} widgets
 * @param {(value: any) => unknown} next
 */
export function setWidgets(graph, widgets, next) {
  change(graph, () => {
    for (const widget of widgets) {
      widget.value = next(widget.value);
      widget.callback?.(widget.value);
    }
  });
}

/**
 * Find a node by the id that the server calls it by: "12", or "57:12" inside of a subgraph.
 * @param {string} id
 */
export function nodeById(id) {
  let graph = app.rootGraph;
  let node = null;
  for (const part of String(id).split(":")) {
    node = graph?.getNodeById(part) ?? graph?.getNodeById(Number(part)) ?? null;
    graph = node?.subgraph;
  }
  return node;
}

/**
 * The address of a file in the output folder.
 * @param {{ filename: string, subfolder: string }} film
 */
export function viewUrl({ filename, subfolder }) {
  const query = new URLSearchParams({ filename, subfolder, type: "output" });
  return api.apiURL(`/view?${query}`);
}
