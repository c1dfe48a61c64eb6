// The part of the address behind the #: which view, and what of it.

import { query } from "./api.js";

const NAMES = new Set(["overview", "tree", "actors", "sessions", "dead-letters", "audit"]);

// "#/actors/chat/12" → {view: "actor", path: ["actors", "chat", "12"], params: {}}
export function parseRoute(hash) {
  const [where, given = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const path = where.split("/").filter(Boolean).map(decode);
  const params = Object.fromEntries(new URLSearchParams(given));
  if (path[0] === "actors" && path.length === 3) return { view: "actor", path, params };
  return { view: NAMES.has(path[0]) ? path[0] : "overview", path, params };
}

export const toHash = (view, params) => `#/${view}${query(params)}`;

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
