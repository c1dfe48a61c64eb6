// Requests to the operators' API of this server.

import { headers, load } from "./credentials.js";

const BASE = "/api/v1/admin/";
const PATIENCE_MS = 10_000;

// The server answered, and the answer is no.
export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }

  // Whether other credentials are needed. A stranger may be told "not found".
  get isAboutCredentials() {
    return this.status === 401 || this.status === 403 || this.code === "not_found";
  }
}

// No answer came.
export class Unreachable extends Error {}

export function query(params) {
  const given = Object.entries(params).filter(([, value]) => value !== "" && value != null);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

export const actorPath = (kind, key) =>
  `actors/${encodeURIComponent(kind)}/${encodeURIComponent(key)}`;

export async function get(path, credentials = load()) {
  return (await send("GET", path, credentials, AbortSignal.timeout(PATIENCE_MS))).json();
}

export async function post(path) {
  return (await send("POST", path, load(), AbortSignal.timeout(PATIENCE_MS))).json();
}

// Open the event stream; the caller reads its body and ends it by `signal`.
export async function openStream(signal) {
  return send("GET", "stream", load(), signal, "text/event-stream");
}

async function send(method, path, credentials, signal, accept = "application/json") {
  let answer;
  try {
    answer = await fetch(BASE + path, {
      method,
      headers: { Accept: accept, ...headers(credentials) },
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
      signal,
    });
  } catch (error) {
    const isLate = error.name === "TimeoutError";
    throw new Unreachable(isLate ? "the server did not answer in time" : "no connection");
  }
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

async function refusal(answer) {
  let body = {};
  try {
    body = await answer.json();
  } catch {
    // A proxy's page, perhaps: the status has to do.
  }
  return new Refused(answer.status, body.code ?? "", body.error ?? `status ${answer.status}`);
}
