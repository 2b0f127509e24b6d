// The frame around every page: the rail, the bar with the state of everything, the theme, the keys.

import { h, say } from "../lib/dom.js";
import { countdown, title, words } from "../lib/format.js";
import { tripDialog } from "./stop.js";

export const PAGES = [
  ["overview", "Overview"],
  ["signals", "Signals"],
  ["orders", "Orders"],
  ["positions", "Positions"],
  ["ensemble", "Ensemble"],
  ["policy", "Policy"],
  ["system", "System"],
  ["audit", "Audit"],
];

const KEYS = [
  ["1 – 8", "the pages, in the order of the rail"],
  ["/", "search on this page"],
  ["j  k", "next and previous row of a list"],
  ["Enter", "open the row"],
  ["Esc", "close what lies over the page"],
  ["!", "trip the emergency stop"],
  ["t", "dark or light"],
  ["?", "this list"],
];

const TONES = { ARMED: "good", DISABLED: "wait", TRIPPED: "bad", COOLING_DOWN: "wait" };

export function stopTone(ess) {
  return TONES[ess?.state] ?? "unknown";
}

export function makeShell(app) {
  const stop = h("a", { class: "pill tone-unknown", href: "#/overview" }, "—");
  const stage = h("span", { class: "badge info", hidden: true });
  const policy = h("a", { class: "policy small quiet", href: "#/policy" });
  const connection = h("a", { class: "connection", href: "#/system", role: "status" }, "connecting");
  const trip = h("button", { type: "button", class: "danger", hidden: true, onclick: () => tripDialog(app), title: "Trip the emergency stop (!)" }, "Stop");
  const notice = h("p", { class: "notice bad", role: "alert", hidden: true });
  const main = h("main", { class: "main", id: "main", tabindex: "-1" });
  const links = PAGES.map(([name, text], index) => h("a", { href: `#/${name}`, "data-page": name }, text, h("kbd", { "aria-hidden": "true" }, String(index + 1))));
  const who = h("span");
  const logOut = h("button", { type: "button", class: "link", onclick: () => app.logOut() }, "Log out");
  const foot = h(
    "div",
    { class: "rail-foot" },
    who,
    logOut,
    h("button", { type: "button", class: "link", onclick: showKeys }, "Keys"),
    h("span", null, "Charts by ", h("a", { href: "https://www.tradingview.com/", rel: "noreferrer", target: "_blank" }, "TradingView")),
  );
  const element = h(
    "div",
    { class: "frame" },
    h(
      "header",
      { class: "bar" },
      h("a", { class: "brand", href: "#/overview" }, h("img", { src: "/static/icon.svg", alt: "" }), h("span", null, "Quantum Trader")),
      stop,
      stage,
      policy,
      h("span", { class: "grow" }),
      connection,
      h("button", { type: "button", class: "plain", "aria-label": "Dark or light", title: "Dark or light (t)", onclick: toggleTheme }, "◐"),
      trip,
    ),
    h("nav", { class: "rail", "aria-label": "Pages" }, links, foot),
    main,
  );

  function draw() {
    const { ess, policy: inForce, system } = app.store.snapshot ?? {};
    const { kind, text } = app.standing();
    const isCurrent = kind === "live" || kind === "reconnecting";
    stop.className = `pill tone-${isCurrent ? stopTone(ess) : "unknown"}`;
    const left = ess?.state === "COOLING_DOWN" && ess.cooldown_until ? Math.max(0, (Date.parse(ess.cooldown_until) - Date.now()) / 1000) : null;
    say(stop, ess?.state ? `${words(ess.state).toUpperCase()}${left ? ` ${countdown(left)}` : ""}` : "—");
    stop.title = ess?.state ? `Emergency stop: ${words(ess.state)}` : (ess?.reason ?? "The emergency stop is not known");
    stage.hidden = !system?.stage;
    if (system?.stage) say(stage, system.stage);
    say(policy, inForce?.mode ? `${title(inForce.mode)} policy v${inForce.version}` : "policy not known");
    connection.className = `connection ${kind}`;
    say(connection, text);
    trip.hidden = !app.api.can.operate;
    say(who, app.api.session ? `${app.api.session.name}${app.api.can.operate ? "" : ", reads only"}` : "reads only");
    logOut.hidden = app.api.session?.via !== "session";
    notice.hidden = app.problem === null;
    if (app.problem) say(notice, `The system does not answer fully: ${app.problem.message}`);
  }

  function show(page, name) {
    for (const link of links) {
      if (link.dataset.page === name) {
        link.setAttribute("aria-current", "page");
        // Not scrollIntoView: the next Tab would start from there.
        link.parentElement.scrollLeft = link.offsetLeft - (link.parentElement.clientWidth - link.clientWidth) / 2;
      } else link.removeAttribute("aria-current");
    }
    main.replaceChildren(notice, page);
  }

  return { element, main, draw, show };
}

export function toggleTheme() {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
  dispatchEvent(new Event("themechange"));
}

export function showKeys() {
  if (document.querySelector("dialog[open]")) return;
  const list = KEYS.flatMap(([key, does]) => [h("span", null, key.split("  ").flatMap((each) => [h("kbd", null, each), " "])), h("span", null, does)]);
  const close = h("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, "Close");
  const dialog = h("dialog", { class: "ask", "aria-labelledby": "keys-title" }, h("div", { class: "body" }, h("h2", { id: "keys-title" }, "Keys"), h("div", { class: "shortcuts" }, list), h("div", { class: "actions" }, close)));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** Single keys, except while somebody types or answers a question. */
export function listenToKeys(app) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest?.("input, select, textarea, dialog") || document.querySelector("dialog[open]")) return;
    const page = PAGES[Number(event.key) - 1];
    if (/^[1-8]$/.test(event.key) && page) location.hash = `#/${page[0]}`;
    else if (event.key === "/") document.querySelector("[data-search]")?.focus();
    else if (event.key === "t") toggleTheme();
    else if (event.key === "?") showKeys();
    else if (event.key === "!" && app.api.can.operate) tripDialog(app);
    else if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
    else return;
    event.preventDefault();
  });
}

function step(by) {
  const rows = [...document.querySelectorAll("#main [data-row]")];
  if (rows.length === 0) return;
  const at = rows.indexOf(document.activeElement);
  rows[at === -1 ? 0 : Math.max(0, Math.min(rows.length - 1, at + by))].focus();
}
