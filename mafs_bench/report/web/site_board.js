// A board's page: sorting, searching, curves. The address holds the whole state.
"use strict";

const MOST = 5;
const at = (id) => document.getElementById(id);
const table = at("standing"), body = table.tBodies[0];
const rows = [...body.rows];
const byName = new Map(BOARD.entries.map((entry) => [entry.name, entry]));
const NS = "http://www.w3.org/2000/svg";

const element = (name, attributes = {}, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};
const drawn = (name, attributes = {}, text = "") => {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.textContent = text;
  return node;
};
const shown = (value, digits = 3) => (value === null || value === undefined ? "n/a" : value.toFixed(digits));

// ------------------------------------------------------------------------------------------------ state

const usual = () => ({
  sort: "rank", search: "", cells: "value", family: "all", corruption: "",
  models: BOARD.entries.slice(0, MOST).map((entry) => entry.name), find: "", modality: "",
});
let state = usual();

function readAddress() {
  const asked = new URLSearchParams(location.search || location.hash.slice(1));
  state = usual();
  for (const key of Object.keys(state)) {
    if (!asked.has(key)) continue;
    state[key] = key === "models" ? asked.getAll("models").filter((name) => byName.has(name)).slice(0, MOST) : asked.get(key);
  }
  if (!(state.family in BOARD.families)) state.family = "all";
  if (!BOARD.families[state.family].includes(state.corruption)) state.corruption = "";
}

function address() {
  const asked = new URLSearchParams(), plain = usual();
  for (const [key, value] of Object.entries(state)) {
    if (key === "models") {
      if (value.join("\n") !== plain.models.join("\n")) for (const name of value.length ? value : [""]) asked.append("models", name);
    } else if (value !== plain[key]) asked.set(key, value);
  }
  const text = asked.toString();
  return text ? `#${text}` : "#";
}

function change(part, { typing = false } = {}) {
  Object.assign(state, part);
  history[typing ? "replaceState" : "pushState"](null, "", address());
  show(part);
}

addEventListener("popstate", () => { readAddress(); show(); });
addEventListener("hashchange", () => { readAddress(); show(); });

// ------------------------------------------------------------------------------------------------ table

function sortRows() {
  const [key, backwards] = state.sort.startsWith("-") ? [state.sort.slice(1), true] : [state.sort, false];
  const family = key.startsWith("family:") ? key.slice(7) : null;
  const number = (text) => (text === "" || text === undefined ? -Infinity : Number(text));
  const value = (row) => {
    if (key === "rank") return -Number(row.dataset.rank);
    if (family) return number(row.querySelector(`[data-family="${CSS.escape(family)}"]`)?.dataset.value);
    return number(row.dataset[`${key}Value`]);
  };
  const compare = key === "model"
    ? (a, b) => a.dataset.model.localeCompare(b.dataset.model)
    : (a, b) => value(b) - value(a) || a.dataset.rank - b.dataset.rank;
  const ordered = [...rows].sort(compare);
  if (backwards) ordered.reverse();
  body.append(...ordered);
  table.classList.toggle("sorted", state.sort !== "rank");
  for (const button of table.querySelectorAll("thead button")) {
    const heading = button.closest("th");
    heading.removeAttribute("aria-sort");
    if (button.dataset.sort === key) heading.setAttribute("aria-sort", backwards ? "descending" : "ascending");
  }
}

for (const button of table.querySelectorAll("thead button")) {
  button.addEventListener("click", () => {
    const key = button.dataset.sort;
    change({ sort: state.sort === key ? `-${key}` : key });
  });
}

function filterRows() {
  const wanted = state.search.trim().toLowerCase();
  let found = 0;
  for (const row of rows) {
    row.hidden = wanted !== "" && !row.dataset.model.toLowerCase().includes(wanted);
    found += row.hidden ? 0 : 1;
  }
  at("status").textContent = wanted ? `${found} of ${rows.length} models` : "";
}
at("search").addEventListener("input", (event) => change({ search: event.target.value }, { typing: true }));
for (const radio of document.querySelectorAll("input[name=cells]")) {
  radio.addEventListener("change", () => change({ cells: radio.value }));
}

