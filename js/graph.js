// @ts-check
/**
 * @fileoverview A graph read as it will run: through reroutes, bypassed nodes and subgraphs. Only
 * reads; newer pages notice by themselves which values a badge was made of, because every one is
 * read when it is needed.
 */

import { BYPASSED, MUTED } from "./instances.js";

/** @typedef {import("./instances.js").GraphNode} GraphNode */
/** @typedef {import("./instances.js").Instance} Instance */
/** @typedef {Instance & { slot: number }} Output */

const SUBGRAPH_INPUT = -10;
const PRIMITIVES = /^Primitive(Node|Int|Float|Boolean|String|StringMultiline)$/;

/**
 * Where the value of an input comes from; null if nothing will bring one.
 * @param {Instance} instance
 * @param {string} input its name
 * @returns {Output | null}
 */
export function source(instance, input) {
  const { inputs } = instance.node;
  const index = inputs?.findIndex((/** @type {any} */ each) => each.name === input) ?? -1;
  return index < 0 ? null : origin(instance, index);
}

/**
 * Where the values of all linked inputs come from.
 * @param {Instance} instance
 * @returns {Generator<Output>}
 */
export function* sources(instance) {
  for (const index of (instance.node.inputs ?? []).keys()) {
    const found = origin(instance, index);
    if (found) yield found;
  }
}

/**
 * What a widget will say when the graph runs; undefined if only the run will tell.
 * @param {Instance} instance
 * @param {string} name
 */
export function value(instance, name) {
  return decider(instance, name)?.value;
}

/**
 * The widget that decides what a node is given: its own, a primitive's, or one that was brought out
 * to a node that stands for the subgraph; undefined if only the run will tell.
 * @param {Instance} instance
 * @param {string} name the widget's on the node itself
 * @returns {any}
 */
export function decider(instance, name) {
  const { widgets, inputs } = instance.node;
  const own = widgets?.find((/** @type {any} */ each) => each.name === name);
  const index = inputs?.findIndex((/** @type {any} */ each) => each.widget?.name === name) ?? -1;
  const link = index < 0 ? null : incoming(instance.node, index);
  if (!link) return own;
  const from = origin(instance, index);
  if (!from) return promoted(instance, link) ?? own;
  const [first] = PRIMITIVES.test(from.node.type) ? (from.node.widgets ?? []) : [];
  return first && decider(from, first.name);
}

/**
 * @param {Instance} instance
 * @param {any} link
 */
function promoted({ outer }, link) {
  if (!outer || Number(link.origin_id) !== SUBGRAPH_INPUT) return undefined;
  return decider(outer, outer.node.inputs[link.origin_slot]?.name);
}

/**
 * @param {Instance} instance
 * @param {number} index
 * @returns {Output | null}
 */
function origin({ node, outer }, index) {
  const link = incoming(node, index);
  return link ? start(link, node.graph, outer) : null;
}

/**
 * Where a link begins.
 * @param {any} link
 * @param {any} graph
 * @param {Instance | null} outer the instance of that graph
 * @returns {Output | null}
 */
function start(link, graph, outer) {
  if (Number(link.origin_id) === SUBGRAPH_INPUT) {
    return outer && origin(outer, link.origin_slot);
  }
  const node = graph.getNodeById(link.origin_id);
  return node ? output({ node, outer }, link.origin_slot) : null;
}

/**
 * @param {Instance} instance
 * @param {number} slot
 * @returns {Output | null}
 */
function output(instance, slot) {
  const { node } = instance;
  if (node.mode === MUTED) return null;
  if (node.mode === BYPASSED) return through(instance, slot);
  if (node.isSubgraphNode?.()) return inside(instance, slot);
  return node.type === "Reroute" ? origin(instance, 0) : { ...instance, slot };
}

/**
 * A bypassed node hands on its first input of the same type.
 * @param {Instance} instance
 * @param {number} slot
 */
function through(instance, slot) {
  const { inputs, outputs } = instance.node;
  const type = outputs[slot]?.type;
  const index = inputs.findIndex((/** @type {any} */ each) => each.type === type);
  return index < 0 ? null : origin(instance, index);
}

/**
 * @param {Instance} outer
 * @param {number} slot
 * @returns {Output | null}
 */
function inside(outer, slot) {
  const { subgraph } = outer.node;
  const link = subgraph.outputNode.slots[slot]?.getLinks()[0];
  return link ? start(link, subgraph, outer) : null;
}

/**
 * A node that stands for a subgraph answers `getInputLink` with a link of its inside, so its own is
 * looked up.
 * @param {GraphNode} node
 * @param {number} index
 */
function incoming(node, index) {
  if (!node.graph) return null;
  if (!node.isSubgraphNode?.()) return node.getInputLink(index);
  for (const link of node.graph.links.values()) {
    if (String(link.target_id) === String(node.id) && link.target_slot === index) return link;
  }
  return null;
}
