// @ts-check
/**
 * @fileoverview A graph read as it will run: through reroutes, bypassed nodes and subgraphs. Only
 * reads; newer pages notice by themselves which values a badge was made of, because every one is
 * read when it is needed.
 */

/**
 * @typedef {any} GraphNode LiteGraph's node; no version of the published types describes all of
 * them
 */
/** @typedef {{ node: GraphNode, slot: number }} Output */

const MUTED = 2;
const BYPASSED = 4;
const SUBGRAPH_INPUT = -10;
const PRIMITIVES = /^Primitive(Node|Int|Float|Boolean|String|StringMultiline)$/;

/**
 * All nodes of a graph and of its subgraphs, each definition once.
 * @param {any} graph
 * @returns {Generator<GraphNode>}
 */
export function* everyNode(graph) {
  yield* graph.nodes;
  const subgraphs = /** @type {Map<string, any> | undefined} */ (graph.subgraphs);
  for (const subgraph of subgraphs?.values() ?? []) yield* subgraph.nodes;
}

/**
 * Where the value of an input comes from; null if nothing will bring one.
 * @param {GraphNode} node
 * @param {string} input its name
 * @returns {Output | null}
 */
export function source(node, input) {
  const index = node.inputs?.findIndex((/** @type {any} */ each) => each.name === input) ?? -1;
  return index < 0 ? null : origin(node, index);
}

/**
 * What a widget will say when the graph runs; undefined if only the run will tell.
 * @param {GraphNode} node
 * @param {string} name
 */
export function value(node, name) {
  const widget = node.widgets?.find((/** @type {any} */ each) => each.name === name);
  const index =
    node.inputs?.findIndex((/** @type {any} */ each) => each.widget?.name === name) ?? -1;
  const link = index < 0 ? null : incoming(node, index);
  if (!link) return widget?.value;
  const from = origin(node, index);
  if (from) return PRIMITIVES.test(from.node.type) ? from.node.widgets?.[0]?.value : undefined;
  return promoted(node, link) ?? widget?.value;
}

/**
 * Whether a node will run: it and every subgraph around it are neither muted nor bypassed.
 * @param {GraphNode} node
 * @returns {boolean}
 */
export function active(node) {
  if (node.mode === MUTED || node.mode === BYPASSED) return false;
  const outer = instance(node.graph);
  return !outer || active(outer);
}

/**
 * The value on the node that stands for the subgraph, where a widget was brought out to it.
 * @param {GraphNode} node
 * @param {any} link
 */
function promoted(node, link) {
  const outer = Number(link.origin_id) === SUBGRAPH_INPUT ? instance(node.graph) : null;
  const name = outer?.inputs[link.origin_slot]?.name;
  return outer?.widgets?.find((/** @type {any} */ each) => each.name === name)?.value;
}

/**
 * @param {GraphNode} node
 * @param {number} index
 * @returns {Output | null}
 */
function origin(node, index) {
  const link = incoming(node, index);
  if (!link) return null;
  if (Number(link.origin_id) === SUBGRAPH_INPUT) {
    const outer = instance(node.graph);
    return outer ? origin(outer, link.origin_slot) : null;
  }
  const from = node.graph.getNodeById(link.origin_id);
  return from ? output(from, link.origin_slot) : null;
}

/**
 * @param {GraphNode} node
 * @param {number} slot
 * @returns {Output | null}
 */
function output(node, slot) {
  if (node.mode === MUTED) return null;
  if (node.mode === BYPASSED) return through(node, slot);
  if (node.isSubgraphNode?.()) return inside(node, slot);
  return node.type === "Reroute" ? origin(node, 0) : { node, slot };
}

/**
 * A bypassed node hands on its first input of the same type.
 * @param {GraphNode} node
 * @param {number} slot
 */
function through(node, slot) {
  const type = node.outputs[slot]?.type;
  const index = node.inputs.findIndex((/** @type {any} */ each) => each.type === type);
  return index < 0 ? null : origin(node, index);
}

/**
 * @param {GraphNode} outer
 * @param {number} slot
 * @returns {Output | null}
 */
function inside(outer, slot) {
  const link = outer.subgraph.outputNode.slots[slot]?.getLinks()[0];
  if (!link) return null;
  if (Number(link.origin_id) === SUBGRAPH_INPUT) return origin(outer, link.origin_slot);
  const from = outer.subgraph.getNodeById(link.origin_id);
  return from ? output(from, link.origin_slot) : null;
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

/**
 * The first node that stands for a subgraph; null for the graph itself.
 * @param {any} graph
 * @returns {GraphNode | null}
 */
function instance(graph) {
  if (!graph || graph === graph.rootGraph) return null;
  for (const node of everyNode(graph.rootGraph)) if (node.subgraph === graph) return node;
  return null;
}
