// The leaderboards: one board at a time, one corruption family at a time. The address keeps the choice.
"use strict";

const at = (id) => document.getElementById(id);
const boardOf = () => BOARDS.find((board) => board.name === at("board-choice").value) ?? BOARDS[0];
let order = { column: "place", descending: false };
let chosen = [];

const percent = ([value, low, high]) => [value, low, high].map((v) => (v === null ? null : 100 * v));

const COLUMNS = [
  { key: "place", label: "rank", number: true, sort: (e, f) => e.standings[f].order },
  { key: "group", label: "group", number: true, sort: (e, f) => e.standings[f].group ?? 1e9 },
  { key: "name", label: "model", sort: (e) => e.name.toLowerCase() },
  { key: "corrupted", label: "corrupted", number: true, better: true, sort: (e, f) => e.standings[f].corrupted[0] },
  { key: "interval", label: "interval", sort: (e, f) => e.standings[f].corrupted[0], better: true },
  { key: "clean", label: "clean", number: true, better: true, sort: (e) => e.clean[0] },
  { key: "mmi", label: "MMI %", number: true, sort: (e, f) => e.standings[f].mmi[0] },
  { key: "worst", label: "worst", number: true, better: true, sort: (e, f) => e.standings[f].worst_value },
  { key: "parameters", label: "parameters", number: true, sort: (e) => e.parameters },
];

function numberCell(triple, digits) {
  const cell = element("td", { class: "number" }, shown(triple[0], digits));
  if (triple[1] !== null) cell.append(element("span", { class: "range" }, `${shown(triple[1], digits)} – ${shown(triple[2], digits)}`));
  return cell;
}

function bar([value, low, high], [least, most]) {
  const cell = element("td");
  if (value === null || low === null) return cell;
  const x = (v) => 4 + (112 * (v - least)) / (most - least || 1);
  const svg = drawn("svg", { class: "bar", viewBox: "0 0 120 14", role: "img", "aria-label": `${shown(low)} to ${shown(high)}` });
  svg.append(drawn("line", { class: "track", x1: 4, x2: 116, y1: 7, y2: 7 }));
  svg.append(drawn("line", { class: "span", x1: x(low), x2: x(high), y1: 7, y2: 7 }));
  svg.append(drawn("circle", { class: "dot", cx: x(value), cy: 7, r: 3.4 }));
  cell.append(svg);
  return cell;
}

const compact = (n) => new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(n);

function rowOf(entry, family, range, striped) {
  const own = entry.standings[family];
  const places = own.low === own.high ? `${own.low}` : `${own.low} – ${own.high}`;
  const rank = element("td", { class: "number" }, own.rank ?? "–");
  if (own.low !== null) rank.append(element("span", { class: "range" }, `[${places}]`));
  const model = element("th", { scope: "row" }, element("a", { href: `#record-${entry.slug}` }, entry.name));
  if (entry.status !== "verified") model.append(element("span", { class: "range" }, entry.status));
  const worst = element("td", { class: "number" }, shown(own.worst_value), element("span", { class: "range" }, own.worst));
  return element("tr", striped ? { class: "other-group" } : {},
    rank, element("td", { class: "number" }, own.group ?? "–"), model, numberCell(own.corrupted, 3), bar(own.corrupted, range),
    numberCell(entry.clean, 3), numberCell(percent(own.mmi), 1), worst, element("td", { class: "number" }, compact(entry.parameters)));
}

function sorted(board, family) {
  const column = COLUMNS.find((one) => one.key === order.column);
  const sign = order.descending ? -1 : 1;
  return board.entries.toSorted((a, b) => {
    const [p, q] = [column.sort(a, family), column.sort(b, family)];
    if (p === null || q === null) return (p === null) - (q === null);
    return sign * (p < q ? -1 : p > q ? 1 : 0) || a.standings[family].order - b.standings[family].order;
  });
}

function headerOf(column) {
  const active = order.column === column.key;
  const button = element("button", { type: "button" }, column.label);
  button.addEventListener("click", () => {
    order = { column: column.key, descending: active ? !order.descending : Boolean(column.better) };
    showTable();
    at("standing").querySelectorAll("th button")[COLUMNS.indexOf(column)].focus();
  });
  const attributes = { scope: "col", class: column.number ? "number" : "" };
  if (active) attributes["aria-sort"] = order.descending ? "descending" : "ascending";
  return element("th", attributes, button);
}

