// How the machinery is: health, processes, workers, queues, the rate budget, buffers, open questions, alerts, this page's connection.

import { facts, fill, h, known, unknown } from "../lib/dom.js";
import { age, duration, exact, lapse, moment, title, words } from "../lib/format.js";
import { track } from "../ui/gauges.js";
import { toldBy } from "../ui/provenance.js";

const RELOAD_MS = 4000;
const TONES = { OK: "good", DEGRADED: "wait", CRITICAL: "bad", ready: "good", running: "good", starting: "wait", restarting: "wait" };
const WIDE = [
  ["health", "Health"],
  ["processes", "Processes"],
];
const BLOCKS = [
  ["alerts", "Open alerts"],
  ["attempts", "Unresolved attempts"],
  ["queues", "Queues"],
  ["budget", "Rate budget"],
  ["buffers", "Buffers on the disk"],
  ["workers", "Workers"],
];
const number = (value, reason) => (known(value) ? exact(String(value)) : unknown(reason));

export function mount(app) {
  let answer = null;
  let at = null;
  let failure = null;
  let timer = null;
  let isGone = false;
  const told = toldBy();
  const overall = h("span", { class: "badge" });
  const panels = Object.fromEntries(
    [...WIDE, ...BLOCKS].map(([name, text]) => {
      const source = toldBy();
      const body = h("div", { class: "body", id: `system-${name}` });
      return [name, { body, source, element: h("section", { class: "panel" }, h("header", null, h("h2", null, text), h("span", { class: "grow" }), source.element), body) }];
    }),
  );
  const connection = h("div", { class: "body", id: "system-connection" });
  const element = h(
    "div",
    { class: "stack" },
    h("div", { class: "head" }, h("h1", null, "System"), overall, h("span", { class: "grow" }), told.element),
    WIDE.map(([name]) => panels[name].element),
    h("div", { class: "half" }, BLOCKS.map(([name]) => panels[name].element)),
    h("section", { class: "panel" }, h("header", null, h("h2", null, "This page's connection")), connection),
  );

  async function load() {
    try {
      answer = await app.api.get("/api/system");
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
    const aged = (block) => ({ source: block?.source ?? null, age: known(block?.age_seconds) ? block.age_seconds + since : null, reason: block?.reason ?? failure?.message ?? "nothing was loaded yet" });
    told.show(aged(answer));
    for (const [name, make] of Object.entries(MAKERS)) {
      // Buffers tell of themselves one by one: as old as the oldest of them.
      const block = name === "buffers" ? Object.values(answer?.buffers ?? {})[0] : answer?.[name];
      panels[name].source.show(aged(block));
      fill(panels[name].body, [answer?.[name], failure?.message], () => (answer?.[name] ? make(answer[name]) : h("p", { class: "quiet" }, `Not known: ${aged(null).reason}`)));
    }
    const [tone, text] = overallOf(answer);
    fill(overall, text, () => document.createTextNode(text));
    overall.className = `badge ${tone}`;
    fill(connection, [app.live.state, app.live.reconnects, app.store.received, app.store.dropped, app.store.seq, app.store.gaps.length], () => connectionOf(app));
  }
  load();
  return {
    element,
    draw,
    onEvents: (events) => events.some((event) => event.type === "health_alert") && load(),
    leave() {
      isGone = true;
      clearTimeout(timer);
    },
  };
}

function overallOf(answer) {
  if (!answer) return ["", "NOT KNOWN"];
  const alerts = answer.alerts?.items;
  const worst = alerts?.find((each) => each.status === "CRITICAL") ?? alerts?.[0];
  if (worst) return [TONES[worst.status], `${worst.status}: ${words(worst.component)}`];
  const health = answer.health?.status;
  if (health && health !== "OK") return [TONES[health], health];
  if (!health) return ["wait", "HEALTH NOT KNOWN"];
  if (!alerts || answer.processes?.ready !== true) return ["wait", alerts ? "NOT READY" : "ALERTS NOT KNOWN"];
  return ["good", "OK"];
}

const missing = (block) => h("p", { class: "quiet" }, `Not known: ${block.reason ?? "nobody told it"}`);

function component(name, status, tone, cause) {
  return h("div", { class: `component tone-${tone || "unknown"}` }, h("div", { class: "row" }, h("span", { class: "name" }, name), h("span", { class: "status" }, words(status).toUpperCase())), cause ? h("span", { class: "cause" }, cause) : null);
}

/** A component of the health matrix: its status, why, how long the check took and how old what it saw is. */
function judged({ component: name, status, cause, because_of: because, latency_ms: latency, age_seconds: seconds }) {
  return h(
    "div",
    { class: `component tone-${TONES[status] ?? "unknown"}`, role: "listitem" },
    h("div", { class: "row" }, h("span", { class: "name" }, title(name)), h("span", { class: "status" }, status)),
    cause ? h("span", { class: "cause" }, because ? `${cause}; because of ${words(because)}` : cause) : null,
    h(
      "div",
      { class: "row measured" },
      h("span", { title: "How long the check took" }, known(latency) ? lapse(latency) : unknown("the check was not timed")),
      h("span", { title: "How old the fact behind it is" }, known(seconds) ? age(seconds) : "asked now"),
    ),
  );
}

const MAKERS = {
  health: (block) => (block.components ? h("div", { class: "matrix", role: "list", "aria-label": "Health of every component" }, block.components.map(judged)) : missing(block)),
  processes: (block) =>
    block.items
      ? h("div", { class: "matrix" }, block.items.map((each) => component(each.name, each.state, TONES[each.state] ?? "bad", [known(each.pid) ? `pid ${each.pid}` : "no process", each.restarts ? `${each.restarts} restarts` : null, each.reason].filter(Boolean).join(", "))))
      : missing(block),
  alerts: (block) =>
    !block.items
      ? missing(block)
      : block.items.length === 0
        ? h("p", { class: "quiet" }, "No alert is open.")
        : h("div", { class: "stack" }, block.items.map((each) => component(each.component, each.status, TONES[each.status], `${each.cause}; since ${moment(each.raised_at)}${each.occurrences > 1 ? `, ${each.occurrences} times` : ""}`))),
  attempts: (block) =>
    !block.items
      ? missing(block)
      : block.items.length === 0
        ? h("p", { class: "quiet" }, "Every attempt has its outcome.")
        : h("div", { class: "stack" }, block.items.map((each) => component(each.client_order_id, each.state, each.state === "UNKNOWN" ? "bad" : "wait", `begun ${age((Date.now() - Date.parse(each.begun_at)) / 1000)}${each.error_message ? `, ${each.error_message}` : ""}`))),
  queues: (block) => (block.waiting ? facts(Object.entries(block.waiting).map(([name, count]) => [title(name), `${number(count)} waiting`])) : missing(block)),
  budget: (block) => (block.used ? h("div", { class: "gauges" }, gate(block), Object.entries(block.used).filter(([, used]) => known(used)).map(([name, used]) => usage(name, used, block.limits?.[name]))) : missing(block)),
  buffers: (block) =>
    h(
      "div",
      { class: "stack" },
      Object.entries(block).map(([name, buffer]) =>
        known(buffer.depth)
          ? component(title(name), buffer.depth ? `${buffer.depth} waiting` : "empty", buffer.depth ? "wait" : "good", [known(buffer.oldest_age_seconds) ? `the oldest for ${duration(buffer.oldest_age_seconds)}` : null, ...["replayed", "fell_off", "corrupt", "set_aside"].filter((each) => buffer[each]).map((each) => `${exact(String(buffer[each]))} ${words(each)}`)].filter(Boolean).join(", "))
          : component(title(name), "not known", "", buffer.reason),
      ),
    ),
  workers: (block) =>
    !block.items
      ? missing(block)
      : block.items.length === 0
        ? h("p", { class: "quiet" }, "No worker has told of itself yet.")
        : h("div", { class: "stack" }, block.items.map((each) => component(each.name, age(each.age_seconds), each.age_seconds > 15 ? "bad" : "good", [each.role, ...Object.entries(each.facts).filter(([, value]) => known(value) && typeof value !== "object").slice(0, 4).map(([name, value]) => `${words(name)} ${value}`)].join(", ")))),
};

function gate(block) {
  const closed = Math.max(block.closed_seconds ?? 0, block.orders_closed_seconds ?? 0);
  if (closed > 0) return h("p", { class: "bad" }, `The exchange lets nobody in for another ${duration(closed)}.`);
  return h("p", { class: "quiet small" }, block.recovering ? "Recovering: less than the limits is used." : "The gate is open.");
}

function usage(name, used, limit) {
  const bar = track(title(name));
  bar.show(used, limit);
  return h("div", { class: "gauge" }, h("div", { class: "row" }, h("span", { class: "name" }, title(name)), h("span", null, h("b", null, exact(String(used))), h("span", { class: "of" }, known(limit) ? ` of ${exact(String(limit))}` : ""))), bar.element);
}

function connectionOf({ live, store }) {
  const now = [
    ["State", live.state],
    ["Sequence", number(store.seq, "nothing was loaded yet")],
    ["Events taken", exact(String(store.received))],
    ["Merged or dropped", exact(String(store.dropped))],
    ["Reconnected", exact(String(live.reconnects))],
    ["Gaps refilled", exact(String(store.gaps.length))],
  ];
  return [
    h("dl", { class: "counters" }, now.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value)))),
    ...store.gaps.map((gap) => h("p", { class: "small" }, `${moment(gap.at)}: events ${gap.from ?? "?"} to ${gap.to ?? "?"} were not seen one by one (${gap.reason}); the page was loaded anew.`)),
  ];
}
