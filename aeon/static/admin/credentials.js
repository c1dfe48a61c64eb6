// Who asks. Kept for this tab only, and sent in headers only, never in an address.

const KEY = "aeon.admin";

// Telegram opens Mini Apps with signed init data behind the #; take it and clean the address.
export function takeTelegramData() {
  const given = new URLSearchParams(location.hash.slice(1)).get("tgWebAppData");
  if (!given) return false;
  save({ kind: "telegram", value: given });
  history.replaceState(null, "", `${location.pathname}#/`);
  return true;
}

export function load() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    return null;
  }
}

export function save(credentials) {
  sessionStorage.setItem(KEY, JSON.stringify(credentials));
}

export function forget() {
  sessionStorage.removeItem(KEY);
}

export function headers(credentials) {
  if (!credentials) return {};
  return credentials.kind === "telegram"
    ? { "X-Telegram-Init-Data": credentials.value }
    : { Authorization: `Bearer ${credentials.value}` };
}
