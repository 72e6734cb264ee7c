// The page: asks how things are, and again whenever something was decided.

import { drawApprovals } from "./approvals.js";
import { say } from "./dom.js";
import { Events } from "./events.js";
import { clock } from "./format.js";
import { TIMELINE_ROWS_MAX, addToTimeline, drawHealing, drawIncidents, drawServices, drawStatus, filterTimeline, tick } from "./panels.js";

const REFRESH_MS = 5_000;
const REFRESH_UNTIL_READY_MS = 1_000;
// Decisions come in groups; one refresh serves a group.
const SETTLE_MS = 150;
const RESOLVED_SHOWN_MAX = 10;

let events = null;
let filter = null;
let ahead = 0;
let incidents = { open: [], resolved: [] };
let waiting = [];
let flushing = false;
let streaming = false;
let answering = false;
let knownAt = null;
let refreshing = null;
let again = false;

const open = {
  ids: new Set(),
  stories: new Map(),
  toggle(id) {
    if (!open.ids.delete(id)) {
      open.ids.add(id);
      readStory(id);
    }
    drawLists();
  },
  only(id) {
    filter = id;
    filterTimeline(filter);
    document.getElementById("timeline-title").scrollIntoView({ block: "start" });
  },
};

async function get(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(REFRESH_MS) });
  if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status}`);
  return answer.json();
}

async function readStory(id) {
  try {
    const path = `/api/v1/incidents/${encodeURIComponent(id)}`;
    let page = await get(path);
    let story = page.timeline;
    while (page.timeline_next !== null && open.ids.has(id)) {
      page = await get(`${path}?after=${page.timeline_next}`);
      // The end of a long story is what matters now.
      story = [...story, ...page.timeline].slice(-1000);
    }
    open.stories.set(id, story);
    drawLists();
  } catch {
    // The next event or refresh asks again.
  }
}

function drawLists() {
  drawIncidents("incidents", incidents.open, open);
  drawIncidents("resolved", incidents.resolved, open);
  tick(Date.now() + ahead);
}

async function ask() {
  const [status, services, openPage, allPage, approvals, healing] = await Promise.all([
    get("/api/v1/status"),
    get("/api/v1/services"),
    get("/api/v1/incidents?state=open&limit=100"),
    get("/api/v1/incidents?state=all&limit=50"),
    get("/api/v1/approvals"),
    get("/api/v1/healing"),
  ]);
  ahead = Date.parse(status.now) - Date.now();
  knownAt = status.now;
  drawStatus(status);
  drawServices(services.items);
  drawApprovals(approvals.items, refresh);
  drawHealing(healing.score);
  const ended = (incident) => incident.ended_at ?? incident.updated_at;
  incidents = {
    open: openPage.items,
    resolved: allPage.items.filter((incident) => !incident.open)
      .sort((a, b) => ended(b).localeCompare(ended(a))).slice(0, RESOLVED_SHOWN_MAX),
  };
  drawLists();
  follow(status.position);
  for (const id of open.ids) readStory(id);
  if (!status.ready) setTimeout(refresh, REFRESH_UNTIL_READY_MS);
}

/** Begins to follow the events, and begins anew when the journal is another one. */
function follow(position) {
  const after = Math.max(0, position - TIMELINE_ROWS_MAX);
  if (events === null) {
    events = new Events({ after, onEvent: take, onState: streamIs });
    if (position === 0) addToTimeline([], filter, open.only);
  } else if (position < events.last) {
    document.getElementById("timeline-list").replaceChildren();
    events.restart(after);
  }
}

/** Refreshes once at a time; what comes meanwhile is one more refresh. */
function refresh() {
  if (refreshing !== null) {
    again = true;
    return;
  }
  refreshing = ask()
    .then(() => connection(streaming, true), () => connection(streaming, false))
    .finally(() => {
      refreshing = null;
      if (again) {
        again = false;
        setTimeout(refresh, SETTLE_MS);
      }
    });
}

function take(_name, event) {
  waiting.push(event);
  if (waiting.length > TIMELINE_ROWS_MAX) waiting.shift();
  if (flushing) return;
  flushing = true;
  setTimeout(() => {
    flushing = false;
    const entries = waiting;
    waiting = [];
    addToTimeline(entries, filter, open.only);
    refresh();
  }, SETTLE_MS);
}

function streamIs(state) {
  const live = state === "live";
  connection(live, answering);
  if (live) refresh();
}

/** Says whether what is shown is how things are now: what is no longer heard is never good news. */
function connection(stream, answers) {
  streaming = stream;
  answering = answers;
  const badge = document.getElementById("connection");
  const live = streaming && answering;
  say(badge, live ? "live" : "reconnecting …");
  badge.className = `badge ${live ? "healthy" : "warning"}`;
  document.body.classList.toggle("old", !answering);
  if (!answering) {
    const ready = document.getElementById("ready");
    say(ready, knownAt === null ? "Not reachable" : `Not reachable: this is how it was at ${clock(knownAt)}`);
    ready.className = "badge failing";
  }
}

document.getElementById("timeline-filter-clear").addEventListener("click", () => {
  filter = null;
  filterTimeline(filter);
});
setInterval(() => tick(Date.now() + ahead), 1_000);
setInterval(refresh, REFRESH_MS);
refresh();
