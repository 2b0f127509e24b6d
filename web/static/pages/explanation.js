// Why a signal ended as it did: the gates with their numbers, the models, the order, its attempts and fills, the time line.

import { facts, h, known, unknown } from "../lib/dom.js";
import { exact, lapse, moment, preciseTime, reason, share, title, words } from "../lib/format.js";
import { drawer } from "../ui/dialogs.js";
import { Table } from "../ui/table.js";
import { voteRow } from "../ui/votes.js";

const ANSWERS = { SENDING: "none yet", UNKNOWN: "ambiguous; the exchange is being asked", NOT_SENT: "proved never accepted" };
const TONES = { EXECUTED: "good", OBSERVED: "good", DENIED: "bad", FAILED: "bad" };
const UNFINISHED = new Set(["QUEUED", "DISPATCHED", "ORDERED"]);
const AGAIN_MS = 1000;
const cell = (value, reason) => (known(value) ? { text: exact(String(value)) } : { unknown: reason ?? "" });

let open = null; // {id, drawer}: one at a time

export function openExplanation(app, id) {
  if (open) {
    if (open.id === id) return;
    open.drawer.close();
  }
  const loading = h("p", { class: "quiet" }, "Loading…");
  const mine = { id, timer: null };
  mine.drawer = drawer({
    title: `Signal ${id}`,
    body: h("div", { id: "explanation" }, loading),
    onClose: () => {
      clearTimeout(mine.timer);
      if (open === mine) open = null;
      if (location.hash === `#/signals/${encodeURIComponent(id)}`) history.replaceState(null, "", "#/signals");
    },
  });
  open = mine;
  load(app, mine);
}

async function load(app, mine) {
  const box = mine.drawer.content.firstChild;
  try {
    const explanation = await app.api.get(`/api/signals/${encodeURIComponent(mine.id)}`);
    if (open !== mine) return;
    box.replaceChildren(...explain(explanation));
    // What is still under way is followed until it is not.
    if (UNFINISHED.has(explanation.state)) mine.timer = setTimeout(() => load(app, mine), AGAIN_MS);
  } catch (error) {
    if (open === mine) box.replaceChildren(h("p", { class: "notice bad" }, `This signal could not be explained: ${error.message}`));
  }
}

function explain({ signal, state, decision, decisions, order, attempts, fills, timeline }) {
  const all = decisions?.length ? decisions : decision ? [decision] : [];
  return [
    h("p", { class: `outcome ${TONES[state] ?? ""}` }, words(state)),
    signal.reason_code ? h("p", { class: "why-line", title: signal.reason ?? "" }, reason(signal)) : null,
    h(
      "div",
      { class: "half" },
      facts([
        ["Wish", h("span", null, h("b", { class: signal.side === "BUY" ? "buy" : "sell" }, signal.side), ` ${signal.symbol}`)],
        ["Confidence", h("span", { title: signal.confidence }, share(signal.confidence))],
        ["Reference price", known(signal.reference_price) ? exact(signal.reference_price) : unknown("the producer told none")],
        ["Strategy", signal.strategy ?? unknown("not told")],
        ["Producer", signal.producer ?? unknown("not told")],
      ]),
      facts([
        ["Received", moment(signal.received_at)],
        ["Decided", signal.decided_at ? `${moment(signal.decided_at)}, after ${lapse(Date.parse(signal.decided_at) - Date.parse(signal.received_at))}` : unknown("not decided yet")],
        ["Policy version", decision && known(decision.policy_version) ? h("a", { href: "#/policy" }, `v${decision.policy_version}`) : unknown(decision ? "no policy was readable" : "no gate was asked")],
        ["Correlation id", signal.correlation_id ? h("code", null, signal.correlation_id) : unknown("not told")],
      ]),
    ),
    ...models(signal.models),
    ...gates(all),
    h("h3", null, "Order"),
    order
      ? facts([
          ["State", words(order.state) + (order.reason ? `: ${order.reason}` : "")],
          ["Executed of approved", `${exact(order.executed_quantity)} of ${exact(order.quantity)}`],
          ["No worse than", known(order.limit_price) ? exact(order.limit_price) : unknown("no limit")],
          ["Order", h("code", null, order.order_id)],
        ])
      : h("p", { class: "quiet" }, "No order was made."),
    ...(attempts?.length ? [h("h3", null, "Attempts at the exchange"), attemptTable(attempts)] : []),
    ...(fills?.length ? [h("h3", null, "Fills"), fillTable(fills)] : []),
    ...(timeline?.length ? [h("h3", null, "Time line"), timeLine(timeline, signal.received_at)] : []),
  ].filter(Boolean);
}

