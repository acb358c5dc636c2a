// @ts-check
/**
 * @fileoverview The nodes of a graph as ComfyUI runs them: those of a subgraph once for each node
 * that stands for it.
 */

/**
 * @typedef {any} GraphNode LiteGraph's node; no version of the published types describes all of
 * them
 */
/** @typedef {{ node: GraphNode, outer: Instance | null }} Instance outer: what it is inside of */

export const MUTED = 2;
export const BYPASSED = 4;

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
 * Every time that a node of a class runs.
 * @param {any} graph the whole one
 * @param {string} comfyClass
 * @returns {Generator<Instance>}
 */
export function* everyInstance(graph, comfyClass) {
  for (const node of everyNode(graph)) {
    if (node.comfyClass === comfyClass) yield* instancesOf(node);
  }
}

/**
 * A node once for each instance of the subgraph it stands in; none if nothing stands for that.
 * @param {GraphNode} node
 * @returns {Generator<Instance>}
 */
export function* instancesOf(node) {
  const { graph } = node;
  if (!graph || graph === graph.rootGraph) {
    yield { node, outer: null };
    return;
  }
  for (const each of everyNode(graph.rootGraph)) {
    if (each.subgraph !== graph) continue;
    for (const outer of instancesOf(each)) yield { node, outer };
  }
}

/**
 * As the server calls it: inside a subgraph, with the ids of the way there.
 * @param {Instance} instance
 * @returns {string}
 */
export function executionId({ node, outer }) {
  return outer ? `${executionId(outer)}:${node.id}` : String(node.id);
}

/**
 * Whether a node will run: it and every subgraph around it are neither muted nor bypassed.
 * @param {Instance} instance
 * @returns {boolean}
 */
export function active({ node, outer }) {
  if (node.mode === MUTED || node.mode === BYPASSED) return false;
  return !outer || active(outer);
}
