// The risk policy: the mode, every number an entry is judged by, its versions with what each changed, and the way to change it.

import { fill, h, known, say, unknown } from "../lib/dom.js";
import { age, exact, moment, money, percent, title, words } from "../lib/format.js";
import { ask } from "../ui/dialogs.js";
import { toldBy } from "../ui/provenance.js";
import { whatIf } from "./whatif.js";

const MODES = {
  AGGRESSIVE_SMALL_ACCOUNT: "Up to 7 times leverage and 3 % at risk a trade, many small positions.",
  NORMAL: "Up to 5 times leverage and 1.5 % at risk a trade.",
  DEFENSIVE: "Up to 3 times leverage, 0.75 % at risk a trade, only the most confident signals.",
};
const GROUPS = [
  ["Size", ["leverage_max", "risk_per_trade_share", "size_factor", "stop_distance_share", "position_notional_max"]],
  ["Limits", ["open_positions_max", "net_exposure_share_max", "gross_exposure_share_max", "daily_drawdown_share_max", "open_loss_share_max"]],
  ["Entry", ["confidence_minimum", "slippage_share_max", "price_drift_share_max", "spread_share_max", "funding_rate_share_max", "duplicate_cool_off_seconds", "orders_per_minute_max", "strategy_executions_max", "strategy_executions_window_seconds", "symbols_denied"]],
  ["Age of what is known", ["signal_age_seconds_max", "market_data_age_seconds_max", "account_age_seconds_max", "policy_age_seconds_max", "stale_market_seconds_max", "unknown_seconds_max"]],
  ["Emergency stop", ["execution_errors_max", "execution_error_window_seconds", "rejections_in_a_row_max", "ess_cooldown_seconds", "ess_reset_permitted"]],
];
const TIMES = new Set(["leverage_max", "size_factor", "net_exposure_share_max", "gross_exposure_share_max"]);
const VERSIONS_SHOWN = 20;

/** A value as people read it, with its unit; every digit kept. */
function shown(name, value) {
  if (!known(value)) return "—";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.length ? value.join(", ") : "none";
  if (TIMES.has(name)) return `${exact(String(value))} ×`;
  if (/share/.test(name)) return percent(String(value));
  if (/seconds/.test(name)) return `${exact(String(value))} s`;
  if (/notional/.test(name)) return `${money(String(value))} USDT`;
  return exact(String(value));
}

const NAMES = { position_notional_max: "Position value, at most", ess_cooldown_seconds: "Cooldown after a reset", ess_reset_permitted: "Reset permitted", execution_error_window_seconds: "Errors counted over", unknown_seconds_max: "Outcome unknown, at most", symbols_denied: "Symbols denied" };
const label = (name) => NAMES[name] ?? title(name.replace(/_share_max$|_share$|_seconds_max$|_seconds$|_max$|_minimum$/, "")) + (/_max$/.test(name) ? ", at most" : /_minimum$/.test(name) ? ", at least" : "");

