// Why a signal ended as it did: the gates with their numbers, the order, its attempts and fills.

import { Table, facts, find, h, unknown } from "./dom.js";
import { exact, moment, share, words } from "./format.js";

const known = (value) => value !== undefined && value !== null;
const ANSWERS = { SENDING: "none yet", UNKNOWN: "ambiguous; the exchange is being asked", NOT_SENT: "proved never accepted" };
const cell = (value, reason) => (known(value) ? { text: String(value) } : { unknown: reason ?? "" });

export function watchExplanations(get) {
  const dialog = find("explanation");
  find("explanation-close").addEventListener("click", () => dialog.close());
  document.addEventListener("click", async (event) => {
    const id = event.target.closest?.("[data-press]")?.dataset.press;
    if (!id) return;
    find("explanation-title").textContent = `Signal ${id}`;
    const body = find("explanation-body");
    body.replaceChildren(h("p", { class: "quiet" }, "Loading…"));
    if (!dialog.open) dialog.showModal();
    try {
      body.replaceChildren(...explain(await get(`/api/signals/${encodeURIComponent(id)}`)));
    } catch (error) {
      body.replaceChildren(h("p", { class: "notice" }, `This signal could not be explained: ${error.message}`));
    }
  });
}

function explain({ signal, state, decision, order, attempts, fills }) {
  const parts = [h("p", { class: "outcome" }, words(state), signal.reason_code ? ` (${words(signal.reason_code)})` : "")];
  if (signal.reason) parts.push(h("p", null, signal.reason));
  parts.push(
    listed([
      ["Wish", `${signal.side} ${signal.symbol}, confidence ${share(signal.confidence)}`],
      ["Strategy", signal.strategy ?? unknown("not told")],
      ["Received", moment(signal.received_at)],
      ["Decided", signal.decided_at ? moment(signal.decided_at) : unknown("not decided yet")],
      ["Policy version", decision && known(decision.policy_version) ? String(decision.policy_version) : unknown(decision ? "no policy was readable" : "no gate was asked")],
    ]),
  );
  parts.push(h("h3", null, "Gates, in the order they were asked"));
  parts.push(
    decision
      ? table(
          [
            { title: "Gate", cell: (item) => ({ text: words(item.gate) }) },
            { title: "Verdict", class: "state", cell: (item) => (item.passed ? { text: "passed", class: "good" } : { text: words(item.code ?? "denied"), class: "bad" }) },
            { title: "Numbers it saw", class: "words", cell: (item) => ({ text: Object.entries(item.numbers ?? {}).map(([name, value]) => `${words(name)} ${value}`).join(", ") }) },
          ],
          decision.verdicts ?? [],
          (item) => item.gate,
          "No verdict was recorded.",
        )
      : h("p", { class: "quiet" }, "No gate was asked: it never came to a decision."),
  );
  parts.push(h("h3", null, "Order"));
  parts.push(
    order
      ? listed([
          ["State", words(order.state) + (order.reason ? `: ${order.reason}` : "")],
          ["Executed of approved", `${exact(order.executed_quantity)} of ${exact(order.quantity)}`],
          ["Limit price", known(order.limit_price) ? exact(order.limit_price) : unknown("no limit")],
        ])
      : h("p", { class: "quiet" }, "No order was made."),
  );
  if (attempts?.length) {
    parts.push(h("h3", null, "Attempts at the exchange"));
    parts.push(
      table(
        [
          { title: "#", class: "number", cell: (item) => cell(item.number) },
          { title: "State", class: "state", cell: (item) => ({ text: words(item.state), title: item.client_order_id }) },
          { title: "Quantity", class: "number", cell: (item) => cell(item.quantity) },
          { title: "Price", class: "number", cell: (item) => (known(item.price) ? { text: exact(item.price) } : { unknown: "at market" }) },
          { title: "Executed", class: "number", cell: (item) => cell(item.executed_quantity) },
          { title: "Answer", class: "words", cell: (item) => ({ text: [item.error_code, item.error_message].filter(Boolean).join(" ") || ANSWERS[item.state] || "accepted" }) },
        ],
        attempts,
        (item) => item.client_order_id,
      ),
    );
  }
  if (fills?.length) {
    parts.push(h("h3", null, "Fills"));
    parts.push(
      table(
        [
          { title: "Trade", cell: (item) => cell(item.trade_id) },
          { title: "Price", class: "number", cell: (item) => ({ text: exact(item.price) }) },
          { title: "Quantity", class: "number", cell: (item) => ({ text: exact(item.quantity) }) },
          { title: "Fee", class: "number", cell: (item) => ({ text: `${exact(item.fee)} ${item.fee_asset}` }) },
          { title: "At", cell: (item) => ({ text: moment(item.traded_at) }) },
        ],
        fills,
        (item) => item.trade_id,
      ),
    );
  }
  return parts;
}

function listed(pairs) {
  const list = h("dl", { class: "facts" });
  facts(list, pairs);
  return list;
}

function table(columns, items, key, none = "Nothing.") {
  const element = h("table");
  new Table(element, columns, { key, none }).show(items);
  return h("div", { class: "scroll" }, element);
}
