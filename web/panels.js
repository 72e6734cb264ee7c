// The parts of the page, each drawn from what the API says.

import { el, keep, outside, say, since } from "./dom.js";
import { METRIC_ORDER, clock, doing, seen, share, span, title } from "./format.js";

const at = (id) => document.getElementById(id);
const BARS = new Set(["cpu_usage", "memory_usage", "swap_usage", "disk_usage"]);
const STATES = { healthy: "healthy", failing: "failing", unknown: "unknown", no_data: "no data yet" };

/** How many decisions the timeline shows. */
export const TIMELINE_ROWS_MAX = 200;

/** The header and the crew. */
export function drawStatus(status) {
  const ready = at("ready");
  const late = status.agents.filter((agent) => agent.state !== "healthy");
  const trouble = late.map((agent) => `${agent.name} is ${agent.state}`).join(", ");
  say(ready, status.ready ? "Ready" : `Not ready: ${trouble || status.storage || "starting"}`);
  ready.className = `badge ${status.ready ? "healthy" : "failing"}`;
  at("mode").hidden = status.mode !== "dry_run";
  at("storage").hidden = status.storage === null;
  if (status.storage !== null) say(at("storage"), `The journal cannot be written: ${status.storage}`);
  say(at("version"), `Nightcrew ${status.version}, ${status.position} decisions, ${status.playbooks} playbooks`);
  keep(at("agents-list"), status.agents.map(({ name, state, last_error }) => ({ name, state, last_error })),
    (agent) => agent.name,
    (agent) => el("li", { title: agent.last_error },
      el("span", { class: `dot ${agent.state === "healthy" ? "healthy" : "failing"}`, "aria-hidden": "true" }),
      outside("span", "", agent.name), " ", el("span", { class: "quiet" }, agent.state)));
}

/** How well the crew heals; nothing until that was looked at. */
export function drawHealing(score) {
  at("healing").hidden = score === null;
  if (score === null) return;
  const took = ({ count, mean_ms: mean }) => (mean === null ? "nothing yet" : `${span(mean)} on average, of ${count}`);
  const rate = score.success_rate === null ? "nothing ran yet"
    : `${share(score.success_rate)} (${score.verified} of ${score.runs} proven)`;
  const repeating = score.repeating.map(({ key, times, incident }) => `${key} (${times} times in 7 days, last ${incident})`);
  const rows = [
    ["Repairs that held", rate],
    ["Time to repair", took(score.repair)],
    ["Time to a person", took(score.acknowledge)],
    ["Repeating: look for the cause", repeating.join("; ") || "nothing"],
  ].map(([name, value]) => ({ name, value }));
  // One list item is a name and its value, so they are kept together.
  keep(at("healing-list"), rows, (row) => row.name,
    (row) => el("div", { class: "row" }, el("dt", {}, row.name), el("dd", {}, outside("span", "value", row.value))));
}

/** The services, the host first. */
export function drawServices(services) {
  say(at("services-count"), services.length > 0 ? String(services.length) : "");
  at("services-empty").hidden = services.length > 1;
  // When a look began changes with every look; whether it is too old is part of the level.
  const shown = services.map((service) => ({
    ...service,
    samples: service.samples.map(({ at: _, ...sample }) => sample),
  }));
  keep(at("services-list"), shown, (service) => service.name, card);
}

function card(service) {
  const rank = (sample) => (METRIC_ORDER.indexOf(sample.metric) + 1 || METRIC_ORDER.length + 1);
  const samples = [...service.samples].sort((a, b) => rank(a) - rank(b));
  const shown = samples.filter((sample) => sample.level !== "absent");
  return el("li", { class: `card ${service.state}` },
    el("h3", {}, outside("span", "name", service.name),
      el("span", { class: `badge ${service.state}` }, STATES[service.state] ?? service.state)),
    shown.length === 0
      ? el("p", { class: "empty" }, "Nothing was seen of it yet.")
      : el("dl", { class: "figures" }, ...shown.flatMap(figure)));
}

function figure(sample) {
  const name = outside("dt", "", title(sample));
  const value = el("dd", { class: `level-${sample.level}`, title: sample.detail });
  if (BARS.has(sample.metric) && sample.value !== undefined) value.append(bar(sample));
  value.append(outside("span", "value", seen(sample)));
  return [name, value];
}

function bar(sample) {
  const width = Math.min(100, Math.max(0, sample.value));
  const limits = [["warning", sample.warning], ["critical", sample.critical]].filter(([, limit]) => limit !== null);
  const about = limits.map(([name, limit]) => `${name} at ${limit} %`).join(", ");
  const fill = el("span", { class: "fill" });
  fill.style.inlineSize = `${width}%`;
  const marks = limits.map(([name, limit]) => {
    const mark = el("span", { class: `mark ${name}` });
    mark.style.insetInlineStart = `${Math.min(100, Math.max(0, limit))}%`;
    return mark;
  });
  return el("span", {
    class: "bar", role: "meter", "aria-label": title(sample), "aria-valuemin": 0, "aria-valuemax": 100,
    "aria-valuenow": width, "aria-valuetext": `${seen(sample)}${about ? `, ${about}` : ""}`, title: about || null,
  }, fill, ...marks);
}

