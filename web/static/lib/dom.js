// Builds elements. Text is only ever text: nothing here turns a string into markup.

export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export function svg(tag, properties, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const known = (value) => value !== undefined && value !== null;

/** Set text only when it changed, so that selections and screen readers are left alone. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Replace the children only when what they say changed: `signature` stands for it. */
export function fill(element, signature, make) {
  const key = JSON.stringify(signature);
  if (element.filledWith === key) return;
  element.filledWith = key;
  element.replaceChildren(...[make()].flat().filter((child) => child !== null && child !== undefined));
}

/** A value that is not known: a dash that says why, to the eye, to a pointer and to a screen reader. */
export function unknown(reason) {
  const why = reason || "not known, and nobody said why";
  return h("span", { class: "unknown", title: why }, "—", h("span", { class: "sr" }, ` not known: ${why}`));
}

/** A list of names and values, [[name, text or node]]. */
export function facts(pairs, className = "facts") {
  return h("dl", { class: className }, pairs.flatMap(([name, value]) => [h("dt", null, name), h("dd", null, value)]));
}
