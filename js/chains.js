// @ts-check
/** @fileoverview Nodes of one kind that are chained by `previous`: shots, elements. */

import { active, everyNode, source } from "./graph.js";

/**
 * The chain that ends in a node, first to last.
 * @param {any} node
 * @returns {any[]}
 */
export function chainTo(node) {
  const chain = [node];
  for (let at = previous(node); at && !chain.includes(at); at = previous(at)) chain.unshift(at);
  return chain;
}

/**
 * The longest chain that follows a node.
 * @param {any} node
 * @returns {any[]}
 */
export function chainFrom(node) {
  const others = [...everyNode(node.graph.rootGraph)].filter(
    (each) => each.comfyClass === node.comfyClass && each !== node && active(each),
  );
  const ends = others.map(chainTo).filter((chain) => chain.includes(node));
  const longest = ends.sort((one, other) => other.length - one.length)[0] ?? [node];
  return longest.slice(longest.indexOf(node) + 1);
}

/** @param {any} node */
function previous(node) {
  const from = source(node, "previous")?.node;
  return from?.comfyClass === node.comfyClass ? from : null;
}
