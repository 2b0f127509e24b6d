// Joins the parts: who is there, the snapshot, the live socket, the page shown; draws at most four times a second.

import { Api } from "./data/api.js";
import { Live } from "./data/live.js";
import { Store } from "./data/store.js";
import { h } from "./lib/dom.js";
import { age } from "./lib/format.js";
import { openExplanation } from "./pages/explanation.js";
import { PAGES, listenToKeys, makeShell } from "./ui/shell.js";

const DRAW_MS = 250;
const REFRESH_MS = 5000; // ages, marks and counters have no events of their own
const AFTER_CHANGE_MS = 1200;
const CURRENT_SECONDS = 15; // an older snapshot is not how things are
const RELOADING = new Set(["position_updated", "policy_changed", "ess_state_changed"]);

const app = {
  api: new Api(),
  store: new Store(),
  live: null,
  problem: null,
  refresh: () => refreshSoon(0),
  standing,
  logOut,
};
const root = document.getElementById("application");
let shell = null;
let page = null; // {name, view}
let dirty = true;
let refreshTimer = null;
let isLoading = false;
let loadAgain = false;

function refreshSoon(milliseconds) {
  clearTimeout(refreshTimer);
  refreshTimer = setTimeout(load, milliseconds);
}

async function load() {
  if (isLoading) {
    loadAgain = true;
    return;
  }
  isLoading = true;
  clearTimeout(refreshTimer);
  try {
    app.store.load(await app.api.get("/api/snapshot"));
    app.problem = null;
    if (app.live.state === "connecting") app.live.connect();
    if (performance.getEntriesByName("figures").length === 0) draw();
  } catch (error) {
    app.problem = error;
    if (error.status === 401) {
      isLoading = false;
      return void logIn("Your session is over.");
    }
  }
  isLoading = false;
  dirty = true;
  const soon = loadAgain;
  loadAgain = false;
  if (shell) refreshSoon(soon ? AFTER_CHANGE_MS : REFRESH_MS);
}

function onFrame(frame) {
  dirty = true;
  if (frame.type === "snapshot_required") {
    app.store.forget(frame);
    load();
  } else if (frame.type === "event_batch") {
    const follows = app.store.take(frame);
    if (!follows || frame.dropped) load();
    else if (frame.events.some((event) => RELOADING.has(event.type))) refreshSoon(AFTER_CHANGE_MS);
    page?.view.onEvents?.(frame.events);
  }
}

/** live: the socket is open and the snapshot fresh; anything less is called by its name. */
function standing() {
  const { store, live, problem } = app;
  const seconds = store.at === null ? null : (performance.now() - store.at) / 1000;
  if (seconds === null) return problem ? { kind: "stale", text: "no data" } : { kind: "connecting", text: "connecting" };
  if (seconds > CURRENT_SECONDS) return { kind: "stale", text: `stale, last answer ${age(seconds)}` };
  if (live.state !== "live") return { kind: "reconnecting", text: "reconnecting" };
  const gaps = store.gaps.length ? `, ${store.gaps.length} ${store.gaps.length === 1 ? "gap" : "gaps"} refilled` : "";
  return { kind: "live", text: store.dropped ? `live, ${store.dropped} merged or dropped${gaps}` : `live${gaps}` };
}

function draw() {
  if (!shell) return;
  dirty = false;
  shell.draw();
  page?.view.draw?.();
  if (page && app.store.snapshot) mark("figures");
}

/** Tells once when something was first there: tests measure by it, and charts wait for the figures. */
function mark(name) {
  if (performance.getEntriesByName(name).length) return;
  performance.mark(name);
  dispatchEvent(new Event(name));
}

/** `#/signals/ID`: the page and what is opened on it. */
function route() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const known = PAGES.some(([each]) => each === name);
  return { name: known ? name : "overview", argument: known && rest.length ? decodeURIComponent(rest.join("/")) : null };
}

async function navigate({ focus = true } = {}) {
  if (!shell) return;
  const { name, argument } = route();
  if (page?.name !== name) {
    const { mount } = await import(`./pages/${name}.js`);
    if (route().name !== name || !shell) return;
    page?.view.leave?.();
    const view = mount(app);
    page = { name, view };
    shell.show(view.element, name);
    document.title = name === "overview" ? "Quantum Trader" : `${PAGES.find(([each]) => each === name)[1]}, Quantum Trader`;
    if (focus) {
      const heading = view.element.querySelector("h1");
      heading?.setAttribute("tabindex", "-1");
      heading?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    draw();
  }
  if (name === "signals" && argument) openExplanation(app, argument);
}

async function logIn(words = null) {
  leave();
  const { loginPage } = await import("./pages/login.js");
  root.replaceChildren(loginPage(app, { words, onLogin: enter }));
  root.querySelector("input")?.focus();
}

async function logOut() {
  await app.api.logOut();
  logIn();
}

function leave() {
  clearTimeout(refreshTimer);
  app.live?.stop();
  page?.view.leave?.();
  page = null;
  shell = null;
  document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
}

function enter() {
  app.store = new Store();
  app.problem = null;
  app.live = new Live({
    after: () => app.store.seq,
    onState: (state) => {
      dirty = true;
      if (state === "live") mark("live");
      if (state === "reconnecting" && !document.hidden) refreshSoon(0);
    },
    onFrame,
  });
  shell = makeShell(app);
  root.replaceChildren(shell.element);
  draw();
  navigate({ focus: false });
  load();
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main")?.focus();
});
addEventListener("hashchange", () => navigate());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && shell) load();
});
setInterval(() => {
  if (dirty && !document.hidden) draw();
}, DRAW_MS);
setInterval(() => {
  dirty = true; // ages grow by themselves
}, 1000);
listenToKeys(app);

try {
  if (await app.api.whoAmI()) enter();
  else logIn(location.hash === "#login-link-spent" ? "This link was used, or is past its time. ./qt login-link prints a new one." : null);
} catch (error) {
  root.replaceChildren(h("p", { class: "notice bad", role: "alert" }, `The dashboard cannot start: ${error.message}`));
  setTimeout(() => location.reload(), REFRESH_MS);
}
