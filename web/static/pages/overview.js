// The first look: may we trade, what is it worth, how far from the limits, what is held, what just happened.

import { fill, h, known, say, unknown } from "../lib/dom.js";
import { age, countdown, exact, money, moment, signed, title, tone, words } from "../lib/format.js";
import { timeChart } from "../ui/charts.js";
import { track } from "../ui/gauges.js";
import { figure, toldBy } from "../ui/provenance.js";
import { stopTone } from "../ui/shell.js";
import { resetDialog, switchDialog, tripDialog } from "../ui/stop.js";
import { scrolled } from "../ui/table.js";
import { positionTable } from "./positions.js";
import { signalTable } from "./signals.js";

const RANGES = { "1 h": [3600, 0], "6 h": [21600, 10], "24 h": [86400, 30], "7 d": [604800, 300] };
const CURVE_MS = 10000;
const RISK_MS = 5000;
const SIGNALS_SHOWN = 8;

const MEANINGS = {
  ARMED: () => "Entries are permitted; every automatic trigger is watching.",
  DISABLED: () => "Entries are permitted. Automatic triggers are switched off: only an operator stops trading.",
  TRIPPED: (ess) =>
    ess.safe
      ? "Stopped and acknowledged safe: the exchange accepts no new entry of ours any more."
      : "Stopped. Not yet acknowledged safe: an entry sent before the trip may still arrive.",
  COOLING_DOWN: (ess) => {
    const left = ess.cooldown_until ? (Date.parse(ess.cooldown_until) - Date.now()) / 1000 : null;
    if (left !== null && left > 0) return `No entries for another ${countdown(left)}; then armed again if all is healthy.`;
    return ess.held_because ? `The cooldown is over, but the stop stays: ${ess.held_because}` : "No entries until the cooldown is over.";
  },
};

export function mount(app) {
  const stop = stopPanel(app);
  const figures = figurePanels(app);
  const curve = curvePanel(app);
  const limits = limitPanel(app);
  const positions = positionTable(app);
  const positionsTold = toldBy();
  const signals = signalTable({ brief: true });
  const signalsTold = toldBy();
  const element = h(
    "div",
    { class: "stack" },
    h("h1", { class: "sr" }, "Overview"),
    stop.element,
    figures.element,
    h("div", { class: "split" }, curve.element, limits.element),
    h("section", { class: "panel" }, h("header", null, h("h2", null, "Positions"), h("span", { class: "grow" }), positionsTold.element), scrolled(positions.table, "Positions")),
    h(
      "section",
      { class: "panel" },
      h("header", null, h("h2", null, "Newest signals"), h("span", { class: "grow" }), signalsTold.element, h("a", { href: "#/signals", class: "small" }, "All signals")),
      scrolled(signals, "Newest signals"),
    ),
  );
  return {
    element,
    draw() {
      stop.draw();
      figures.draw();
      limits.draw();
      positions.draw();
      positionsTold.show(app.store.told("positions"));
      signals.show([...app.store.signals.values()].reverse().slice(0, SIGNALS_SHOWN), app.store.snapshot?.signals?.reason);
      signalsTold.show(app.store.told("signals"));
    },
    leave() {
      curve.leave();
      limits.leave();
    },
  };
}

function stopPanel(app) {
  const state = h("p", { class: "ess-state", id: "ess-state", "aria-live": "assertive" }, "—");
  const meaning = h("p", { class: "ess-meaning", id: "ess-meaning" });
  const steps = h("ol", { class: "steps", "aria-label": "How far the trip has been carried" });
  const told = toldBy();
  const list = h("div");
  const actions = h("div", { class: "ess-actions" });
  const element = h(
    "section",
    { class: "ess", id: "ess", "aria-label": "Emergency stop" },
    h("div", null, h("p", { class: "ess-title" }, "Emergency stop"), state, meaning, steps),
    h("div", { class: "ess-side" }, list, actions, told.element),
  );
  const buttons = {
    trip: h("button", { type: "button", class: "danger", id: "trip", onclick: () => tripDialog(app) }, "Trip"),
    reset: h("button", { type: "button", class: "primary", id: "reset", onclick: () => resetDialog(app) }, "Reset"),
    off: h("button", { type: "button", onclick: () => switchDialog(app, false) }, "Triggers off"),
    on: h("button", { type: "button", class: "primary", onclick: () => switchDialog(app, true) }, "Triggers on"),
  };

  function draw() {
    const ess = app.store.snapshot?.ess;
    const toldNow = app.store.told("ess");
    const { kind } = app.standing();
    const isCurrent = kind === "live" || kind === "reconnecting";
    const name = ess?.state ?? null;
    element.className = `ess tone-${isCurrent ? stopTone(ess) : "unknown"}`;
    say(state, name ? words(name).toUpperCase() : "—");
    if (!name) say(meaning, `Not known: ${toldNow.reason ?? "nobody told it"}. Entries are denied while it cannot be read.`);
    else if (!isCurrent) say(meaning, `Was ${words(name).toUpperCase()} ${toldNow.age === null ? "" : age(toldNow.age)}; how it is now is not known.`);
    else say(meaning, MEANINGS[name](ess));
    const shown = name === "TRIPPED" ? (ess.steps ?? []) : [];
    fill(steps, shown, () => shown.map((step) => h("li", { class: step.done ? "done" : "", title: step.at ? moment(step.at) : "" }, `${words(step.step)}${step.done ? "" : ", under way"}`)));
    steps.hidden = shown.length === 0;
    const pairs = [
      ["Tripped", ess?.tripped_at ? moment(ess.tripped_at) : name ? "not tripped" : null],
      ["Reason", ess?.trip_reason ?? (name ? "none" : null)],
      ...(ess?.tripped_by ? [["By", ess.tripped_by]] : []),
      ["Trips, resets", known(ess?.trip_count) ? `${ess.trip_count}, ${ess.reset_count}` : null],
    ];
    fill(list, [pairs, toldNow.reason], () => h("dl", { class: "facts" }, pairs.flatMap(([term, value]) => [h("dt", null, term), h("dd", null, value ?? unknown(toldNow.reason))])));
    const wanted = !app.api.can.operate ? [] : name === "TRIPPED" ? ["reset"] : name === "COOLING_DOWN" ? ["trip"] : name === "DISABLED" ? ["on", "trip"] : ["off", "trip"];
    fill(actions, wanted, () => wanted.map((each) => buttons[each]));
    told.show(toldNow);
  }
  return { element, draw };
}

