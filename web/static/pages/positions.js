// What is held, what it is worth at the mark, and the levels that protect it.

import { fill, h, known } from "../lib/dom.js";
import { age, exact, money, signed, tone } from "../lib/format.js";
import { levels } from "../ui/gauges.js";
import { figure, standing, toldBy } from "../ui/provenance.js";
import { Table, scrolled } from "../ui/table.js";

const amount = (value, reason) => (known(value) ? { text: signed(money(value)), title: `${exact(value)} USDT`, class: `value ${tone(money(value))}` } : { unknown: reason ?? "" });
const price = (value, reason) => (known(value) ? { text: exact(value), class: "value" } : { unknown: reason ?? "" });

/** {table, draw()}: the positions as a table, by symbol. */
export function positionTable(app) {
  const table = new Table(
    [
      { title: "Symbol", class: "state", cell: (item) => ({ text: item.symbol }) },
      { title: "Side", cell: (item) => (/^-/.test(item.quantity) ? { text: "SHORT", class: "sell" } : { text: "LONG", class: "buy" }) },
      { title: "Quantity", class: "number", cell: (item) => ({ text: signed(exact(item.quantity)), class: "value" }) },
      { title: "Entry", class: "number", cell: (item) => price(item.entry_price, item.reason) },
      { title: "Mark", class: "number", cell: (item) => price(item.mark_price, item.reason) },
      { title: "Unrealised", class: "number", cell: (item) => amount(item.unrealised_pnl, item.reason) },
      { title: "Realised", class: "number wide", cell: (item) => amount(item.realised_pnl, item.reason) },
      { title: "Fees", class: "number wide", cell: (item) => (known(item.fees) ? { text: money(item.fees), title: `${exact(item.fees)} USDT` } : { unknown: "not told" }) },
      { title: "Stop", class: "number", cell: (item) => price(item.stop_price, item.reason) },
      { title: "Target", class: "number", cell: (item) => price(item.target_price, item.reason) },
      {
        title: "Told",
        cell: (item) => {
          const told = app.store.toldOf(item);
          const kind = standing(told);
          return known(told.age) ? { text: age(told.age), class: kind === "overdue" ? "bad" : "quiet", title: told.source } : { unknown: told.reason ?? "" };
        },
      },
      {
        title: "Levels",
        class: "line",
        cell: (item) => ({ sign: [item.stop_price, item.entry_price, item.mark_price, item.target_price], node: () => levels(item) }),
      },
    ],
    { key: (item) => item.symbol, none: "No open position.", label: "Positions", rowClass: (item) => ({ stale: "stale", overdue: "overdue" })[standing(app.store.toldOf(item))] ?? "" },
  );
  return {
    table,
    draw() {
      const reason = app.store.snapshot?.positions?.reason ?? (app.store.snapshot ? undefined : "Nothing was loaded yet.");
      table.show([...app.store.positions.values()].sort((a, b) => (a.symbol < b.symbol ? -1 : 1)), reason);
    },
  };
}

export function mount(app) {
  const positions = positionTable(app);
  const told = toldBy();
  const unrealised = figure("figure");
  const realised = figure("figure");
  const fees = figure("figure");
  const trades = new Table(
    [
      { title: "Time", cell: (item) => ({ text: new Date(item.traded_at).toLocaleTimeString() }) },
      { title: "Symbol", class: "state", cell: (item) => ({ text: item.symbol }) },
      { title: "Side", cell: (item) => ({ text: item.side, class: item.side === "BUY" ? "buy" : "sell" }) },
      { title: "Quantity", class: "number", cell: (item) => ({ text: exact(item.quantity) }) },
      { title: "Price", class: "number", cell: (item) => ({ text: exact(item.price) }) },
      { title: "Fee", class: "number", cell: (item) => ({ text: `${exact(item.fee)} ${item.fee_asset}` }) },
      { title: "Realised", class: "number", cell: (item) => amount(item.realised_pnl) },
    ],
    { key: (item) => `${item.symbol} ${item.trade_id}`, none: "No trade since this page was opened.", label: "Trades" },
  );
  const summary = h("span", { class: "quiet" });
  const element = h(
    "div",
    { class: "stack" },
    h("div", { class: "head" }, h("h1", null, "Positions"), summary, h("span", { class: "grow" }), told.element),
    h(
      "section",
      { class: "kpis", "aria-label": "Profit and loss" },
      [["Unrealised PnL", unrealised], ["Realised PnL", realised], ["Fees", fees]].map(([name, shown]) => h("div", { class: "panel kpi" }, h("p", { class: "name" }, name), h("p", null, shown.element))),
    ),
    h("section", { class: "panel" }, scrolled(positions.table, "Positions")),
    h("section", { class: "panel" }, h("header", null, h("h2", null, "Trades since this page was opened"), h("span", { class: "grow" }), h("span", { class: "told" }, h("span", null, "live events"))), scrolled(trades, "Trades")),
  );
  return {
    element,
    draw() {
      positions.draw();
      trades.show(app.store.trades);
      const portfolio = app.store.snapshot?.portfolio ?? {};
      const held = [...app.store.positions.values()];
      const bare = held.filter((item) => !known(item.stop_price)).length;
      const options = { format: (value) => signed(money(value)), tone, unit: "USDT" };
      unrealised.show(portfolio.unrealised_pnl, app.store.told("portfolio"), options);
      const ledger = { ...app.store.told("positions"), source: "our ledger" };
      realised.show(portfolio.realised_pnl, ledger, options);
      fees.show(portfolio.fees, ledger, { format: money, unit: "USDT" });
      fill(summary, [held.length, bare], () => document.createTextNode(`${held.length} open${bare ? `, ${bare} without a stop` : held.length ? ", every one with a stop" : ""}`));
      told.show(app.store.told("positions"));
    },
  };
}
