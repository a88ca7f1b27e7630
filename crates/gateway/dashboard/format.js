// Words and times. Nothing here touches the page, but `element`, through which all text goes as text.
// @ts-check

/** @typedef {import("./types.js").Shown} Shown */
/** @typedef {import("./types.js").ServerView} ServerView */

/** A shape beside the word: the colour is never the only sign. @type {Record<Shown, string>} */
export const SHAPES = { ok: "●", degraded: "▲", down: "✕", unknown: "?", stopped: "■" };

/** The order in which an operator wants to see them. @type {Shown[]} */
export const BY_URGENCY = ["down", "degraded", "unknown", "ok", "stopped"];

/**
 * Makes an element; strings become text, never markup.
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {...(Node | string | null)} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/**
 * A time that is kept up to date by `refreshTimes`.
 * @param {string} at
 * @param {"ago" | "for" | "until"} style
 */
export function time(at, style) {
  const made = element("time", { datetime: at, "data-style": style, title: new Date(at).toLocaleString() });
  made.textContent = relative(at, style, Date.now());
  return made;
}

/** Brings the times within an element up to date; writes only what changed. @param {ParentNode} root */
export function refreshTimes(root) {
  const now = Date.now();
  for (const shown of root.querySelectorAll("time[data-style]")) {
    const at = shown.getAttribute("datetime") ?? "";
    const text = relative(at, shown.getAttribute("data-style") ?? "ago", now);
    if (shown.textContent !== text) shown.textContent = text;
  }
}

/** @param {string} at @param {string} style @param {number} now */
function relative(at, style, now) {
  const seconds = Math.round((now - Date.parse(at)) / 1000);
  if (Number.isNaN(seconds)) return "";
  if (style === "until") return seconds >= 0 ? "now" : `in ${duration(-seconds)}`;
  if (style === "for") return duration(Math.max(0, seconds));
  return seconds < 1 ? "just now" : `${duration(seconds)} ago`;
}

/** The two largest units. @param {number} seconds */
export function duration(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

/** Hours, minutes, seconds, in 24 hours. @param {number | string} at */
export function clock(at) {
  return new Date(at).toLocaleTimeString("en-GB");
}

/** What a server is shown as. @param {ServerView} server @returns {Shown} */
export function shownStatus(server) {
  return server.phase === "stopped" ? "stopped" : server.status;
}

/** `connect_refused` becomes `connect refused`. @param {unknown} word */
export function words(word) {
  return String(word ?? "").replaceAll("_", " ");
}

/** A status with its shape. @param {Shown} status */
export function pill(status) {
  const shape = element("span", { "aria-hidden": "true", class: "shape" }, SHAPES[status] ?? "?");
  return element("span", { class: "pill", "data-status": status }, shape, status);
}
