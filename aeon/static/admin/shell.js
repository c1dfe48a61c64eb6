// What stands around every view: the node, the connection, the way to the others, the alarm.

import { h } from "./dom.js";
import { UNKNOWN, duration } from "./format.js";
import { actorLink, badge, notice } from "./parts.js";

const LINKS = {
  overview: "Overview", tree: "Tree", actors: "Actors", sessions: "Sessions",
  "dead-letters": "Dead letters", audit: "Audit",
};
const SHOWN_STUCK = 5;
const STALE_SECONDS = 4;

export function renderShell({ state, title, content, leave, retry }) {
  const { overview, route } = state;
  return h(
    "div",
    { class: state.connection.state === "lost" ? "page stale" : "page" },
    h(
      "header",
      { class: "top" },
      h("div", { class: "bar" },
        h("a", { class: "brand", href: "#/" },
          h("img", { src: "/static/admin/icon.svg", alt: "", width: 24, height: 24 }),
          h("span", null, "Aeon")),
        node(overview?.system, state.connection),
        h("span", { class: "push" }),
        badge(state.connection.state),
        h("button", { type: "button", class: "quiet", onclick: () => leave("") }, "Sign out")),
      h("nav", { "aria-label": "Views" }, Object.entries(LINKS).map(([view, label]) =>
        h("a", {
          href: view === "overview" ? "#/" : `#/${view}`,
          "aria-current": isCurrent(view, route) && "page",
        }, label))),
    ),
    h(
      "main",
      { id: "content", tabindex: -1 },
      h("h1", { id: "title", tabindex: -1 }, title),
      lost(state, retry),
      overview?.system?.draining && notice("note", "This node is draining: it takes no new"
        + " connections and stops when what is under way has ended."),
      state.said && notice(state.said.tone, state.said.text),
      stuck(overview?.stuck ?? [], route),
      failed(state),
      elsewhere(state),
      content,
    ),
  );
}

const isCurrent = (view, route) =>
  view === route.view || (view === "actors" && route.view === "actor");

function node(system, connection) {
  if (!system) return null;
  return h("span", { class: "where" },
    h("span", { class: "name", title: "Node" }, system.node),
    connection.state === "live" && badge(system.draining ? "draining" : "up"),
    h("span", { class: "faint" }, `${system.version} · up ${duration(system.uptime_seconds)}`));
}

function lost({ connection, overviewAt }, retry) {
  if (connection.state === "live") return null;
  const age = overviewAt === null ? null : (performance.now() - overviewAt) / 1000;
  if (connection.state === "connecting" && (age === null || age < STALE_SECONDS)) return null;
  const wait = Math.max(0, Math.ceil((connection.retryAt - Date.now()) / 1000));
  return h("div", { class: "notice bad", id: "lost" },
    h("strong", null, "Connection lost. "),
    age === null ? "No figures yet. " : `The figures are ${duration(Math.round(age))} old. `,
    wait ? `Next attempt in ${wait} s. ` : "Trying now. ",
    h("button", { type: "button", onclick: retry }, "Try now"));
}

function stuck(rows, route) {
  // An actor's own page says it itself.
  const own = route.view === "actor" ? route.path.slice(1).join("/") : null;
  if (rows.every((row) => row.address === own)) return null;
  const more = rows.length - SHOWN_STUCK;
  return h("section", { class: "notice bad", id: "stuck", "aria-label": "Stuck actors" },
    h("strong", null, rows.length === 1 ? "1 actor is stuck" : `${rows.length} actors are stuck`),
    h("ul", { class: "plain" }, rows.slice(0, SHOWN_STUCK).map((row) =>
      h("li", { key: row.address }, actorLink(row.address),
        ` at work on ${row.current_message ?? UNKNOWN} for ${duration(row.current_seconds)},`
          + ` ${row.depth} waiting`))),
    more > 0 && h("a", { href: "#/actors?sort=current" }, `and ${more} more`));
}

// Several nodes may answer at one address, and each knows its own actors only; the audit trail is
// of all of them.
function elsewhere({ data, overview, route }) {
  if (!data?.node || !overview || route.view === "audit") return null;
  if (data.node === overview.system.node) return null;
  return notice("note", `What follows is of node ${data.node}: several answer at this address.`);
}

function failed({ error, dataAt, connection }) {
  if (!error || connection.state === "lost") return null;
  if (error.status === 404) {
    return notice("note", "It is not awake on this node. An actor sleeps until its next message.");
  }
  const age = dataAt === null ? "" : ` What is shown is ${
    duration(Math.round((performance.now() - dataAt) / 1000))} old.`;
  return notice("note", `This could not be refreshed: ${error.message}.${age}`);
}
