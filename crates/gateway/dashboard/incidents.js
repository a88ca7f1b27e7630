// What went wrong, newest first; a click shows one with what was found before anything was restarted.
// @ts-check

import { clock, duration, element, words } from "./format.js";

/** @typedef {import("./types.js").Incident} Incident */
/** @typedef {import("./types.js").Capture} Capture */

const SHOWN = 20;
const SOON_MS = 500;

/** @type {Record<string, string>} */
const TONES = { open: "down", successful: "ok", recovered: "ok", stopped: "none", deregistered: "none" };

/** Events after which there may be more to show. */
const NEWS = /^(server_|recovery_|container_died)/;

/** @type {Record<string, string>} */
const MOMENTS = { opened: "When it was found down", before_attempt: "Before attempt", after_attempt: "After attempt" };

export class Incidents {
  /** @type {number | undefined} */ #timer;
  #drawn = "";

  /** @param {HTMLElement} list @param {HTMLDialogElement} dialog */
  constructor(list, dialog) {
    this.list = list;
    this.dialog = dialog;
    dialog.addEventListener("click", (click) => {
      if (click.target === dialog) dialog.close();
    });
  }

  /** Something has happened that may belong to one. @param {string} type */
  heard(type) {
    if (NEWS.test(type)) this.refresh(SOON_MS);
  }

  /** Asks again, soon; once for everything that happens until then. */
  refresh(wait = 0) {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#load().catch(() => undefined); // The connection says when it is lost, and asks again when it is back.
    }, wait);
  }

  async #load() {
    const { incidents } = await get(`incidents?limit=${SHOWN}`);
    const drawn = JSON.stringify(incidents);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.list.replaceChildren(...incidents.map((/** @type {Incident} */ incident) => this.#line(incident)));
    if (incidents.length === 0) this.list.append(element("li", { class: "empty" }, "No incidents."));
  }

  /** @param {Incident} incident */
  #line(incident) {
    const outcome = incident.exhausted && incident.outcome === "open" ? "given up" : incident.outcome;
    const lasted = incident.recovery_ms === null ? "" : ` after ${span(incident.recovery_ms)}`;
    const button = element(
      "button",
      { type: "button", title: "Show what was found" },
      element("time", { datetime: incident.opened_at, title: new Date(incident.opened_at).toLocaleString() }, clock(incident.opened_at)),
      element("span", { class: "name" }, incident.server_name),
      element("span", { class: "what" }, `${words(incident.reason)}: ${outcome}${lasted}`),
    );
    button.addEventListener("click", () => this.#show(incident.id));
    return element("li", { "data-tone": TONES[incident.outcome] ?? "none", "data-outcome": incident.outcome }, button);
  }

  /** @param {string} id */
  async #show(id) {
    const body = element("div", { class: "body" }, "Loading…");
    const close = element("button", { type: "button", class: "close", "aria-label": "Close" }, "✕");
    close.addEventListener("click", () => this.dialog.close());
    this.dialog.replaceChildren(close, body);
    if (!this.dialog.open) this.dialog.showModal();
    try {
      body.replaceChildren(...page(await get(`incidents/${encodeURIComponent(id)}`)));
    } catch (error) {
      body.replaceChildren(`This incident cannot be shown: ${error instanceof Error ? error.message : error}`);
    }
  }
}

/** @param {string} path @returns {Promise<any>} */
async function get(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(10000) });
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
  return answer.json();
}

/** @param {Incident} incident @returns {Node[]} */
function page(incident) {
  const { evidence } = incident;
  return [
    element("h2", { id: "incident-title" }, `${incident.server_name}: ${words(incident.reason)}`),
    facts([
      ["Incident", incident.id],
      ["Opened", moment(incident.opened_at)],
      ["Noticed", evidence?.noticed ? `${moment(evidence.noticed.at)}, noticed by the ${evidence.noticed.by}: ${evidence.noticed.how}` : null],
      ["Detection", `${span(incident.detection_ms)}, by the ${incident.detected_by}`],
      ["Outcome", incident.exhausted ? `${incident.outcome}, attempts or budget used up` : incident.outcome],
      ["Closed", incident.closed_at ? moment(incident.closed_at) : null],
      ["Down for", incident.recovery_ms === null ? null : span(incident.recovery_ms)],
    ]),
    section("Attempts", incident.attempts.map((attempt) =>
      element("p", {}, `Attempt ${attempt.attempt}, ${attempt.strategy}, ${moment(attempt.started_at)}: ${attempt.result}${attempt.ended_at ? ` after ${span(Date.parse(attempt.ended_at) - Date.parse(attempt.started_at))}` : ""}${attempt.error ? `: ${attempt.error}` : ""}`),
    )),
    section("Death", evidence?.death ? [element("p", {}, death(evidence.death))] : []),
    section(
      evidence?.well_at ? `Changed since it became well at ${moment(evidence.well_at)}` : "Changed",
      (evidence?.changed ?? []).map(({ what, before, after }) => element("p", {}, `${what}: ${before ?? "nothing"} → ${after ?? "nothing"}`)),
    ),
    ...(evidence?.captures ?? []).map(capture),
    section("Left out", (evidence?.left_out ?? []).map((what) => element("p", {}, what))),
  ].filter((node) => node !== null);
}

