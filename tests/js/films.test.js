// Which films a page shows again after a reload: those that the graph, as it stands, has made.
import assert from "node:assert/strict";
import { test } from "node:test";

import { restoreFilms } from "../../js/films.js";
import { use } from "../../js/page.js";

const FILM = { filename: "kling_00001_.mp4", subfolder: "video", type: "output" };
const OUTPUT = { images: [FILM], animated: [true], kling_task_uuid: ["a task"] };

/** A page whose graph holds one KlingFetchVideo with these widgets, after a run of a saved graph. */
function page(widgets, savedValues, workflow = "this one") {
  const node = { id: 4, comfyClass: "KlingFetchVideo", inputs: [], widgets };
  const saved = { id: workflow, nodes: [{ id: 4, widgets_values: savedValues }] };
  const extra = { client_id: "page", extra_pnginfo: { workflow: saved } };
  const history = { run: { prompt: [0, "run", {}, extra, ["4"]], outputs: { 4: OUTPUT } } };
  const shown = [];
  const graph = {
    ...{ id: "this one", nodes: [node], setDirtyCanvas: () => {} },
    getNodeById: (id) => (Number(id) === 4 ? node : null),
  };
  const api = {
    ...{ clientId: "page", apiURL: (path) => path },
    fetchApi: async () => ({ ok: true, json: async () => history }),
    dispatchCustomEvent: (name, detail) => shown.push([name, detail.output.images]),
  };
  use({ rootGraph: graph }, api);
  globalThis.fetch = async () => ({ ok: true });
  return shown;
}

const own = [{ name: "filename_prefix", value: "video/kling" }];
const line = { name: "$$node-text-preview", value: "kling_00001_.mp4" };
const player = { name: "video-preview", value: "", serialize: false };

test("the film of the last run is shown again", async () => {
  const shown = page(own, ["video/kling"]);
  await restoreFilms();
  assert.deepEqual(shown, [["executed", [FILM]]]);
});

test("words of different runs on the nodes do not matter", async () => {
  const shown = page([...own, line, player], ["video/kling", "words of an earlier run"]);
  await restoreFilms();
  assert.equal(shown.length, 1);
});

test("other settings have made other films", async () => {
  const shown = page(own, ["video/other"]);
  await restoreFilms();
  assert.deepEqual(shown, []);
});

test("films of another workflow are not shown", async () => {
  const shown = page(own, ["video/kling"], "another one");
  await restoreFilms();
  assert.deepEqual(shown, []);
});
