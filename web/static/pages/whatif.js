// What another policy would have decided: recorded decisions taken again. Nothing is changed by it.

import { h } from "../lib/dom.js";
import { exact, moment, money, title, words } from "../lib/format.js";
import { Table, scrolled } from "../ui/table.js";
import { link } from "./signals.js";

const DAY_MS = 86_400_000;
const SPANS = { "the last hour": DAY_MS / 24, "the last 6 hours": DAY_MS / 4, "the last day": DAY_MS };

/** `changesNow()` are the edits on the page that were not saved yet. */
export function whatIf(app, changesNow) {
  const mode = h("select", { name: "mode", "aria-label": "Policy to try" }, [["", "the policy in force with the edits above"], ["AGGRESSIVE_SMALL_ACCOUNT", "aggressive small account"], ["NORMAL", "normal"], ["DEFENSIVE", "defensive"]].map(([value, text]) => h("option", { value }, text)));
  const span = h("select", { name: "span", "aria-label": "Decisions of" }, Object.keys(SPANS).map((text) => h("option", { value: text }, text)));
  const submit = h("button", { type: "submit" }, "Try it");
  const result = h("div", { class: "body", id: "what-if", role: "status" }, h("p", { class: "quiet" }, "Recorded decisions are taken again under another policy, each with the facts recorded with it. Nothing is changed."));
  const form = h("form", { class: "chips" }, mode, span, submit);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    result.replaceChildren(h("p", { class: "quiet" }, "Deciding again…"));
    try {
      const since = new Date(Date.now() - SPANS[span.value]).toISOString();
      const found = await app.api.post("/api/policy/whatif", { ...(mode.value ? { mode: mode.value } : {}), changes: changesNow(), since });
      result.replaceChildren(...show(found));
    } catch (error) {
      result.replaceChildren(h("p", { class: "error" }, error.message));
    }
    submit.disabled = false;
  });
  return h("section", { class: "panel", hidden: !app.api.can.operate }, h("header", null, h("h2", null, "What if"), h("span", { class: "grow" }), form), result);
}

function show({ decisions, outcomes, entered, changed, is_complete: isComplete, since }) {
  const sides = [...new Set([...Object.keys(outcomes.before), ...Object.keys(outcomes.after)])];
  const counts = sides.map((name) => [title(name), change(String(outcomes.before[name] ?? 0), String(outcomes.after[name] ?? 0))]);
  const totals = [...counts, ["Entries", change(String(entered.before.entries), String(entered.after.entries))], ["Entered, USDT", change(money(entered.before.gross), money(entered.after.gross))]];
  return [
    h("dl", { class: "counters" }, totals.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value)))),
    h(
      "p",
      { class: "quiet small" },
      `${exact(String(decisions.compared))} of ${exact(String(decisions.read))} decisions since ${moment(since)} compared, ${exact(String(decisions.changed))} different`,
      decisions.not_reproduced ? `, ${exact(String(decisions.not_reproduced))} left out that did not come out as recorded under their own policy either` : "",
      isComplete ? "." : "; older ones were not looked at.",
    ),
    ...(changed.length ? [changedTable(changed)] : []),
  ];
}

const change = (before, after) => (before === after ? h("span", null, before) : h("span", null, h("span", { class: "quiet" }, `${before} → `), after));

function changedTable(changed) {
  const ended = ({ outcome, code, notional }) => (code ? words(code) : `${words(outcome)}, ${money(notional)} USDT`);
  const table = new Table(
    [
      { title: "Symbol", class: "state", cell: (item) => link(item.signal_id, item.symbol) },
      { title: "Side", cell: (item) => ({ text: item.side, class: item.side === "BUY" ? "buy" : "sell" }) },
      { title: "Was", class: "words", cell: (item) => ({ text: ended(item.before) }) },
      { title: "Would be", class: "words", cell: (item) => ({ text: ended(item.after) }) },
    ],
    { key: (item) => `${item.signal_id} ${item.attempt_number}`, label: "Decisions that would have been different", flash: false },
  );
  table.show(changed);
  return h("div", { class: "boxed" }, scrolled(table, "Decisions that would have been different"));
}
