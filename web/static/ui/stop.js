// Tripping and resetting the emergency stop: what the operator is asked before it happens.

import { h } from "../lib/dom.js";
import { ask } from "./dialogs.js";

export function tripDialog(app) {
  if (document.querySelector("dialog[open]")) return;
  ask({
    title: "Trip the emergency stop",
    words: "No new entry from now on. Open entry orders are canceled; exits and protective orders stay.",
    extra: [h("label", { class: "check" }, h("input", { type: "checkbox", name: "flatten" }), "Flatten: close every position as well")],
    action: "Trip",
    danger: true,
    act: async ({ reason, form }) => {
      await app.api.post("/api/ess/trip", { reason, flatten: form.get("flatten") === "on" });
      app.refresh();
    },
  });
}

export function resetDialog(app) {
  ask({
    title: "Reset the emergency stop",
    words: "The cooldown begins. When it is over and all is healthy, the stop is armed again and entries are permitted.",
    action: "Reset",
    act: async ({ reason }) => {
      await app.api.post("/api/ess/reset", { reason });
      app.refresh();
    },
  });
}

export function switchDialog(app, enabled) {
  ask({
    title: enabled ? "Let the automatic triggers act again" : "Switch the automatic triggers off",
    words: enabled ? "Drawdown, open loss, errors and stale data trip the stop again." : "Nothing but an operator trips the stop until they are switched on again. Entries stay permitted.",
    action: enabled ? "Switch on" : "Switch off",
    danger: !enabled,
    act: async ({ reason }) => {
      await app.api.post(`/api/ess/${enabled ? "enable" : "disable"}`, { reason });
      app.refresh();
    },
  });
}
