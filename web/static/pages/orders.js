// Every order: what was approved, what was executed, and how it stands.

import { h, known } from "../lib/dom.js";
import { exact, lapse, moment, reason, time, title, words } from "../lib/format.js";
import { track } from "../ui/gauges.js";
import { toldBy } from "../ui/provenance.js";
import { Table, scrolled } from "../ui/table.js";
import { link } from "./signals.js";

const TONES = { FILLED: "good", PARTIALLY_FILLED: "wait", SUBMITTED: "wait", CHASING: "wait", REJECTED: "bad", NOT_SENT: "bad", UNKNOWN: "wait" };
const PAGE_ITEMS = 100;

function executed(item) {
  const bar = track("Executed of approved");
  bar.show(item.executed_quantity, item.quantity, { alarms: false });
  return h("span", null, `${exact(item.executed_quantity)} / ${exact(item.quantity)}`, bar.element);
}

export function mount(app) {
  const told = toldBy();
  const search = h("input", { type: "search", placeholder: "symbol, state, purpose or id", "data-search": true, "aria-label": "Search the orders", oninput: () => draw() });
  const more = h("button", { type: "button", onclick: loadOlder }, "Older orders");
  const failure = h("span", { class: "error", role: "alert" });
  let older = [];
  let cursor;
  const table = new Table(
    [
      { title: "Time", cell: (item) => (known(item.created_at) ? { text: time(item.created_at), title: moment(item.created_at) } : { unknown: "not told" }) },
      { title: "Symbol", class: "state", cell: (item) => (item.signal_id ? link(item.signal_id, item.symbol) : { text: item.symbol ?? "" }) },
      { title: "Side", cell: (item) => ({ text: item.side ?? "", class: item.side === "BUY" ? "buy" : "sell" }) },
      { title: "Purpose", cell: (item) => ({ text: item.purpose ? title(item.purpose) : "" }) },
      {
        title: "Executed / approved",
        class: "number",
        cell: (item) => (known(item.executed_quantity) && known(item.quantity) ? { sign: [item.executed_quantity, item.quantity], node: () => executed(item) } : { unknown: item.reason ?? "" }),
      },
      { title: "Limit", class: "number", cell: (item) => (known(item.limit_price) ? { text: exact(item.limit_price) } : { unknown: "at market" }) },
      { title: "Attempts", class: "number wide", cell: (item) => (known(item.attempts_made) ? { text: String(item.attempts_made) } : { unknown: "with the next snapshot" }) },
      { title: "Took", class: "number wide", cell: (item) => (item.ended_at ? { text: lapse(Date.parse(item.ended_at) - Date.parse(item.created_at)) } : { text: "" }) },
      { title: "State", class: "state", cell: (item) => ({ text: words(item.state), class: TONES[item.state] ?? "quiet" }) },
      { title: "Reason", class: "words", cell: (item) => ({ text: item.state === "FILLED" ? "" : reason(item), title: item.reason ?? "" }) },
    ],
    { key: (item) => item.order_id, none: "No order yet.", label: "Orders" },
  );
  const element = h(
    "div",
    { class: "stack" },
    h("div", { class: "head" }, h("h1", null, "Orders"), h("span", { class: "grow" }), told.element),
    h("section", { class: "panel", id: "orders" }, h("header", null, h("h2", null, "Newest first"), h("span", { class: "grow" }), search), scrolled(table, "Orders", "scroll tall"), h("div", { class: "more" }, more, failure)),
  );

  async function loadOlder() {
    more.disabled = true;
    failure.textContent = "";
    try {
      const after = cursor ?? app.store.snapshot?.orders?.next;
      const answer = await app.api.get(`/api/orders?limit=${PAGE_ITEMS}${after ? `&after=${encodeURIComponent(after)}` : ""}`);
      older.push(...answer.items);
      cursor = answer.next;
    } catch (error) {
      failure.textContent = error.message;
    }
    more.disabled = false;
    draw();
  }

  function draw() {
    const live = [...app.store.orders.values()].reverse();
    const needle = search.value.trim().toLowerCase();
    const matches = (item) => !needle || [item.symbol, item.state, item.purpose, item.order_id, item.signal_id, item.reason].some((each) => known(each) && String(each).toLowerCase().includes(needle));
    const shown = [...live, ...older.filter((item) => !app.store.orders.has(item.order_id))].filter(matches);
    table.show(shown, needle ? "No order like that among those loaded." : (app.store.snapshot?.orders?.reason ?? (app.store.snapshot ? undefined : "Nothing was loaded yet.")));
    more.parentElement.hidden = cursor === null || (cursor === undefined && !known(app.store.snapshot?.orders?.next));
    told.show(app.store.told("orders"));
  }
  return { element, draw };
}