function showTable() {
  const board = boardOf(), family = at("family-choice").value;
  at("standing-note").textContent = "";
  if (!board.entries.length) {
    at("standing").replaceChildren(element("p", { style: "padding: 0 0.8rem" }, "No submission yet. The board is open: see below how to submit."));
    return;
  }
  const values = board.entries.flatMap((e) => e.standings[family].corrupted).filter((v) => v !== null);
  const range = [Math.min(...values), Math.max(...values)];
  const body = element("tbody");
  for (const entry of sorted(board, family)) body.append(rowOf(entry, family, range, entry.standings[family].group % 2 === 0));
  const what = family === "all" ? "all corruptions that keep the meaning" : `the family ${family}`;
  at("standing-note").textContent = `${board.metric} under ${what}. One shade for each group of models that the data do not separate.`;
  const head = element("thead", {}, element("tr", {}, ...COLUMNS.map(headerOf)));
  at("standing").replaceChildren(element("table", { "aria-describedby": "standing-note" }, head, body));
}

function showChart() {
  const board = boardOf(), corruption = at("corruption-choice").value, family = at("family-choice").value;
  const series = board.entries.filter((entry) => chosen.includes(entry.name)).map((entry) => {
    const curve = corruption ? entry.curves[corruption] : entry.standings[family].by_severity;
    return { name: entry.name, points: [entry.clean, ...curve].map(([value, low, high], k) => ({ x: [0, ...board.severities][k], value, low, high })) };
  });
  const what = corruption || (family === "all" ? "mean over all corruptions" : `mean over ${family}`);
  severityChart(at("chart"), { title: `${board.title}: ${what.replaceAll("_", " ")}`, yLabel: board.metric, series });
}

function showFamily() {
  const board = boardOf(), family = at("family-choice").value;
  const options = [new Option("mean of the family", ""), ...board.families[family].map((name) => new Option(name.replaceAll("_", " "), name))];
  at("corruption-choice").replaceChildren(...options);
  showTable();
  showChart();
  history.replaceState(null, "", `#${board.name}/${family}`);
}

const packagesOf = (entry) => Object.entries(entry.packages).map((pair) => pair.join(" ")).join(", ");

function recordOf(entry, board) {
  const link = element("a", { href: entry.link, rel: "nofollow noopener" }, entry.link);
  const facts = [["licence", entry.licence], ["parameters", entry.parameters.toLocaleString("en")], ["training data", entry.training_data],
    ["weights", entry.weights], ["status", entry.status], ...entry.flags.map((flag) => ["flagged", flag]),
    [entry.status === "verified" ? "packages" : "packages, stated by the submitter", packagesOf(entry)], ...(entry.contact ? [["contact", entry.contact]] : []), ...entry.notes.map((note) => ["note", note])];
  const list = element("ul", {}, element("li", {}, link));
  for (const [key, value] of facts) list.append(element("li", {}, `${key}: ${value}`));
  const record = element("a", { href: entry.record }, "per-sample record");
  return element("details", { id: `record-${entry.slug}` }, element("summary", {}, entry.name), list, element("p", {}, record, ", made by"), element("pre", {}, entry.command));
}

function showBoard(family = "all") {
  const board = boardOf();
  at("board-title").textContent = board.title;
  at("board-about").textContent = board.about;
  at("board-facts").textContent = board.facts;
  at("how").textContent = board.how;
  const names = Object.keys(board.families);
  at("family-choice").replaceChildren(...names.map((name) => new Option(`${name} (${board.families[name].length})`, name)));
  at("family-choice").value = names.includes(family) ? family : "all";
  order = { column: "place", descending: false };
  at("curves").hidden = at("records").hidden = !board.entries.length;
  at("record-list").replaceChildren(...board.entries.map((entry) => recordOf(entry, board)));
  const ranked = board.entries.map((entry) => entry.name);
  chosen = ranked.slice(0, 5);
  showFamily();
  chooser(at("models"), "Models", ranked, chosen, (names) => { chosen = names; showChart(); });
}

function openRecord() {
  const target = location.hash.startsWith("#record-") && document.getElementById(location.hash.slice(1));
  if (target) { target.open = true; target.scrollIntoView(); target.querySelector("summary").focus(); }
}

const [name, family] = decodeURIComponent(location.hash.slice(1)).split("/");
if (BOARDS.some((board) => board.name === name)) at("board-choice").value = name;
at("board-choice").addEventListener("change", () => showBoard());
at("family-choice").addEventListener("change", showFamily);
at("corruption-choice").addEventListener("change", showChart);
window.addEventListener("hashchange", openRecord);
showBoard(family);
