// The flow of signals: what came, what became of it and why, and how full the window is.

import { fill, h, known, say, unknown } from "../lib/dom.js";
import { exact, lapse, moment, reason, share, time, title, words } from "../lib/format.js";
import { track } from "../ui/gauges.js";
import { figure, toldBy } from "../ui/provenance.js";
import { Table, scrolled } from "../ui/table.js";

const LATE = "this page was opened after it arrived";
const TONES = { EXECUTED: "good", OBSERVED: "good", DENIED: "bad", FAILED: "bad", DISPATCHED: "wait", ORDERED: "wait" };
const STATES = ["QUEUED", "DISPATCHED", "ORDERED", "EXECUTED", "OBSERVED", "DENIED", "FAILED", "EVICTED", "DROPPED", "EXPIRED"];
const COUNTERS = ["received", "queued", "dispatched", "evicted", "dropped", "expired"];
const PAGE_ITEMS = 100;

export const link = (id, text) => ({ href: `#/signals/${encodeURIComponent(id)}`, text, title: `Why: ${id}` });

/** The table of signals; `brief` leaves out what the overview has no room for. */
export function signalTable({ brief = false } = {}) {
  const all = [
    { title: "Time", cell: (item) => (known(item.received_at) ? { text: time(item.received_at), title: moment(item.received_at) } : { unknown: LATE }) },
    { title: "Symbol", class: "state", cell: (item) => link(item.signal_id, item.symbol ?? "explain") },
    { title: "Side", cell: (item) => (known(item.side) ? { text: item.side, class: item.side === "BUY" ? "buy" : "sell" } : { unknown: LATE }) },
    { title: "Confidence", class: "number", cell: (item) => (known(item.confidence) ? { text: share(item.confidence), title: item.confidence } : { unknown: LATE }) },
    { title: "Strategy", class: "wide clip", cell: (item) => (known(item.strategy) ? { text: item.strategy, title: item.strategy } : { unknown: LATE }), full: true },
    { title: "State", class: "state", cell: (item) => ({ text: words(item.state), class: TONES[item.state] ?? "quiet" }) },
    {
      title: "After",
      class: "number wide",
      cell: (item) => (known(item.decided_at) && known(item.received_at) ? { text: lapse(Date.parse(item.decided_at) - Date.parse(item.received_at)), title: "from its arrival to its decision" } : { text: "" }),
    },
    {
      title: "Reason",
      class: "words",
      cell: (item) => ({ text: reason(item), title: [item.reason_code, item.reason].filter(Boolean).join(": ") }),
    },
  ];
  return new Table(brief ? all.filter((column) => !column.full) : all, { key: (item) => item.signal_id, none: "No signal yet. ./qt signal BTCUSDT BUY 0.9 sends one.", label: brief ? "Newest signals" : "Signals" });
}