/** A list of incidents; what is open in it stays open. */
export function drawIncidents(name, incidents, open) {
  at(`${name}-empty`).hidden = incidents.length > 0;
  const count = at(`${name}-count`);
  if (count) say(count, incidents.length > 0 ? String(incidents.length) : "");
  keep(at(`${name}-list`), incidents.map((incident) => ({ ...incident, stories: open.stories.get(incident.id) ?? null,
    expanded: open.ids.has(incident.id) })), (incident) => incident.id, (incident) => row(incident, open));
}

function row(incident, open) {
  const panel = `story-${incident.id}`;
  const target = incident.resource ? `${incident.service}:${incident.resource}` : incident.service;
  const when = incident.open ? since(incident.opened_at, "for ") : since(incident.ended_at ?? incident.updated_at, "ended ");
  const button = el("button", {
    type: "button", id: `open-${incident.id}`, class: "head", "aria-expanded": String(incident.expanded), "aria-controls": panel,
    onclick: () => open.toggle(incident.id),
  },
  el("span", { class: "line" },
    el("span", { class: `badge ${incident.open ? incident.severity : "quiet"}` }, incident.severity),
    el("b", {}, incident.id), outside("span", "target", target), outside("span", "symptom", incident.symptom),
    el("span", { class: `badge state-${incident.state}` }, incident.state), when),
  outside("span", "doing", doing(incident)));
  const story = el("div", { id: panel, class: "story", hidden: !incident.expanded });
  if (incident.expanded) {
    const lines = incident.stories;
    story.append(lines === null
      ? el("p", { class: "empty" }, "Loading …")
      : el("ol", { class: "events" }, ...lines.map((entry) => line(entry, null))));
    story.append(el("button", { type: "button", class: "small", onclick: () => open.only(incident.id) },
      `Only ${incident.id} in the timeline`));
  }
  return el("li", { class: `incident ${incident.open ? incident.severity : "over"}` }, button, story);
}

/** One decision. */
export function line(entry, only) {
  const chip = entry.incident && only
    ? el("button", { type: "button", class: "chip", onclick: () => only(entry.incident), "aria-label": `Only ${entry.incident}` }, entry.incident)
    : null;
  // The id stands beside the text already, or above the whole story.
  const prefix = [`${entry.incident}: `, `${entry.incident} `].find((prefix) => entry.text.startsWith(prefix)) ?? "";
  const child = el("li", { class: `event ${entry.fact}` },
    el("time", { datetime: entry.at, title: new Date(entry.at).toLocaleString() }, clock(entry.at)),
    el("span", { class: "what" }, chip, outside("span", "text", entry.text.slice(prefix.length)), outside("span", "reason", entry.reason)));
  child.dataset.incident = entry.incident ?? "";
  child.dataset.position = String(entry.position);
  return child;
}

/** Puts decisions on top of the timeline, the newest first, and lets the oldest go. */
export function addToTimeline(entries, filter, only) {
  const list = at("timeline-list");
  // Following may begin anew while decisions wait to be drawn: each is shown once.
  const shown = new Set([...list.children].map((row) => row.dataset.position));
  const fresh = entries.filter((entry) => !shown.has(String(entry.position)));
  const rows = fresh.map((entry) => line(entry, only)).reverse();
  list.prepend(...rows);
  while (list.children.length > TIMELINE_ROWS_MAX) list.lastElementChild.remove();
  list.setAttribute("aria-busy", "false");
  filterTimeline(filter);
}

/** Shows the decisions about one incident, or all. */
export function filterTimeline(filter) {
  let n = 0;
  const list = at("timeline-list");
  for (const child of list.children) {
    child.hidden = filter !== null && child.dataset.incident !== filter;
    if (!child.hidden) n += 1;
  }
  at("timeline-filter").hidden = filter === null;
  say(at("timeline-filter-id"), filter ?? "");
  say(at("timeline-count"), n > 0 ? String(n) : "");
  at("timeline-empty").hidden = list.children.length > 0;
}

/** Lets every time say how long ago it was. */
export function tick(now) {
  for (const element of document.querySelectorAll("time[data-at]")) {
    const prefix = element.dataset.prefix;
    const ago = span(now - Date.parse(element.dataset.at));
    say(element, prefix === "for " ? `for ${ago}` : `${prefix}${ago} ago`);
  }
}
