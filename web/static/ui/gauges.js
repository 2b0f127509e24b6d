// A figure against its limit, as a bar. Binary floats are for pixels only; the figures beside it are the strings as they came.

import { h, known, svg, unknown } from "../lib/dom.js";

const NEAR = 0.75;

/** A bar that is filled to `part` of `whole`; amber from three quarters on, red at the limit. */
export function track(label) {
  const filled = h("i");
  const element = h("span", { class: "track", role: "img", "aria-label": label }, filled);
  return {
    element,
    show(part, whole, { alarms = true } = {}) {
      const share = known(part) && known(whole) && Number(whole) > 0 ? Math.max(0, Math.min(1, Math.abs(Number(part)) / Number(whole))) : 0;
      filled.style.width = `${100 * share}%`;
      element.className = `track ${!alarms ? "plain" : share >= 1 ? "over" : share >= NEAR ? "near" : ""}`;
      element.setAttribute("aria-label", known(part) ? `${label}: ${Math.round(share * 100)} percent of the limit` : `${label}: not known`);
    },
  };
}

/** Stop, entry, mark and target of a position on one line. */
export function levels({ entry_price: entry, mark_price: mark, stop_price: stop, target_price: target }) {
  if (!known(entry) || (!known(stop) && !known(target))) return unknown("neither stop nor target is known");
  const prices = [stop, entry, mark, target].filter(known).map(Number);
  const low = Math.min(...prices);
  const span = Math.max(...prices) - low || 1;
  const x = (price) => 8 + ((Number(price) - low) / span) * 164;
  const line = (from, to, name) => svg("line", { class: name, x1: x(from), x2: x(to), y1: 12, y2: 12 });
  return svg(
    "svg",
    { class: "levels", viewBox: "0 0 180 24", role: "img", "aria-label": `stop ${stop ?? "none"}, entry ${entry}, mark ${mark ?? "not known"}, target ${target ?? "none"}` },
    svg("line", { class: "axis", x1: 8, x2: 172, y1: 12, y2: 12 }),
    ...(known(stop) ? [line(stop, entry, "risk")] : []),
    ...(known(target) ? [line(entry, target, "reward")] : []),
    svg("line", { class: "entry", x1: x(entry), x2: x(entry), y1: 5, y2: 19 }),
    ...(known(mark) ? [svg("circle", { class: "mark", cx: x(mark), cy: 12, r: 5 })] : []),
  );
}