/** @param {NonNullable<NonNullable<Incident["evidence"]>["death"]>} death */
function death({ at, exit_code: code, signal, oom_killed: oom, core_dumped: core, error }) {
  const parts = [
    moment(at),
    code === null ? "" : `exit code ${code}`,
    signal === null ? "" : `signal ${signal}`,
    oom ? "killed for memory" : "",
    core ? "core dumped" : "",
    error ?? "",
  ];
  return parts.filter(Boolean).join(", ");
}

/** @param {Capture} found */
function capture(found) {
  const title = `${MOMENTS[found.moment] ?? found.moment}${found.attempt === undefined ? "" : ` ${found.attempt}`}, ${moment(found.at)} (looked for ${span(found.took_ms)})`;
  const { state, host, engine } = found;
  return section(title, [
    facts([
      ["Runs in", state ? `${state.kind} ${state.name}${state.id ? ` (${state.id.slice(0, 12)})` : ""}` : null],
      ["State", state ? [state.status, state.running === null ? "" : state.running ? "running" : "not running"].filter(Boolean).join(", ") : null],
      ["Started", state?.started_at ? moment(state.started_at) : null],
      ["Ended", state?.finished_at ? moment(state.finished_at) : null],
      ["Its own check", state?.health ?? null],
      ["Restarted by itself", state?.restarts ? `${state.restarts} times` : null],
      ["Exit code", state?.exit_code === null || state === undefined ? null : String(state.exit_code)],
      ["Memory", memory(state)],
      ["Image", state?.image ? `${state.image.reference}, ${state.image.digest}` : null],
      ["In registries", state?.image?.repository_digests?.join(" ") ?? null],
      ["Its name is now", state?.image?.reference_now ?? null],
      ["Environment", state?.environment.length ? state.environment.join(" ") : null],
      ["Error", state?.error ?? null],
      ["Engine", engine ? `${engine.name} ${engine.version ?? "of an unknown version"}, ${engine.running ?? "?"} of ${engine.containers ?? "?"} containers run, ${machine(engine)}` : null],
      ["Host", host ? load(host) : null],
      ["Orchestrator", found.orchestrator_version],
      ["Missing", found.missing?.length ? found.missing.join("; ") : null],
    ]),
    found.answers?.length ? element("h4", {}, "Last answers") : null,
    ...(found.answers ?? []).map((answer) =>
      element("pre", {}, [`${clock(answer.at)} ${answer.verdict} ${answer.took_ms} ms`, answer.http_status ?? "", words(answer.reason), answer.message ?? "", phases(answer.phases), answer.body_bytes ? `${size(answer.body_bytes)}:` : "", answer.body ?? ""].filter(Boolean).join("  ")),
    ),
    found.logs ? element("h4", {}, `Log: ${found.logs.source}`) : null,
    found.logs ? element("pre", {}, found.logs.lines.map(({ at, stream, text }) => [at ? clock(at) : "", stream ?? "", text].filter(Boolean).join(" ")).join("\n")) : null,
  ]) ?? element("section", {});
}

/** How long each part of an answer took. @param {Record<string, number>} [taken] */
function phases(taken = {}) {
  const parts = Object.entries(taken).map(([phase, took]) => `${phase.replace(/_ms$/, "")} ${took.toFixed(1)} ms`);
  return parts.length === 0 ? "" : `(${parts.join(", ")})`;
}

/** @param {Capture["state"]} state */
function memory(state) {
  if (!state || (!state.oom_killed && state.memory_limit_bytes === null)) return null;
  const limit = state.memory_limit_bytes === null ? "no limit" : `limit ${size(state.memory_limit_bytes)}`;
  return state.oom_killed ? `${limit}, killed for memory` : limit;
}

/** How large the machine is. @param {{processors: number | null, memory_bytes: number | null}} of */
function machine({ processors, memory_bytes: memory }) {
  return `${processors ?? "?"} processors, ${size(memory)} of memory`;
}

/** How busy it was. @param {NonNullable<Capture["host"]>} host */
function load(host) {
  const { load: averages, memory_available_bytes: memory, disk_free_bytes: disk, disk_bytes: room, pressure, oom_kills: kills } = host;
  const waits = pressure === null ? [] : [["processors", pressure.cpu], ["memory", pressure.memory], ["disk", pressure.io]].filter(([, share]) => share !== null);
  return [
    averages === null ? "" : `load ${averages.join(" ")}`,
    machine(host),
    `free: ${size(memory)} of it, ${size(disk)} of ${size(room)} of disk`,
    waits.length === 0 ? "" : `waiting in the last 10 s: ${waits.map(([what, share]) => `for ${what} ${share} %`).join(", ")}`,
    kills === null ? "" : `killed for memory since its start: ${kills}`,
  ].filter(Boolean).join("; ");
}

/** @param {string} title @param {(Node | null)[]} parts */
function section(title, parts) {
  const shown = parts.filter((part) => part !== null);
  return shown.length === 0 ? null : element("section", {}, element("h3", {}, title), ...shown);
}

/** @param {[string, string | null][]} pairs */
function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== "");
  return element("dl", {}, ...known.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

/** @param {string} at */
function moment(at) {
  return new Date(at).toLocaleString("en-GB");
}

/** @param {number | null} bytes */
function size(bytes) {
  if (bytes === null) return "?";
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1048576 ? `${Math.floor(bytes / 1024)} KiB` : `${Math.round(bytes / 1048576)} MiB`;
}

/** @param {number} ms */
function span(ms) {
  return ms < 1000 ? `${ms} ms` : ms < 60000 ? `${(ms / 1000).toFixed(1)} s` : duration(Math.round(ms / 1000));
}
