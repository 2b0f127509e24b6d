// Plots of what is not a course over time: skill with its interval, and how often what was forecast came true.

import { h, svg } from "../lib/dom.js";

const WIDTH = 320;
const HEIGHT = 220;
const LEFT = 38;
const RIGHT = 10;
const TOP = 10;
const BOTTOM = 30;
const text = (x, y, words, anchor = "middle") => svg("text", { x, y, "text-anchor": anchor, class: "tick" }, words);

/**
 * How often it came true against how sure it was; on the dashed line a forecast means what it says. `points` are
 * [{x, y, samples}] in 0..1, `what` names the axes [x, y]; the dot grows with its samples.
 */
export function calibrationPlot(label, points, [along, up]) {
  const all = points.flatMap(({ x, y }) => [x, y]);
  const low = Math.max(0, Math.floor(10 * Math.min(0.4, ...all)) / 10);
  const high = Math.min(1, Math.ceil(10 * Math.max(0.6, ...all)) / 10);
  const across = (value) => LEFT + ((value - low) / (high - low)) * (WIDTH - LEFT - RIGHT);
  const above = (value) => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const most = Math.max(...points.map(({ samples }) => samples), 1);
  const ticks = Array.from({ length: Math.round(10 * (high - low)) + 1 }, (_, n) => low + n / 10);
  const told = points.map(({ x, y, samples }) => `${x.toFixed(2)} came true ${y.toFixed(2)}, ${samples} times`).join("; ");
  return h(
    "figure",
    { class: "plot" },
    svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${label}: ${told}` },
      ...ticks.flatMap((value) => [
        svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: above(value), y2: above(value) }),
        text(LEFT - 6, above(value) + 4, value.toFixed(1), "end"),
        text(across(value), HEIGHT - BOTTOM + 15, value.toFixed(1)),
      ]),
      svg("line", { class: "perfect", x1: across(low), y1: above(low), x2: across(high), y2: above(high) }),
      svg("polyline", { class: "course", points: points.map(({ x, y }) => `${across(x)},${above(y)}`).join(" ") }),
      ...points.map(({ x, y, samples }) => {
        const dot = svg("circle", { class: "dot", cx: across(x), cy: above(y), r: 3 + 4 * Math.sqrt(samples / most) });
        dot.append(svg("title", {}, `${along} ${x.toFixed(3)}, ${up} ${y.toFixed(3)}, ${samples} samples`));
        return dot;
      }),
    ),
    h("figcaption", { class: "small quiet" }, `${up} (up) against ${along} (across); on the dashed line it means what it says.`),
  );
}

/** Skill as a point with its 95 % interval around zero; `rows` are [{name, skill}], of which every skill is measured. */
export function skillPlot(label, rows) {
  const reach = 1.15 * Math.max(0.02, ...rows.flatMap(({ skill }) => [Math.abs(skill.low), Math.abs(skill.high)]));
  const step = 30;
  const height = TOP + rows.length * step + BOTTOM;
  const from = 118;
  const across = (value) => from + ((value + reach) / (2 * reach)) * (WIDTH - from - RIGHT);
  const told = rows.map(({ name, skill }) => `${name} ${skill.sentence}`).join("; ");
  return h(
    "figure",
    { class: "plot" },
    svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": `${label}: ${told}` },
      svg("line", { class: "perfect", x1: across(0), x2: across(0), y1: TOP, y2: height - BOTTOM }),
      ...rows.flatMap(({ name, skill }, index) => {
        const y = TOP + index * step + step / 2;
        const tone = skill.low > 0 ? "better" : skill.high < 0 ? "worse" : "even";
        return [
          svg("text", { x: 2, y: y + 4, class: "tick name" }, name.length > 18 ? `${name.slice(0, 17)}…` : name),
          svg("line", { class: `interval ${tone}`, x1: across(skill.low), x2: across(skill.high), y1: y, y2: y }),
          svg("circle", { class: `estimate ${tone}`, cx: across(skill.estimate), cy: y, r: 4.5 }),
        ];
      }),
      ...[-reach / 1.15, 0, reach / 1.15].map((value) => text(across(value), height - BOTTOM + 17, value.toFixed(2))),
    ),
    h("figcaption", { class: "small quiet" }, "Correlation of what was forecast with what came, with its 95 % interval; an interval that holds zero shows no skill."),
  );
}
