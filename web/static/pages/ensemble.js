// Each model's last vote, how far it may be believed, and whether the live ones agree. Nothing here that no producer said.

import { fill, h, known, unknown } from "../lib/dom.js";
import { exact, percent, title } from "../lib/format.js";
import { toldBy } from "../ui/provenance.js";
import { badge, voteRow } from "../ui/votes.js";
import { enginePanels } from "./engine.js";

const RELOAD_MS = 4000;
const ENGINE_RELOAD_MS = 15000; // a pass is made once a minute
const LEGEND = [
  ["LIVE", "the model itself, just now; these alone are counted"],
  ["FALLBACK", "something stood in for it"],
  ["STALE", "the model, too long ago"],
  ["UNAVAILABLE", "no vote"],
];

export function mount(app) {
  let answer = null;
  let at = null;
  let failure = null;
  let timer = null;
  let isGone = false;
  const engine = { answer: null, at: null, failure: null, timer: null };
  const panels = enginePanels();
  const told = toldBy();
  const symbols = h("datalist", { id: "symbols" });
  const search = h("input", { type: "search", list: "symbols", placeholder: "all symbols", "data-search": true, "aria-label": "Only votes about this symbol", onchange: () => load() });
  const verdict = h("div", { class: "body" });
  const models = h("div", { class: "votes", id: "votes" });
  const element = h(
    "div",
    { class: "stack" },
    h("div", { class: "head" }, h("h1", null, "Ensemble"), h("span", { class: "grow" }), search, symbols, told.element),
    h("section", { class: "panel", id: "agreement" }, h("header", null, h("h2", null, "Agreement of live models"), h("span", { class: "grow" }), h("span", { class: "small quiet" }, "on the newest signal that brought votes along")), verdict),
    models,
    h("p", { class: "legend" }, LEGEND.map(([name, text]) => h("span", null, badge(name), ` ${text}`))),
    panels.element,
  );

  async function loadEngine() {
    try {
      engine.answer = await app.api.get("/api/engine");
      engine.at = performance.now();
      engine.failure = null;
    } catch (error) {
      engine.failure = error;
    }
    if (isGone) return;
    draw();
    engine.timer = setTimeout(loadEngine, ENGINE_RELOAD_MS);
  }

  async function load() {
    clearTimeout(timer);
    const symbol = search.value.trim().toUpperCase();
    try {
      answer = await app.api.get(`/api/ensemble${symbol ? `?symbol=${encodeURIComponent(symbol)}` : ""}`);
      at = performance.now();
      failure = null;
    } catch (error) {
      failure = error;
    }
    if (isGone) return;
    draw();
    timer = setTimeout(load, RELOAD_MS);
  }

  function draw() {
    const since = at === null ? 0 : (performance.now() - at) / 1000;
    const reason = failure?.message ?? answer?.reason ?? (answer ? null : "nothing was loaded yet");
    told.show({ source: failure ? null : (answer?.source ?? null), age: known(answer?.age_seconds) && !failure ? answer.age_seconds + since : null, reason });
    fill(symbols, [...new Set([...app.store.signals.values()].map((item) => item.symbol))].sort(), () => [...new Set([...app.store.signals.values()].map((item) => item.symbol))].sort().map((symbol) => h("option", { value: symbol })));
    const agreement = answer?.agreement;
    fill(verdict, [agreement, reason], () => (agreement ? agreed(agreement) : h("p", { class: "quiet" }, `Not known: ${reason}.`)));
    panels.draw(engine.answer, engine.at === null ? 0 : (performance.now() - engine.at) / 1000, engine.failure);
    fill(models, [answer?.models, reason, Math.floor(since)], () => (answer?.models?.length ? answer.models.map((model) => card(model, since)) : [h("p", { class: "quiet" }, `No vote is known: ${reason ?? "no recent signal brought any along"}.`)]));
  }
  load();
  loadEngine();
  return {
    element,
    draw,
    leave() {
      isGone = true;
      clearTimeout(timer);
      clearTimeout(engine.timer);
    },
  };
}

function agreed(agreement) {
  return h(
    "div",
    null,
    h("p", { class: "outcome" }, known(agreement.action) ? h("span", { class: { BUY: "buy", SELL: "sell" }[agreement.action] ?? "quiet" }, agreement.action) : agreement.reason ? unknown(agreement.reason) : h("span", { class: "quiet" }, "Tie"), known(agreement.share) ? ` ${percent(agreement.share)}` : ""),
    h(
      "p",
      { class: "quiet" },
      agreement.reason ? `${title(agreement.reason)}. ` : "",
      `${exact(String(agreement.agreeing))} of ${exact(String(agreement.live))} live ${agreement.live === 1 ? "vote" : "votes"} agree`,
      agreement.signal_id ? [", ", h("a", { href: `#/signals/${encodeURIComponent(agreement.signal_id)}` }, agreement.symbol ?? "the signal")] : "",
    ),
  );
}

function card({ model, provenance, reason, source, age_seconds: seconds, vote }, since) {
  const told = toldBy();
  told.show(known(seconds) ? { source, age: seconds + since } : { source: null, age: null, reason: "never voted" });
  return h(
    "section",
    { class: "panel", "aria-label": model },
    h("header", null, h("h2", null, model), badge(provenance), h("span", { class: "grow" }), told.element),
    h(
      "div",
      { class: "body" },
      voteRow(vote ? `last said of ${vote.symbol}` : "last vote", { action: vote?.action, confidence: vote?.confidence, reason: vote?.reason ?? reason ?? "no vote" }, { isPlain: true }),
      h("p", { class: "small quiet" }, [reason && title(reason), vote?.source && `producer's word: ${vote.source}`].filter(Boolean).join("; ") || "as the model itself said it"),
      vote ? h("a", { class: "small", "data-row": true, href: `#/signals/${encodeURIComponent(vote.signal_id)}` }, "The signal") : null,
    ),
  );
}
