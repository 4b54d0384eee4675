// Draws the rows that are in view and keeps them current. Cells are only ever set as text, never as HTML.

const BLOCK = 100; // rows fetched together
const SPARE = 15; // rows drawn beyond the edges of the view
const STATUS_PAUSE = 2000; // milliseconds between two status texts, so that a screen reader is not flooded

const viewport = document.querySelector("#viewport");
const table = document.querySelector("#grid");
const body = table.tBodies[0];
const where = document.querySelector("#where");
const content = document.querySelector("#content");
const status = document.querySelector("#status");
const follow = document.querySelector("#follow");
const { file, gid, from, across } = viewport.dataset;
const firstColumn = Number(across);

const blocks = new Map(); // block number -> { version, cells }
const drawn = new Map(); // row index -> { element, key }
const asked = new Set(); // blocks on their way
let layout = null;
let layoutKey = "";
let version = -1;
let rowHeight = 28;
let active = { row: 0, column: firstColumn };
let drawing = false;
let followTo = -1; // row to scroll to once there is room for it

document.body.classList.add("live");

// ---- fetching ----

async function fetchBlock(number) {
  if (asked.has(number)) return;
  asked.add(number);
  try {
    const query = new URLSearchParams({ gid, from, across, row: number * BLOCK, rows: BLOCK });
    const answer = await fetch(`${file}/window?${query}`, { cache: "no-store" });
    if (answer.status === 404) return gone();
    if (!answer.ok) return lost();
    const news = await answer.json();
    blocks.set(number, { version: news.version, cells: news.cells });
    if (news.version >= version) {
      version = news.version;
      arrange(news.layout);
    }
  } catch {
    lost();
  } finally {
    asked.delete(number);
  }
  draw();
}

function gone() {
  tell("This tab or spreadsheet was deleted.", true);
  events.close();
}

function lost() {
  tell("Not connected; trying again.", true);
}

// ---- layout: columns, frozen rows, tabs ----

function arrange(news) {
  // Rows may be added without anything else having to be drawn anew.
  const key = JSON.stringify({ ...news, filled: 0, rows: 0, end: 0 });
  const grew = layout !== null && news.filled > layout.filled;
  layout = news;
  if (key !== layoutKey) {
    layoutKey = key;
    arrangeHead();
    arrangeTabs();
    for (const row of drawn.values()) row.key = null; // drawn anew, but what changed in it is still seen
  }
  table.setAttribute("aria-rowcount", layout.rows + 1);
  followTo = grew && follow.checked ? layout.filled - 1 : followTo;
  summarize();
}

function arrangeHead() {
  document.title = `${layout.title} - Local Sheets`;
  document.querySelector("#title").textContent = layout.title;
  table.setAttribute("aria-colcount", layout.columns + 1);
  const group = document.createElement("colgroup");
  group.append(Object.assign(document.createElement("col"), { className: "numbers" }));
  for (const [, width] of layout.across) {
    const column = document.createElement("col");
    column.style.width = `${width}px`;
    group.append(column);
  }
  table.querySelector("colgroup").replaceWith(group);
  const letters = document.createElement("tr");
  letters.setAttribute("aria-rowindex", 1);
  const corner = Object.assign(document.createElement("th"), { className: "corner" });
  corner.setAttribute("aria-colindex", 1);
  corner.append(Object.assign(document.createElement("span"), { className: "away", textContent: "Row" }));
  letters.append(corner);
  layout.across.forEach(([name, , hidden], index) => {
    const head = Object.assign(document.createElement("th"), { scope: "col", textContent: name });
    head.setAttribute("aria-colindex", firstColumn + index + 2);
    head.classList.toggle("hid", hidden);
    stick(head, index);
    letters.append(head);
  });
  table.tHead.replaceChildren(letters, ...layout.head.map((cells, index) => makeRow(index, cells, null)));
}

function stick(cell, index) {
  if (index >= layout.frozen) return;
  let left = 64;
  for (let before = 0; before < index; before += 1) left += layout.across[before][1];
  cell.classList.add("stuck");
  cell.classList.toggle("edge", index === layout.frozen - 1);
  cell.style.left = `${left}px`;
}

function arrangeTabs() {
  const links = layout.tabs.map((tab) => {
    const link = document.createElement("a");
    link.href = `${file}/edit?gid=${tab.id}`;
    link.textContent = tab.title;
    if (String(tab.id) === gid) link.setAttribute("aria-current", "page");
    if (tab.hidden) {
      link.className = "hid";
      link.append(Object.assign(document.createElement("span"), { className: "away", textContent: " hidden" }));
    }
    return link;
  });
  document.querySelector("#tabs").replaceChildren(...links);
}

// ---- rows ----

function cellsOf(row) {
  const block = blocks.get(Math.floor(row / BLOCK));
  return block ? (block.cells[row % BLOCK] ?? []) : null;
}

