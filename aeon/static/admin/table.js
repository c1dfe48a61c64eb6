// A table that is a list of cards on a narrow screen. Roles are spelled out, because a changed
// `display` takes them from the elements.

import { h } from "./dom.js";
import { empty } from "./parts.js";

// columns: {title, cell(row), numeric, sort}; `sort` is the server's word for that order.
export function table({ caption, columns, rows, keyOf, sort = "", onSort = null, nothing }) {
  if (!rows.length) return empty(nothing);
  return h(
    "div",
    { class: "table" },
    h(
      "table",
      { role: "table" },
      h("caption", { class: "hidden" }, caption),
      h(
        "thead",
        { role: "rowgroup" },
        h("tr", { role: "row" }, columns.map((column) => heading(column, sort, onSort))),
      ),
      h(
        "tbody",
        { role: "rowgroup" },
        rows.map((row) => h("tr", { role: "row", key: keyOf(row) }, columns.map(cellOf(row)))),
      ),
    ),
  );
}

function heading(column, sort, onSort) {
  const isSorted = Boolean(column.sort) && column.sort === sort;
  const content =
    column.sort && onSort
      ? h("button", { type: "button", class: "sort", onclick: () => onSort(column.sort) },
          column.title, isSorted && h("span", { "aria-hidden": "true" }, " ▾"))
      : column.title;
  return h(
    "th",
    {
      role: "columnheader",
      scope: "col",
      class: column.numeric && "number",
      "aria-sort": isSorted && (column.sort === "address" ? "ascending" : "descending"),
    },
    content,
  );
}

const cellOf = (row) => (column, index) => {
  const content = column.cell(row);
  return h(
    "td",
    {
      role: "cell",
      class: [column.numeric && "number", column.isWide && "wide", index === 0 && "first"].filter(Boolean).join(" ") || null,
      "data-label": column.title,
    },
    content,
  );
};

export function pager({ offset, limit, total, onGo }) {
  if (total <= limit && offset === 0) return null;
  const last = Math.min(offset + limit, total);
  const button = (text, to, isOff) =>
    h("button", { type: "button", onclick: () => onGo(to), disabled: isOff }, text);
  return h(
    "nav",
    { class: "pager", "aria-label": "Pages" },
    button("Previous", Math.max(0, offset - limit), offset === 0),
    h("span", null, total ? `${Math.min(offset + 1, total)}–${last} of ${total}` : "0 of 0"),
    button("Next", offset + limit, last >= total),
  );
}
