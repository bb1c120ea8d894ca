// The page's words: looked up by key, filled in, and put together as Chinese or English wants it.
const CHINA_MS = 8 * 3600 * 1000; // one time zone, whatever the tablet thinks

export const LANGUAGE = /[?&]lang=en\b/.test(location.search) ? "en" : "zh";

let texts = {};

export const isEmpty = () => !texts.page;

export function takeTexts(loaded) {
  texts = loaded;
}

export function has(key) {
  const [group, name] = key.split(".");
  return Boolean(texts[group] && texts[group][name] !== undefined);
}

export function text(key, values) {
  const [group, name] = key.split(".");
  const found = has(key) ? texts[group][name] : key;
  return found.replace(/\{(\w+)\}/g, (place, value) => (values && value in values ? values[value] : place));
}

export function joined(parts) {
  return parts.filter(Boolean).join(text("page.separator"));
}

export function span(seconds) {
  const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
  const [unit, size] = units.find(([, one]) => seconds >= 2 * one) || ["second", 1]; // as the command line says it
  return text("unit." + unit, { n: Math.max(0, Math.floor(seconds / size)) });
}

export function clock(ms, nowMs, withSeconds) {
  const at = new Date(ms + CHINA_MS).toISOString();
  const isToday = at.slice(0, 10) === new Date(nowMs + CHINA_MS).toISOString().slice(0, 10);
  const time = at.slice(11, withSeconds ? 19 : 16);
  return isToday ? time : at.slice(5, 10) + " " + time;
}

export function why(row) {
  const named = "named." + row.carrier;
  return text(row.reason === "NOT_A_HEALTH_CARD" && has(named) ? named : "reason." + row.reason);
}
