// @ts-check
/** @fileoverview Nodes of one kind that are chained by `previous`: shots, elements. */

import { source } from "./graph.js";
import { active, everyInstance, executionId } from "./instances.js";

/** @typedef {import("./instances.js").Instance} Instance */

/**
 * The chain that ends in a node, first to last.
 * @param {Instance} instance
 * @returns {Instance[]}
 */
export function chainTo(instance) {
  const chain = [instance];
  for (let at = previous(instance); at && place(chain, at) < 0; at = previous(at)) {
    chain.unshift(at);
  }
  return chain;
}

/**
 * The longest chain that follows a node.
 * @param {Instance} instance
 * @returns {Instance[]}
 */
export function chainFrom(instance) {
  const { graph, comfyClass } = instance.node;
  const ends = [...everyInstance(graph.rootGraph, comfyClass)].filter(active).map(chainTo);
  const after = ends.map((chain) => chain.slice(place(chain, instance) + 1 || chain.length));
  return after.sort((one, other) => other.length - one.length)[0] ?? [];
}

/** @param {Instance} instance */
function previous(instance) {
  const from = source(instance, "previous");
  return from?.node.comfyClass === instance.node.comfyClass ? from : null;
}

/**
 * @param {Instance[]} chain
 * @param {Instance} instance
 */
function place(chain, instance) {
  return chain.findIndex((each) => executionId(each) === executionId(instance));
}
