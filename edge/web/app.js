// The page: asks the box often for the newest result, every two seconds for all there is to know, and shows it.
// ES2018 at most, no library, no text of its own (words come from /texts.*.json), nothing inserted as HTML.
import { byId, clauses, make, replace, shape } from "/elements.js";
import { chipsOf, mending } from "/status.js";
import { LANGUAGE, clock, isEmpty, joined, takeTexts, text, why } from "/words.js";

const NEWS_MS = 400; // the last patient's result must be gone when the next one looks up
const ALL_MS = 2000; // status and list; also how often a lost box is tried
const ANSWER_WAIT_MS = 6000; // a box that is busier than this is shown as lost
const NEW_MS = 20000; // how long a result stands out: the next person is up by then
const ROWS = 30;

const SHAPE = { good: "ACCEPT", warn: "RETRY", bad: "REFUSE" };

let latest = null; // the last answers: status and recent
let isLost = false;
let openChip = null;
let shownRows = "";

function delivery(row) {
  const words = joined([row.delivery === "saved" ? text("page.kept") : "", text("delivery." + row.delivery)]);
  return make("span", "delivery is-" + row.delivery, [shape(row.delivery), make("span", "", words)]);
}

// ---- the status bar ----

function showBar(status) {
  const chips = chipsOf(status);
  const bar = byId("bar");
  if (!bar.firstChild) bar.append(...chips.map(makeChip));
  chips.forEach((chip, number) => {
    const button = bar.children[number];
    const look = chip.level + chip.value;
    button.setAttribute("aria-expanded", String(openChip === chip.name));
    if (button.look === look) return;
    button.look = look;
    button.className = "chip is-" + chip.level;
    replace(button, [
      shape(SHAPE[chip.level]),
      make("span", "label", text("status." + chip.name)),
      make("span", "value", chip.value),
    ]);
  });
  const open = chips.find((chip) => chip.name === openChip);
  const lines = open ? open.help.filter(Boolean) : [];
  if (byId("help").textContent !== lines.join("")) {
    replace(byId("help"), lines.map((line) => make("span", "line", line)));
  }
  byId("help").hidden = !open;
}

function makeChip(chip) {
  const button = make("button", "chip");
  button.type = "button";
  button.setAttribute("aria-controls", "help");
  button.addEventListener("click", () => {
    openChip = openChip === chip.name ? null : chip.name;
    showBar(latest[0]);
  });
  return button;
}

// ---- banners ----

function showBanners(status) {
  const { writable, damaged, set_aside: setAside } = status.store;
  const names = [];
  if (!writable) names.push("store");
  if (damaged || setAside) names.push("damaged");
  if (status.trust.test_keys) names.push("test_keys");
  if (status.trust.empty) names.push("trust");
  const banners = byId("banners");
  const look = names.join() + setAside;
  if (banners.look === look) return;
  banners.look = look;
  const count = setAside ? text("page.banner_damaged_count", { n: setAside }) : "";
  const more = (name) => (name === "damaged" ? count : "") + text("page.banner_" + name + "_more");
  replace(
    banners,
    names.map((name) => {
      const words = make("div", "", [
        make("strong", "", clauses(text("page.banner_" + name))),
        make("span", "", clauses(more(name))),
      ]);
      const banner = make("div", "banner banner-" + name, [shape(name === "test_keys" ? "RETRY" : "REFUSE"), words]);
      banner.setAttribute("role", "alert");
      return banner;
    })
  );
}

// ---- what stops the work ----

// While no scan can arrive or be seen, nothing may ask for one: code, level, what happened, what mends it.
function stopper({ readers: all }) {
  const isAny = (state) => all.some((reader) => reader.state === state);
  if (isLost) return ["E-B01", "bad", text("page.stop_unseen"), text("page.stop_unseen_mend")];
  if (isAny("ready")) return null;
  if (isAny("lost")) return ["E-R01", "bad", text("page.stop_lost"), mending(all)];
  return ["E-R01", "warn", text(all.length ? "page.stop_opening" : "page.stop_none"), text("page.help_readers_warn")];
}

function showStage() {
  const [status, { recent: rows }] = latest;
  const stop = stopper(status);
  const card = byId("stop");
  byId("prompt").hidden = Boolean(stop);
  card.hidden = !stop;
  if (stop && card.look !== stop.join()) {
    const [code, level, what, mend] = stop;
    const line = (label, words) => make("p", "", [make("strong", "", label), make("span", "", clauses(words))]);
    card.look = stop.join();
    card.className = "stop is-" + level;
    replace(card, [
      make("div", "head", [shape(SHAPE[level]), make("h1", "", clauses(what))]),
      line(text("page.stop_now"), text("page.stop_now_do")),
      line(text("page.stop_mend"), mend),
      make("div", "code", code),
    ]);
  }
  showResult(rows[0], status.now_ms, Boolean(stop));
}

// ---- the result and the list ----

// What was not saved has not happened: nothing of it may look like a result.
const isUnsaved = (row) => row.delivery === "unsaved";
const toneOf = (row) => (isUnsaved(row) ? "bad" : row.outcome);
const wordOf = (row) => text(isUnsaved(row) ? "delivery.unsaved" : "outcome." + row.outcome);