export function mount(app) {
  const told = toldBy();
  const modes = h("section", { class: "modes", "aria-label": "Risk mode" });
  const fields = h("div", { class: "body", id: "policy-fields" });
  const editing = h("div", { class: "chips" });
  const summary = h("span", { class: "quiet" });
  const versionList = h("div", { id: "policy-versions" });
  const words_ = h("p", { class: "notice good", role: "status", hidden: true });
  let edit = null; // name -> what was typed
  let versions = [];
  let versionsWhy = "Loading…";
  let versionsOf = null;

  const element = h(
    "div",
    { class: "stack" },
    h("div", { class: "head" }, h("h1", null, "Policy"), summary, h("span", { class: "grow" }), told.element),
    words_,
    modes,
    h("section", { class: "panel" }, h("header", null, h("h2", null, "In force"), h("span", { class: "grow" }), editing), fields),
    whatIf(app, () => changesOf(app.store.snapshot?.policy?.policy ?? {})),
    h("section", { class: "panel" }, h("header", null, h("h2", null, "Versions"), h("span", { class: "grow" }), h("span", { class: "small quiet" }, "newest first")), versionList),
  );

  /** Send a change; what loosens is shown and asked for once more. */
  async function send(method, path, body) {
    const wish = { ...body, base_version: app.store.snapshot?.policy?.version ?? undefined };
    try {
      return done(await app.api[method](path, wish));
    } catch (refusal) {
      if (!refusal.problem?.confirm) throw refusal;
      const { confirm, loosened, base_version } = refusal.problem;
      const isMeant = await confirmLoosening(loosened);
      if (!isMeant) throw new Error("not changed: more would be permitted, and that was not confirmed");
      return done(await app.api[method](path, { ...wish, confirm, base_version }));
    }
  }

  function done(version) {
    edit = null;
    words_.hidden = false;
    say(words_, `Version ${version.version} counts from now on.`);
    app.refresh();
    loadVersions();
    return version;
  }

  function changeMode(mode) {
    ask({ title: `Choose ${words(mode)}`, words: "The numbers that make the mode replace those in force; ages and denied symbols stay.", action: "Choose", act: ({ reason }) => send("post", "/api/policy/mode", { mode, reason }) });
  }

  function rollBack(version) {
    ask({ title: `Go back to version ${version}`, words: "A new version equal to that one.", action: "Go back", act: ({ reason }) => send("post", "/api/policy/rollback", { version, reason }) });
  }

  function save(inForce) {
    const changes = changesOf(inForce);
    const list = h("ul", { class: "diff" }, Object.entries(changes).map(([name, value]) => h("li", null, `${label(name)}: `, h("span", { class: "before" }, shown(name, inForce[name])), ` → ${shown(name, value)}`)));
    ask({ title: "Change the policy", extra: [list], action: "Change", act: ({ reason }) => send("put", "/api/policy", { changes, reason }) });
  }

  function changesOf(inForce) {
    const changed = {};
    for (const [name, typed] of Object.entries(edit ?? {})) {
      const value = read(inForce[name], typed);
      if (JSON.stringify(value) !== JSON.stringify(inForce[name])) changed[name] = value;
    }
    return changed;
  }

  function drawModes(policy) {
    fill(modes, [policy?.mode, app.api.can.operate], () =>
      Object.entries(MODES).map(([mode, text]) =>
        h(
          "div",
          { class: `panel mode ${mode === policy?.mode ? "chosen" : ""}` },
          h("h2", null, title(mode), " ", mode === policy?.mode ? h("span", { class: "badge info" }, "IN FORCE") : ""),
          h("p", { class: "quiet small" }, text),
          app.api.can.operate && mode !== policy?.mode ? h("div", null, h("button", { type: "button", onclick: () => changeMode(mode), "data-mode": mode }, "Choose")) : null,
        ),
      ),
    );
  }

  function drawFields(policy, inForce) {
    const grouped = new Set(GROUPS.flatMap(([, names]) => names));
    const rest = Object.keys(inForce ?? {}).filter((name) => !grouped.has(name) && name !== "mode");
    const groups = rest.length ? [...GROUPS, ["More", rest]] : GROUPS;
    fill(fields, [inForce, edit !== null, policy?.reason], () =>
      inForce
        ? groups.map(([name, members]) => [
            h("h3", null, name),
            h("div", { class: "fields" }, members.filter((each) => each in inForce).map((each) => row(each, inForce))),
          ]).flat()
        : h("p", { class: "quiet" }, `Not known: ${policy?.reason ?? "nothing was loaded yet"}`),
    );
    fill(editing, [edit !== null, app.api.can.operate, Boolean(inForce)], () => {
      if (!app.api.can.operate || !inForce) return [];
      if (edit === null) return [h("button", { type: "button", id: "policy-edit", onclick: () => begin(inForce) }, "Edit")];
      return [
        h("button", { type: "button", onclick: () => begin(null) }, "Cancel"),
        h("button", { type: "button", class: "primary", id: "policy-save", onclick: () => Object.keys(changesOf(app.store.snapshot.policy.policy)).length && save(app.store.snapshot.policy.policy) }, "Save…"),
      ];
    });
  }

  function begin(inForce) {
    edit = inForce ? {} : null;
    words_.hidden = true;
    draw();
    if (inForce) fields.querySelector("input, select")?.focus();
  }

  function row(name, inForce) {
    const id = `field-${name}`;
    if (edit === null) return h("div", { class: "item" }, h("span", { class: "name" }, label(name)), h("span", { class: "value", title: String(inForce[name]) }, shown(name, inForce[name])));
    const input =
      typeof inForce[name] === "boolean"
        ? h("select", { id }, [true, false].map((value) => h("option", { value: String(value), selected: value === inForce[name] }, value ? "yes" : "no")))
        : h("input", { id, value: Array.isArray(inForce[name]) ? inForce[name].join(", ") : String(inForce[name]), autocomplete: "off" });
    const item = h("div", { class: "item" }, h("label", { class: "name", for: id }, label(name), h("small", { class: "quiet" }, unit(name))), input);
    input.addEventListener("input", () => {
      edit[name] = input.value;
      item.classList.toggle("changed", name in changesOf(inForce));
    });
    return item;
  }

  async function loadVersions() {
    try {
      versions = (await app.api.get(`/api/policy/versions?limit=${VERSIONS_SHOWN}`)).items;
      versionsWhy = "No version was stored yet.";
    } catch (error) {
      versionsWhy = `Not known: ${error.message}`;
    }
    draw();
  }

  function drawVersions(current) {
    fill(versionList, [versions.map((each) => each.version), current, versionsWhy, app.api.can.operate], () =>
      versions.length === 0
        ? h("p", { class: "body quiet" }, versionsWhy)
        : versions.map((each) =>
            h(
              "div",
              { class: "version" },
              h(
                "div",
                { class: "row" },
                h("b", null, `v${each.version}`),
                h("span", null, title(each.mode)),
                each.version === current ? h("span", { class: "badge info" }, "IN FORCE") : null,
                h("span", { class: "quiet" }, `${each.author}, `, h("time", { datetime: each.created_at, title: moment(each.created_at) }, age((Date.now() - Date.parse(each.created_at)) / 1000))),
                h("span", { class: "grow" }),
                app.api.can.operate && each.version !== current ? h("button", { type: "button", class: "link", "data-row": true, onclick: () => rollBack(each.version) }, "Go back to it") : null,
              ),
              h("p", null, each.reason),
              each.changes?.length
                ? h("ul", { class: "diff small" }, each.changes.map((change) => h("li", null, `${label(change.field)}: `, h("span", { class: "before" }, shown(change.field, change.before)), ` → ${shown(change.field, change.after)}`)))
                : h("p", { class: "quiet small" }, known(each.changes) ? "Nothing changed." : "The first version."),
            ),
          ),
    );
  }

  function draw() {
    const policy = app.store.snapshot?.policy;
    told.show(app.store.told("policy"));
    fill(summary, [policy?.mode, policy?.version, policy?.reason], () => (policy?.mode ? document.createTextNode(`${title(policy.mode)}, version ${policy.version}`) : unknown(policy?.reason ?? "nothing was loaded yet")));
    drawModes(policy);
    drawFields(policy, policy?.policy);
    drawVersions(policy?.version);
    if (known(policy?.version) && policy.version !== versionsOf) {
      versionsOf = policy.version;
      loadVersions();
    }
  }
  return { element, draw };
}

