// Graphs as the page has them, as far as js/ reads them.

const SUBGRAPH_INPUT = -10;
const SUBGRAPH_OUTPUT = -20;

/** A node: its widgets can be linked too; `inputs` are its sockets, `nodeData` the server's words. */
export function node(id, comfyClass, widgets = {}, more = {}) {
  const { inputs = [], outputs = ["*"], nodeData, ...others } = more;
  return {
    ...{ id, comfyClass, type: comfyClass, mode: 0, constructor: { nodeData }, ...others },
    widgets: Object.entries(widgets).map(([name, value]) => ({ name, value })),
    inputs: [
      ...inputs.map((name) => ({ name })),
      ...Object.keys(widgets).map((name) => ({ name, widget: { name } })),
    ],
    outputs: outputs.map((type) => ({ type })),
    getInputLink(index) {
      return incoming(this, index);
    },
  };
}

/** A node that stands for a subgraph, its inputs brought out as widgets. */
export function instance(id, subgraph, widgets = {}, more = {}) {
  return { ...node(id, undefined, widgets, more), subgraph, isSubgraphNode: () => true };
}

/** The whole graph; `links` are [from, slot, to, input], as below. */
export function graph(nodes, links = [], subgraphs = []) {
  const whole = { id: "this one", subgraphs: new Map(subgraphs.map((each) => [each.id, each])) };
  for (const each of subgraphs) each.rootGraph = whole;
  return fill(Object.assign(whole, { rootGraph: whole }), nodes, links);
}

/** A definition: from "in" lead its inputs by number, to "out" its outputs. */
export function subgraph(id, nodes, links = []) {
  const slots = [0, 1, 2].map((slot) => ({
    getLinks: () => [...made.links.values()].filter(ends(SUBGRAPH_OUTPUT, slot)),
  }));
  const made = fill({ id, outputNode: { slots } }, nodes, links);
  return made;
}

function fill(empty, nodes, links) {
  const steps = { beforeChange() {}, afterChange() {}, setDirtyCanvas() {} };
  const getNodeById = (id) => nodes.find((each) => String(each.id) === String(id)) ?? null;
  const numbered = links.map(([from, slot, to, input], id) => {
    const target = getNodeById(to);
    const index = target?.inputs.findIndex((each) => each.name === input) ?? input;
    if (index < 0) throw new Error(`${to} has no ${input}`);
    const origin_id = from === "in" ? SUBGRAPH_INPUT : from;
    const target_id = to === "out" ? SUBGRAPH_OUTPUT : to;
    return [id, { origin_id, origin_slot: slot, target_id, target_slot: index }];
  });
  const made = Object.assign(empty, { ...steps, nodes, getNodeById, links: new Map(numbered) });
  for (const each of nodes) each.graph = made;
  return made;
}

function incoming(target, index) {
  return [...target.graph.links.values()].find(ends(target.id, index)) ?? null;
}

function ends(id, slot) {
  return (link) => link.target_id === id && link.target_slot === slot;
}
