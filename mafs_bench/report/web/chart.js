// Severity curves with interval bands, as SVG. No library, nothing fetched.
// series: [{name, points: [{x, value, low, high}]}], null where nothing could be scored.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const MARKS = [
  "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0", "M-3-3H3V3H-3Z", "M0-4.4L4.4 0L0 4.4L-4.4 0Z", "M0-4L4 3.4H-4Z",
  "M0 4L4-3.4H-4Z", "M-4-1.2H-1.2V-4H1.2V-1.2H4V1.2H1.2V4H-1.2V1.2H-4Z", "M-4-2L-2-4L0-2L2-4L4-2L2 0L4 2L2 4L0 2L-2 4L-4 2L-2 0Z",
  "M0-5L1.4-1.6L5-1.5L2.2.8L3.1 4.2L0 2.3L-3.1 4.2L-2.2.8L-5-1.5L-1.4-1.6Z",
];

// Axes span this much at least: a flat curve must look flat, and its ticks must fit beside it.
const NARROWEST = 0.1;

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function drawn(name, attributes = {}) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

const shown = (value, digits = 3) => (value === null || value === undefined ? "n/a" : value.toFixed(digits));

const withRange = ([value, low, high], digits = 3) =>
  value === null || low === null ? shown(value, digits) : `${shown(value, digits)} [${shown(low, digits)}, ${shown(high, digits)}]`;

function niceTicks(low, high) {
  const span = high - low || 1;
  const rough = span / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((k) => k * power).find((k) => k >= rough);
  let digits = 0;
  while (Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-9) digits += 1;
  const ticks = [];
  for (let tick = Math.ceil(low / step - 1e-9) * step; tick <= high + 1e-9; tick += step) ticks.push(Number(tick.toFixed(10)));
  return { ticks, digits };
}

// Fill `host` (a figure) with a chart and its legend, and draw it anew when its width changes.
function severityChart(host, content) {
  host.content = content;
  host.watch ??= new ResizeObserver(() => {
    if (Math.abs(host.drawnFor - host.clientWidth) > 8) drawChart(host, host.content);
  });
  host.watch.observe(host);
  drawChart(host, content);
}

