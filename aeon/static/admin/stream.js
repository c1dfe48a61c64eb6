// The event stream, read with fetch, because EventSource can not send an Authorization header.

import { openStream, Refused } from "./api.js";

// The server sends one event a second: silence this long is a lost connection.
const SILENCE_MS = 6_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

// Follow the stream until `stop()`. `onEvent(name, data)`, `onState({state, retryAt})` with state
// "connecting", "live" or "lost", `onRefused(error)` when the credentials are not accepted.
export function follow({ onEvent, onState, onRefused }) {
  let isStopped = false;
  let wake = null;
  let current = null;

  async function run() {
    let wait = FIRST_WAIT_MS;
    onState({ state: "connecting", retryAt: null });
    while (!isStopped) {
      try {
        current = new AbortController();
        await readOnce(current, (name, data) => {
          wait = FIRST_WAIT_MS;
          onEvent(name, data);
        });
      } catch (error) {
        if (isStopped) return;
        if (error instanceof Refused && error.isAboutCredentials) return onRefused(error);
      }
      if (isStopped) return;
      // Not all pages at the same moment after a restart.
      const pause = wait * (0.75 + Math.random() / 2);
      onState({ state: "lost", retryAt: Date.now() + pause });
      await new Promise((resolve) => {
        wake = resolve;
        setTimeout(resolve, pause);
      });
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    }
  }

  run();
  return {
    retryNow: () => wake?.(),
    stop() {
      isStopped = true;
      current?.abort();
      wake?.();
    },
  };

  async function readOnce(controller, onOne) {
    let timer = null;
    const listen = () => {
      clearTimeout(timer);
      timer = setTimeout(() => controller.abort(), SILENCE_MS);
    };
    try {
      listen();
      const answer = await openStream(controller.signal);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const parse = parser((name, data) => {
        onState({ state: "live", retryAt: null });
        onOne(name, data);
      });
      while (true) {
        const { value, done } = await reader.read();
        if (done) return;
        listen();
        parse(value);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

// Cut text/event-stream into events, however the pieces fall.
export function parser(onEvent) {
  let rest = "";
  return (piece) => {
    rest += piece;
    const blocks = rest.split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      let name = "message";
      const data = [];
      for (const line of block.split(/\r?\n/)) {
        if (line.startsWith("event:")) name = line.slice(6).trim();
        else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      }
      if (data.length) onEvent(name, JSON.parse(data.join("\n")));
    }
  };
}