function figurePanels(app) {
  const names = [
    ["equity", "Equity", money, false],
    ["unrealised_pnl", "Unrealised PnL", (text) => signed(money(text)), true],
    ["realised_pnl", "Realised PnL", (text) => signed(money(text)), true],
    ["available_balance", "Available", money, false],
  ];
  const cells = names.map(([name, text, format, isColoured]) => ({ name, format, isColoured, shown: figure("figure"), told: toldBy(), text }));
  for (const cell of cells) cell.shown.element.id = `figure-${cell.name}`;
  const element = h("section", { class: "kpis", "aria-label": "Account" }, cells.map((cell) => h("div", { class: "panel kpi" }, h("p", { class: "name" }, cell.text), h("p", null, cell.shown.element), cell.told.element)));
  return {
    element,
    draw() {
      const portfolio = app.store.snapshot?.portfolio ?? {};
      for (const cell of cells) {
        // What our own ledger booked does not come from the exchange, and is as old as the snapshot.
        const told = cell.name === "realised_pnl" && known(portfolio.realised_pnl) ? { ...app.store.told("positions"), source: "our ledger" } : app.store.told("portfolio");
        cell.shown.show(portfolio[cell.name], told, { format: cell.format, tone: cell.isColoured ? tone : undefined, unit: "USDT" });
        cell.told.show(told);
      }
    },
  };
}

function curvePanel(app) {
  let range = "1 h";
  let kind = "Equity";
  let points = [];
  let why = "Loading…";
  let timer = null;
  let asked = 0;
  const chart = timeChart("Equity over time");
  const note = h("span", { class: "told" }, h("span"));
  const legend = h("p", { class: "legend" });
  const pick = (options, chosen, choose, label) => {
    const buttons = options.map((option) =>
      h("button", { type: "button", "aria-pressed": String(option === chosen), onclick: () => {
        buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.textContent === option)));
        choose(option);
      } }, option),
    );
    return h("div", { class: "segments", role: "group", "aria-label": label }, buttons);
  };
  const element = h(
    "section",
    { class: "panel", id: "curve" },
    h(
      "header",
      null,
      h("h2", { class: "sr" }, "Charts"),
      pick(["Equity", "PnL", "Drawdown"], kind, (chosen) => { kind = chosen; show(); }, "What is drawn"),
      legend,
      h("span", { class: "grow" }),
      pick(Object.keys(RANGES), range, (chosen) => { range = chosen; load(); }, "How far back"),
    ),
    h("div", { class: "body" }, chart.element, note),
  );

  async function load() {
    clearTimeout(timer);
    const mine = ++asked;
    const [seconds, every] = RANGES[range];
    try {
      const since = new Date(Date.now() - seconds * 1000).toISOString();
      const answer = await app.api.get(`/api/equity?since=${encodeURIComponent(since)}&limit=5000${every ? `&every_seconds=${every}` : ""}`);
      if (mine !== asked) return;
      points = answer.items;
      why = "Fewer than two points were recorded in this time.";
    } catch (error) {
      if (mine !== asked) return;
      points = [];
      why = `Not known: ${error.message}`;
    }
    show();
    timer = setTimeout(load, CURVE_MS);
  }

  function show() {
    // Binary floats are for pixels only; the figures beside the chart are the strings as they came.
    const series = (value) => points.map((point) => ({ at: point.at, value: value(point) }));
    const first = points[0];
    const lines = {
      Equity: () => [{ kind: "area", tint: "accent", points: series((point) => Number(point.equity)) }],
      PnL: () => [
        { kind: "baseline", base: 0, points: series((point) => Number(point.equity) - Number(first.equity)) },
        ...(known(first?.unrealised) ? [{ kind: "line", tint: "wait", points: series((point) => Number(point.unrealised)) }] : []),
      ],
      Drawdown: () => [drawdown(points, app.risk)],
    }[kind]();
    const names = { Equity: [["", "equity, USDT"]], PnL: [["good", "change since the beginning of this time, USDT"], ["wait", "unrealised"]], Drawdown: [["bad", "below the day's first equity, %, against the limit"]] }[kind];
    fill(legend, kind, () => names.map(([colour, text]) => h("span", null, h("i", { class: colour }), text)));
    chart.show(lines, why);
    const newest = points.at(-1);
    say(note.firstChild, newest ? `equity points, ${points.length} since ${moment(first.at)}, newest ${age(Math.max(0, (Date.now() - Date.parse(newest.at)) / 1000))}` : "");
    note.className = newest && Date.now() - Date.parse(newest.at) > 60000 + RANGES[range][1] * 1000 ? "told overdue" : newest ? "told" : "told nobody";
  }
  load();
  addEventListener("riskchange", show);
  return {
    element,
    leave() {
      asked += 1;
      clearTimeout(timer);
      removeEventListener("riskchange", show);
      chart.remove();
    },
  };
}

