// What several views are built of.

import { h } from "./dom.js";
import { UNKNOWN, figure, words } from "./format.js";

const TONES = {
  busy: "good", up: "good", running: "good", live: "good", handled: "good", ok: "good",
  starting: "note", stopping: "note", draining: "note", backoff: "note", connecting: "note",
  refused: "note", expired: "note",
  failed: "bad", crashed: "bad", down: "bad", stuck: "bad", lost: "bad",
};

export const badge = (text, tone = TONES[text] ?? "calm") =>
  h("span", { class: `badge ${tone}` }, text ?? UNKNOWN);

export const notice = (tone, ...content) => h("div", { class: `notice ${tone}` }, ...content);

export const empty = (text) => h("p", { class: "empty" }, text);

export const card = (title, ...content) =>
  h("section", { class: "card" }, title && h("h2", null, title), ...content);

// Label and value pairs.
export function facts(pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs.map(([label, value]) =>
      h("div", { key: label }, h("dt", null, label), h("dd", null, value ?? UNKNOWN)),
    ),
  );
}

// Whatever a part of the server says of itself, numbers and words alike.
export function factsOf(part) {
  const pairs = [];
  for (const [name, value] of Object.entries(part)) {
    if (Array.isArray(value)) pairs.push([words(name), value.map(String).join(", ") || UNKNOWN]);
    else if (value !== null && typeof value === "object") pairs.push([words(name), inner(value)]);
    else pairs.push([words(name), figure(name, value)]);
  }
  return facts(pairs);
}

function inner(value) {
  const text = Object.entries(value).map(([name, one]) => {
    const shown = one !== null && typeof one === "object" ? JSON.stringify(one) : figure(name, one);
    return `${words(name)}: ${shown}`;
  });
  return text.join(", ") || UNKNOWN;
}

export const actorHref = (address) => {
  const at = address.indexOf("/");
  const [kind, key] = [address.slice(0, at), address.slice(at + 1)];
  return `#/actors/${encodeURIComponent(kind)}/${encodeURIComponent(key)}`;
};

export const actorLink = (address) =>
  h("a", { href: actorHref(address), class: "address" }, address);
