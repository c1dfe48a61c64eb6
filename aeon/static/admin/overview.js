// The first page: is the node well, what moves, what is stuck.

import { actorTable } from "./actor_rows.js";
import { h } from "./dom.js";
import { bytes, count, duration, rate, words } from "./format.js";
import { badge, card, factsOf } from "./parts.js";
import { POINTS, sparkline } from "./sparkline.js";

export const title = () => "Overview";

export function render({ overview, history }) {
  if (!overview) return h("p", { class: "empty" }, "Waiting for the first figures…");
  const { system, busiest } = overview;
  return h(
    "div",
    { class: "stack" },
    tiles(system, history),
    card("Busiest actors", actorTable({
      caption: "Busiest actors", rows: busiest ?? [], nothing: "No actor is awake.",
    })),
    parts(system),
  );
}

function tiles(system, history) {
  const { database, writer, outboxes, fanout, event_loop: loop, rates } = system;
  const trend = (name, text) => sparkline(history.map((one) => one[name]),
    `${text}, the last ${POINTS} seconds`);
  return h(
    "div",
    { class: "tiles" },
    tile("Messages a second", rate(rates?.messages_per_second),
      trend("messages", "messages a second")),
    tile("Deliveries a second", rate(rates?.deliveries_per_second),
      trend("deliveries", "deliveries a second")),
    tile("Commit, p99", duration(writer?.commit_p99_seconds), trend("commit", "commit latency"),
      writer && `p50 ${duration(writer.commit_p50_seconds)}; ${
        count(writer.queued_commands)} commands wait`),
    tile("Event loop lag, p99", duration(loop?.lag_p99_seconds), trend("lag", "event loop lag"),
      loop && `longest ${duration(loop.lag_max_seconds)}`),
    tile("Connected", count(fanout?.sessions), null,
      fanout && `connections of ${count(fanout.users)} people`),
    tile("Outboxes", count(outboxes?.pending_frames), null,
      outboxes && `frames wait, ${bytes(outboxes.pending_bytes)}`),
    tile("Database pool", database && `${count(database.in_use)} / ${count(database.size)}`, null,
      database && `in use; ${count(database.waiting)} wait for one`),
    tile("Actors awake", count(system.actors?.running), null,
      system.actors && `${count(system.actors.dead_letters)} dead letters since the start`),
    system.bus && tile("Bus", badge(busState(system.bus)), null,
      `${count(system.bus.dropped)} dropped`),
  );
}

const busState = (bus) => !bus.is_connected ? "lost" : bus.is_refused ? "refused" : "up";

const tile = (label, value, picture, note) =>
  h("div", { class: "tile", key: label },
    h("div", { class: "label" }, label),
    h("div", { class: "value" }, value ?? "–"),
    picture,
    h("div", { class: "note-line" }, note ?? ""));

function heading(name) {
  const text = words(name);
  return text[0].toUpperCase() + text.slice(1);
}

function parts(system) {
  const names = Object.keys(system).filter(
    (name) => system[name] !== null && typeof system[name] === "object",
  );
  return card(
    "All figures",
    names.map((name) =>
      h("details", { key: name }, h("summary", null, heading(name)),
        factsOf(system[name])),
    ),
  );
}
