// A small line of the last values, without axes: the number beside it has the scale.

import { h } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 28;
const ROOM = 2;
export const POINTS = 60;

export function sparkline(values, label) {
  const known = values.filter((value) => Number.isFinite(value));
  const top = Math.max(...known, 0) || 1;
  const step = WIDTH / (POINTS - 1);
  const start = WIDTH - (values.length - 1) * step;
  const y = (value) => HEIGHT - ROOM - (value / top) * (HEIGHT - 2 * ROOM);
  let line = "";
  let isDown = false;
  values.forEach((value, index) => {
    if (!Number.isFinite(value)) {
      isDown = false;
      return;
    }
    line += `${isDown ? "L" : "M"}${(start + index * step).toFixed(1)} ${y(value).toFixed(1)}`;
    isDown = true;
  });
  return h(
    "svg",
    {
      class: "sparkline",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": label,
    },
    h("line", { x1: 0, x2: WIDTH, y1: HEIGHT - ROOM, y2: HEIGHT - ROOM, class: "ground" }),
    known.length > 1 && h("path", { d: line, class: "line" }),
  );
}
