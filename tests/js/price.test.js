// What the page says a film costs, beside what Python says (KLING_PRICES: a file made by test_page_logic.py).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { dollars, millionths } from "../../js/money.js";
import { estimate } from "../../js/price.js";

const TABLE = {
  models: { "Kling 3.0 Standard": { price: "0.084", price_with_sound: "0.126" } },
  limits: { duration: [3, 15], shots: 6, elements: 3 },
  largest_take: 9,
};
const WISH = {
  model: "Kling 3.0 Standard",
  duration: 5,
  sound: false,
  number_results: 1,
  mode: "generate",
  max_cost: 0,
  shots_seconds: 0,
  motion: false,
  purchases: 1,
};

test("a film costs its seconds, twice with two results", () => {
  const { cost, seconds } = estimate({ ...WISH, number_results: 2 }, TABLE);
  assert.deepEqual([cost, seconds], [840_000, 5]);
});

test("the shots set the length, not the duration", () => {
  assert.equal(estimate({ ...WISH, shots_seconds: 9, sound: true }, TABLE).cost, 1_134_000);
});

test("a list costs its items together, and max_cost holds for all of them", () => {
  const three = { ...WISH, purchases: 3 };
  const { cost, films, per_item } = estimate(three, TABLE);
  assert.deepEqual([cost, films, per_item], [1_260_000, 3, false]);
  assert.equal(estimate({ ...three, max_cost: 1.26 }, TABLE).kind, "price");
  assert.equal(estimate({ ...three, max_cost: 1.25 }, TABLE).kind, "over");
});

test("of a list whose length only the run will tell, the price is that of one item", () => {
  const { cost, films, per_item } = estimate({ ...WISH, purchases: undefined }, TABLE);
  assert.deepEqual([cost, films, per_item], [420_000, 1, true]);
});

test("a rehearsal costs nothing, above any limit too", () => {
  const { kind, cost } = estimate({ ...WISH, mode: "rehearse", max_cost: 0.01 }, TABLE);
  assert.deepEqual([kind, cost], ["rehearsal", 0]);
});

test("the limit itself is not above the limit", () => {
  assert.equal(estimate({ ...WISH, max_cost: 0.42 }, TABLE).kind, "price");
  assert.equal(estimate({ ...WISH, max_cost: 0.41 }, TABLE).kind, "over");
});

test("the price of motion control is not known, and above every limit", () => {
  assert.equal(estimate({ ...WISH, motion: true }, TABLE).kind, "unknown");
  assert.equal(estimate({ ...WISH, motion: true, max_cost: 100 }, TABLE).kind, "over");
});

test("what only the run will tell makes the price unknown", () => {
  for (const name of ["model", "duration", "sound", "number_results", "shots_seconds", "mode"]) {
    assert.equal(estimate({ ...WISH, [name]: undefined }, TABLE).kind, "unknown", name);
  }
});

test("a model the table does not know has no price", () => {
  assert.equal(estimate({ ...WISH, model: "another" }, TABLE).cost, null);
});

test("amounts are shown in cents", () => {
  const shown = ["0.756", "7.56", "0.42", "0", "0.004"].map((text) => dollars(millionths(text)));
  assert.deepEqual(shown, ["$0.76", "$7.56", "$0.42", "$0.00", "$0.004"]);
});

const made = process.env.KLING_PRICES;
test(
  "every combination costs here what it costs in Python",
  { skip: made ? false : "KLING_PRICES is not set" },
  () => {
    const { table, rows } = JSON.parse(readFileSync(/** @type {string} */ (made), "utf8"));
    assert.ok(rows.length > 1000);
    for (const { wish, kind, cost } of rows) {
      const found = estimate(wish, table);
      assert.deepEqual([found.kind, found.cost], [kind, cost], JSON.stringify(wish));
    }
  },
);
