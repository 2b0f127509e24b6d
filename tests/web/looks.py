"""Looks at a page as WCAG does: can its text be read, can its controls be reached and named."""

from __future__ import annotations

from playwright.sync_api import Page


def faint_text(page: Page) -> list[str]:
    """Text whose contrast with its ground is less than level AA asks for (4.5; large type 3), with the contrast."""
    return page.evaluate(_FAINT_TEXT)  # type: ignore[no-any-return]


def unreachable_controls(page: Page) -> list[str]:
    """Links, buttons and fields that the Tab key passes by, or that a screen reader has no name for."""
    return page.evaluate(_UNREACHABLE)  # type: ignore[no-any-return]


_UNREACHABLE = """() => {
  const isNamed = (each) =>
    each.textContent.trim() || each.ariaLabel || each.labels?.length || each.querySelector("img[alt]:not([alt=''])");
  return [...document.querySelectorAll("a[href], button, input, select")]
    .filter((each) => each.checkVisibility() && (each.tabIndex < 0 || !isNamed(each)))
    .map((each) => each.outerHTML);
}"""

_FAINT_TEXT = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const parse = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => top.slice(0, 3).map((part, i) => part * top[3] + below[i] * (1 - top[3]));
  const ground = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const faint = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const words = walker.currentNode.data.trim();
    const element = walker.currentNode.parentElement;
    if (!words || !element.checkVisibility({ opacityProperty: true })) continue;
    if (element.closest("script, noscript, .sr, :disabled")) continue;
    const style = getComputedStyle(element);
    const below = ground(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(over(parse(ink), below)), light(below)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (contrast < (isLarge ? 3 : 4.5)) faint.add(`${words.slice(0, 40)}: ${contrast.toFixed(2)}`);
  }
  return [...faint];
}"""
