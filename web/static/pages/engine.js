// The part of the Ensemble page that the AI engine's record fills: skill, calibration, outcomes, and the registry.

import { fill, h, known } from "../lib/dom.js";
import { exact, moment, money, percent, signed, tone, words } from "../lib/format.js";
import { calibrationPlot, skillPlot } from "../ui/plots.js";
import { toldBy } from "../ui/provenance.js";
import { Table, scrolled } from "../ui/table.js";
import { badge } from "../ui/votes.js";

/** A cell: the text, or a dash with the reason. */
const cell = (text, reason) => (known(text) ? { text: String(text) } : { unknown: reason });
const badgeCell = (text, tone, title) => ({ node: () => h("span", { class: `badge ${tone ?? ""}`, title }, text), sign: [text, title] });
const ROLE_TONES = { CHAMPION: "good", CHALLENGER: "info" };
const places = (value, count = 3) => (known(value) ? Number(value).toFixed(count) : null);
const share = (value) => (known(value) ? `${(100 * Number(value)).toFixed(1)} %` : null);

export function enginePanels() {
  const told = toldBy();
  const state = h("span", { class: "badge" });
  const models = new Table(
    [
      { title: "Model", class: "state", cell: (item) => ({ text: item.model }) },
      { title: "State", cell: (item) => ({ node: () => badge(item.status), sign: item.status }) },
      { title: "Version", class: "clip", cell: (item) => ({ ...cell(item.version, "no version serves"), title: item.version }) },
      { title: "Voted on", class: "number", cell: (item) => cell(item.votes, item.reason) },
      { title: "Weight", class: "number", cell: (item) => cell(places(item.weight), item.reason) },
      { title: "Skill", class: "words", cell: (item) => cell(item.skill?.sentence ?? item.reason, "its skill was not measured") },
    ],
    { key: (item) => item.model, label: "Models of the engine", none: "No model has voted yet.", flash: false },
  );
  const registry = new Table(
    [
      { title: "Version", class: "state", cell: (item) => ({ text: item.version }) },
      { title: "Role", cell: (item) => badgeCell(item.role, ROLE_TONES[item.role], item.reason) },
      { title: "Data", class: "words", cell: (item) => ({ text: `${moment(item.data_from)} to ${moment(item.data_to)}` }) },
      { title: "Samples", class: "number", cell: (item) => ({ text: exact(String(item.samples)) }) },
      { title: "Symbols", class: "number", cell: (item) => ({ text: String(item.symbols.length), title: item.symbols.join(", ") }) },
      { title: "Log loss", class: "number", cell: (item) => ({ text: places(item.log_loss, 4), title: "In nats; a coin has 0.6931" }) },
      { title: "Brier", class: "number", cell: (item) => ({ text: places(item.brier, 4) }) },
      { title: "Skill, walk-forward", class: "words", cell: (item) => ({ text: item.walk_forward.sentence }) },
      { title: "Live", class: "words", cell: (item) => cell(item.live?.sentence, "nothing came of its forecasts yet") },
    ],
    { key: (item) => item.version, label: "Registry of model versions", none: "No version of a model was made yet: the AI engine runs with ./qt up --engine.", flash: false },
  );
  const strategies = new Table(
    [
      { title: "Producer", class: "state", cell: (item) => ({ text: item.strategy }) },
      { title: "Signals", class: "number", cell: (item) => ({ text: exact(String(item.signals)) }) },
      { title: "Right", class: "number", cell: (item) => ({ text: share(item.right_share) }) },
      { title: "Mean return", class: "number", cell: (item) => gain(item.mean_gross_return) },
      { title: "After costs", class: "number", cell: (item) => gain(item.mean_net_return) },
    ],
    { key: (item) => item.strategy, label: "What came of every producer's signals", none: "No signal has an outcome yet.", flash: false },
  );
  const skill = h("div", { class: "body", id: "skill" });
  const calibration = h("div", { class: "body", id: "calibration" });
  const confidence = h("div", { class: "body", id: "outcomes" });
  const outcomeNote = h("span", { class: "small quiet" });
  const panel = (name, body, ...more) => h("section", { class: "panel" }, h("header", null, h("h2", null, name), h("span", { class: "grow" }), ...more), body);
  const element = h(
    "div",
    { class: "stack", id: "engine" },
    h("section", { class: "panel" }, h("header", null, h("h2", null, "AI engine"), state, h("span", { class: "grow" }), told.element), scrolled(models, "Models of the engine")),
    h("div", { class: "half" }, panel("Skill", skill), panel("Calibration", calibration)),
    h("div", { class: "half" }, panel("Outcomes by confidence", confidence, outcomeNote), panel("Outcomes by producer", scrolled(strategies, "What came of every producer's signals"))),
    panel("Registry", scrolled(registry, "Registry of model versions")),
  );

  /** `engine` is the answer of /api/engine, or null; `since` seconds have passed since it came. */
  function draw(engine, since, failure) {
    const reason = failure?.message ?? engine?.reason ?? "nothing was loaded yet";
    told.show({ source: failure ? null : (engine?.source ?? null), age: known(engine?.age_seconds) && !failure ? engine.age_seconds + since : null, reason });
    fill(state, [engine?.state], () => engine?.state ?? "NOT KNOWN");
    state.className = `badge ${{ LIVE: "good", STALE: "wait" }[engine?.state] ?? ""}`;
    state.title = engine?.reason ?? "";
    models.show(engine?.models ?? [], engine ? null : reason);
    registry.show(engine?.registry ?? [], engine ? null : reason);
    strategies.show(engine?.outcomes?.strategies ?? [], engine?.outcomes?.reason ?? reason);
    fill(skill, [engine?.registry, engine?.training, reason], () => skillOf(engine, reason));
    fill(calibration, [engine?.registry, engine?.training, reason], () => calibrationOf(engine, reason));
    fill(confidence, [engine?.outcomes, reason], () => confidenceOf(engine?.outcomes, reason));
    const outcomes = engine?.outcomes;
    fill(outcomeNote, [outcomes?.signals, outcomes?.unknown, outcomes?.horizon_minutes], () =>
      document.createTextNode(outcomes?.signals ? `${exact(String(outcomes.signals))} signals, ${exact(String(outcomes.unknown))} not known${known(outcomes.horizon_minutes) ? `, after ${outcomes.horizon_minutes} min` : ""}` : ""),
    );
  }
  return { element, draw };
}

