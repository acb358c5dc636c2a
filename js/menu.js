// @ts-check
/**
 * @fileoverview What a right-click on our nodes offers, and the same for the toolbox above selected
 * nodes.
 */

import { copy } from "./copy.js";
import { filmsOf, show } from "./films.js";
import { decider, value } from "./graph.js";
import { executionId, instancesOf } from "./instances.js";
import { host, notify, setWidgets } from "./page.js";
import { table } from "./prices.js";
import { taskOf } from "./tasks.js";
import { say } from "./words.js";

/**
 * Entries for the command palette, the key bindings and the toolbox; they act on the selected
 * nodes.
 */
export const commands = [
  {
    id: "kling.nextTake",
    label: "Kling: next take",
    icon: "pi pi-step-forward",
    function: () => selected().forEach(nextTake),
  },
  {
    id: "kling.toggleRehearsal",
    label: "Kling: rehearse or buy",
    icon: "pi pi-eye",
    function: () => selected().forEach(toggleRehearsal),
  },
  {
    id: "kling.copyTaskUuid",
    label: "Kling: copy task UUID",
    icon: "pi pi-copy",
    function: () => selected().slice(0, 1).forEach(copyTask),
  },
];

/** @param {any} item */
export function toolboxCommands(item) {
  return item?.comfyClass === "KlingGenerate" ? commands.map((command) => command.id) : [];
}

/**
 * @param {any} node
 * @returns {any[]}
 */
export function menuItems(node) {
  if (node.comfyClass === "KlingGenerate") return generateItems(node);
  return node.comfyClass === "KlingFetchVideo" ? fetchItems(node) : [];
}

/** @param {any} node */
function generateItems(node) {
  return [
    null,
    { content: say("next_take"), callback: () => nextTake(node) },
    {
      content: say(rehearses(node) ? "buy_for_real" : "rehearse"),
      callback: () => toggleRehearsal(node),
    },
    { content: say("copy_task_uuid"), callback: () => copyTask(node) },
  ];
}

/** @param {any} node */
function fetchItems(node) {
  const films = filmsOf(node);
  const task = { content: say("copy_task_uuid"), callback: () => copyTask(node) };
  if (films.length < 2) return [null, task];
  const [first] = instancesOf(node);
  const id = first ? executionId(first) : String(node.id);
  const one = films.map((film, index) => ({
    content: `${index + 1}: ${film.filename}`,
    callback: () => show(node, id, [film]),
  }));
  const all = { content: say("play_all"), callback: () => show(node, id, films) };
  const options = [...one, all];
  return [null, { content: say("play_one"), has_submenu: true, submenu: { options } }, task];
}

/** @param {any} node */
function nextTake(node) {
  const most = table()?.largest_take;
  set(node, "take", (take) => Math.min(take + 1, most ?? take));
}

/** @param {any} node */
function toggleRehearsal(node) {
  const mode = rehearses(node) ? "generate" : "rehearse";
  set(node, "mode", () => mode);
}

/**
 * Whether a node buys nothing, in no instance of the subgraph around it.
 * @param {any} node
 */
function rehearses(node) {
  return [...instancesOf(node)].every((each) => value(each, "mode") === "rehearse");
}

/**
 * Set what a node is given, in all instances of the subgraph around it: the widgets that decide it
 * need not be its own.
 * @param {any} node
 * @param {string} name
 * @param {(value: any) => unknown} next
 */
function set(node, name, next) {
  const widgets = new Set([...instancesOf(node)].map((each) => decider(each, name)));
  if (widgets.has(undefined)) notify("warn", say("set_elsewhere", { name }));
  else setWidgets(node.graph, widgets, next);
}

/** @param {any} node */
function copyTask(node) {
  const uuid = taskOf(node);
  if (uuid) return copy(uuid);
  return notify("info", say("no_purchase_yet"));
}

/** @returns {any[]} */
function selected() {
  const nodes = Object.values(host().app.canvas.selected_nodes ?? {});
  return nodes.filter((node) => node.comfyClass === "KlingGenerate");
}
