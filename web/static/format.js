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
  return match ? match[1] + group(match[2]) + (match[3] ?? "") : text;
}

const group = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ",");

/** "0.22279788851737975" -> "0.223" */
export const share = (text) => money(String(text), 3);

export const signed = (text) => (/^-/.test(text) || /^[0.,]*$/.test(text) ? text : `+${text}`);

export function tone(text) {
  if (/^-/.test(text)) return "loss";
  return /^[0.,]*$/.test(text) ? "" : "gain";
}

export function age(seconds) {
  if (seconds < 1) return "now";
  if (seconds < 90) return `${Math.floor(seconds)} s ago`;
  if (seconds < 5400) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 129600) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} days ago`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hour12: false });

export const time = (text) => clock.format(new Date(text));
export const moment = (text) => day.format(new Date(text));

export const words = (code) => code.replaceAll("_", " ").toLowerCase();
