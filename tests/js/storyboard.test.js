import assert from "node:assert/strict";
import { test } from "node:test";

import { place } from "../../js/storyboard.js";

const LIMITS = { duration: [3, 15], shots: 6, elements: 3 };
const shots = (...seconds) => seconds.map((each) => ({ seconds: each, type: "single" }));
const at = (chain, index) => place(chain, index, LIMITS);

test("a prompt alone describes the whole film", () => {
  assert.deepEqual([at(shots(0), 0).kind, at(shots(0), 0).fault], ["whole", ""]);
});

test("a shot knows its number and its seconds", () => {
  const { kind, number, shots: all, from, to, fault } = at(shots(3, 3, 4), 1);
  assert.deepEqual([kind, number, all, from, to, fault], ["shot", 2, 3, 3, 6, ""]);
});

test("a heading is no shot", () => {
  const chain = shots(0, 2, 4);
  assert.equal(at(chain, 0).kind, "heading");
  assert.deepEqual([at(chain, 2).number, at(chain, 2).shots, at(chain, 2).from], [2, 2, 2]);
});

test("shots are too long from the one that passes the end", () => {
  assert.deepEqual(
    [0, 1, 2].map((index) => at(shots(6, 9, 1), index).fault),
    ["", "", "long"],
  );
});

test("shots are too short at the last of them", () => {
  assert.deepEqual(
    [0, 1].map((index) => at(shots(1, 1), index).fault),
    ["", "short"],
  );
  assert.equal(at(shots(3), 0).fault, "");
});

test("the seventh shot is one too many", () => {
  const chain = shots(1, 1, 1, 1, 1, 1, 1);
  assert.deepEqual([at(chain, 5).fault, at(chain, 6).fault], ["", "many"]);
});

test("a shot after the first needs seconds", () => {
  assert.equal(at(shots(3, 0), 1).fault, "unset");
});

test("shots of one's own exclude shots by the model", () => {
  const chain = [{ seconds: 0, type: "intelligence" }, ...shots(3)];
  assert.equal(at(chain, 0).fault, "mixed");
  assert.equal(at([{ seconds: 0, type: "intelligence" }], 0).fault, "");
  assert.equal(at([{ seconds: 4, type: "intelligence" }], 0).fault, "mixed");
});

test("with a shot whose seconds come through a link nothing is claimed", () => {
  assert.equal(at([...shots(3), { seconds: undefined, type: "single" }], 0).kind, "unknown");
});
