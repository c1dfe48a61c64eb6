// The columns of an actor, the same wherever actors are listed.

import { h } from "./dom.js";
import { UNKNOWN, count, duration } from "./format.js";
import { actorLink, badge } from "./parts.js";
import { table } from "./table.js";

export const STUCK_SECONDS = 1;
const RISING = 0.5;

export const isStuck = (row) => (row.current_seconds ?? 0) > STUCK_SECONDS;

export const stateBadge = (row) => badge(isStuck(row) ? "stuck" : row.state);

function queue(row) {
  const share = row.capacity ? row.depth / row.capacity : 0;
  const tone = share >= 0.9 ? "bad" : share >= RISING ? "note" : "";
  return h("span", { class: tone, title: `at most ${count(row.peak_depth)} so far` },
    `${count(row.depth)} / ${count(row.capacity)}`);
}

function current(row) {
  if (!row.current_message) return UNKNOWN;
  return h("span", { class: isStuck(row) && "bad" },
    `${row.current_message} for ${duration(row.current_seconds)}`);
}

const COLUMNS = [
  { title: "Actor", sort: "address", cell: (row) => actorLink(row.address) },
  { title: "State", cell: stateBadge },
  { title: "Works on", sort: "current", isWide: true, cell: current },
  { title: "Queue", sort: "depth", numeric: true, cell: queue },
  { title: "Oldest waits", sort: "oldest", numeric: true,
    cell: (row) => duration(row.oldest_message_seconds) },
  { title: "Handled", sort: "handled", numeric: true, cell: (row) => count(row.handled) },
  { title: "p50", numeric: true, cell: (row) => duration(row.handling_p50_seconds) },
  { title: "p99", numeric: true, cell: (row) => duration(row.handling_p99_seconds) },
  { title: "Failed", numeric: true, cell: (row) => count(row.failed) },
  { title: "Restarts", sort: "restarts", numeric: true, cell: (row) => count(row.restarts) },
  { title: "Idle", sort: "idle", numeric: true, cell: (row) => duration(row.idle_seconds || null) },
];

export const actorTable = (options) =>
  table({ columns: COLUMNS, keyOf: (row) => row.address, ...options });