const unit = (name) => (TIMES.has(name) ? " (times)" : /share/.test(name) ? " (as a share: 0.05 is 5 %)" : /seconds/.test(name) ? " (s)" : /notional/.test(name) ? " (USDT)" : /symbols/.test(name) ? " (with commas)" : "");

/** What was typed, in the type of what was there: decimals stay text. */
function read(before, typed) {
  if (typeof before === "boolean") return typed === "true";
  if (Array.isArray(before)) return typed.split(/[\s,]+/).filter(Boolean).map((each) => each.toUpperCase()).sort();
  if (typeof before === "number") return /^-?\d+$/.test(typed.trim()) ? Number(typed) : typed.trim();
  return typed.trim();
}

function confirmLoosening(loosened) {
  return new Promise((resolve) => {
    let isMeant = false;
    const dialog = h(
      "dialog",
      { class: "ask", "aria-labelledby": "loosen-title" },
      h(
        "div",
        { class: "body" },
        h("h2", { id: "loosen-title" }, "More would be permitted"),
        h("ul", { class: "diff" }, loosened.map((each) => h("li", null, `${label(each.field)}: `, h("span", { class: "before" }, shown(each.field, each.before)), ` → ${shown(each.field, each.after)}`))),
        h(
          "div",
          { class: "actions" },
          h("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, "Leave it"),
          h("button", { type: "button", class: "danger", id: "loosen", onclick: () => { isMeant = true; dialog.close(); } }, "That is meant"),
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(isMeant);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
