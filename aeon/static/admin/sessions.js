// Connections, the fullest outbox first as the server gives them.

import { get, query } from "./api.js";
import { h } from "./dom.js";
import { bytes, count, duration } from "./format.js";
import { actorLink, card } from "./parts.js";
import { pager, table } from "./table.js";

const LIMIT = 50;

export const title = () => "Sessions";

export const refreshSeconds = 5;

export const load = ({ params }) =>
  get(`sessions${query({ user_id: params.user_id, limit: LIMIT, offset: params.offset ?? 0 })}`);

export function render({ params, data, go }) {
  return h(
    "div",
    { class: "stack" },
    h("form", { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
      h("label", null, h("span", null, "Person's id"),
        h("input", {
          type: "search", name: "user_id", inputmode: "numeric", value: params.user_id ?? "",
          placeholder: "all", autocomplete: "off",
          oninput: (event) => go("sessions", { user_id: event.target.value.replace(/\D/g, "") }),
        }))),
    data && [
      h("p", { class: "faint" }, `${data.total.toLocaleString("en")} connections`),
      card(null, table({
        caption: "Connections",
        columns: COLUMNS,
        rows: data.sessions,
        keyOf: (row) => row.session_id,
        nothing: "Nobody is connected.",
      })),
      pager({
        offset: Number(params.offset ?? 0), limit: LIMIT, total: data.total,
        onGo: (offset) => go("sessions", { ...params, offset }),
      }),
    ],
  );
}

const COLUMNS = [
  { title: "Session", cell: (row) => h("code", null, row.session_id) },
  { title: "Person", isWide: true, cell: (row) => actorLink(`user/${row.user_id}`) },
  { title: "Age", numeric: true, cell: (row) => duration(row.age_seconds) },
  { title: "Transport", cell: (row) => row.transport },
  { title: "Frames wait", numeric: true, cell: (row) => count(row.pending_frames) },
  { title: "Bytes wait", numeric: true, cell: (row) => bytes(row.pending_bytes) },
  { title: "Sent", numeric: true, cell: (row) => count(row.frames_sent) },
  { title: "Dropped", numeric: true, cell: (row) => count(row.transient_dropped) },
  { title: "Catching up", numeric: true, cell: (row) => count(row.held_chats) },
];
