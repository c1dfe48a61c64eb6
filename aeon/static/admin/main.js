// The page: who is in, which view, and what is live. Views are functions from data to elements.

import { Refused } from "./api.js";
import { forget, load as credentials, takeTelegramData } from "./credentials.js";
import { h, morph } from "./dom.js";
import { explain, renderLogin } from "./login.js";
import { parseRoute, toHash } from "./route.js";
import { renderShell } from "./shell.js";
import { POINTS } from "./sparkline.js";
import { follow } from "./stream.js";

import * as actor from "./actor.js";
import * as actors from "./actors.js";
import * as audit from "./audit.js";
import * as letters from "./letters.js";
import * as overview from "./overview.js";
import * as sessions from "./sessions.js";
import * as tree from "./tree.js";

const VIEWS = { overview, tree, actors, sessions, "dead-letters": letters, audit, actor };
// Each view that loads says how often (`refreshSeconds`): every request is in the audit trail.
const TYPING_MS = 200;
const SAID_MS = 8_000;
// Two events further apart than this leave a gap in the lines.
const GAP_MS = 2_500;

const app = document.getElementById("app");
const spoken = document.getElementById("spoken");
const alarm = document.getElementById("alarm");

let state = null;
let stream = null;
let loads = 0;
let timer = null;

function enter() {
  state = {
    route: parseRoute(location.hash),
    data: null, dataAt: null, error: null,
    overview: null, overviewAt: null, history: [],
    connection: { state: "connecting", retryAt: null },
    said: null,
  };
  stream = follow({ onEvent, onState, onRefused: (error) => leave(explain(error)) });
  app.replaceChildren(h("div", null));
  draw();
  refresh();
}

function leave(message) {
  stream?.stop();
  stream = null;
  state = null;
  clearTimeout(timer);
  forget();
  alarm.textContent = "";
  document.title = "Aeon operators";
  app.replaceChildren(renderLogin({ message, onIn: enter }));
  document.getElementById("token").focus();
}

function onEvent(name, data) {
  if (name !== "overview" || !state) return;
  const now = performance.now();
  const { rates, writer, event_loop: loop } = data.system;
  if (state.overviewAt !== null && now - state.overviewAt > GAP_MS) state.history.push({});
  state.history.push({
    messages: rates?.messages_per_second,
    deliveries: rates?.deliveries_per_second,
    commit: writer?.commit_p99_seconds ?? 0,
    lag: loop?.lag_p99_seconds,
  });
  state.history.splice(0, Math.max(0, state.history.length - POINTS));
  raiseAlarm(state.overview?.stuck ?? [], data.stuck ?? []);
  state.overview = data;
  state.overviewAt = now;
  draw();
}

// Said aloud once for each actor that gets stuck, not once a second.
function raiseAlarm(before, after) {
  const known = new Set(before.map((row) => row.address));
  const fresh = after.filter((row) => !known.has(row.address));
  if (fresh.length) alarm.textContent = `Stuck: ${fresh.map((row) => row.address).join(", ")}`;
  else if (!after.length) alarm.textContent = "";
}

function onState(connection) {
  if (!state) return;
  const was = state.connection.state;
  state.connection = connection;
  if (was !== connection.state) {
    if (connection.state === "lost") spoken.textContent = "The connection to the server is lost.";
    if (connection.state === "live" && was === "lost") {
      spoken.textContent = "The connection is back.";
      refresh();
    }
    draw();
  }
}

async function refresh() {
  clearTimeout(timer);
  if (!state) return;
  const view = VIEWS[state.route.view];
  const number = ++loads;
  if (view.load && !document.hidden) {
    try {
      const data = await view.load(state.route);
      if (number !== loads || !state) return;
      Object.assign(state, { data, dataAt: performance.now(), error: null });
    } catch (error) {
      if (number !== loads || !state) return;
      if (error instanceof Refused && error.status === 401) return leave(explain(error));
      state.error = error;
    }
    draw();
  }
  if (view.load) timer = setTimeout(refresh, view.refreshSeconds * 1000);
}

// Show another view, or the same one with other parameters; those do not fill up the history.
function go(view, params) {
  const hash = toHash(view, params);
  if (view !== state.route.view) {
    location.hash = hash;
    return;
  }
  history.replaceState(null, "", hash);
  state.route = parseRoute(hash);
  draw();
  loads += 1;
  clearTimeout(timer);
  timer = setTimeout(refresh, TYPING_MS);
}

function onHashChange() {
  if (takeTelegramData()) return leaveOrEnter();
  if (!state) return;
  const before = state.route;
  state.route = parseRoute(location.hash);
  const isNew = before.view !== state.route.view || before.path.join() !== state.route.path.join();
  if (isNew) Object.assign(state, { data: null, dataAt: null, error: null });
  draw();
  refresh();
  if (isNew) {
    document.getElementById("title")?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

function say(tone, text) {
  const said = { tone, text };
  state.said = said;
  spoken.textContent = text;
  setTimeout(() => {
    if (state?.said !== said) return;
    state.said = null;
    draw();
  }, SAID_MS);
}

function draw() {
  if (!state || document.hidden) return;
  const view = VIEWS[state.route.view];
  const title = view.title(state.route);
  document.title = `${state.overview?.stuck?.length ? "Stuck! " : ""}${title} · Aeon`;
  const content = view.render({ ...state.route, ...state, go, refresh, say });
  morph(app.firstChild, renderShell({ state, title, content, leave, retry: stream.retryNow }));
}

function leaveOrEnter() {
  stream?.stop();
  if (credentials()) enter();
  else leave("");
}

addEventListener("hashchange", onHashChange);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  draw();
  refresh();
});
document.addEventListener("keydown", (event) => {
  const isInField = event.target.closest?.("input, select, dialog");
  if (event.key === "Escape" && state?.route.view === "actor" && !isInField) {
    location.hash = "#/actors";
  }
});
// The skip link must not become a route.
document.querySelector(".skip").onclick = (event) => {
  event.preventDefault();
  document.getElementById("content")?.focus();
};
// Ages and countdowns go on while nothing comes in.
setInterval(() => {
  if (state && state.connection.state !== "live") draw();
}, 1_000);

takeTelegramData();
leaveOrEnter();
