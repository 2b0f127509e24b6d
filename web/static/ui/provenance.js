// Where a figure comes from and how old it is: grey when stale, red when overdue, a dash with a reason when not known.

import { h, known, say, unknown } from "../lib/dom.js";
import { age as ago } from "../lib/format.js";

export const STALE_SECONDS = 15;
export const OVERDUE_SECONDS = 60;

/** fresh | stale | overdue | nobody, of {source, age}. */
export function standing({ source, age }) {
  if (!known(source) && !known(age)) return "nobody";
  if (!known(age)) return "overdue";
  if (age > OVERDUE_SECONDS) return "overdue";
  return age > STALE_SECONDS ? "stale" : "fresh";
}

/** "exchange account, 3 s ago", with a dot in the colour of its age; `show(told)` keeps it current. */
export function toldBy() {
  const words = h("span");
  const element = h("span", { class: "told" }, words);
  return {
    element,
    show(told) {
      const kind = standing(told);
      const text = kind === "nobody" ? (told.reason ?? "no source") : `${told.source ?? "no source"}, ${known(told.age) ? ago(told.age) : "age unknown"}`;
      element.className = `told ${kind}`;
      say(words, text);
      const title = [`Source: ${told.source ?? "none"}`, known(told.age) ? `${Math.round(told.age * 10) / 10} s old` : "age unknown", told.reason].filter(Boolean).join("; ");
      if (element.title !== title) element.title = title;
    },
  };
}

/** A figure in its place: the text with its exact value, source and age behind it; or a dash with the reason. */
export function figure(className = "value") {
  const element = h("span", { class: className });
  let shown;
  return {
    element,
    show(value, told, { format = String, tone = () => "", unit } = {}) {
      const isKnown = known(value);
      const text = isKnown ? format(value) : null;
      const kind = standing(told);
      element.className = [className, "value", isKnown ? tone(text) : "", kind === "stale" || kind === "overdue" ? kind : ""].filter(Boolean).join(" ");
      const why = told.reason ?? "nobody told it yet";
      const says = isKnown ? `${text}|${unit}` : `—${why}`;
      if (says !== shown) {
        shown = says;
        if (isKnown) element.replaceChildren(text, unit ? h("small", null, ` ${unit}`) : "");
        else element.replaceChildren(unknown(why));
      }
      const title = isKnown ? `${value}${unit ? ` ${unit}` : ""}; ${told.source ?? "no source"}${known(told.age) ? `, ${ago(told.age)}` : ""}` : "";
      if (element.title !== title) element.title = title;
    },
  };
}
