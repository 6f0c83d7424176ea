// The report of one or several runs: curves, heat map and fusion weights of the chosen run, task and metric.
"use strict";

const at = (id) => document.getElementById(id);
const plain = (name) => name.replaceAll("_", " ");
const runOf = () => RUNS[Number(at("run-choice").value)];
const taskOf = () => runOf().tasks[at("task-choice").value];
const curvesOf = () => taskOf().metrics[at("metric-choice").value];
const points = (curve) => curve.map(([x, value, low, high]) => ({ x, value, low, high }));

function fill(select, names, wanted) {
  const kept = names.includes(wanted) ? wanted : names[0];
  select.replaceChildren(...names.map((name) => new Option(plain(name), name)));
  select.value = kept;
}

// Corruptions of a task, those first that leave least of the metric.
function hardestFirst(curves) {
  const mean = (curve) => {
    const values = curve.filter(([x, v]) => x > 0 && v !== null).map(([, v]) => v);
    return values.length ? values.reduce((a, b) => a + b, 0) / values.length : Infinity;
  };
  return Object.keys(curves).sort((a, b) => mean(curves[a]) - mean(curves[b]));
}

// Corruptions that most runs have come first, so that the runs can be seen side by side.
function mostShared(names) {
  const count = (name) => RUNS.filter((run) => run.tasks[at("task-choice").value]?.corruptions.includes(name)).length;
  return names.toSorted((a, b) => count(b) - count(a));
}

function showCorruptions(names) {
  showFusion(names);
  const curves = curvesOf();
  const series = names.map((name) => ({ name: plain(name), points: points(curves[name]) }));
  severityChart(at("by-corruption"), { title: `${runOf().title}: ${at("task-choice").value}`, yLabel: at("metric-choice").value, series });
}

function showRuns() {
  if (!at("by-run")) return;
  const task = at("task-choice").value, metric = at("metric-choice").value, corruption = at("corruption-choice").value;
  const series = RUNS.filter((run) => run.tasks[task]?.metrics[metric]?.[corruption])
    .map((run) => ({ name: run.title, points: points(run.tasks[task].metrics[metric][corruption]) }));
  severityChart(at("by-run"), { title: `${task} under ${plain(corruption)}, run by run`, yLabel: metric, series });
}

function field(value, clean) {
  if (value === null || value === undefined) return element("td", { class: "number unscored" }, "n/a");
  const cell = element("td", { class: "number heat" }, shown(value));
  const lost = clean ? Math.max(0, Math.min(1, (clean - value) / Math.abs(clean))) : 0;
  cell.style.setProperty("--lost", `${Math.round(70 * lost)}%`);
  return cell;
}

function showHeatMap() {
  const curves = curvesOf(), severities = runOf().severities;
  const head = ["corruption", "clean", ...severities].map((name, k) => element("th", { scope: "col", class: k ? "number" : "" }, `${name}`));
  const body = element("tbody");
  for (const name of hardestFirst(curves)) {
    const by = Object.fromEntries(curves[name].map(([x, value]) => [x, value]));
    const fields = [0, ...severities].map((severity) => field(by[severity], by[0]));
    const header = element("th", { scope: "row" }, plain(name));
    if (runOf().apart.includes(name)) header.append(element("span", { class: "range" }, "changes the meaning"));
    body.append(element("tr", {}, header, ...fields));
  }
  at("heat-map").replaceChildren(element("table", {}, element("thead", {}, element("tr", {}, ...head)), body));
}

function showFusion(names) {
  const weights = runOf().fusion[at("task-choice").value];
  at("fusion-section").hidden = at("fusion-link").hidden = !weights;
  if (!weights) return;
  at("fusion-charts").replaceChildren();
  for (const [weight, curves] of Object.entries(weights)) {
    const host = at("fusion-charts").appendChild(element("figure"));
    const series = names.filter((name) => curves[name]).map((name) => ({ name: plain(name), points: points(curves[name]) }));
    severityChart(host, { title: `${at("task-choice").value}: mean ${weight}`, yLabel: weight, series });
  }
}

function showMetric() {
  const curves = curvesOf(), names = hardestFirst(curves);
  if (at("corruption-choice")) fill(at("corruption-choice"), mostShared(names), at("corruption-choice").value);
  chooser(at("corruptions"), "Corruptions, hardest first", names, names.slice(0, 6), showCorruptions);
  showRuns();
  showHeatMap();
}

function showTask() {
  const task = taskOf();
  fill(at("metric-choice"), Object.keys(task.metrics), task.primary);
  showMetric();
}

function showRun() {
  fill(at("task-choice"), Object.keys(runOf().tasks), at("task-choice").value);
  showTask();
}

at("run-choice").addEventListener("change", showRun);
at("task-choice").addEventListener("change", showTask);
at("metric-choice").addEventListener("change", showMetric);
at("corruption-choice")?.addEventListener("change", showRuns);
showRun();
