"use strict";
const { classes, scores, rows, sheet } = JSON.parse(document.getElementById("data").textContent);
const [ID, GIVEN, SUGGESTED, ACTION, REASON, SCORES] = [0, 1, 2, 3, 4, 5];
const STEP = 100;
const body = document.querySelector("#samples tbody");
const more = document.getElementById("more");
const inputs = ["text", "given", "action"].map((id) => document.getElementById(id));
const heads = [...document.querySelectorAll("#samples th[aria-sort]")];
const labelOf = (label) => (label < 0 ? "" : classes[label]);
const haystacks = rows.map((row) =>
  [row[ID], labelOf(row[GIVEN]), labelOf(row[SUGGESTED]), row[REASON]].join("\n").toLowerCase());
const scale = 64 / Math.max(sheet.width, sheet.height);
const [width, height] = [sheet.width * scale, sheet.height * scale];
let order = rows.map((_, i) => i);
let view = order;
let shown = 0;

function key(row, column) {
  if (column === GIVEN || column === SUGGESTED) return labelOf(row[column]) || null;
  return row[column];
}

function compare(a, b) {
  return typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });
}

function sortBy(column, direction) {
  const keys = rows.map((row) => key(row, column));
  order = rows.map((_, i) => i).sort((i, j) => {
    // Missing values come last in both directions; equal rows keep their order.
    if (keys[i] === null || keys[j] === null) return (keys[i] === null) - (keys[j] === null) || i - j;
    return direction * compare(keys[i], keys[j]) || i - j;
  });
  heads.forEach((head, k) =>
    head.setAttribute("aria-sort", k !== column ? "none" : direction > 0 ? "ascending" : "descending"));
  filter();
}

function filter() {
  const [text, given, action] = inputs.map((input) => input.value);
  const needle = text.trim().toLowerCase();
  view = order.filter((i) =>
    (!needle || haystacks[i].includes(needle)) &&
    (given === "" || rows[i][GIVEN] === Number(given)) &&
    (action === "" || rows[i][ACTION] === action));
  body.replaceChildren();
  shown = 0;
  const total = rows.length.toLocaleString("en");
  document.getElementById("count").textContent =
    view.length === rows.length ? `${total} samples` : `${view.length.toLocaleString("en")} of ${total} samples`;
  showMore();
}

function cell(row, name, text, style) {
  const td = row.insertCell();
  td.dataset.name = name;
  td.className = style;
  td.textContent = text;
  return td;
}

function number(value) {
  if (value === null) return "–";
  return value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(2) : value.toFixed(4);
}

function render(i) {
  const row = rows[i];
  const tr = document.createElement("tr");
  const perSheet = sheet.columns * sheet.rows;
  const place = i % perSheet;
  const thumb = document.createElement("span");
  thumb.className = `thumb s${Math.floor(i / perSheet)}`;
  thumb.setAttribute("role", "img");
  thumb.setAttribute("aria-label", `${row[ID]}, labeled ${labelOf(row[GIVEN])}`);
  thumb.style.cssText = `width:${width}px;height:${height}px;background-size:${sheet.columns * width}px auto;` +
    `background-position:${-(place % sheet.columns) * width}px ${-Math.floor(place / sheet.columns) * height}px;` +
    "box-sizing:content-box";
  cell(tr, "", "", "").append(thumb);
  cell(tr, "id", row[ID], "id");
  cell(tr, "given", labelOf(row[GIVEN]), "label");
  const changed = row[SUGGESTED] >= 0 && row[SUGGESTED] !== row[GIVEN];
  cell(tr, "suggested", labelOf(row[SUGGESTED]) || "–", changed ? "label changed" : "label");
  const action = document.createElement("span");
  action.className = `action ${row[ACTION]}`;
  action.textContent = row[ACTION];
  cell(tr, "action", "", "").append(action);
  cell(tr, "reason", row[REASON], "text");
  scores.forEach((name, k) => cell(tr, name, number(row[SCORES + k]), "number"));
  return tr;
}

function showMore() {
  const next = view.slice(shown, shown + STEP);
  body.append(...next.map(render));
  shown += next.length;
  more.hidden = shown >= view.length;
  more.textContent = `Show more (${(view.length - shown).toLocaleString("en")} left)`;
}

document.querySelector("#samples thead").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const column = Number(button.dataset.column);
  sortBy(column, heads[column].getAttribute("aria-sort") === "ascending" ? -1 : 1);
});
inputs.forEach((input) => input.addEventListener(input.tagName === "SELECT" ? "change" : "input", filter));
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
more.addEventListener("click", showMore);
new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && !more.hidden && showMore(),
  { rootMargin: "600px" }).observe(more);
filter();
