"use strict";
const get = (id) => document.getElementById(id);
const classes = JSON.parse(document.body.dataset.classes);
const { noun } = document.body.dataset;
const list = get("samples");
const filters = ["class", "reason", "decided"].map(get);
const dialog = get("classes");
const player = get("player");
const AHEAD = 12;
const rows = [];
let at = -1;
let total = 0;
let asked = 0; // number of the last request for samples: answers to earlier ones are late
let loading = false;
let saving = Promise.resolve(); // decisions are sent one after the other, in the order of the keys

function say(text, failed = false) {
  get("status").textContent = text;
  get("status").className = failed ? "failed" : "";
}

async function request(route, options) {
  let answer;
  try {
    answer = await fetch(route, options);
  } catch {
    throw new Error("the review has ended, or does not respond");
  }
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer.json();
}

function post(route, body) {
  const headers = { "Content-Type": "application/json" };
  return request(route, { method: "POST", headers, body: JSON.stringify(body) });
}

async function load(anew) {
  if (!anew && (loading || rows.length >= total)) return;
  const number = ++asked;
  const query = new URLSearchParams(filters.map((input) => [input.id, input.value]));
  const wanted = get("decided").value;
  // Samples decided on since then no longer match the filter.
  const still = rows.filter((row) => !wanted || (row.decision !== null) === (wanted === "yes"));
  query.set("offset", anew ? 0 : still.length);
  loading = true;
  try {
    const found = await request(`samples?${query}`);
    if (number !== asked) return;
    if (anew) {
      rows.length = 0;
      at = -1;
      list.replaceChildren();
    }
    total = found.total + (anew ? 0 : rows.length - still.length);
    found.rows.forEach((row) => {
      rows.push(row);
      list.append(item(row));
    });
    if (at < 0 && rows.length) choose(0, anew === "at once");
    const all = Number(document.body.dataset.total).toLocaleString("en");
    get("count").textContent = `${total.toLocaleString("en")} of ${all} ${noun}`;
    get("more").hidden = rows.length >= total;
  } catch (error) {
    say(`Not loaded: ${error.message}.`, true);
  } finally {
    if (number === asked) loading = false;
  }
}

function part(parent, style, text) {
  const span = document.createElement("span");
  span.className = style;
  span.textContent = text;
  parent.append(span);
}

const counted = (count) => `${count.toLocaleString("en")} decision${count === 1 ? "" : "s"}`;

function told(change) {
  return change.action === "relabel" ? `relabel to ${classes[change.new]}` : change.action;
}

function fill(card, row) {
  const image = card.querySelector("img");
  card.className = `card ${row.decision ? row.decision.action : ""} ${noun === "clips" ? "clip" : ""}`;
  card.replaceChildren(image);
  part(card, "label", classes[row.label]);
  part(card, "name", row.id);
  part(card, "score", row.score === null ? "no score" : `score ${Number(row.score.toPrecision(4))}`);
  if (row.reason) part(card, "reason", `method: ${told(row)}, ${row.reason}`);
  part(card, "verdict", row.decision ? `you: ${told(row.decision)}` : "");
}

function item(row) {
  const li = document.createElement("li");
  const card = document.createElement("button");
  const image = document.createElement("img");
  card.type = "button";
  card.tabIndex = -1;
  image.alt = noun === "clips" ? "spectrogram" : "";
  image.loading = "lazy";
  image.addEventListener("load", () => image.classList.toggle("large", image.naturalHeight > 64 || image.naturalWidth > 64));
  image.src = `picture?${new URLSearchParams({ id: row.id })}`;
  card.append(image);
  fill(card, row);
  li.append(card);
  return li;
}

const cardOf = (index) => list.children[index].firstElementChild;

function choose(index, focus = true) {
  if (!rows.length) return;
  const wanted = Math.max(0, Math.min(index, rows.length - 1));
  if (at >= 0) {
    cardOf(at).tabIndex = -1;
    cardOf(at).removeAttribute("aria-current");
  }
  at = wanted;
  const card = cardOf(at);
  card.tabIndex = 0;
  card.setAttribute("aria-current", "true");
  if (focus) card.focus();
  if (at >= rows.length - AHEAD) next();
}

