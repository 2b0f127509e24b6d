// A table whose rows are kept by key: an update changes cells, never the row that somebody is about to press.

import { h, unknown } from "../lib/dom.js";

/**
 * columns: [{title, class, cell(item) -> {text | node, class, title, unknown, href}}]; `unknown` is the reason of a dash.
 * `sign(item)` stands for a cell that is a node: it is made anew when that changes.
 */
export class Table {
  #rows = new Map();
  #body = h("tbody");

  constructor(columns, { key, none, label, rowClass = () => "", flash = true }) {
    Object.assign(this, { columns, key, none, rowClass, flash });
    const titles = columns.map((column) => h("th", { scope: "col", class: column.class }, column.title));
    this.element = h("table", { class: "cards", "aria-label": label }, h("thead", null, h("tr", null, titles)), this.#body);
  }

  show(items, noneReason) {
    const wanted = new Set(items.map(this.key));
    for (const [key, row] of this.#rows) {
      if (wanted.has(key)) continue;
      row.element.remove();
      this.#rows.delete(key);
    }
    if (items.length === 0) {
      const why = noneReason || this.none;
      if (this.#body.textContent !== why) this.#body.replaceChildren(h("tr", null, h("td", { class: "none", colspan: this.columns.length }, why)));
      return;
    }
    this.#body.querySelector("td.none")?.parentElement.remove();
    const isFirst = this.#rows.size === 0;
    let previous = null;
    for (const item of items) {
      const row = this.#row(item, isFirst);
      const expected = previous ? previous.nextSibling : this.#body.firstChild;
      if (row !== expected) this.#body.insertBefore(row, expected);
      previous = row;
    }
  }

  #row(item, isFirst) {
    const key = this.key(item);
    let row = this.#rows.get(key);
    if (!row) {
      row = { element: h("tr"), told: [] };
      if (this.flash && !isFirst) {
        row.element.classList.add("fresh");
        row.element.addEventListener("animationend", () => row.element.classList.remove("fresh"), { once: true });
      }
      row.element.append(...this.columns.map((column) => h("td", { class: column.class, "data-title": column.title })));
      this.#rows.set(key, row);
    }
    const extra = this.rowClass(item);
    if (row.extra !== extra) {
      if (row.extra) row.element.classList.remove(row.extra);
      if (extra) row.element.classList.add(extra);
      row.extra = extra;
    }
    this.columns.forEach((column, index) => {
      const content = column.cell(item);
      const told = JSON.stringify(content.node ? [content.sign, content.class] : content);
      if (row.told[index] === told) return;
      row.told[index] = told;
      const cell = row.element.children[index];
      cell.className = [column.class, content.class].filter(Boolean).join(" ");
      cell.replaceChildren(inside(content));
      if (content.title && !content.href) cell.title = content.title;
      else cell.removeAttribute("title");
    });
    return row.element;
  }
}

function inside({ text, node, title, unknown: why, href }) {
  if (why !== undefined) return unknown(why);
  if (node) return node();
  if (href) return h("a", { href, title, "data-row": true }, text);
  return document.createTextNode(text);
}

/** A table in a box that scrolls, and can be reached and scrolled by keyboard. */
export function scrolled(table, label, className = "scroll") {
  return h("div", { class: className, tabindex: "0", role: "region", "aria-label": label }, table.element ?? table);
}
