// Messages that no actor handled, and why.

import { get } from "./api.js";
import { h } from "./dom.js";
import { ago, count } from "./format.js";
import { actorLink, badge, card } from "./parts.js";
import { table } from "./table.js";

export const title = () => "Dead letters";

export const refreshSeconds = 10;

export const load = () => get("dead-letters");

export function render({ data }) {
  if (!data) return null;
  return h(
    "div",
    { class: "stack" },
    card("Since the start", table({
      caption: "Dead letters by kind and reason",
      rows: data.counts,
      keyOf: (row) => `${row.kind} ${row.reason}`,
      nothing: "None: every message was handled.",
      columns: [
        { title: "Kind", cell: (row) => row.kind },
        { title: "Reason", cell: (row) => badge(row.reason, "note") },
        { title: "Messages", numeric: true, cell: (row) => count(row.count) },
      ],
    })),
    data.recent.length > 0 && card("The last ones", table({
      caption: "The last dead letters",
      rows: data.recent.map((row, index) => ({ ...row, index })),
      keyOf: (row) => row.index,
      nothing: "",
      columns: [
        { title: "Actor", cell: (row) => actorLink(row.address) },
        { title: "Message", cell: (row) => row.message },
        { title: "Reason", cell: (row) => badge(row.reason, "note") },
        { title: "When", numeric: true, cell: (row) => ago(row.age_seconds) },
      ],
    })),
  );
}
