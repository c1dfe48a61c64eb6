// Elements without HTML text: every string goes in as text, so nothing shown can become markup.

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "path", "line", "circle"]);

// Make an element. `props`: attributes, `on…` handlers, `key` for morph. Children: nodes, strings,
// numbers; null and false are left out; arrays are flattened.
export function h(tag, props, ...children) {
  const element = SVG_TAGS.has(tag)
    ? document.createElementNS(SVG, tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element[name] = value;
    else if (name === "key") element.key = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

const HANDLERS = ["onclick", "onchange", "oninput", "onsubmit", "onkeydown", "ontoggle"];
// What the person at the page decides, and a new picture must not undo.
const THEIRS = new Set(["open", "value", "checked"]);

// Turn `old` into a copy of `fresh`, keeping the elements that are there: focus, scroll positions,
// opened details and half-typed text stay.
export function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.key !== fresh.key) {
    old.replaceWith(fresh);
    return fresh;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return old;
  }
  syncAttributes(old, fresh);
  syncChildren(old, fresh);
  // A field follows the address, but never under somebody's fingers.
  if ((old.nodeName === "INPUT" || old.nodeName === "SELECT") && old !== document.activeElement) {
    if (old.value !== fresh.value) old.value = fresh.value;
  }
  return old;
}

function syncAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !THEIRS.has(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !THEIRS.has(name)) old.setAttribute(name, value);
  }
  for (const name of HANDLERS) {
    if (old[name] !== fresh[name]) old[name] = fresh[name];
  }
}

function syncChildren(old, fresh) {
  const focused = document.activeElement;
  const keyed = new Map();
  for (const child of old.childNodes) if (child.key !== undefined) keyed.set(child.key, child);
  let here = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const match = wanted.key === undefined ? here : keyed.get(wanted.key);
    if (!match || (wanted.key === undefined && match.key !== undefined)) {
      old.insertBefore(wanted, here);
      continue;
    }
    if (match === here) here = here.nextSibling;
    else old.insertBefore(match, here);
    morph(match, wanted);
  }
  while (here) {
    const next = here.nextSibling;
    here.remove();
    here = next;
  }
  // An element that was moved loses the focus.
  if (focused !== document.activeElement && focused?.isConnected) {
    focused.focus({ preventScroll: true });
  }
}
