"use strict";

// Everything that was sent to the sandbox gets into the page as text, never
// as markup.

const $ = (id) => document.getElementById(id);
const colors = ["#3b6fe0", "#e08a2e", "#2f9e77", "#c94f7c", "#8a63d2", "#3aa5c4", "#a3a12b", "#8b93a5"];
const number = new Intl.NumberFormat("en-US");
const count = (n) => number.format(n).replaceAll(",", "\u202f");
const chart = { mode: "live", live: null, days: null };
let shown = null; // the Amplitude ID whose events are shown
let next = [];

function el(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "color") e.style.background = value;
    else if (name === "width") e.style.width = value;
    else if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
    else e.setAttribute(name, value);
  }
  e.append(...children);
  return e;
}

function svg(tag, attributes, text) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  if (text !== undefined) e.textContent = text;
  return e;
}

function bytes(n) {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (n >= size) return (n / size).toFixed(n < 10 * size ? 1 : 0) + " " + unit;
  }
  return n + " B";
}

const stamp = (ms) => new Date(ms).toISOString().replace("T", " ").slice(0, 19);

async function ask(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(answer.status);
  return answer.json();
}

// The figures, once a second.

async function refresh() {
  try {
    if (!document.hidden) show(await ask("/debug/stats"));
    $("link").className = "dot";
    $("link").setAttribute("aria-label", "connected");
  } catch {
    $("link").className = "dot off";
    $("link").setAttribute("aria-label", "the sandbox does not answer");
  }
  setTimeout(refresh, 1000);
}

function show(s) {
  const t = s.totals;
  $("now").textContent = stamp(s.now) + " UTC";
  $("rate").textContent = count(Math.round(s.rate));
  $("peak").textContent = "best second of the last two minutes: " + count(s.peak);
  $("accepted").textContent = count(t.accepted);
  $("duplicates").textContent = count(t.duplicates) + " of them duplicates";
  $("people").textContent = count(t.people);
  $("ids").textContent = count(t.users) + " users, " + count(t.devices) + " devices";
  $("types").textContent = count(t.event_types);
  $("names").textContent = count(t.event_properties) + " event, " + count(t.user_properties) + " user properties";
  $("stored").textContent = bytes(t.stored_bytes);
  $("packed").textContent = s.events ? "for " + bytes(t.stored_line_bytes) + " of events" : "only the ledger is kept";
  $("faults").hidden = !s.faults;
  $("faults").textContent = $("faults").title = s.faults;
  $("scale").hidden = s.scale === 1;
  $("scale").textContent = "time × " + s.scale;
  $("search").hidden = !s.events;
  showAnswers(s.answers);
  chart.live = s.live;
  chart.days = s.days;
  draw();
  if (!$("q").value.trim()) showPeople("Newest", s.newest);
}

const meanings = {
  200: "taken", 400: "refused", 403: "forbidden", 405: "wrong method", 408: "timed out", 413: "too large", 415: "wrong content type", 429: "throttled",
  500: "server error", 502: "bad gateway", 503: "unavailable", 504: "gateway timed out",
  reset: "connection", truncated: "answer", hanging: "without an answer",
};

function showAnswers(answers) {
  const all = Object.entries(answers).sort((a, b) => b[1] - a[1]);
  const total = all.reduce((sum, [, n]) => sum + n, 0);
  $("answers").replaceChildren(...all.map(([how, n]) =>
    el("li", { class: how === "200" ? "ok" : how === "429" ? "wait" : "" },
      el("span", {}, el("b", {}, how), " " + (meanings[how] || "")), el("span", {}, count(n)),
      el("div", { class: "bar" }, el("i", { width: Math.max(100 * n / total, 1) + "%" })))));
  $("requests").textContent = total ? count(total) + " requests since the start" : "no requests yet";
}

// The plot: stacked columns in SVG.

function nice(most) {
  const power = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return [1, 2, 2.5, 5, 10].map((f) => f * power).find((v) => v >= most) || 10 * power;
}

const when = (seconds) => chart.mode === "days" ? stamp(1000 * seconds).slice(0, 10) : new Date(1000 * seconds).toLocaleTimeString("en-GB");

