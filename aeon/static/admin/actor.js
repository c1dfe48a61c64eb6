// One actor: figures, its own words, what it handled last, where it waits, and what to do to it.

import { actorPath, get, post } from "./api.js";
import { isStuck, stateBadge } from "./actor_rows.js";
import { confirm } from "./dialog.js";
import { h } from "./dom.js";
import { ago, count, duration } from "./format.js";
import { actorLink, badge, card, empty, facts, factsOf, notice } from "./parts.js";
import { table } from "./table.js";

const ACTIONS = {
  restart: {
    label: "Restart",
    text: "A fresh instance takes over and handles what waits. A message in hand for longer than a"
      + " second is cut off: whoever waits for it gets an error.",
    tone: "primary",
  },
  passivate: {
    label: "Put to sleep",
    text: "If it is at rest, it is forgotten until its next message; nothing is lost. If it is busy,"
      + " nothing happens.",
    tone: "",
  },
  stop: {
    label: "Stop",
    text: "It handles nothing more: what waits is answered with an error. The next message starts"
      + " it afresh.",
    tone: "danger",
  },
};

export const title = ({ path }) => `${path[1]}/${path[2]}`;

export const refreshSeconds = 2;

export const load = ({ path }) => get(actorPath(path[1], path[2]));

export function render({ path, data, refresh, say }) {
  const address = `${path[1]}/${path[2]}`;
  return h(
    "div",
    { class: "stack" },
    data && stuckNotice(data),
    h("div", { class: "head" },
      data && h("div", { class: "actions", role: "group", "aria-label": `Actions on ${address}` },
        Object.entries(ACTIONS).map(([name, action]) =>
          h("button", { type: "button", class: action.tone, key: name, "data-action": name,
            onclick: () => act(path, name, action, refresh, say) }, action.label))),
      h("a", { href: "#/actors" }, "All actors")),
    data && [
      card("Figures", figures(data)),
      card("Where it waits", stack(data.stack ?? [])),
      card("Its own state", inspected(data)),
      card("Handled last", recorder(data.recent ?? [])),
      h("div", { class: "columns" }, card("Timers", timers(data.timers ?? [])),
        card("Watched by", watchers(data.watchers ?? []))),
    ],
  );
}

async function act(path, name, action, refresh, say) {
  const address = `${path[1]}/${path[2]}`;
  const isSure = await confirm(`${action.label}: ${address}?`, action.text, action.label,
    action.tone);
  if (!isSure) return;
  try {
    await post(`${actorPath(path[1], path[2])}/${name}`);
    say("good", `${action.label}: ${address} will do it now.`);
  } catch (error) {
    say("bad", `${action.label}: ${address} was not done: ${error.message}`);
  }
  refresh();
}

function stuckNotice(data) {
  if (!isStuck(data)) return null;
  return notice("bad", h("strong", null, "Stuck: "),
    `at work on ${data.current_message} for ${duration(data.current_seconds)}.`
      + " Its other messages wait. Restart gives it a fresh instance.");
}

const figures = (data) => facts([
  ["State", stateBadge(data)],
  ["Parent", data.parent],
  ["Age", duration(data.age_seconds)],
  ["Idle", data.idle_seconds ? duration(data.idle_seconds) : "not now"],
  ["Works on", data.current_message
    ? `${data.current_message} for ${duration(data.current_seconds)}` : "nothing"],
  ["Queue", `${count(data.depth)} of ${count(data.capacity)}`],
  ["Longest queue", count(data.peak_depth)],
  ["Oldest waits", duration(data.oldest_message_seconds)],
  ["Handled", count(data.handled)],
  ["Handling p50", duration(data.handling_p50_seconds)],
  ["Handling p99", duration(data.handling_p99_seconds)],
  ["Failed", count(data.failed)],
  ["Restarts", count(data.restarts)],
  ["Dropped", count(data.dropped)],
  ["Last error", data.last_error ?? "none"],
]);

function stack(frames) {
  if (!frames.length) return empty("It is between two messages, or asleep.");
  return h("ol", { class: "frames" }, frames.map((frame) =>
    h("li", null, h("code", null, frame.function),
      h("span", { class: "faint" }, ` ${frame.file}:${frame.line}`))));
}

const SILENCES = {
  timeout: "It did not answer in time: it answers only between two messages.",
  failed: "It failed to give an account of itself.",
  stopped: "It has stopped.",
};

function inspected(data) {
  if (data.inspected) return factsOf(data.inspected);
  return empty(SILENCES[data.inspection_error] ?? "It says nothing of itself.");
}

const recorder = (recent) => table({
  caption: "What it handled last, newest first",
  rows: recent.map((row, index) => ({ ...row, index })),
  keyOf: (row) => row.index,
  nothing: "Nothing yet.",
  columns: [
    { title: "Message", cell: (row) => row.message },
    { title: "Ended", numeric: true, cell: (row) => ago(row.at_age_seconds) },
    { title: "Waited", numeric: true, cell: (row) => duration(row.waited_seconds) },
    { title: "Took", numeric: true, cell: (row) => duration(row.handled_seconds) },
    { title: "Outcome", cell: (row) => badge(row.outcome) },
    { title: "Request", isWide: true, cell: (row) => h("code", null, row.request_id ?? "–") },
  ],
});

function timers(all) {
  if (!all.length) return empty("None.");
  return facts(all.map((one) => [String(one.key), `in ${duration(one.remaining_seconds)}`]));
}

function watchers(all) {
  if (!all.length) return empty("Nobody.");
  return h("ul", { class: "plain" }, all.map((one) => h("li", null, actorLink(one))));
}
