// Equity, its curve, and the admission window: each figure with its source and its age.

import { facts, find, h, say, svg, unknown } from "./dom.js";
import { age, exact, money, signed, time, tone } from "./format.js";

export const STALE_SECONDS = 15;
export const OVERDUE_SECONDS = 60;

/** "source, 3 s ago"; grey when stale, red when overdue. */
export function tell(element, { source, age: seconds, reason }) {
  const parts = [source ?? "no source", seconds === null ? "age unknown" : age(seconds)];
  if (reason) parts.push(reason);
  say(element, parts.join(", "));
  element.classList.toggle("overdue", seconds === null || seconds > OVERDUE_SECONDS);
  return seconds === null || seconds > STALE_SECONDS;
}

export function showPortfolio(store) {
  const portfolio = store.snapshot?.portfolio ?? {};
  const why = portfolio.reason ?? (store.snapshot ? undefined : "nothing was loaded yet");
  const figure = find("equity");
  if (known(portfolio.equity)) say(figure, money(portfolio.equity));
  else figure.replaceChildren(unknown(why));
  figure.classList.toggle("ageing", tell(find("equity-told"), store.told("portfolio")));
  const amount = (value, coloured) =>
    known(value) ? h("span", { class: coloured ? tone(money(value)) : "", title: exact(value) }, coloured ? signed(money(value)) : money(value)) : unknown(why);
  facts(find("portfolio"), [
    ["Unrealised", amount(portfolio.unrealised_pnl, true)],
    ["Wallet", amount(portfolio.wallet_balance)],
    ["Available", amount(portfolio.available_balance)],
  ]);
}

export function showWindow(store) {
  const window = store.snapshot?.window ?? {};
  const why = window.reason ?? (store.snapshot ? undefined : "nothing was loaded yet");
  const figure = find("window");
  const meter = find("window-meter");
  if (known(window.occupancy)) {
    figure.replaceChildren(String(window.occupancy), h("span", { class: "of" }, ` of ${window.capacity}`));
    meter.max = window.capacity;
    meter.value = window.occupancy;
    meter.hidden = false;
  } else {
    figure.replaceChildren(unknown(why));
    meter.hidden = true;
  }
  figure.classList.toggle("ageing", tell(find("window-told"), store.told("window")));
  const counters = window.counters ?? {};
  facts(
    find("counters"),
    ["received", "queued", "dispatched", "evicted", "dropped", "expired"].map((name) => [
      name[0].toUpperCase() + name.slice(1),
      known(counters[name]) ? exact(String(counters[name])) : unknown(why),
    ]),
  );
}

const known = (value) => value !== undefined && value !== null;

const POINTS_DRAWN_MAX = 600;
const WIDTH = 1000;
const HEIGHT = 240;

/** The curve of [{at, equity}], oldest first; drawn from the least and the greatest of each bucket. */
export function showCurve(points, reason) {
  const holder = find("curve");
  const toldBy = find("curve-told");
  if (points.length < 2) {
    holder.replaceChildren(h("span", { class: "nothing" }, reason ?? "Fewer than two points were recorded in the last hour."));
    say(toldBy, "");
    return;
  }
  // Binary floats are for pixels only; the figures beside the curve are the strings as they came.
  const drawn = thin(points).map((point) => [Date.parse(point.at), Number(point.equity), point.equity]);
  const values = drawn.map(([, value]) => value);
  const low = drawn[values.indexOf(Math.min(...values))];
  const high = drawn[values.indexOf(Math.max(...values))];
  const span = high[1] - low[1] || 1;
  const begin = drawn[0][0];
  const length = drawn.at(-1)[0] - begin || 1;
  const path = drawn
    .map(([at, value], index) => `${index ? "L" : "M"}${(((at - begin) / length) * WIDTH).toFixed(1)} ${(HEIGHT - 12 - ((value - low[1]) / span) * (HEIGHT - 24)).toFixed(1)}`)
    .join("");
  const image = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  image.setAttribute("aria-label", `Equity between ${money(low[2])} and ${money(high[2])}`);
  image.append(svg("path", { class: "area", d: `${path}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z` }), svg("path", { d: path }));
  holder.replaceChildren(image, h("span", { class: "top" }, money(high[2])), h("span", { class: "bottom" }, money(low[2])));
  say(toldBy, `${points.length} points from ${time(points[0].at)} to ${time(points.at(-1).at)}, ${age((Date.now() - Date.parse(points.at(-1).at)) / 1000)}`);
}

function thin(points) {
  if (points.length <= POINTS_DRAWN_MAX) return points;
  const size = Math.ceil(points.length / (POINTS_DRAWN_MAX / 2));
  const kept = [points[0]];
  for (let start = 0; start < points.length; start += size) {
    const bucket = points.slice(start, start + size).sort((a, b) => Number(a.equity) - Number(b.equity));
    kept.push(...[bucket[0], bucket.at(-1)].sort((a, b) => (a.at < b.at ? -1 : 1)));
  }
  return [...kept, points.at(-1)];
}