// ------------------------------------------------------------------------------------------------ curves

function points(entry, family, corruption) {
  const cells = corruption ? entry.curves[corruption] : entry.families[family];
  const graded = BOARD.severities.map((severity, k) => [severity, ...(cells?.[k] ?? [null, null, null])]);
  return [[0, ...entry.clean], ...graded].filter(([, value]) => value !== null);
}

const colour = (name) => `var(--c${state.models.indexOf(name) % MOST})`;

function drawChart(host, { family, corruption, title, small }) {
  const width = small ? 130 : 560, height = small ? 84 : 330;
  const left = small ? 4 : 36, right = small ? 4 : 170, top = 8, bottom = small ? 4 : 34;
  const lines = BOARD.entries.map((entry) => ({ name: entry.name, points: points(entry, family, corruption) })).filter((line) => line.points.length);
  const highest = Math.max(1e-9, ...lines.flatMap((line) => line.points.flatMap(([, value, , high]) => [value, high ?? value])));
  const ceiling = highest <= 1 ? 1 : highest * 1.05;
  const last = BOARD.severities.at(-1);
  const x = (severity) => left + (severity / last) * (width - left - right);
  const y = (value) => top + (1 - Math.max(value, 0) / ceiling) * (height - top - bottom);
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}: ${lines.filter((l) => state.models.includes(l.name)).map((l) => `${l.name} ${shown(l.points.at(-1)[1])} at severity ${l.points.at(-1)[0]}`).join("; ")}` });
  for (let k = 0; k <= 5; k += small ? 5 : 1) {
    const value = (ceiling * k) / 5;
    svg.append(drawn("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }));
    if (!small) svg.append(drawn("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(1)));
  }
  if (!small) {
    for (const severity of [0, ...BOARD.severities]) svg.append(drawn("text", { x: x(severity), y: height - bottom + 16, "text-anchor": "middle" }, severity === 0 ? "clean" : `${severity}`));
    svg.append(drawn("text", { x: (left + width - right) / 2, y: height - 3, "text-anchor": "middle" }, "severity"));
  }
  const path = (line) => `M${line.points.map(([severity, value]) => `${x(severity).toFixed(1)} ${y(value).toFixed(1)}`).join("L")}`;
  for (const line of lines.filter((one) => !state.models.includes(one.name))) {
    const node = drawn("path", { class: "other", d: path(line) });
    node.append(drawn("title", {}, line.name));
    node.addEventListener("click", () => toggle(line.name));
    svg.append(node);
  }
  const chosen = lines.filter((one) => state.models.includes(one.name));
  chosen.forEach((line, k) => {
    if (!small) {
      for (const [severity, , low, high] of line.points) {
        if (low === null) continue;
        const place = x(severity) + (k - (chosen.length - 1) / 2) * 4;
        svg.append(drawn("line", { x1: place, x2: place, y1: y(low), y2: y(high), stroke: colour(line.name), "stroke-width": 1.2, opacity: 0.75 }));
      }
    }
    svg.append(drawn("path", { class: "curve", d: path(line), stroke: colour(line.name), "stroke-width": small ? 1.4 : 2 }));
    if (!small) for (const [severity, value] of line.points) svg.append(drawn("circle", { cx: x(severity), cy: y(value), r: 3, fill: colour(line.name) }));
  });
  if (!small) labels(svg, chosen, x(last) + 8, y, top, height - bottom);
  host.replaceChildren();
  return svg;
}

// Names at the ends of their lines, moved apart where they would overlap.
function labels(svg, lines, left, y, top, bottom) {
  const placed = lines.map((line) => ({ name: line.name, value: line.points.at(-1)[1], y: y(line.points.at(-1)[1]) })).sort((a, b) => a.y - b.y);
  for (let k = 1; k < placed.length; k += 1) placed[k].y = Math.max(placed[k].y, placed[k - 1].y + 14);
  const excess = placed.length ? placed.at(-1).y - bottom : 0;
  if (excess > 0) for (const label of placed) label.y = Math.max(top, label.y - excess);
  for (const label of placed) {
    const short = label.name.length > 18 ? `${label.name.slice(0, 17)}…` : label.name;
    const text = drawn("text", { x: left, y: label.y + 4, class: "name" });
    text.style.fill = colour(label.name);
    text.append(drawn("tspan", {}, short), drawn("tspan", { "font-weight": 400 }, ` ${shown(label.value)}`));
    svg.append(text);
  }
}

function saved(svg) {
  const copy = svg.cloneNode(true);
  const style = getComputedStyle(document.documentElement);
  const text = new XMLSerializer().serializeToString(copy).replace(/var\((--[a-z0-9]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
  const css = `text{font:12px sans-serif;fill:${style.getPropertyValue("--soft")}}.grid{stroke:${style.getPropertyValue("--line")}}.other{fill:none;stroke:${style.getPropertyValue("--grey")}}.curve{fill:none}`;
  return text.replace(/<svg([^>]*)>/, `<svg xmlns="${NS}"$1><style>${css}</style>`);
}

function download(name, content, kind) {
  const link = element("a", { href: URL.createObjectURL(new Blob([content], { type: kind })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function saveButtons(svg, name) {
  const asSvg = element("button", { type: "button", class: "save" }, "SVG");
  asSvg.addEventListener("click", () => download(`${name}.svg`, saved(svg), "image/svg+xml"));
  const asPng = element("button", { type: "button", class: "save" }, "PNG");
  asPng.addEventListener("click", () => {
    const image = new Image(), box = svg.viewBox.baseVal;
    image.onload = () => {
      const canvas = element("canvas");
      [canvas.width, canvas.height] = [box.width * 2, box.height * 2];
      const context = canvas.getContext("2d");
      context.fillStyle = getComputedStyle(document.body).backgroundColor;
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => download(`${name}.png`, blob, "image/png"));
    };
    image.src = `data:image/svg+xml,${encodeURIComponent(saved(svg))}`;
  });
  return [asPng, asSvg];
}

function showCurves() {
  const what = state.corruption || state.family;
  const title = `${BOARD.metric}: ${what === "all" ? "all corruptions" : what.replaceAll("_", " ")}, by severity`;
  const host = at("main-chart");
  const svg = drawChart(host, { family: state.family, corruption: state.corruption, title });
  host.append(element("figcaption", {}, title, ...saveButtons(svg, `${BOARD.board}-${what}`)), svg);
  const grid = at("multiples");
  grid.replaceChildren();
  for (const family of Object.keys(BOARD.families).filter((name) => name !== "all")) {
    const figure = element("figure");
    const small = drawChart(figure, { family, corruption: "", title: family, small: true });
    const button = element("button", { type: "button" }, `${family} `, element("small", {}, `${BOARD.families[family].length}`));
    button.addEventListener("click", () => change({ family, corruption: "" }));
    figure.append(button, small);
    grid.append(figure);
  }
}

function toggle(name) {
  const chosen = state.models.includes(name) ? state.models.filter((one) => one !== name) : [...state.models, name].slice(-MOST);
  change({ models: chosen });
}

function showModels() {
  const host = at("models");
  const focused = document.activeElement?.dataset?.chip;
  host.replaceChildren();
  for (const entry of BOARD.entries) {
    const pressed = state.models.includes(entry.name);
    const chip = element("button", { type: "button", "aria-pressed": `${pressed}`, "data-chip": entry.name }, entry.name);
    if (pressed) chip.style.color = colour(entry.name);
    chip.addEventListener("click", () => toggle(entry.name));
    host.append(chip);
    if (entry.name === focused) chip.focus();
  }
}

function fill(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
  select.value = chosen;
}

function showFamilies() {
  fill(at("family"), Object.keys(BOARD.families).map((name) => [name, name === "all" ? "all corruptions" : name]), state.family);
  fill(at("corruption"), [["", "mean of the family"], ...BOARD.families[state.family].map((name) => [name, name.replaceAll("_", " ")])], state.corruption);
}

function showChoices() {
  at("search").value = state.search;
  at("corruption-search").value = state.find;
  at("modality").value = state.modality;
  for (const radio of document.querySelectorAll("input[name=cells]")) radio.checked = radio.value === state.cells;
  table.classList.toggle("show-lost", state.cells === "lost");
}
at("family").addEventListener("change", (event) => change({ family: event.target.value, corruption: "" }));
at("corruption").addEventListener("change", (event) => change({ corruption: event.target.value }));

// ------------------------------------------------------------------------------------------------ corruptions

function showCorruptions() {
  const host = at("corruption-table");
  const families = Object.entries(BOARD.families).filter(([name]) => name !== "all");
  const mean = (entry, name) => {
    const scored = (entry.curves[name] ?? []).map(([value]) => value).filter((value) => value !== null);
    return scored.length ? scored.reduce((a, b) => a + b, 0) / scored.length : null;
  };
  const wanted = state.find.trim().toLowerCase();
  const header = element("tr", {}, ...["corruption", "family"].map((text) => element("th", { scope: "col" }, text)), ...state.models.map((name) => {
    const heading = element("th", { scope: "col", class: "number" }, name);
    heading.style.color = colour(name);
    return heading;
  }));
  const lines = families.flatMap(([family, names]) => names.map((name) => ({ family, name })))
    .filter(({ family, name }) => (!wanted || `${name.replaceAll("_", " ")} ${name} ${family}`.includes(wanted)) && (!state.modality || (BOARD.modalities[name] ?? "pair") === state.modality))
    .map(({ family, name }) => element("tr", {}, element("th", { scope: "row" }, name.replaceAll("_", " ")), element("td", {}, family),
      ...state.models.map((model) => {
        const entry = byName.get(model), value = mean(entry, name), clean = entry.clean[0];
        const cell = element("td", { class: "number" }, shown(value));
        const lost = value === null || !clean ? 0 : Math.min(Math.max(1 - value / clean, 0), 1);
        cell.style.background = `rgb(var(--heat) / ${(lost * 0.55).toFixed(3)})`;
        return cell;
      })));
  host.replaceChildren(element("caption", {}, `${BOARD.metric}, mean over severities, of the highlighted models`), element("thead", {}, header), element("tbody", {}, ...lines));
}
at("corruption-search").addEventListener("input", (event) => change({ find: event.target.value }, { typing: true }));
at("modality").addEventListener("change", (event) => change({ modality: event.target.value }));

// ------------------------------------------------------------------------------------------------ buttons

at("copy-link").addEventListener("click", () => copyText(location.href, "Link copied"));
at("download-json").addEventListener("click", () => download(`${BOARD.board}.json`, JSON.stringify(BOARD), "application/json"));
at("cite").addEventListener("click", () => copyText(
  `@misc{mafs-bench-${BOARD.board},\n  title = {mafs-bench leaderboard: ${BOARD.title}},\n  howpublished = {\\url{${location.href.split(/[?#]/)[0]}}},\n  note = {accessed ${new Date().toISOString().slice(0, 10)}}\n}`,
  "BibTeX copied",
));

// What is drawn anew depends on what changed: a letter typed into a search draws no curves.
function show(part = state) {
  const changed = (...keys) => keys.some((key) => key in part);
  showChoices();
  if (changed("family", "corruption")) showFamilies();
  if (changed("sort")) sortRows();
  if (changed("search")) filterRows();
  if (changed("models")) showModels();
  if (changed("models", "family", "corruption")) showCurves();
  if (changed("models", "find", "modality")) showCorruptions();
}
readAddress();
show();
