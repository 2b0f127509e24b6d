// Joins the parts: load the snapshot, follow the live socket, draw at most four times a second, never pretend.

import { find, say } from "./dom.js";
import { age } from "./format.js";
import { Live } from "./live.js";
import { Store } from "./store.js";
import { watchExplanations } from "./view-explanation.js";
import { showCurve, showPortfolio, showWindow } from "./view-figures.js";
import { showStop } from "./view-stop.js";
import { makeTables } from "./view-tables.js";

const DRAW_MS = 250;
const REFRESH_MS = 5000; // ages, marks and counters have no events of their own
const AFTER_CHANGE_MS = 1500;
const CURVE_MS = 15000;
const ANSWER_MS_MAX = 8000;
const CURRENT_SECONDS = 15; // an older snapshot is not how things are
const CURVE_SECONDS = 3600;

const store = new Store();
const showTables = makeTables(store);
let curve = { points: [], reason: "Nothing was loaded yet." };
let problem = null;
let dirty = true;
let refreshTimer = null;
let isLoading = false;
let loadAgain = false;

async function get(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  const body = await response.json();
  if (!response.ok) {
    const error = new Error(body.detail ?? response.statusText);
    error.status = response.status;
    throw error;
  }
  return body;
}

async function load() {
  if (isLoading) {
    loadAgain = true;
    return;
  }
  isLoading = true;
  clearTimeout(refreshTimer);
  try {
    store.load(await get("/api/snapshot"));
    problem = null;
    if (live.state === "connecting") live.connect();
  } catch (error) {
    problem = error;
  }
  isLoading = false;
  dirty = true;
  const soon = loadAgain;
  loadAgain = false;
  refreshSoon(soon ? AFTER_CHANGE_MS : REFRESH_MS);
}

function refreshSoon(milliseconds) {
  clearTimeout(refreshTimer);
  refreshTimer = setTimeout(load, milliseconds);
}

async function loadCurve() {
  if (!document.hidden || curve.points.length === 0) {
    const since = new Date(Date.now() - CURVE_SECONDS * 1000).toISOString();
    try {
      curve = { points: (await get(`/api/equity?since=${encodeURIComponent(since)}&limit=5000`)).items, reason: null };
    } catch (error) {
      curve = { points: [], reason: `Not known: ${error.message}` };
    }
    showCurve(curve.points, curve.reason);
  }
  setTimeout(loadCurve, CURVE_MS);
}

const live = new Live({
  after: () => store.seq,
  onState: () => {
    dirty = true;
    if (live.state === "reconnecting" && !document.hidden) refreshSoon(0);
  },
  onFrame: (frame) => {
    dirty = true;
    if (frame.type === "snapshot_required") {
      store.forget(frame.last_seq);
      load();
    } else if (frame.type === "event_batch") {
      const follows = store.take(frame);
      if (!follows || frame.dropped) load();
      else if (frame.events.some((event) => event.type === "position_updated" || event.type === "policy_changed")) refreshSoon(AFTER_CHANGE_MS);
    }
  },
});

/** live: the socket is open and the snapshot fresh; anything less is called by its name. */
function standing() {
  const seconds = store.at === null ? null : (performance.now() - store.at) / 1000;
  if (problem?.status === 401 || problem?.status === 403) return ["refused", "no access"];
  if (seconds === null) return problem ? ["stale", "no data"] : ["connecting", "connecting"];
  if (seconds > CURRENT_SECONDS) return ["stale", `stale, last answer ${age(seconds)}`];
  if (live.state !== "live") return ["reconnecting", "reconnecting"];
  return ["live", store.dropped ? `live, ${store.dropped} events replaced or skipped` : "live"];
}

function draw() {
  const [kind, words] = standing();
  const isCurrent = kind === "live" || kind === "reconnecting";
  const connection = find("connection");
  connection.className = `connection ${kind}`;
  say(connection, words);
  document.querySelector("main").classList.toggle("ageing", !isCurrent && store.snapshot !== null);
  showNotice(kind);
  showStop(store, isCurrent);
  showPortfolio(store);
  showWindow(store);
  showTables();
  const { policy, system } = store.snapshot ?? {};
  const stage = find("stage");
  stage.hidden = !system?.stage;
  if (system?.stage) say(stage, system.stage);
  say(find("policy"), policy?.mode ? `${policy.mode.replaceAll("_", " ").toLowerCase()} policy, version ${policy.version}` : `policy not known${policy?.reason ? `: ${policy.reason}` : ""}`);
  say(find("footer"), "Times are this browser's.");
  dirty = false;
}

function showNotice(kind) {
  const notice = find("notice");
  notice.hidden = problem === null;
  if (problem === null) return;
  say(
    notice,
    kind === "refused"
      ? "Nobody is logged in. ./qt login-link prints a link that logs in once."
      : `The system does not answer fully: ${problem.message}`,
  );
}

watchExplanations(get);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) load();
});
setInterval(() => {
  if (dirty && !document.hidden) draw();
}, DRAW_MS);
setInterval(() => {
  dirty = true; // ages grow by themselves
}, 1000);
draw();
load();
loadCurve();
