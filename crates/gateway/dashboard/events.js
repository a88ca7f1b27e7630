// The newest events, in words.
// @ts-check

import { clock, duration, element, words } from "./format.js";

/** @typedef {import("./types.js").StreamMessage} StreamMessage */

const KEPT = 50;

/** What is good news and what is bad. @type {Record<string, string>} */
const TONES = {
  server_down: "down",
  recovery_failed: "down",
  recovery_exhausted: "down",
  container_died: "down",
  recovery_started: "degraded",
  recovery_held: "degraded",
  recovery_successful: "ok",
  server_recovered: "ok",
  server_started: "ok",
};

/** @type {Record<string, (event: StreamMessage) => string>} */
const SENTENCES = {
  status_changed: (e) => `${e.previous_status} → ${e.status}${e.reason && e.reason !== "check" ? `, ${words(e.reason)}` : ""}`,
  server_down: (e) => `down: ${words(e.reason)}${e.detection_ms ? `, noticed after ${span(e.detection_ms)}` : ""}`,
  recovery_started: (e) => `${e.attempt ? `attempt ${e.attempt}: ` : ""}${e.strategy} started`,
  recovery_successful: (e) => `recovered after ${span(e.recovery_ms)}`,
  recovery_failed: (e) => `attempt ${e.attempt} failed: ${words(e.error)}`,
  recovery_superseded: (e) =>
    `${e.attempt ? `attempt ${e.attempt}` : "the restart before"} ends: ${e.reason === "started" ? "somebody has started the server" : "another restart was asked for"}`,
  recovery_exhausted: (e) => `given up after ${e.attempts} attempts, needs a person`,
  recovery_held: (e) => `recovery held: ${words(e.reason)}${e.on?.length ? ` (${e.on.join(", ")})` : ""}`,
  recovery_released: (e) => `recovery released: ${words(e.reason)} is over`,
  server_recovered: (e) => `came back by itself after ${span(e.recovery_ms)}`,
  server_stopped: (e) => `stopped: ${words(e.reason)}`,
  container_died: (e) => `died${ending(e)}${e.oom_killed ? ", out of memory" : ""}`,
  action_requested: (e) => `${e.action} asked for by ${e.actor}`,
};

export class Events {
  /** @param {HTMLElement} list */
  constructor(list) {
    this.list = list;
  }

  /** @param {StreamMessage[]} events */
  replace(events) {
    const told = events.filter(isNews);
    this.list.replaceChildren(...told.slice(-KEPT).reverse().map(line));
    if (told.length === 0) this.list.append(element("li", { class: "empty" }, "Nothing has happened yet."));
  }

  /** @param {StreamMessage} event */
  add(event) {
    if (!isNews(event)) return;
    this.list.querySelector(".empty")?.remove();
    this.list.prepend(line(event));
    while (this.list.childElementCount > KEPT) this.list.lastElementChild?.remove();
  }
}

/** Another event tells how a server went down or came back, and why. @param {StreamMessage} event */
function isNews({ event_type: type, status, previous_status: previous }) {
  return type !== "status_changed" || (status !== "down" && !(previous === "down" && status === "ok"));
}

/** @param {StreamMessage} event */
function ending({ exit_code: code, signal }) {
  if (signal !== undefined && signal !== null) return `, signal ${signal}`;
  return code === undefined || code === null ? "" : `, exit code ${code}`;
}

/** @param {StreamMessage} event */
function line(event) {
  const sentence = SENTENCES[event.event_type]?.(event) ?? words(event.event_type);
  const tone = event.event_type === "status_changed" ? event.status : TONES[event.event_type];
  return element(
    "li",
    { "data-tone": tone ?? "none" },
    element("time", { datetime: event.timestamp, title: new Date(event.timestamp).toLocaleString() }, clock(event.timestamp)),
    element("span", { class: "name" }, event.server ?? event.source ?? ""),
    element("span", { class: "what" }, sentence),
  );
}

/** @param {number} ms */
function span(ms) {
  return ms < 1000 ? `${ms} ms` : ms < 60000 ? `${(ms / 1000).toFixed(1)} s` : duration(Math.round(ms / 1000));
}