// Arrow keys, pointer and tap move the reading line.
function drawChart(host, { title, yLabel, series }) {
  host.drawnFor = host.clientWidth;
  const width = Math.max(260, Math.min(760, host.clientWidth - 24));
  const height = Math.round(170 + 0.22 * width), left = 46, right = 14, top = 10, bottom = 36;
  const points = series.flatMap((one) => one.points);
  const numbers = points.flatMap((p) => [p.value, p.low, p.high]).filter((v) => v !== null && v !== undefined);
  const steps = [...new Set(points.map((p) => p.x))].sort((a, b) => a - b);
  host.replaceChildren(element("figcaption", {}, title));
  if (!numbers.length) {
    host.append(element("p", { class: "soft" }, "Nothing is chosen, or nothing could be scored."));
    return;
  }
  const middle = (Math.min(...numbers) + Math.max(...numbers)) / 2;
  const least = Math.min(...numbers, middle - NARROWEST / 2), most = Math.max(...numbers, middle + NARROWEST / 2);
  const room = (most - least) * 0.06;
  const floor = Math.min(...numbers) >= 0 ? Math.max(0, least - room) : least - room, ceiling = most + room;
  const x = (s) => left + ((s - steps[0]) / (steps.at(-1) - steps[0] || 1)) * (width - left - right);
  const y = (v) => top + ((ceiling - v) / (ceiling - floor)) * (height - top - bottom);
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const write = (text, attributes) => {
    const node = drawn("text", attributes);
    node.textContent = text;
    svg.append(node);
  };
  const { ticks, digits } = niceTicks(floor, ceiling);
  for (const tick of ticks) {
    svg.append(drawn("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }));
    write(tick.toFixed(digits), { x: left - 6, y: y(tick) + 4, "text-anchor": "end" });
  }
  for (const step of steps) write(step === 0 ? "clean" : `${step}`, { x: x(step), y: height - bottom + 17, "text-anchor": "middle" });
  write(`severity (up: ${yLabel})`, { x: (left + width - right) / 2, y: height - 3, "text-anchor": "middle" });
  const cursor = drawn("line", { class: "cursor", y1: top, y2: height - bottom });
  svg.append(cursor);

  series.forEach((one, k) => {
    const colour = `var(--c${k % 8})`;
    const scored = one.points.filter((p) => p.value !== null);
    const banded = scored.filter((p) => p.low !== null);
    if (banded.length > 1) {
      const edge = [...banded.map((p) => [p.x, p.high]), ...banded.toReversed().map((p) => [p.x, p.low])];
      svg.append(drawn("path", { class: "band", fill: colour, d: `M${edge.map(([s, v]) => `${x(s)} ${y(v)}`).join("L")}Z` }));
    }
    const line = drawn("path", { class: "curve", d: `M${scored.map((p) => `${x(p.x)} ${y(p.value)}`).join("L")}` });
    line.style.stroke = colour;
    svg.append(line);
    for (const p of scored) svg.append(drawn("path", { fill: colour, d: MARKS[k % 8], transform: `translate(${x(p.x)} ${y(p.value)})` }));
  });

  const readout = element("p", { class: "soft", role: "status" });
  const values = series.map(() => element("span", { class: "value" }));
  const legend = element("ul", { class: "legend" });
  series.forEach((one, k) => {
    const swatch = drawn("svg", { viewBox: "-7 -5 14 10", "aria-hidden": "true" });
    swatch.append(drawn("path", { d: MARKS[k % 8], fill: `var(--c${k % 8})` }));
    legend.append(element("li", {}, swatch, element("span", {}, one.name), values[k]));
  });

  let place = steps.length - 1;
  const read = (index) => {
    place = Math.max(0, Math.min(steps.length - 1, index));
    const step = steps[place];
    cursor.setAttribute("x1", x(step));
    cursor.setAttribute("x2", x(step));
    readout.textContent = step === 0 ? "Clean" : `Severity ${step}`;
    series.forEach((one, k) => {
      const point = one.points.find((p) => p.x === step);
      values[k].textContent = point ? withRange([point.value, point.low, point.high]) : "not run";
    });
  };
  const plot = element("div", {
    class: "plot", tabindex: "0", role: "slider", "aria-label": `${title}: severity`, "aria-valuemin": steps[0], "aria-valuemax": steps.at(-1),
  });
  const announce = () => {
    plot.setAttribute("aria-valuenow", steps[place]);
    const spoken = series.map((one, k) => `${one.name} ${values[k].textContent}`).join("; ");
    plot.setAttribute("aria-valuetext", `${readout.textContent}: ${spoken}`);
  };
  const move = (index) => { read(index); announce(); };
  plot.addEventListener("keydown", (event) => {
    const jump = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, Home: -99, End: 99 }[event.key];
    if (jump === undefined) return;
    event.preventDefault();
    move(place + jump);
  });
  const follow = (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * width;
    const distance = steps.map((step) => Math.abs(x(step) - at));
    move(distance.indexOf(Math.min(...distance)));
  };
  plot.addEventListener("pointermove", follow);
  plot.addEventListener("pointerdown", follow);
  plot.append(svg);
  host.append(plot, readout, legend);
  move(steps.length - 1);
}

// A group of checkboxes of which at most eight may be chosen; calls back with the chosen names.
function chooser(host, label, names, chosen, changed) {
  const most = 8;
  const set = new Set(chosen);
  const fieldset = element("fieldset", {}, element("legend", {}, `${label} (up to ${most})`));
  const choices = element("div", { class: "choices" });
  for (const name of names) {
    const box = element("input", { type: "checkbox" });
    box.checked = set.has(name);
    box.addEventListener("change", () => {
      if (box.checked && set.size >= most) { box.checked = false; return; }
      box.checked ? set.add(name) : set.delete(name);
      changed(names.filter((one) => set.has(one)));
    });
    choices.append(element("label", {}, box, name.replaceAll("_", " ")));
  }
  fieldset.append(choices);
  host.replaceChildren(fieldset);
  changed(names.filter((one) => set.has(one)));
}
