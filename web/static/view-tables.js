// Positions, signals and orders.

import { Table, find } from "./dom.js";
import { age, exact, money, moment, share, signed, time, tone, words } from "./format.js";
import { OVERDUE_SECONDS, STALE_SECONDS } from "./view-figures.js";

const known = (value) => value !== undefined && value !== null;
const text = (value, reason, more) => (known(value) ? { text: String(value), ...more } : { unknown: reason ?? "" });
const number = (value, reason) => (known(value) ? { text: exact(value) } : { unknown: reason ?? "" });
const when = (value, reason) => (known(value) ? { text: time(value), title: moment(value) } : { unknown: reason ?? "" });
const side = (item) => text(item.side, "this page was opened after it arrived", { class: item.side === "BUY" ? "buy" : "sell" });

const SIGNAL_TONES = { EXECUTED: "good", OBSERVED: "good", DENIED: "bad", FAILED: "bad", DISPATCHED: "wait", ORDERED: "wait" };
const ORDER_TONES = { FILLED: "good", PARTIALLY_FILLED: "wait", SUBMITTED: "wait", CHASING: "wait", REJECTED: "bad", NOT_SENT: "bad" };

const LATE = "this page was opened after it arrived";

export function makeTables(store) {
  const positions = new Table(
    find("positions"),
    [
      { title: "Symbol", cell: (item) => text(item.symbol) },
      { title: "Quantity", class: "number", cell: (item) => ({ text: signed(exact(item.quantity)), class: tone(item.quantity) }) },
      { title: "Entry", class: "number", cell: (item) => number(item.entry_price, item.reason) },
      { title: "Mark", class: "number", cell: (item) => number(item.mark_price, item.reason) },
      {
        title: "Unrealised",
        class: "number",
        cell: (item) =>
          known(item.unrealised_pnl)
            ? { text: signed(money(item.unrealised_pnl)), title: exact(item.unrealised_pnl), class: tone(money(item.unrealised_pnl)) }
            : { unknown: item.reason ?? "" },
      },
      {
        title: "Realised",
        class: "number wide",
        cell: (item) =>
          known(item.realised_pnl)
            ? { text: signed(money(item.realised_pnl)), title: exact(item.realised_pnl), class: tone(money(item.realised_pnl)) }
            : { unknown: item.reason ?? "" },
      },
      { title: "Stop", class: "number wide", cell: (item) => number(item.stop_price, item.reason) },
      { title: "Target", class: "number wide", cell: (item) => number(item.target_price, item.reason) },
      { title: "Source", class: "wide", cell: (item) => text(item.source, item.reason) },
      {
        title: "Age",
        class: "number",
        cell: (item) => {
          const seconds = store.ageOf(item);
          if (seconds === null) return { unknown: item.reason ?? "" };
          return { text: age(seconds), class: seconds > OVERDUE_SECONDS ? "overdue" : seconds > STALE_SECONDS ? "ageing" : "" };
        },
      },
    ],
    { key: (item) => item.symbol, none: "No open position." },
  );

  const signals = new Table(
    find("signal-table"),
    [
      { title: "Time", cell: (item) => when(item.received_at, LATE) },
      { title: "Symbol", cell: (item) => ({ text: item.symbol ?? "explain", press: item.signal_id, title: `Why: ${item.signal_id}` }) },
      { title: "Side", cell: side },
      { title: "Confidence", class: "number", cell: (item) => (known(item.confidence) ? { text: share(item.confidence), title: item.confidence } : { unknown: LATE }) },
      { title: "Strategy", class: "wide", cell: (item) => text(item.strategy, LATE) },
      { title: "State", class: "state", cell: (item) => ({ text: words(item.state), class: SIGNAL_TONES[item.state] ?? "" }) },
      {
        title: "Reason",
        class: "words",
        cell: (item) => ({ text: [item.reason_code && words(item.reason_code), item.reason].filter(Boolean).join(": "), title: item.reason_code ?? "" }),
      },
    ],
    { key: (item) => item.signal_id, none: "No signal yet." },
  );

  const orders = new Table(
    find("order-table"),
    [
      { title: "Time", cell: (item) => when(item.created_at) },
      {
        title: "Symbol",
        cell: (item) => (item.signal_id ? { text: item.symbol, press: item.signal_id, title: `Why: ${item.signal_id}` } : text(item.symbol)),
      },
      { title: "Side", cell: side },
      { title: "Purpose", class: "wide", cell: (item) => text(item.purpose && words(item.purpose)) },
      {
        title: "Executed / approved",
        class: "number",
        cell: (item) =>
          known(item.executed_quantity) && known(item.quantity) ? { text: `${exact(item.executed_quantity)} / ${exact(item.quantity)}` } : { unknown: item.reason ?? "" },
      },
      { title: "Limit", class: "number wide", cell: (item) => number(item.limit_price, item.reason) },
      { title: "State", class: "state", cell: (item) => ({ text: words(item.state), class: ORDER_TONES[item.state] ?? "", title: item.reason ?? "" }) },
    ],
    { key: (item) => item.order_id, none: "No order yet." },
  );

  const reason = (block) => store.snapshot?.[block]?.reason ?? (store.snapshot ? undefined : "Nothing was loaded yet.");
  return () => {
    positions.show([...store.positions.values()].sort((a, b) => (a.symbol < b.symbol ? -1 : 1)), reason("positions"));
    signals.show([...store.signals.values()].reverse(), reason("signals"));
    orders.show([...store.orders.values()].reverse(), reason("orders"));
  };
}