export function mount(app) {
  const chosen = new Set();
  const table = signalTable();
  const told = toldBy();
  const occupancy = figure("figure");
  const bar = track("Admission window");
  const windowTold = toldBy();
  const counters = h("dl", { class: "counters" });
  const chips = h("div", { class: "chips", role: "group", "aria-label": "States shown" });
  const search = h("input", { type: "search", placeholder: "symbol, strategy, id or reason", "data-search": true, "aria-label": "Search the signals", oninput: () => draw() });
  const pause = h("button", { type: "button", "aria-pressed": "false", onclick: togglePause }, "Pause");
  const more = h("button", { type: "button", onclick: loadOlder }, "Older signals");
  const moreWords = h("span", { class: "error", role: "alert" });
  let frozen = null;
  let older = [];
  let cursor;

  const element = h(
    "div",
    { class: "stack" },
    h("div", { class: "head" }, h("h1", null, "Signals"), h("span", { class: "grow" }), told.element),
    h(
      "section",
      { class: "panel window", id: "window", "aria-label": "Admission window" },
      h("div", null, h("p", { class: "quiet small" }, "Admission window"), h("p", null, occupancy.element)),
      h("div", { class: "stack" }, bar.element, windowTold.element),
      counters,
    ),
    h(
      "section",
      { class: "panel", id: "signals" },
      h("header", null, chips, h("span", { class: "grow" }), search, pause),
      scrolled(table, "Signals", "scroll tall"),
      h("div", { class: "more" }, more, moreWords),
    ),
  );

  function togglePause() {
    frozen = frozen ? null : current();
    pause.setAttribute("aria-pressed", String(frozen !== null));
    draw();
  }

  const current = () => [...app.store.signals.values()].reverse();

  async function loadOlder() {
    more.disabled = true;
    moreWords.textContent = "";
    try {
      const after = cursor ?? app.store.snapshot?.signals?.next;
      const states = [...chosen].map((state) => `&state=${state}`).join("");
      const answer = await app.api.get(`/api/signals?limit=${PAGE_ITEMS}${after ? `&after=${encodeURIComponent(after)}` : ""}${states}`);
      older.push(...answer.items);
      cursor = answer.next;
    } catch (error) {
      moreWords.textContent = error.message;
    }
    more.disabled = false;
    draw();
  }

  function choose(state) {
    chosen.has(state) ? chosen.delete(state) : chosen.add(state);
    older = [];
    cursor = undefined;
    draw();
  }

  function draw() {
    const { window: block = {}, counts } = app.store.snapshot ?? {};
    const windowNow = app.store.told("window");
    const ofStates = app.store.snapshot?.system?.counts?.signals ?? counts?.signals ?? {};
    occupancy.show(known(block.occupancy) ? String(block.occupancy) : null, windowNow, { unit: known(block.capacity) ? `of ${block.capacity} places` : undefined });
    bar.show(block.occupancy, block.capacity, { alarms: false });
    windowTold.show(windowNow);
    fill(counters, [block.counters, windowNow.reason], () =>
      COUNTERS.map((name) => h("div", null, h("dt", null, title(name)), h("dd", null, known(block.counters?.[name]) ? exact(String(block.counters[name])) : unknown(windowNow.reason)))),
    );
    const newest = app.store.snapshot?.system?.counts?.of_newest;
    fill(chips, [ofStates, [...chosen]], () =>
      STATES.filter((state) => known(ofStates[state]) || chosen.has(state) || state === "EXECUTED" || state === "DENIED").map((state) =>
        h("button", { type: "button", "aria-pressed": String(chosen.has(state)), title: newest ? `of the newest ${newest}` : "", onclick: () => choose(state) }, `${title(state)} `, h("b", null, known(ofStates[state]) ? exact(String(ofStates[state])) : "0")),
      ),
    );
    const live = frozen ?? current();
    const seen = new Set(live.map((item) => item.signal_id));
    const needle = search.value.trim().toLowerCase();
    const matches = (item) =>
      (chosen.size === 0 || chosen.has(item.state)) && (!needle || [item.symbol, item.strategy, item.signal_id, item.reason, item.reason_code].some((each) => known(each) && String(each).toLowerCase().includes(needle)));
    const shown = [...live, ...older.filter((item) => !seen.has(item.signal_id))].filter(matches);
    const why = app.store.snapshot?.signals?.reason ?? (app.store.snapshot ? undefined : "Nothing was loaded yet.");
    table.show(shown, needle || chosen.size ? "No signal like that among those loaded. Older ones may be." : why);
    const waiting = frozen ? current().filter((item) => !frozen.some((each) => each.signal_id === item.signal_id)).length : 0;
    say(pause, frozen ? `Go on${waiting ? ` (${waiting} new)` : ""}` : "Pause");
    const hasMore = cursor !== null && (cursor !== undefined || chosen.size > 0 || known(app.store.snapshot?.signals?.next));
    more.hidden = !hasMore;
    more.parentElement.hidden = !hasMore && !moreWords.textContent;
    told.show(app.store.told("signals"));
  }
  return { element, draw };
}
