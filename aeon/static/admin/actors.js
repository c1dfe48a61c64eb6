// All actors, found by kind, state and a piece of the key.

import { actorTable } from "./actor_rows.js";
import { get, query } from "./api.js";
import { h } from "./dom.js";
import { card } from "./parts.js";
import { pager } from "./table.js";

const LIMIT = 50;
const SORTS = {
  busiest: "busiest", current: "longest at work", depth: "longest queue",
  oldest: "oldest waiting message", handled: "most handled", restarts: "most restarts",
  idle: "longest idle", address: "address",
};
const STATES = ["starting", "idle", "busy", "backoff", "stopping"];

export const title = () => "Actors";

export const refreshSeconds = 3;

export const load = ({ params }) =>
  get(`actors${query({
    kind: params.kind, state: params.state, q: params.q, sort: params.sort ?? "busiest",
    limit: LIMIT, offset: params.offset ?? 0,
  })}`);

export function render({ params, data, overview, go }) {
  const sort = params.sort ?? "busiest";
  const change = (changes) => go("actors", { ...params, offset: "", ...changes });
  const kinds = kindsOf(overview, params.kind);
  return h(
    "div",
    { class: "stack" },
    h(
      "form",
      { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
      field("Kind", select("kind", ["", ...kinds], params.kind, (kind) => change({ kind }))),
      field("State", select("state", ["", ...STATES], params.state, (state) => change({ state }))),
      field("Order", select("sort", Object.keys(SORTS), sort, (to) => change({ sort: to }), SORTS)),
      field("Find", h("input", {
        type: "search", name: "q", value: params.q ?? "", placeholder: "part of its key",
        autocomplete: "off", spellcheck: "false",
        oninput: (event) => change({ q: event.target.value.trim() }),
      })),
    ),
    data && [
      h("p", { class: "faint" }, `${data.total.toLocaleString("en")} actors`),
      card(null, actorTable({
        caption: "Actors", rows: data.actors, sort, onSort: (to) => change({ sort: to }),
        nothing: "No actor awake matches. An actor sleeps until its next message.",
      })),
      pager({
        offset: data.offset, limit: data.limit, total: data.total,
        onGo: (offset) => go("actors", { ...params, offset }),
      }),
    ],
  );
}

function kindsOf(overview, chosen) {
  const root = overview?.tree.root ?? overview?.tree;
  const kinds = new Set(chosen ? [chosen] : []);
  const walk = (node) => {
    if (node.kind === "kind") kinds.add(node.name);
    for (const child of node.children ?? []) walk(child);
  };
  if (root) walk(root);
  return [...kinds].sort();
}

const field = (label, control) => h("label", { key: label }, h("span", null, label), control);

const select = (name, values, chosen, onPick, titles = {}) =>
  h("select", { name, onchange: (event) => onPick(event.target.value) },
    values.map((value) =>
      h("option", { value, key: value, selected: value === (chosen ?? "") },
        titles[value] ?? (value || "all"))));