/** Today's loss against the first equity of the day (UTC), in percent, with the limit as a line. */
function drawdown(points, risk) {
  const midnight = new Date().setUTCHours(0, 0, 0, 0);
  const today = points.filter((point) => Date.parse(point.at) >= midnight);
  const reading = risk?.triggers?.find((each) => each.trigger === "DAILY_DRAWDOWN")?.numbers;
  const start = Number(reading?.start_of_day_equity ?? today[0]?.equity);
  const limits = reading ? [{ value: -100 * (Number(reading.maximum) / start), title: "limit" }] : [];
  return { kind: "baseline", base: 0, limits, points: today.map((point) => ({ at: point.at, value: Math.min(0, 100 * (Number(point.equity) / start - 1)) })) };
}

function limitPanel(app) {
  let timer = null;
  let answer = null;
  let at = null;
  let failure = null;
  const told = toldBy();
  const rows = [
    ["drawdown", "Loss of the day", (risk) => limit(trigger(risk, "DAILY_DRAWDOWN"), "loss", "maximum")],
    ["open-loss", "Open loss", (risk) => limit(trigger(risk, "OPEN_LOSS"), "loss", "maximum")],
    ["gross", "Gross exposure", (risk) => ({ part: risk.exposure?.gross, whole: risk.exposure?.gross_max, why: risk.exposure?.reason })],
    ["net", "Net exposure", (risk) => ({ part: risk.exposure?.net, whole: risk.exposure?.net_max, why: risk.exposure?.reason })],
    ["open-positions", "Open positions", (risk) => ({ part: text(risk.exposure?.open_positions), whole: text(risk.exposure?.open_positions_max), why: risk.exposure?.reason, isCount: true })],
    ["errors", "Execution errors", (risk) => ({ ...limit(trigger(risk, "EXECUTION_ERRORS"), "errors", "maximum"), isCount: true })],
  ].map(([id, name, read]) => {
    const shown = figure();
    const of = h("span", { class: "of" });
    const bar = track(name);
    shown.element.id = `limit-${id}`;
    return { read, shown, of, bar, element: h("div", { class: "gauge" }, h("div", { class: "row" }, h("span", { class: "name" }, name), h("span", null, shown.element, of)), bar.element) };
  });
  const element = h("section", { class: "panel", id: "limits" }, h("header", null, h("h2", null, "Against the limits"), h("span", { class: "grow" }), told.element), h("div", { class: "body gauges" }, rows.map((row) => row.element)));

  async function load() {
    try {
      answer = app.risk = await app.api.get("/api/risk");
      at = performance.now();
      failure = null;
      dispatchEvent(new Event("riskchange"));
    } catch (error) {
      failure = error;
    }
    draw();
    timer = setTimeout(load, RISK_MS);
  }

  function draw() {
    const now = { source: answer?.source ?? null, age: known(answer?.age_seconds) ? answer.age_seconds + (performance.now() - at) / 1000 : null, reason: answer?.reason ?? failure?.message ?? "nothing was loaded yet" };
    for (const { read, shown, of, bar } of rows) {
      const { part, whole, why, isCount } = answer ? read(answer) : {};
      shown.show(part, { ...now, reason: why ?? now.reason }, { format: isCount ? exact : money });
      say(of, known(part) && known(whole) ? ` of ${isCount ? exact(whole) : `${money(whole)} USDT`}` : "");
      bar.show(part, whole);
    }
    told.show(now);
  }
  load();
  return {
    element,
    draw,
    leave: () => clearTimeout(timer),
  };
}

const text = (value) => (known(value) ? String(value) : null);
const trigger = (risk, name) => risk.triggers?.find((each) => each.trigger === name);
const limit = (reading, part, whole) => ({ part: reading?.numbers[part] ?? null, whole: reading?.numbers[whole] ?? null, why: reading ? title(reading.numbers.why ?? "not told") : "this trigger was not read" });