function showResult(row, nowMs, isPast) {
  const result = byId("result");
  result.hidden = !row;
  if (!row) return;
  const isNew = !isPast && nowMs - row.at_ms < NEW_MS;
  const look = JSON.stringify([row, isNew, isPast]);
  if (result.look !== look) {
    result.look = look;
    result.className = "result is-" + toneOf(row) + (isNew ? " is-new" : "") + (isPast ? " is-past" : "");
    replace(result, resultParts(row, nowMs, isNew));
  }
}

function resultParts(row, nowMs, isNew) {
  const head = make("div", "head", [
    shape(isUnsaved(row) ? "unsaved" : row.outcome),
    make("div", "", [make("div", "word", clauses(wordOf(row))), make("div", "why", clauses(why(row)))]),
  ]);
  const who = make("div", "who", [
    row.name ? make("span", "name", row.name) : null,
    make("span", "what", text("carrier." + row.carrier)),
  ]);
  const at = make("span", "", joined([isNew ? "" : text("page.last"), clock(row.at_ms, nowMs, true), row.reader]));
  const isDone = !isUnsaved(row);
  const advice = isDone ? make("div", "do", text("page.do_" + row.outcome)) : null;
  const notes = row.notes ? make("ul", "notes", row.notes.map((note) => make("li", "", text("note." + note)))) : null;
  return [head, who, notes, advice, make("div", "foot", [at, isDone ? delivery(row) : null])].filter(Boolean);
}

function showRows(rows, nowMs) {
  byId("none").hidden = rows.length > 0;
  const look = JSON.stringify(rows);
  if (look === shownRows) return;
  shownRows = look;
  replace(byId("rows"), rows.map((row) => make("li", "row is-" + toneOf(row), [
    shape(isUnsaved(row) ? "unsaved" : row.outcome),
    make("div", "what", [
      make("span", "word", wordOf(row)),
      make("span", "carrier", joined([text("carrier." + row.carrier), row.name])),
    ]),
    make("time", "", clock(row.at_ms, nowMs, true)),
    make("div", "why", why(row)),
    isUnsaved(row) ? null : delivery(row),
  ])));
}

function showAbout(status) {
  const words = joined([
    text("status.node") + " " + status.node,
    status.version,
    text("status.crypto") + " " + text("status.crypto_" + status.crypto.backend),
  ]);
  if (byId("about").textContent !== words) byId("about").textContent = words;
}

// ---- asking ----

async function ask(path) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), ANSWER_WAIT_MS);
  try {
    const answer = await fetch(path, { signal: stop.signal, credentials: "same-origin", cache: "no-store" });
    if (answer.status === 401) return null;
    if (!answer.ok) throw new Error(path);
    return await answer.json();
  } finally {
    clearTimeout(timer);
  }
}

async function loadTexts() {
  takeTexts(await ask("/texts." + LANGUAGE + ".json"));
  document.documentElement.lang = LANGUAGE === "zh" ? "zh-CN" : LANGUAGE;
  document.title = text("page.title");
  for (const element of document.querySelectorAll("[data-text]")) {
    replace(element, clauses(text(element.getAttribute("data-text"))));
  }
}

async function askAll() {
  if (isEmpty()) await loadTexts();
  return Promise.all([ask("/api/v1/status"), ask("/api/v1/recent?limit=" + ROWS)]);
}

const newest = (recent) => JSON.stringify(recent && recent.recent[0]);

async function askNews() {
  const isDue = !latest || isLost || performance.now() - askedAt >= ALL_MS;
  if (!isDue && newest(await ask("/api/v1/recent?limit=1")) === newest(latest[1])) return latest;
  askedAt = performance.now();
  return askAll();
}

function show([status, recent]) {
  const isIn = status !== null && recent !== null;
  latest = isIn ? [status, recent] : null;
  byId("desk").hidden = byId("top").hidden = byId("banners").hidden = !isIn;
  byId("login").hidden = isIn;
  byId("used").hidden = location.pathname !== "/login";
  if (!isIn) return;
  showBar(status);
  showBanners(status);
  showStage();
  showRows(recent.recent, status.now_ms);
  showAbout(status);
}

let timer = 0;
let askedAt = 0;
let isPolling = false;

async function poll() {
  clearTimeout(timer);
  if (isPolling || document.hidden) return;
  isPolling = true;
  let answers = null;
  try {
    answers = await askNews();
  } catch (error) {
    answers = null; // refused, timed out or broken off: all the same to who looks at the page
  }
  isPolling = false;
  if (!document.hidden) timer = setTimeout(poll, answers && answers[0] ? NEWS_MS : ALL_MS);
  showLost(answers === null);
  if (answers) show(answers);
  else if (latest) showStage();
}

function showLost(isNow) {
  isLost = isNow;
  document.body.classList.toggle("is-lost", isLost);
  if (byId("lost").hidden === isLost) byId("lost").hidden = !isLost;
}

document.addEventListener("visibilitychange", poll); // a hidden page rests; seen again, it catches up
window.addEventListener("online", poll);
poll();