function makeRow(row, cells, before) {
  const line = document.createElement("tr");
  line.setAttribute("aria-rowindex", row + 2);
  line.classList.toggle("waiting", cells === null);
  const number = Object.assign(document.createElement("th"), { scope: "row", textContent: row + 1 });
  number.setAttribute("aria-colindex", 1);
  line.append(number);
  for (let index = 0; index < layout.across.length; index += 1) {
    const cell = cells?.[index] ?? null;
    const place = makeCell(cell, index);
    place.id = `r${row}c${firstColumn + index}`;
    if (before && JSON.stringify(before[index] ?? null) !== JSON.stringify(cell)) place.classList.add("fresh");
    line.append(place);
  }
  return line;
}

function makeCell(cell, index) {
  const place = document.createElement("td");
  place.setAttribute("aria-colindex", firstColumn + index + 2);
  if (cell !== null && typeof cell === "object") {
    place.textContent = cell.t;
    if (cell.k) place.classList.add(`k-${cell.k}`);
    if (cell.n) place.classList.add("noted");
    const style = cell.s ?? {};
    place.classList.toggle("bold", Boolean(style.bold));
    place.classList.toggle("italic", Boolean(style.italic));
    // A background without a text colour of its own gets one that can be read on it, in the dark too.
    if (style.fill) place.style.backgroundColor = style.fill;
    if (style.ink || style.fill) place.style.color = style.ink ?? readable(style.fill);
  } else if (cell !== null) {
    place.textContent = cell;
  }
  stick(place, index);
  return place;
}

function readable(fill) {
  const [red, green, blue] = [1, 3, 5].map((start) => parseInt(fill.slice(start, start + 2), 16));
  return red * 0.299 + green * 0.587 + blue * 0.114 > 140 ? "#1c2522" : "#ffffff";
}

function visible() {
  const top = viewport.scrollTop;
  const height = viewport.clientHeight;
  const start = layout.first + Math.floor(top / rowHeight) - SPARE;
  const end = layout.first + Math.ceil((top + height) / rowHeight) + SPARE;
  return [Math.max(start, layout.first), Math.min(end, layout.end)];
}

function space(rows, name) {
  let line = body.querySelector(`tr.${name}`);
  if (!line) {
    line = document.createElement("tr");
    line.className = `space ${name}`;
    line.setAttribute("aria-hidden", "true");
    line.append(document.createElement("td"));
  }
  line.firstChild.style.height = `${rows * rowHeight}px`;
  return line;
}

function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    if (layout) drawNow();
  });
}

function drawNow() {
  const [start, end] = visible();
  for (const [row, { element }] of drawn) {
    if (row < start || row >= end) {
      element.remove();
      drawn.delete(row);
    }
  }
  const top = space(start - layout.first, "above");
  const bottom = space(layout.end - end, "below");
  if (body.firstChild !== top) body.replaceChildren(top, bottom);
  let previous = top;
  for (let row = start; row < end; row += 1) {
    const element = drawRow(row);
    if (previous.nextSibling !== element) previous.after(element);
    previous = element;
  }
  if (previous.nextSibling !== bottom) previous.after(bottom);
  for (let number = Math.floor(start / BLOCK); number <= Math.floor((end - 1) / BLOCK); number += 1) {
    if (blocks.get(number)?.version !== version || !blocks.has(number)) fetchBlock(number);
  }
  mark();
  if (followTo >= layout.first) {
    scrollToRow(followTo);
    followTo = -1;
  }
}

function drawRow(row) {
  const cells = cellsOf(row);
  const key = JSON.stringify(cells);
  const old = drawn.get(row);
  if (old?.key === key) return old.element;
  const before = old && old.cells !== null ? old.cells : null;
  const element = makeRow(row, cells, before);
  old?.element.remove();
  drawn.set(row, { element, key, cells });
  return element;
}

// ---- the active cell ----

function mark() {
  for (const element of table.querySelectorAll(".here, .at")) element.classList.remove("here", "at");
  const cell = document.getElementById(`r${active.row}c${active.column}`);
  table.tHead.rows[0].cells[active.column - firstColumn + 1]?.classList.add("at");
  if (!cell) return table.removeAttribute("aria-activedescendant");
  cell.classList.add("here");
  cell.parentElement.cells[0].classList.add("at");
  table.setAttribute("aria-activedescendant", cell.id);
  if (document.activeElement !== where) where.value = `${letters(active.column)}${active.row + 1}`;
  showContent();
}

function showContent() {
  const cells = active.row < layout.head.length ? layout.head[active.row] : cellsOf(active.row);
  const cell = cells?.[active.column - firstColumn] ?? "";
  const rich = typeof cell === "object";
  const text = rich ? cell.t : cell;
  content.textContent = rich && cell.m ? `${text} ... and ${cell.m.toLocaleString()} more characters` : text;
  if (rich && cell.n) {
    content.append(Object.assign(document.createElement("span"), { className: "note", textContent: `Note: ${cell.n}` }));
  }
}

