// What the menu of a KlingGenerate sets: the widget that decides, wherever it is.
import assert from "node:assert/strict";
import { before, beforeEach, test } from "node:test";

import { menuItems } from "../../js/menu.js";
import { use } from "../../js/page.js";
import { fetchPrices } from "../../js/prices.js";
import { graph, instance, node, subgraph } from "./graphs.js";

const told = [];
const TABLE = { models: {}, limits: {}, largest_take: 9 };

before(() =>
  fetchPrices({
    addEventListener() {},
    fetchApi: async () => ({ ok: true, json: async () => TABLE }),
  }),
);

beforeEach(() => {
  told.length = 0;
  const toast = { add: ({ summary }) => told.push(summary) };
  use({ extensionManager: { toast, setting: { get: () => "en" } } }, {});
});

function generate(id) {
  return node(id, "KlingGenerate", { take: 1, mode: "rehearse" });
}

function choose(target, entry) {
  const found = menuItems(target).find((each) => each?.content === entry);
  assert.ok(found, entry);
  found.callback();
}

test("a primitive's widget is set where one is linked, through other primitives", () => {
  const first = node(1, "PrimitiveNode", { value: "rehearse" });
  const second = node(2, "PrimitiveString", { value: "generate" });
  const target = generate(3);
  const links = [
    [1, 0, 2, "value"],
    [2, 0, 3, "mode"],
  ];
  graph([first, second, target], links);
  choose(target, "Buy for real");
  assert.equal(first.widgets[0].value, "generate");
  choose(target, "Rehearse");
  assert.equal(first.widgets[0].value, "rehearse");
  assert.deepEqual(told, []);
});

test("what another node works out is refused, and said", () => {
  const switched = node(1, "Switch");
  const target = generate(2);
  const links = [
    [1, 0, 2, "mode"],
    [1, 0, 2, "take"],
  ];
  graph([switched, target], links);
  choose(target, "Rehearse");
  choose(target, "Next take");
  assert.deepEqual(told, [
    "mode comes from another node here; set it there.",
    "take comes from another node here; set it there.",
  ]);
});

/** A node inside of a subgraph inside of another, with `take` and `mode` brought out of both. */
function nested(...modes) {
  const target = generate(1);
  const inner = subgraph(
    "inner",
    [target],
    [
      ["in", 0, 1, "take"],
      ["in", 1, 1, "mode"],
    ],
  );
  const middle = instance(2, inner, { take: 1, mode: "rehearse" });
  const links = [
    ["in", 0, 2, "take"],
    ["in", 1, 2, "mode"],
  ];
  const outer = subgraph("outer", [middle], links);
  const nodes = modes.map((mode, id) => instance(id, outer, { take: id + 7, mode }));
  graph(nodes, [], [inner, outer]);
  return { target, nodes };
}

function values(nodes, name) {
  return nodes.map(({ widgets }) => widgets.find((each) => each.name === name).value);
}

test("what was brought out of a subgraph is set outside", () => {
  const { target, nodes } = nested("rehearse");
  choose(target, "Buy for real");
  assert.deepEqual(values(nodes, "mode"), ["generate"]);
  choose(target, "Next take");
  assert.deepEqual(values(nodes, "take"), [8]);
});

test("of several instances none goes on buying, and none passes the largest take", () => {
  const { target, nodes } = nested("rehearse", "generate", "rehearse");
  choose(target, "Rehearse");
  assert.deepEqual(values(nodes, "mode"), ["rehearse", "rehearse", "rehearse"]);
  choose(target, "Next take");
  assert.deepEqual(values(nodes, "take"), [8, 9, 9]);
});