function models(votes) {
  const named = Object.entries(votes ?? {});
  if (named.length === 0) return [];
  return [h("h3", null, "What the models said"), h("div", null, named.map(([name, vote]) => voteRow(name, vote)))];
}

function gates(all) {
  if (all.length === 0) return [h("h3", null, "Gates"), h("p", { class: "quiet" }, "No gate was asked: it never came to a decision.")];
  return [...all].reverse().flatMap((each) => [
    h("h3", null, `Gates in the order they were asked${all.length > 1 ? `, attempt ${each.attempt_number}` : ""}: ${words(each.outcome)}${each.code ? `, ${words(each.code)}` : ""}`),
    gateTable(each),
  ]);
}

function gateTable({ verdicts }) {
  const first = verdicts?.find((item) => !item.passed)?.gate;
  const table = new Table(
    [
      { title: "Gate", class: "state", cell: (item) => ({ text: title(item.gate) }) },
      { title: "Verdict", class: "state", cell: (item) => (item.passed ? { text: item.code ? `passed, ${words(item.code)}` : "passed", class: item.code ? "wait" : "good" } : { text: words(item.code ?? "denied"), class: "bad" }) },
      { title: "Numbers it saw", class: "words", cell: (item) => ({ text: Object.entries(item.numbers ?? {}).map(([name, value]) => `${words(name)} ${exact(value)}`).join(", ") }) },
    ],
    { key: (item) => item.gate, none: "No verdict was recorded.", label: "Gates", flash: false, rowClass: (item) => (item.gate === first ? "first-denial" : "") },
  );
  table.show(verdicts ?? []);
  return h("div", { class: "scroll boxed" }, table.element);
}

function attemptTable(attempts) {
  const table = new Table(
    [
      { title: "#", class: "number", cell: (item) => cell(item.number) },
      { title: "State", class: "state", cell: (item) => ({ text: words(item.state) }) },
      { title: "Quantity", class: "number", cell: (item) => cell(item.quantity) },
      { title: "Price", class: "number", cell: (item) => cell(item.price, "at market") },
      { title: "Executed", class: "number", cell: (item) => cell(item.executed_quantity) },
      { title: "Average", class: "number", cell: (item) => cell(item.average_price, "nothing was executed") },
      { title: "Answer", class: "words", cell: (item) => ({ text: [item.error_code, item.error_message].filter(Boolean).join(" ") || ANSWERS[item.state] || "accepted" }) },
      { title: "Client order id", class: "wide mono", cell: (item) => ({ text: item.client_order_id }) },
    ],
    { key: (item) => item.client_order_id, label: "Attempts", flash: false },
  );
  table.show(attempts);
  return h("div", { class: "scroll boxed" }, table.element);
}

function fillTable(fills) {
  const table = new Table(
    [
      { title: "Trade", cell: (item) => ({ text: String(item.trade_id) }) },
      { title: "Price", class: "number", cell: (item) => cell(item.price) },
      { title: "Quantity", class: "number", cell: (item) => cell(item.quantity) },
      { title: "Fee", class: "number", cell: (item) => ({ text: `${exact(item.fee)} ${item.fee_asset}` }) },
      { title: "Realised", class: "number", cell: (item) => cell(item.realised_pnl) },
      { title: "At", cell: (item) => ({ text: preciseTime(item.traded_at), title: moment(item.traded_at) }) },
    ],
    { key: (item) => item.trade_id, label: "Fills", flash: false },
  );
  table.show(fills);
  return h("div", { class: "scroll boxed" }, table.element);
}

/** Milliseconds count from the arrival; a moment of another clock says whose it is. */
function timeLine(moments, receivedAt) {
  return h(
    "ol",
    { class: "timeline" },
    moments.map(({ at, what, detail, clock }) => {
      const after = Date.parse(at) - Date.parse(receivedAt);
      return h(
        "li",
        null,
        h("time", { datetime: at, title: moment(at) }, preciseTime(at)),
        h("span", { class: "offset" }, after === 0 ? "0 ms" : `${after > 0 ? "+" : "−"}${lapse(Math.abs(after))}`),
        h("span", null, h("b", null, title(what)), detail ? ` ${/^[A-Z0-9_]+$/.test(detail) ? words(detail) : detail}` : "", clock && clock !== "ours" ? h("span", { class: "quiet" }, ` (${clock}'s clock)`) : ""),
      );
    }),
  );
}