function letters(index) {
  let text = "";
  for (let rest = index + 1; rest; rest = Math.floor((rest - 1) / 26)) text = String.fromCharCode(65 + ((rest - 1) % 26)) + text;
  return text;
}

function move(row, column) {
  if (!layout) return;
  const last = firstColumn + layout.across.length - 1;
  const bounded = row < layout.head.length ? Math.max(row, 0) : Math.min(Math.max(row, layout.first), layout.end - 1);
  active = { row: bounded, column: Math.min(Math.max(column, firstColumn), last) };
  if (active.row >= layout.first) scrollToRow(active.row);
  drawNow();
  scrollAcross();
}

function scrollToRow(row) {
  const head = table.tHead.offsetHeight;
  const top = (row - layout.first) * rowHeight;
  if (top < viewport.scrollTop) viewport.scrollTop = top;
  const bottom = top + rowHeight + head - viewport.clientHeight;
  if (bottom > viewport.scrollTop) viewport.scrollTop = bottom;
}

function scrollAcross() {
  const cell = document.getElementById(`r${active.row}c${active.column}`);
  if (!cell || cell.classList.contains("stuck")) return;
  let fixed = 64;
  for (let index = 0; index < layout.frozen; index += 1) fixed += layout.across[index][1];
  if (cell.offsetLeft - fixed < viewport.scrollLeft) viewport.scrollLeft = cell.offsetLeft - fixed;
  const right = cell.offsetLeft + cell.offsetWidth - viewport.clientWidth;
  if (right > viewport.scrollLeft) viewport.scrollLeft = right;
}

table.addEventListener("keydown", (event) => {
  if (!layout || event.altKey) return;
  const page = Math.max(Math.floor((viewport.clientHeight - table.tHead.offsetHeight) / rowHeight) - 1, 1);
  const far = event.ctrlKey || event.metaKey;
  const lastRow = Math.max(layout.filled - 1, 0);
  const lastColumn = firstColumn + layout.across.length - 1;
  const moves = {
    ArrowUp: () => [far ? 0 : active.row - 1 < layout.first ? Math.min(active.row - 1, layout.head.length - 1) : active.row - 1, active.column],
    ArrowDown: () => [far ? lastRow : active.row + 1 >= layout.head.length ? Math.max(active.row + 1, layout.first) : active.row + 1, active.column],
    ArrowLeft: () => [active.row, far ? firstColumn : active.column - 1],
    ArrowRight: () => [active.row, far ? lastColumn : active.column + 1],
    PageUp: () => [Math.max(active.row - page, layout.first), active.column],
    PageDown: () => [active.row + page, active.column],
    Home: () => [far ? 0 : active.row, firstColumn],
    End: () => [far ? lastRow : active.row, lastColumn],
  };
  const next = moves[event.key];
  if (!next) return;
  event.preventDefault();
  move(...next());
});

table.addEventListener("click", (event) => {
  const cell = event.target.closest("td[id]");
  const place = cell && /^r(\d+)c(\d+)$/.exec(cell.id);
  if (place) move(Number(place[1]), Number(place[2]));
});

where.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  const place = /^\s*([a-z]{1,3})?(\d{1,9})\s*$/i.exec(where.value);
  if (!place) return tell("Type a place such as C120.");
  let column = active.column + 1;
  if (place[1]) column = [...place[1].toUpperCase()].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0);
  table.focus();
  move(Number(place[2]) - 1, column - 1);
});

// ---- status ----

let nextStatus = 0;
let statusTimer = 0;

function tell(text, problem = false) {
  clearTimeout(statusTimer);
  status.textContent = text;
  status.classList.toggle("lost", problem);
  nextStatus = Date.now() + STATUS_PAUSE;
}

function summarize() {
  const text = () => `${layout.filled.toLocaleString()} of ${layout.rows.toLocaleString()} rows filled`;
  clearTimeout(statusTimer);
  if (Date.now() >= nextStatus) return tell(text());
  statusTimer = setTimeout(() => tell(text()), nextStatus - Date.now());
}

// ---- start ----

const wanted = /^#gid=(\d+)$/.exec(location.hash);
if (wanted && wanted[1] !== gid) location.replace(`${file}/edit?gid=${wanted[1]}`);

viewport.addEventListener("scroll", draw, { passive: true });
new ResizeObserver(draw).observe(viewport);
rowHeight = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row")) || rowHeight;

const events = new EventSource(`${file}/events`);
events.onmessage = (event) => {
  const told = Number(event.data);
  if (told === 0) return gone();
  if (told > version) {
    version = Math.max(version, told);
    if (layout) draw();
    else fetchBlock(Math.floor(Number(from) / BLOCK));
  }
};
events.onerror = lost;
fetchBlock(Math.floor(Number(from) / BLOCK));