function draw(at) {
  const c = chart[chart.mode], plot = $("plot");
  const series = (c && c.series) || [], x = (c && c.x) || [];
  const width = plot.clientWidth || 800, height = 250, left = 44, bottom = 22, top = 6;
  const sums = x.map((_, i) => series.reduce((sum, s) => sum + s.values[i], 0));
  const most = nice(Math.max(1, ...sums));
  const high = height - bottom - top, step = (width - left) / Math.max(x.length, 1);
  const parts = [];
  for (const share of [0, .25, .5, .75, 1]) {
    const y = top + high * (1 - share);
    parts.push(svg("line", { class: "grid", x1: left, x2: width, y1: y, y2: y }));
    if (most * share % 1 === 0) parts.push(svg("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, short(most * share)));
  }
  const base = x.map(() => 0), gap = step > 4 ? 1 : 0;
  series.forEach((s, k) => {
    let path = "";
    s.values.forEach((v, i) => {
      if (!v) return;
      const y = top + high * (1 - (base[i] + v) / most), h = high * v / most;
      path += `M${(left + i * step).toFixed(1)} ${y.toFixed(1)}h${(step - gap).toFixed(1)}v${h.toFixed(1)}h${(gap - step).toFixed(1)}z`;
      base[i] += v;
    });
    if (path) parts.push(svg("path", { d: path, fill: colors[k % colors.length] }));
  });
  const labels = Math.min(6, x.length);
  for (let n = 0; n < labels; n++) {
    const i = labels === 1 ? 0 : Math.round(n * (x.length - 1) / (labels - 1));
    parts.push(svg("text", { x: left + (i + .5) * step, y: height - 4, "text-anchor": n === 0 ? "start" : n === labels - 1 ? "end" : "middle" }, when(x[i])));
  }
  plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
  plot.replaceChildren(...parts);
  $("legend").replaceChildren(...series.map((s, k) =>
    el("li", { title: s.name }, el("i", { class: "swatch", color: colors[k % colors.length] }), el("span", {}, s.name), el("em", {}, count(s.total)))));
  if (at !== undefined) chart.at = at;
  tip(series, x, sums, left, step, width);
}

const short = (n) => n >= 1e6 ? n / 1e6 + "M" : n >= 1e4 ? n / 1e3 + "k" : count(n);

function tip(series, x, sums, left, step, width) {
  const i = chart.at === null || chart.at === undefined ? -1 : Math.floor((chart.at - left) / step);
  $("tip").hidden = !(i >= 0 && i < x.length);
  if ($("tip").hidden) return;
  const middle = left + (i + .5) * step;
  $("plot").append(svg("line", { class: "cursor", x1: middle, x2: middle, y1: 6, y2: 228 }));
  $("tip").replaceChildren(el("b", {}, when(x[i]) + " · " + count(sums[i])), ...series.flatMap((s, k) => s.values[i] ?
    [el("div", {}, el("i", { class: "swatch", color: colors[k % colors.length] }), el("span", {}, s.name), count(s.values[i]))] : []));
  $("tip").style.left = middle < width / 2 ? middle + 12 + "px" : "";
  $("tip").style.right = middle < width / 2 ? "" : width - middle + 12 + "px";
}

$("plot").addEventListener("mousemove", (e) => draw(e.clientX - $("plot").getBoundingClientRect().left));
$("plot").addEventListener("mouseleave", () => draw(null));
for (const mode of ["live", "days"]) {
  $("tab-" + mode).addEventListener("click", () => {
    chart.mode = mode;
    for (const other of ["live", "days"]) $("tab-" + other).setAttribute("aria-selected", other === mode);
    draw(null);
  });
}
window.addEventListener("resize", () => draw(null));

// People.

function showPeople(title, people) {
  $("found-title").textContent = title;
  $("found").replaceChildren(...people.map((p) => el("li", {},
    el("button", { "aria-current": p.amplitude_id === shown, onclick: () => look(p.amplitude_id) },
      el("b", {}, p.user_id || p.device_id || "group"),
      el("small", {}, (p.user_id ? "" : "anonymous, ") + count(p.events) + (p.events === 1 ? " event" : " events"))))));
}

$("find").addEventListener("submit", async (e) => {
  e.preventDefault();
  const q = $("q").value.trim();
  if (!q) return;
  const { people } = await ask("/debug/people?q=" + encodeURIComponent(q));
  showPeople(people.length ? "Found" : "Nobody has this id", people);
  if (people.length) look(people[0].amplitude_id);
});

async function look(id, from) {
  const answer = await ask("/debug/events?amplitude_id=" + id + (from ? "&next=" + from.join(",") : ""));
  const p = answer.person;
  shown = id;
  next = answer.next;
  location.hash = "person=" + id;
  for (const b of $("found").querySelectorAll("button")) b.setAttribute("aria-current", false);
  $("hint").hidden = true;
  $("person").hidden = false;
  $("who").textContent = p.user_id || p.device_id || "a group";
  const facts = [["Amplitude ID", [p.amplitude_id, ...p.merged_amplitude_ids.map((m) => "+ " + m)].join(" ")], ["devices", p.device_ids.join(", ") || "none"], ["events", count(p.events)]];
  if (p.events) facts.push(["new at", stamp(p.first)], ["last event", stamp(p.last)]);
  $("facts").replaceChildren(...facts.flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, String(v))]));
  $("properties").replaceChildren(...rowsOf(p.user_properties));
  if (!$("properties").children.length) $("properties").append(el("tr", {}, el("td", {}, "none that were synced")));
  if (!from) $("stream").replaceChildren();
  $("stream").append(...answer.events.map(eventOf));
  $("more").hidden = !next.length;
}

const rowsOf = (object) => Object.entries(object).map(([k, v]) => el("tr", {}, el("td", {}, k), el("td", {}, typeof v === "string" ? v : JSON.stringify(v))));

function eventOf({ row }) {
  const quiet = row.event_type.startsWith("$");
  const some = Object.entries(row.event_properties).slice(0, 3).map(([k, v]) => k + ": " + (typeof v === "string" ? v : JSON.stringify(v))).join(" · ");
  const detail = ["event_properties", "user_properties", "groups", "group_properties"].filter((k) => Object.keys(row[k]).length)
    .flatMap((k) => [el("h5", {}, k.replaceAll("_", " ")), el("table", {}, ...rowsOf(row[k]))]);
  const rest = Object.fromEntries(Object.entries(row).filter(([, v]) => v !== null && typeof v !== "object"));
  return el("li", { class: quiet ? "quiet" : "" }, el("details", {},
    el("summary", {}, el("b", {}, row.event_type), el("small", {}, some), el("time", {}, row.event_time.slice(0, 19))),
    ...detail, el("h5", {}, "the rest"), el("table", {}, ...rowsOf(rest))));
}

$("more").addEventListener("click", () => look(shown, next));

const asked = /^#person=(\d+)$/.exec(location.hash);
if (asked) look(Number(asked[1]));
refresh();
