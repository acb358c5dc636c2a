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
  return node(id, "KlingGenerate", { ...WIDGETS, ...widgets }, { inputs: ["prompt"] });
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
  const { cost, ...counts } = totalOf(whole);
  return { cents: cost / 10_000, ...counts };
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
