// Are you sure? A native dialog: it holds the focus, and Escape means no.

import { h } from "./dom.js";

export function confirm(title, text, label, tone) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      { "aria-labelledby": "ask-title", "aria-describedby": "ask-text" },
      h("h2", { id: "ask-title" }, title),
      h("p", { id: "ask-text" }, text),
      h("div", { class: "actions" },
        h("button", { type: "button", autofocus: true, onclick: () => dialog.close("no") },
          "Cancel"),
        h("button", { type: "button", class: tone || "primary", "data-confirm": "",
          onclick: () => dialog.close("yes") }, label)),
    );
    dialog.onclose = () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    };
    document.body.append(dialog);
    dialog.showModal();
  });
}
