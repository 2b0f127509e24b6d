// The emergency stop: the biggest thing on the page, in a sentence a tired operator understands.

import { facts, find, say, unknown } from "./dom.js";
import { age, moment, time } from "./format.js";

const MEANINGS = {
  ARMED: () => ["good", "Entries are permitted. Automatic trips are watching."],
  DISABLED: () => ["wait", "Entries are permitted. Automatic trips are switched off."],
  TRIPPED: (ess) =>
    ess.safe
      ? ["bad", "Stopped and acknowledged safe: the exchange accepts no new entry of ours any more."]
      : ["bad", "Stopped. Not yet acknowledged safe: an entry sent before the trip may still arrive."],
  COOLING_DOWN: (ess) => [
    "wait",
    ess.cooldown_until ? `No entries until ${time(ess.cooldown_until)}, then armed again if all is healthy.` : "No entries until the cooldown is over.",
  ],
};

export function showStop(store, isCurrent) {
  const ess = store.snapshot?.ess;
  const told = store.told("ess");
  const state = ess?.state ?? null;
  const [tone, meaning] = MEANINGS[state]?.(ess) ?? ["unknown", `Not known: ${ess?.reason ?? "nothing was loaded yet"}. Entries are denied while it cannot be read.`];
  const panel = find("ess");
  panel.className = `ess tone-${isCurrent ? tone : "unknown"}`;
  say(find("ess-state"), state ? state.replaceAll("_", " ") : "—");
  say(find("ess-meaning"), isCurrent || !state ? meaning : `Was ${state.replaceAll("_", " ")} ${told.age === null ? "" : age(told.age)}; how it is now is not known.`);
  facts(find("ess-facts"), [
    ["Tripped", ess?.tripped_at ? moment(ess.tripped_at) : state ? "not tripped" : unknown(ess?.reason)],
    ["Reason", ess?.trip_reason ?? (state ? "none" : unknown(ess?.reason))],
    ["Trips and resets", count(ess?.trip_count, ess?.reset_count, ess?.reason)],
    ["Told by", told.source === null ? unknown(told.reason) : `${told.source}, ${told.age === null ? "age unknown" : age(told.age)}`],
  ]);
}

const count = (trips, resets, reason) => (trips === undefined || trips === null ? unknown(reason) : `${trips} and ${resets}`);