const gain = (text) => (known(text) ? { text: signed(percent(money(text, 6))), class: tone(text), title: text } : { unknown: "no outcome is known" });
const nothing = (why) => h("p", { class: "quiet" }, `Nothing to plot: ${words(why)}.`);
const serving = (engine) => (engine?.registry ?? []).filter((each) => each.role === "CHAMPION" || each.role === "CHALLENGER");

function skillOf(engine, reason) {
  const named = serving(engine).flatMap((each) => [
    { name: `${each.family}${each.role === "CHALLENGER" ? " *" : ""}`, skill: each.walk_forward },
    ...(each.live ? [{ name: `${each.family} live`, skill: each.live }] : []),
  ]);
  const rows = [...(engine?.training ? [{ name: "ensemble", skill: engine.training.skill }] : []), ...named].filter(({ skill }) => known(skill?.estimate));
  if (rows.length === 0) return nothing(engine ? "no model's skill was measured yet" : reason);
  return [skillPlot("Skill of each model", rows), ...(engine.training ? [h("p", { class: "small" }, engine.training.sentence)] : [])];
}

function calibrationOf(engine, reason) {
  const measured = [
    ...(engine?.training?.reliability?.length ? [["Ensemble, out of sample", engine.training.reliability]] : []),
    ...serving(engine)
      .filter((each) => each.reliability?.length)
      .map((each) => [each.version, each.reliability]),
  ];
  if (measured.length === 0) return nothing(engine ? "no forecast was compared with what came yet" : reason);
  const [name, points] = measured[0];
  const dots = points.map((point) => ({ x: point.forecast, y: point.observed, samples: point.samples }));
  return [h("p", { class: "small" }, name), calibrationPlot("Calibration", dots, ["probability forecast", "share that rose"])];
}

function confidenceOf(outcomes, reason) {
  if (!outcomes?.by_confidence?.length) return nothing(outcomes?.reason ?? reason);
  const dots = outcomes.by_confidence.map((each) => ({ x: Number(each.mean_confidence), y: Number(each.right_share), samples: each.signals }));
  return [calibrationPlot("Outcomes by confidence", dots, ["confidence of the signal", "share that went its way"]), h("p", { class: "small quiet" }, "Every signal's later outcome, of all producers, traded or not.")];
}
