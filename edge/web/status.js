// What the status bar says: each thing with a level, a word, and what to do about it.
import { clock, has, joined, span, text } from "/words.js";

const TREND = { FRESH: "good", AGING: "good", STALE: "warn", OLD: "bad", LAPSED: "bad" };
const NETWORK = { connected: "good", connecting: "warn", offline: "warn", refused: "bad", off: "warn" };

export const chipsOf = (status) => [readers, network, queue, trust, time].map((judge) => judge(status));

function readers(status) {
  const all = status.readers;
  const ready = all.filter((reader) => reader.state === "ready").length;
  const isCut = all.some((reader) => reader.state === "lost");
  const sams = status.sams.filter((sam) => ["expiring", "expired", "unreadable"].includes(sam.state));
  const isGood = all.length && ready === all.length && !sams.length;
  const level = isCut ? "bad" : isGood ? "good" : "warn";
  const values = { ready, all: all.length };
  const one = all.length ? text("state." + all[0].state) : text("status.readers_none");
  const ordinary = all.length > 1 ? text("page.readers_count", values) : one;
  const lines = all.map((reader) => reader.name + " " + text("state." + reader.state));
  for (const sam of sams) {
    lines.push(text("status.sams") + " " + text("sam." + sam.state, { until: sam.valid_until, days: sam.days_left }));
  }
  return {
    name: "readers",
    level,
    value: sams.length && !isCut ? text("page.sam_" + sams[0].state) : ordinary,
    help: [isCut ? mending(all) : sams.length ? "" : text("page.help_readers_" + level), joined(lines)],
  };
}

// What brings a lost reader back: the cable is only one of the causes.
export function mending(all) {
  const how = (reader) => {
    if (has("trouble." + reader.trouble)) return text("trouble." + reader.trouble);
    return text(reader.cause ? "lost." + reader.cause : "page.help_readers_bad");
  };
  const lost = all.filter((reader) => reader.state === "lost");
  return joined(lost.map((reader) => (all.length > 1 ? reader.name + " " : "") + how(reader)));
}

function network(status) {
  const uplink = status.uplink;
  const next = uplink.next_try_ms;
  return {
    name: "network",
    level: NETWORK[uplink.state],
    value: text("state." + uplink.state),
    help: [
      text("page.help_network_" + uplink.state),
      next ? text("page.help_network_next", { time: clock(next, status.now_ms, true) }) : "",
    ],
  };
}

function queue(status) {
  const counts = status.queue;
  const { quarantined: returned, oldest_ms: oldest } = counts;
  const since = oldest && text("status.queue_oldest", { oldest: clock(oldest, status.now_ms, false) });
  return {
    name: "queue",
    level: returned ? "warn" : "good",
    value: joined([String(counts.waiting), returned && text("delivery.returned") + " " + returned]),
    help: [
      joined([text("status.queue_counts", counts), since]),
      text("page.help_queue"),
      returned && text("page.help_returned"),
    ],
  };
}

function trust(status) {
  const held = status.trust;
  const age = held.age_s === undefined ? "" : span(held.age_s);
  const level = held.empty ? "bad" : TREND[held.rung] || "warn";
  const versions = {};
  for (const role of ["root", "issuers", "status", "roster"]) versions[role] = held[role] || "–";
  let advice = "";
  if (held.empty) advice = text("page.help_trust_none");
  else if (level !== "good") advice = text("page.help_trust_old");
  return {
    name: "trust",
    level,
    value: held.empty ? text("page.trust_none") : age ? text("page.ago", { age }) : text("page.trust_held"),
    help: [
      advice,
      held.rung && age ? text("status.trust_age", { rung: text("rung." + held.rung), age }) : "",
      held.empty ? "" : text("status.trust_versions", versions),
      ...(held.problems || []).map((problem) => text("status.trust_problem", problem)),
    ],
  };
}

function time(status) {
  const { anchored, alarm, lo_ms: lo, hi_ms: hi } = status.clock;
  const words = anchored
    ? text("status.clock_anchored", { width_s: ((hi - lo) / 1000).toFixed(1) })
    : text("status.clock_unanchored", { lo: clock(lo, status.now_ms, false) });
  let advice = "";
  if (alarm) advice = text("page.help_clock_alarm");
  else if (!anchored) advice = text("page.help_clock_bad");
  return {
    name: "clock",
    level: alarm ? "bad" : anchored ? "good" : "warn",
    value: text(anchored ? "page.anchored" : "page.unanchored"),
    help: [words, advice],
  };
}
