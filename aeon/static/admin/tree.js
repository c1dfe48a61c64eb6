// The supervision tree: what was started, by whom it is restarted, and the busiest of each kind.

import { h } from "./dom.js";
import { count, figure, words } from "./format.js";
import { actorLink, badge, card } from "./parts.js";

export const title = () => "Tree";

export function render({ overview }) {
  if (!overview) return h("p", { class: "empty" }, "Waiting for the first figures…");
  return card(null,
    h("ul", { class: "tree" }, branch(overview.tree.root ?? overview.tree, "")));
}

function branch(node, path) {
  const here = `${path}/${node.name}`;
  const children = node.children ?? [];
  if (!children.length) return h("li", { key: here }, h("div", { class: "leaf" }, line(node)));
  return h("li", { key: here },
    h("details", { open: true }, h("summary", null, line(node)),
      h("ul", null, children.map((child) => branch(child, here)))));
}

function line(node) {
  const numbers = Object.entries(node.counts ?? {})
    .filter(([, value]) => value !== null && value !== 0)
    .map(([name, value]) => `${words(name)} ${figure(name, value)}`);
  return h("span", { class: "node" },
    node.kind === "actor" ? actorLink(node.name) : h("strong", null, node.name),
    h("span", { class: "faint" }, node.kind),
    badge(node.state),
    node.strategy && h("span", { class: "faint" }, words(node.strategy)),
    node.restarts > 0 && h("span", { class: "note" }, `restarts ${count(node.restarts)}`),
    node.last_error && h("span", { class: "bad" }, node.last_error),
    numbers.length > 0 && h("span", { class: "faint" }, numbers.join(" · ")));
}