function columns() {
  const top = list.children[0].offsetTop;
  const below = [...list.children].findIndex((li) => li.offsetTop > top);
  return below < 0 ? list.children.length : below;
}

function show(sample) {
  const index = rows.findIndex((row) => row.id === sample.id);
  if (index >= 0) {
    rows[index] = sample;
    fill(cardOf(index), sample);
  }
  return index;
}

function save(work) {
  saving = saving.then(work).catch((error) => say(`Not saved: ${error.message}.`, true));
}

// After earlier decisions, which change what a filter matches.
const next = () => save(() => load(false));

function decide(action, label) {
  if (at < 0) return;
  const { id } = rows[at];
  const body = action === "relabel" ? { id, action, new: label } : { id, action };
  save(async () => {
    const found = await post("decide", body);
    show(found.sample);
    say(`${id}: ${told(found.sample.decision)}. ${counted(found.count)}.`);
  });
  choose(at + 1);
}

function undo() {
  save(async () => {
    const found = await post("undo", {});
    const index = show(found.sample);
    if (index >= 0) choose(index);
    const now = found.sample.decision ? told(found.sample.decision) : "no decision";
    say(`Undone: ${found.sample.id} has ${now} again. ${counted(found.count)}.`);
  });
}

function ask() {
  if (at < 0) return;
  const row = rows[at];
  const likely = row.decision?.action === "relabel" ? row.decision : row;
  get("new").value = String(likely.action === "relabel" ? likely.new : row.label);
  dialog.showModal();
  get("new").focus();
}

function relabel() {
  const { value } = get("new");
  dialog.close();
  if (value !== "") decide("relabel", Number(value));
}

function play() {
  if (at < 0 || !player) return;
  if (!rows[at].sound) {
    say("The audio file of this clip cannot be found.", true);
    return;
  }
  player.src = `sound?${new URLSearchParams({ id: rows[at].id })}`;
  player.play().catch((error) => say(`Not played: ${error.message}`, true));
}

const KEYS = {
  k: () => decide("keep"),
  d: () => decide("drop"),
  r: ask,
  u: undo,
  p: play,
  ArrowLeft: () => choose(at - 1),
  ArrowRight: () => choose(at + 1),
  ArrowUp: () => rows.length && at >= columns() && choose(at - columns()),
  ArrowDown: () => rows.length && choose(at + columns()),
  Home: () => choose(0),
  End: () => choose(rows.length - 1),
};

document.addEventListener("keydown", (event) => {
  const busy = dialog.open || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, audio");
  const work = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (busy || !work) return;
  event.preventDefault(); // an r that opens the list of classes must not choose in it
  work();
});
list.addEventListener("focusin", (event) => {
  const index = [...list.children].indexOf(event.target.closest("li"));
  if (index >= 0 && index !== at) choose(index, false);
});
list.addEventListener("click", (event) => {
  const index = [...list.children].indexOf(event.target.closest("li"));
  if (index >= 0) choose(index);
});
get("keep").addEventListener("click", () => decide("keep"));
get("drop").addEventListener("click", () => decide("drop"));
get("relabel").addEventListener("click", ask);
get("undo").addEventListener("click", undo);
if (player) get("play").addEventListener("click", play);
get("apply").addEventListener("click", relabel);
get("cancel").addEventListener("click", () => dialog.close());
get("new").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  relabel();
});
dialog.addEventListener("close", () => at >= 0 && cardOf(at).focus());
get("filters").addEventListener("submit", (event) => event.preventDefault());
filters.forEach((input) => input.addEventListener("change", () => save(() => load("filtered"))));
get("more").addEventListener("click", next);
new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && next(),
  { rootMargin: "400px" }).observe(get("more"));
load("at once");
