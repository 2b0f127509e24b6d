// Builds elements. Text is only ever text: nothing here turns a string into markup.

export const find = (id) => document.getElementById(id);

export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export function svg(tag, properties) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  return element;
}

/** Set text only when it changed, so that selections and screen readers are left alone. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A value that is not known: a dash that says why. */
export function unknown(reason) {
  const why = reason || "not known, and nobody said why";
  return h("span", { class: "unknown", title: why, "aria-label": `unknown: ${why}` }, "—");
}

export function facts(list, pairs) {
  list.replaceChildren(...pairs.flatMap(([name, value]) => [h("dt", null, name), h("dd", null, value)]));
}

/**
 * A table whose rows are kept by key: an update changes cells, never the row somebody is about to press.
 * columns: [{title, class, cell(item) -> {text, class, title} | Node, key(item)?}]
 */
export class Table {
  #rows = new Map();
  #body = h("tbody");

  constructor(table, columns, { key, none }) {
    this.columns = columns;
    this.key = key;
    this.none = none;
    table.replaceChildren(
      h("thead", null, h("tr", null, columns.map((column) => h("th", { scope: "col", class: column.class }, column.title)))),
      this.#body,
    );
  }

  show(items, noneReason) {
    const wanted = new Set(items.map(this.key));
    for (const [key, row] of this.#rows) {
      if (!wanted.has(key)) {
        row.element.remove();
        this.#rows.delete(key);
      }
    }
    if (items.length === 0) {
      this.#body.replaceChildren(
        h("tr", null, h("td", { class: "none", colspan: this.columns.length }, noneReason || this.none)),
      );
      return;
    }
    this.#body.querySelector("td.none")?.parentElement.remove();
    let previous = null;
    for (const item of items) {
      const row = this.#row(item);
      const expected = previous ? previous.nextSibling : this.#body.firstChild;
      if (row !== expected) this.#body.insertBefore(row, expected);
      previous = row;
    }
  }

  #row(item) {
    const key = this.key(item);
    let row = this.#rows.get(key);
    if (!row) {
      row = { element: h("tr", { class: "fresh" }), told: [] };
      row.element.addEventListener("animationend", () => row.element.classList.remove("fresh"), { once: true });
      row.element.append(...this.columns.map((column) => h("td", { class: column.class, "data-title": column.title })));
      this.#rows.set(key, row);
    }
    this.columns.forEach((column, index) => {
      const content = column.cell(item);
      const told = JSON.stringify(content);
      if (row.told[index] === told) return;
      row.told[index] = told;
      const cell = row.element.children[index];
      const { text, title, unknown: why, press } = content;
      cell.className = [column.class, content.class].filter(Boolean).join(" ");
      if (why !== undefined) cell.replaceChildren(unknown(why));
      else if (press) cell.replaceChildren(h("button", { type: "button", class: "link", "data-press": press, title }, text));
      else {
        cell.textContent = text;
        if (title) cell.title = title;
        else cell.removeAttribute("title");
      }
    });
    return row.element;
  }
}
