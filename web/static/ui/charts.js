// Charts over time, drawn by TradingView's lightweight-charts; without it the page says so and shows the figures all the same.

import { h } from "../lib/dom.js";

const SECONDS_SHOWN_MS = 900_000;
let loading = null;

/** The figures of the page are there; a library as large as all else together does not hold them up. */
function figuresShown() {
  if (performance.getEntriesByName("figures").length) return Promise.resolve();
  return new Promise((resolve) => addEventListener("figures", resolve, { once: true }));
}

/** The library, or null when the set-up could not install it: then the server sends an empty module. */
function library() {
  loading ??= figuresShown()
    .then(() => import("/packages/lightweight-charts.js"))
    .then(
      (found) => (found.createChart ? found : null),
      () => null,
    );
  return loading;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
// Times are shifted to this browser's clock face before they are drawn (see `ascending`), so that face is "UTC" here.
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hour12: false, timeZone: "UTC" });

/**
 * A chart in its box. `show(lines, why)`: lines are [{kind: area|line|baseline, tint, points: [{at, value}], base, limits,
 * places}], oldest point first; `tint` names a colour of the theme, `limits` are dashed lines [{value, title}]; `why` is
 * said instead of an empty chart.
 */
export function timeChart(label) {
  const nothing = h("p", { class: "nothing" }, "Loading…");
  const box = h("div", { class: "chart", role: "img", "aria-label": label }, nothing);
  let chart = null;
  let drawn = [];
  let shape = "";
  let latest = null; // what is to be seen; null once the page was left

  const theme = () => ({
    // The mark of its makers stands in the page's foot: the one drawn by the library needs an inline style.
    layout: { background: { color: "transparent" }, textColor: colour("quiet"), fontSize: 11, attributionLogo: false },
    grid: { vertLines: { visible: false }, horzLines: { color: colour("line") } },
    rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.12, bottom: 0.1 } },
    timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false, lockVisibleTimeRangeOnResize: true },
    crosshair: { horzLine: { labelBackgroundColor: colour("line-strong") }, vertLine: { labelBackgroundColor: colour("line-strong") } },
    localization: { timeFormatter: (seconds) => clock.format(seconds * 1000) },
    handleScroll: { vertTouchDrag: false },
  });

  function seriesOf(charts, { kind, tint, base, limits, places = 2 }) {
    const common = { priceLineVisible: false, lineWidth: 2, priceFormat: { type: "price", precision: places, minMove: 10 ** -places } };
    const stroke = colour(tint);
    const made =
      kind === "area"
        ? chart.addSeries(charts.AreaSeries, { ...common, lineColor: stroke, topColor: rgba(stroke, 0.25), bottomColor: rgba(stroke, 0.0) })
        : kind === "baseline"
          ? chart.addSeries(charts.BaselineSeries, {
              ...common,
              baseValue: { type: "price", price: base ?? 0 },
              topLineColor: colour("good"), topFillColor1: rgba(colour("good"), 0.22), topFillColor2: rgba(colour("good"), 0.02),
              bottomLineColor: colour("bad"), bottomFillColor1: rgba(colour("bad"), 0.02), bottomFillColor2: rgba(colour("bad"), 0.22),
            })
          : chart.addSeries(charts.LineSeries, { ...common, color: stroke });
    for (const limit of limits ?? []) made.createPriceLine({ price: limit.value, color: colour("bad"), lineStyle: 2, lineWidth: 1, title: limit.title });
    return made;
  }

  async function show(lines, why) {
    latest = [lines, why];
    const isEmpty = !lines.some((line) => line.points.length > 1);
    const charts = isEmpty && !chart ? true : await library();
    if (latest?.[0] !== lines) return; // something newer was shown, or the page was left, while the library came
    nothing.textContent = !charts ? "Charts are not available: their library is not installed. ./qt up tries again when it starts." : isEmpty ? why : "";
    nothing.hidden = Boolean(charts) && !isEmpty;
    if (!charts || isEmpty) {
      chart?.remove();
      chart = null;
      return;
    }
    const wanted = JSON.stringify([lines.map(({ kind, tint, limits, base }) => [kind, tint, limits, base]), colour("text")]);
    if (!chart || wanted !== shape) {
      chart?.remove();
      chart = charts.createChart(box, { autoSize: true, ...theme() });
      drawn = lines.map((line) => seriesOf(charts, line));
      shape = wanted;
    }
    lines.forEach((line, index) => drawn[index].setData(ascending(line.points)));
    const moments = lines.flatMap((line) => [line.points[0], line.points.at(-1)]).filter(Boolean).map(({ at }) => Date.parse(at));
    chart.timeScale().applyOptions({ secondsVisible: Math.max(...moments) - Math.min(...moments) < SECONDS_SHOWN_MS });
    chart.timeScale().fitContent();
  }

  const repaint = () => latest && show([...latest[0]], latest[1]);
  addEventListener("themechange", repaint);

  function remove() {
    removeEventListener("themechange", repaint);
    latest = null;
    chart?.remove();
    chart = null;
  }

  return { element: box, show, remove };
}

function rgba(stroke, alpha) {
  const [r, g, b] = stroke.match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16));
  return `rgba(${r}, ${g}, ${b}, ${alpha})`;
}

/** Whole seconds of this browser's clock face, each once: the newest of a second counts. */
function ascending(points) {
  const offset = -new Date().getTimezoneOffset() * 60;
  const bySecond = new Map(points.map(({ at, value }) => [Math.floor(Date.parse(at) / 1000), value]));
  return [...bySecond].sort(([a], [b]) => a - b).map(([second, value]) => ({ time: second + offset, value }));
}
