// Numbers for people. What is not known is an en dash, never a zero.

export const UNKNOWN = "–";
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

export const count = (value) => (isNumber(value) ? whole.format(value) : UNKNOWN);

export function rate(value) {
  if (!isNumber(value)) return UNKNOWN;
  return value >= 100 ? whole.format(value) : tenths.format(value);
}

// A length of time with a unit that suits it: 0.4 ms, 210 ms, 3.2 s, 4 min 10 s, 3 h 12 min.
export function duration(seconds) {
  if (!isNumber(seconds)) return UNKNOWN;
  if (seconds <= 0) return "0 s";
  const ms = seconds * 1000;
  if (ms < 0.95) return `${Math.max(ms, 0.001).toPrecision(1)} ms`;
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export const ago = (seconds) => (isNumber(seconds) ? `${duration(seconds)} ago` : UNKNOWN);

export function bytes(value) {
  if (!isNumber(value)) return UNKNOWN;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = value;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 || size >= 100 ? whole.format(size) : tenths.format(size)} ${units[unit]}`;
}

// A figure of unknown meaning by the unit in its name.
export function figure(name, value) {
  if (value === null || value === undefined || value === "") return UNKNOWN;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return String(value);
  if (name.endsWith("_seconds")) return duration(value);
  if (name.endsWith("_per_second")) return rate(value);
  if (name.endsWith("_bytes") || name === "bytes") return bytes(value);
  return Number.isInteger(value) ? whole.format(value) : tenths.format(value);
}

// "pending_frames" as words; units are in the value.
export function words(name) {
  return name.replace(/_(seconds|bytes)$/, "").replaceAll("_", " ").replace(/\bhttp\b/, "HTTP");
}
