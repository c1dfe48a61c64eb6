// Asks for the token, and tries it before it is kept.

import { get, Refused } from "./api.js";
import { save } from "./credentials.js";
import { h } from "./dom.js";

export function renderLogin({ message, onIn }) {
  const said = h("p", { class: "bad", id: "login-message", role: "alert" }, message ?? "");
  const input = h("input", {
    type: "password", id: "token", name: "token", autocomplete: "off", spellcheck: "false",
    autocapitalize: "off", required: true, "aria-describedby": "login-help login-message",
  });
  const button = h("button", { type: "submit", class: "primary" }, "Open");

  async function submit(event) {
    event.preventDefault();
    const value = input.value.trim();
    if (!value) return;
    said.textContent = "";
    button.disabled = true;
    const credentials = { kind: "token", value };
    try {
      await get("system", credentials);
      save(credentials);
      onIn();
    } catch (error) {
      said.textContent = explain(error);
      button.disabled = false;
      input.select();
      input.focus();
    }
  }

  return h(
    "main",
    { class: "login", id: "content" },
    h("form", { onsubmit: submit },
      h("img", { src: "/static/admin/icon.svg", alt: "", width: 40, height: 40 }),
      h("h1", null, "Aeon operators"),
      h("label", { for: "token" }, "Admin token"),
      input,
      h("p", { class: "faint", id: "login-help" },
        "The value of ADMIN_TOKEN in the server's settings. It stays in this tab. In Telegram,",
        " administrators are let in without it."),
      said,
      button),
  );
}

export function explain(error) {
  if (!(error instanceof Refused)) return `The server can not be reached: ${error.message}.`;
  if (error.isAboutCredentials) {
    return "The server does not accept this. Is it the value of ADMIN_TOKEN, and is that set?";
  }
  if (error.status === 429) return "Too many attempts. Wait a minute and try again.";
  return `The server answered: ${error.message}`;
}
