// Numbers, ages and times as people read them. Decimals stay strings: money is never a binary float here either.

/** "1234567.895" -> "1,234,567.90": half up, away from zero, as the ledger shows it. */
export function money(text, places = 2) {
  const match = /^(-?)([0-9]+)(?:\.([0-9]+))?$/.exec(text);
  if (!match) return text;
  const [, sign, whole, fraction = ""] = match;
  let units = BigInt(whole + fraction.slice(0, places).padEnd(places, "0"));
  if (fraction.length > places && fraction[places] >= "5") units += 1n;
  const digits = units.toString().padStart(places + 1, "0");
  const head = group(digits.slice(0, digits.length - places));
  const body = places ? `${head}.${digits.slice(-places)}` : head;
  return units === 0n ? body : sign + body;
}

/** Every digit as it is, thousands grouped. */
export function exact(text) {
  const match = /^(-?)([0-9]+)(\.[0-9]+)?$/.exec(text);
  return match ? match[1] + group(match[2]) + (match[3] ?? "") : String(text);
}

const group = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ",");

/** "0.22279788851737975" -> "0.223" */
export const share = (text) => money(String(text), 3);

/** "0.015" -> "1.5 %": the point moves, no digit is lost. */
export function percent(text) {
  const match = /^(-?)([0-9]+)(?:\.([0-9]+))?$/.exec(text);
  if (!match) return text;
  const [, sign, whole, fraction = ""] = match;
  const digits = whole + fraction.padEnd(2, "0");
  const at = whole.length + 2;
  const head = digits.slice(0, at).replace(/^0+(?=\d)/, "");
  const tail = digits.slice(at).replace(/0+$/, "");
  return `${sign}${group(head)}${tail ? `.${tail}` : ""} %`;
}

export const signed = (text) => (/^-/.test(text) || /^[0.,]*$/.test(text) ? text : `+${text}`);

export function tone(text) {
  if (/^-/.test(text)) return "loss";
  return /^[0.,]*$/.test(text) ? "" : "gain";
}

export function age(seconds) {
  if (seconds < 1) return "now";
  return `${duration(seconds)} ago`;
}

export function duration(seconds) {
  if (seconds < 90) return `${Math.floor(seconds)} s`;
  if (seconds < 5400) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

/** 754 -> "12:34" */
export const countdown = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

/** Milliseconds between two moments as a person reads them. */
export function lapse(milliseconds) {
  if (Math.abs(milliseconds) < 1000) return `${Math.round(milliseconds)} ms`;
  if (Math.abs(milliseconds) < 60000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return duration(milliseconds / 1000);
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const precise = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hour12: false });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hour12: false });

export const time = (text) => clock.format(new Date(text));
export const preciseTime = (text) => precise.format(new Date(text));
export const moment = (text) => day.format(new Date(text));

/** "spread: a=0.123456789, b=1" -> "a 0.1235, b 1": long fractions are cut to four places, half up; the title has them all. */
export function reason(item) {
  const told = (item.reason ?? "")
    .replace(/^[a-z_]+: (?=[a-z_]+=)/, "")
    .replace(/\b([a-z_]+)=/g, (_, name) => `${name.replaceAll("_", " ")} `)
    .replace(/(?<![\w.:-])-?\d+\.\d{5,}(?![\w.:])/g, (digits) => money(digits, 4))
    .replace(/\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|\+00:00)/g, (at) => time(at));
  return [item.reason_code && title(item.reason_code), told].filter(Boolean).join(": ");
}

/** A code in words; a sentence keeps its capitals. */
export const words = (code) => {
  const text = String(code).replaceAll("_", " ");
  return /[a-z]/.test(text) ? text : text.toLowerCase();
};
export const title = (code) => {
  const text = words(code);
  return text[0].toUpperCase() + text.slice(1);
};
