// The line at the top: all servers together, and whether it can be believed.
// @ts-check

import { SHAPES, clock, element, pill, shownStatus } from "./format.js";

/** @typedef {import("./types.js").Ecosystem} Ecosystem */
/** @typedef {import("./types.js").SourceView} SourceView */
/** @typedef {import("./connection.js").State} State */

/** @type {[keyof Ecosystem["servers"], import("./types.js").Shown, string][]} */
const COUNTS = [
  ["healthy", "ok", "ok"],
  ["degraded", "degraded", "degraded"],
  ["down", "down", "down"],
  ["unknown", "unknown", "unknown"],
  ["stopped", "stopped", "stopped"],
];

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @param {Ecosystem} ecosystem */
export function showEcosystem({ status, servers, sources, details }) {
  const stale = details.filter((server) => server.stale);
  const words = stale.length ? element("span", { class: "stale" }, `${stale.length} stale`) : null;
  const overall = [element("span", { class: "hidden" }, "Ecosystem: "), pill(status), words];
  byId("overall").replaceChildren(...overall.filter((part) => part !== null));
  // Nobody knows whether all are well; what is bad news stays bad news.
  byId("overall").dataset.stale = String(stale.length > 0 && status === "ok");
  const counts = COUNTS.map(([key, shown, word]) =>
    count(shown, servers[key] - stale.filter((server) => shownStatus(server) === shown).length, word),
  );
  if (stale.length) counts.push(count("unknown", stale.length, "stale"));
  byId("counts").replaceChildren(element("li", {}, element("b", {}, String(servers.total)), " servers"), ...counts);
  // Colours would claim that somebody is looking.
  const heard = sources.some((source) => source.status === "connected");
  byId("top").dataset.stale = String(!heard);
  showSources(sources);
}

/** @param {import("./types.js").Shown} shown @param {number} many @param {string} word */
function count(shown, many, word) {
  return element(
    "li",
    { "data-status": shown, "data-zero": String(many === 0) },
    element("span", { class: "shape", "aria-hidden": "true" }, SHAPES[shown]),
    element("b", {}, String(many)),
    ` ${word}`,
  );
}

/** @param {SourceView[]} sources */
function showSources(sources) {
  const lost = sources.filter((source) => source.status !== "connected").map(sourceLine);
  const rejected = sources.filter((source) => source.config_error).map(configLine);
  const lines = [...lost, ...rejected];
  const banner = byId("sources");
  banner.hidden = lines.length === 0;
  banner.replaceChildren(...lines.map((line) => element("p", {}, line)));
}

/** @param {SourceView} source */
function sourceLine({ name, url, status, as_of: heard }) {
  const who = url && url !== name ? `${name} (${url})` : name;
  if (status === "connecting") return `Connecting to orchestrator ${who} …`;
  if (!heard) return `Orchestrator ${who} cannot be reached and was never heard. Trying again.`;
  return `Orchestrator ${who} cannot be reached. Its servers are stale: they show what was last known at ${clock(heard)}.`;
}

/** @param {SourceView} source */
function configLine({ name, config_error: error }) {
  const first = (error ?? "").split("\n", 1)[0];
  return `Orchestrator ${name} has rejected its changed configuration; the one before is in force. ${first}`;
}

/** @param {State} state @param {number | null} seen */
export function showConnection(state, seen) {
  document.body.dataset.connection = state;
  byId("connection").textContent = { live: "Live", lost: "Disconnected", connecting: "Connecting…" }[state];
  const lost = byId("lost");
  if (state === "live") lost.hidden = true;
  if (state === "lost") {
    const last = seen === null ? "never seen" : `last seen ${clock(seen)}`;
    const text = `Connection lost, ${last}. What is shown may be out of date. Reconnecting…`;
    if (lost.textContent !== text) lost.textContent = text;
    lost.hidden = false;
  }
}

/** @param {State} state @param {Ecosystem | null} ecosystem */
export function showTitle(state, ecosystem) {
  const { down = 0, degraded = 0 } = ecosystem?.servers ?? {};
  const stale = ecosystem?.details.filter((server) => server.stale).length ?? 0;
  const parts = [down && `${down} down`, degraded && `${degraded} degraded`, stale && `${stale} stale`].filter(Boolean);
  const news = state === "lost" ? "connection lost" : parts.join(", ");
  document.title = news ? `${news} · mcp-health` : "mcp-health";
}
