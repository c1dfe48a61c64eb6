// Who used these pages, and what for.

import { get } from "./api.js";
import { h } from "./dom.js";
import { badge, card, notice } from "./parts.js";
import { table } from "./table.js";

export const title = () => "Audit";

export const refreshSeconds = 15;

export const load = () => get("audit?limit=100");

const time = new Intl.DateTimeFormat("en-GB", { dateStyle: "short", timeStyle: "medium" });


export function render({ data }) {
  if (!data) return null;
  return h("div", { class: "stack" },
    !data.is_complete && notice("note", "The database is away: this is what this node remembers."),
    card(null, entries(data)));
}

function entries(data) {
  return table({
    caption: "Uses of the operators' API, newest first",
    rows: data.entries.map((row, index) => ({ ...row, index })),
    keyOf: (row) => row.index,
    nothing: "Nothing yet.",
    columns: [
      { title: "When", cell: (row) => time.format(new Date(row.at)) },
      { title: "Who", cell: (row) => row.who },
      { title: "Action", isWide: true, cell: (row) => row.action },
      { title: "Target", cell: (row) => row.target ?? "–" },
      { title: "Outcome", cell: (row) => badge(row.outcome, row.outcome === "ok" ? "good" : "note") },
      { title: "Request", isWide: true, cell: (row) => h("code", null, row.request_id ?? "–") },
    ],
  });
}
