// What a model said, and whether it may be believed: LIVE, FALLBACK, STALE or UNAVAILABLE.

import { h, known, unknown } from "../lib/dom.js";
import { share, words } from "../lib/format.js";

const TONES = { LIVE: "good", FALLBACK: "wait", STALE: "", UNAVAILABLE: "bad" };
const ACTIONS = { BUY: "buy", SELL: "sell" };

export const badge = (provenance) => h("span", { class: `badge ${TONES[provenance] ?? ""}` }, provenance ?? "NOT TOLD");

/** One vote; `vote` is {action, confidence, provenance, reason, source}. `isPlain`: without badge and reason. */
export function voteRow(name, vote, { isPlain = false } = {}) {
  const why = isPlain ? [] : [vote.reason, vote.provenance === "LIVE" ? null : vote.source].filter(Boolean);
  return h(
    "div",
    { class: `vote ${isPlain ? "plain" : ""}` },
    h("span", { class: "name", title: name }, name),
    h("span", { class: `state ${ACTIONS[vote.action] ?? "quiet"}` }, vote.action ?? unknown(vote.reason)),
    h("span", { class: "number" }, known(vote.confidence) ? h("span", { title: String(vote.confidence) }, share(vote.confidence)) : unknown(vote.reason)),
    isPlain ? null : badge(vote.provenance),
    why.length ? h("span", { class: "why" }, [...new Set(why)].map(words).join(", ")) : null,
  );
}
