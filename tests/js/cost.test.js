// What the KlingGenerate nodes of a graph cost, and what their badges say of it.
import assert from "node:assert/strict";
import { before, test } from "node:test";

import { generateBadge, totalOf } from "../../js/cost.js";
import { fetchPrices } from "../../js/prices.js";
import { graph, instance, node, subgraph } from "./graphs.js";

const TABLE = {
  models: { Standard: { price: "0.084", price_with_sound: "0.126" } },
  limits: { duration: [3, 15], shots: 6, elements: 3 },
  largest_take: 9,
};
const WIDGETS = {
  ...{ model: "Standard", duration: 5, sound: false, number_results: 1 },
  ...{ take: 1, mode: "generate", max_cost: 0 },
};

before(() =>
  fetchPrices({
    addEventListener() {},
    fetchApi: async () => ({ ok: true, json: async () => TABLE }),
  }),
);

function generate(id, widgets = {}) {
  const inputs = ["prompt", "frame_images"];
  return node(id, "KlingGenerate", { ...WIDGETS, ...widgets }, { inputs });
}

/** A definition with one KlingGenerate, whose prompt and mode are brought out. */
function film(widgets) {
  const links = [
    ["in", 0, 1, "prompt"],
    ["in", 1, 1, "mode"],
    [1, 0, "out", 0],
  ];
  return subgraph("film", [generate(1, widgets)], links);
}

function cents(whole) {
  const { cost, more } = totalOf(whole);
  return { cents: cost / 10_000, more };
}

const outer = { inputs: ["prompt"] };

test("each instance of a subgraph buys", () => {
  const inside = film();
  const whole = graph(
    [instance(7, inside, {}, outer), instance(8, inside, {}, outer)],
    [],
    [inside],
  );
  assert.equal(cents(whole).cents, 84);
});

test("of the instances, those that rehearse or are muted cost nothing", () => {
  const inside = film();
  const modes = [{ mode: "rehearse" }, { mode: "generate" }, { mode: "generate" }];
  const nodes = modes.map((each, index) => instance(index, inside, each, outer));
  const whole = graph(nodes, [], [inside]);
  assert.equal(cents(whole).cents, 84);
  nodes[1].mode = 2;
  assert.equal(cents(whole).cents, 42);
});

test("a badge shows the instance that costs most", () => {
  const inside = film();
  const nodes = ["rehearse", "generate"].map((mode, id) => instance(id, inside, { mode }, outer));
  graph(nodes, [], [inside]);
  assert.equal(generateBadge(inside.nodes[0]).text, "$0.42 · 5 s · 1 film");
  nodes[1].mode = 4;
  assert.equal(generateBadge(inside.nodes[0]).text, "rehearsal · $0 · 5 s · 1 film");
});

test("an instance in each instance of another subgraph buys too", () => {
  const inner = film();
  const middle = subgraph("middle", [instance(5, inner, {}, outer)]);
  const whole = graph([instance(7, middle), instance(8, middle)], [], [inner, middle]);
  assert.equal(cents(whole).cents, 84);
});

test("a definition that nothing stands for costs nothing", () => {
  assert.equal(cents(graph([], [], [film()])).cents, 0);
});

test("each instance is as long as the shots that lead into it", () => {
  const inside = film();
  const prompt = (id, seconds) => node(id, "KlingPrompt", { shot_seconds: seconds });
  const whole = graph(
    [prompt(1, 10), prompt(2, 0), instance(7, inside, {}, outer), instance(8, inside, {}, outer)],
    [
      [1, 0, 7, "prompt"],
      [2, 0, 8, "prompt"],
    ],
    [inside],
  );
  assert.equal(cents(whole).cents, 84 + 42);
  assert.equal(generateBadge(inside.nodes[0]).text, "$0.84 · 10 s · 1 film");
});

test("a shot that two instances of one subgraph make counts twice", () => {
  const shot = node(1, "KlingPrompt", { shot_seconds: 4 }, { inputs: ["previous"] });
  const links = [
    ["in", 0, 1, "previous"],
    [1, 0, "out", 0],
  ];
  const inside = subgraph("shot", [shot], links);
  const chained = { inputs: ["previous"] };
  const whole = graph(
    [instance(7, inside, {}, chained), instance(8, inside, {}, chained), generate(9)],
    [
      [7, 0, 8, "previous"],
      [8, 0, 9, "prompt"],
    ],
    [inside],
  );
  assert.equal(generateBadge(whole.getNodeById(9)).text, "$0.67 · 8 s · 1 film");
});

const LISTS = { nodeData: { output_is_list: [true] } };

/** A film, its last frame and the next film, with other nodes between the two. */
function chained({ results, between = {}, ...second }) {
  const nodes = [
    generate(1, { mode: "rehearse", number_results: results }),
    node(2, "KlingFetchVideo", {}, { inputs: ["task"], ...LISTS }),
    node(3, "ImageScale", {}, { inputs: ["image"], ...between }),
    node(4, "KlingFrameImages", {}, { inputs: ["first_frame"] }),
    generate(5, second),
  ];
  return graph(nodes, [
    [1, 0, 2, "task"],
    [2, 0, 3, "image"],
    [3, 0, 4, "first_frame"],
    [4, 0, 5, "frame_images"],
  ]);
}

function badge(whole, id) {
  return generateBadge(whole.getNodeById(id)).text;
}

test("a film is continued once for each result of the one before", () => {
  const whole = chained({ results: 2 });
  assert.equal(badge(whole, 5), "$0.84 · 5 s · 2 films");
  assert.deepEqual(cents(whole), { cents: 84, more: false });
  assert.equal(badge(chained({ results: 1 }), 5), "$0.42 · 5 s · 1 film");
});

test("max_cost is held against all that a list buys", () => {
  assert.equal(badge(chained({ results: 2, max_cost: 0.83 }), 5), "$0.84 · over max_cost");
});

test("a node that takes its lists whole ends them", () => {
  const whole = chained({ results: 2, between: { nodeData: { is_input_list: true } } });
  assert.equal(badge(whole, 5), "$0.42 · 5 s · 1 film");
});

test("results of results are multiplied", () => {
  const fetchVideo = (id) => node(id, "KlingFetchVideo", {}, { inputs: ["task"], ...LISTS });
  const films = [1, 3, 5].map((id, index) => generate(id, { number_results: index + 2 }));
  const whole = graph(
    [...films, fetchVideo(2), fetchVideo(4)],
    [
      [1, 0, 2, "task"],
      [2, 0, 3, "frame_images"],
      [3, 0, 4, "task"],
      [4, 0, 5, "frame_images"],
    ],
  );
  assert.equal(badge(whole, 3), "$2.52 · 5 s · 6 films");
  assert.equal(badge(whole, 5), "$10.08 · 5 s · 24 films");
});

test("of another list the badge says what an item costs, and the sum that it can be more", () => {
  const prompt = node(2, "KlingPrompt", { positive_prompt: "", shot_seconds: 0 });
  const lines = node(1, "Lines of a text", { text: "a fox" }, LISTS);
  const links = [
    [1, 0, 2, "positive_prompt"],
    [2, 0, 3, "prompt"],
  ];
  const whole = graph([lines, prompt, generate(3)], links);
  assert.equal(badge(whole, 3), "$0.42 per list item · 5 s · 1 film");
  assert.deepEqual(cents(whole), { cents: 42, more: true });
});
