// @ts-check
/**
 * @fileoverview Elements in one expression. Text is text: nothing from outside is ever read as
 * HTML.
 */

/**
 * Make an element.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [properties] `class`, `aria-...`, `data-...` become attributes,
 *   `on...` listeners
 * @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class" || name === "role" || name.includes("-"))
      element.setAttribute(name, value);
    else Object.assign(element, { [name]: value });
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/**
 * An icon of the page's own font, without meaning for a screen reader.
 * @param {string} name
 */
export function icon(name) {
  return make("i", { class: `pi pi-${name}`, "aria-hidden": "true" });
}
