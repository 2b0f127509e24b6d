// Who did what, when and why.

import { h, known } from "../lib/dom.js";
import { moment, title } from "../lib/format.js";
import { toldBy } from "../ui/provenance.js";
import { Table, scrolled } from "../ui/table.js";

const PAGE_ITEMS = 50;
const RELOAD_MS = 10000;
const TELLING = new Set(["ess_state_changed", "policy_changed"]);

/** {"a": 1, "b": ["x"]} -> "a 1, b x" */
function plain(detail) {
  if (!known(detail)) return "";
  if (Array.isArray(detail)) return detail.map(plain).join("; ");
  if (typeof detail === "object") return Object.entries(detail).map(([name, value]) => `${name.replaceAll("_", " ")} ${plain(value)}`).join(", ");
  return String(detail);
}

export function mount(app) {
  let items = [];
  let next = null;
  let at = null;
  let why = "Loading…";
  let timer = null;
  let isGone = false;
  const told = toldBy();
  const search = h("input", { type: "search", placeholder: "who, what or why", "data-search": true, "aria-label": "Search the audit", oninput: () => draw() });
  const more = h("button", { type: "button", onclick: () => load(true) }, "Older entries");
  const table = new Table(
    [
      { title: "When", cell: (item) => ({ text: moment(item.at), title: item.at }) },
      { title: "Who", class: "state clip", cell: (item) => ({ text: item.actor, title: item.actor }) },
      { title: "What", cell: (item) => ({ text: title(item.action) }) },
      { title: "Why", class: "words", cell: (item) => ({ text: item.reason }) },
      { title: "Detail", class: "words quiet", cell: (item) => ({ text: plain(item.detail) }) },
    ],
    { key: (item) => item.audit_id ?? `${item.at} ${item.actor} ${item.action}`, none: "Nothing was done yet.", label: "Audit" },
  );
  const element = h(
    "div",
    { class: "stack" },
    h("div", { class: "head" }, h("h1", null, "Audit"), h("span", { class: "grow" }), told.element),
    h("section", { class: "panel", id: "audit" }, h("header", null, h("h2", null, "Newest first"), h("span", { class: "grow" }), search), scrolled(table, "Audit", "scroll tall"), h("div", { class: "more" }, more)),
  );

  async function load(isOlder = false) {
    clearTimeout(timer);
    try {
      const answer = await app.api.get(`/api/audit?limit=${PAGE_ITEMS}${isOlder && next ? `&after=${encodeURIComponent(next)}` : ""}`);
      if (isOlder) {
        items = [...items, ...answer.items];
        next = answer.next;
      } else {
        const key = (item) => item.audit_id ?? `${item.at} ${item.actor} ${item.action}`;
        const fresh = new Set(answer.items.map(key));
        if (items.length === 0) next = answer.next;
        items = [...answer.items, ...items.filter((item) => !fresh.has(key(item)))];
      }
      at = performance.now();
      why = null;
    } catch (error) {
      why = error.message;
    }
    if (isGone) return;
    draw();
    timer = setTimeout(() => load(), RELOAD_MS);
  }

  function draw() {
    const needle = search.value.trim().toLowerCase();
    const shown = items.filter((item) => !needle || [item.actor, item.action, item.reason, plain(item.detail)].some((each) => String(each).toLowerCase().includes(needle)));
    table.show(shown, why ? `Not known: ${why}` : needle ? "No entry like that among those loaded." : undefined);
    more.parentElement.hidden = !next;
    told.show({ source: at === null ? null : "database", age: at === null ? null : (performance.now() - at) / 1000, reason: why });
  }
  load();
  return {
    element,
    draw,
    onEvents: (events) => events.some((event) => TELLING.has(event.type)) && load(),
    leave() {
      isGone = true;
      clearTimeout(timer);
    },
  };
}
