// The table of servers. A row is made once, and written to only when its server changed.
// @ts-check

import { BY_URGENCY, clock, element, pill, refreshTimes, shownStatus, time, words } from "./format.js";

/** @typedef {import("./types.js").ServerView} ServerView */
/** @typedef {import("./types.js").StreamMessage} StreamMessage */
/** @typedef {{id: string, server: ServerView, drawn: string, search: string, row: HTMLElement}} Entry */

/** `a-2` before `a-10`. */
const byName = new Intl.Collator(undefined, { numeric: true });

export class Table {
  /** @type {Map<string, Entry>} */ #entries = new Map();
  /** Rows on the screen: only their times are kept up to date. @type {Set<Element>} */ #visible = new Set();
  #observer = new IntersectionObserver((seen) => this.#see(seen));
  #text = "";
  #onlyProblems = false;
  #loaded = false;

  /** @param {HTMLElement} rows @param {HTMLElement} empty @param {HTMLElement} shown */
  constructor(rows, empty, shown) {
    this.rows = rows;
    this.empty = empty;
    this.shown = shown;
  }

  /** Shows exactly these servers. @param {ServerView[]} servers */
  replace(servers) {
    this.#loaded = true;
    const ids = identify(servers);
    const gone = new Set(this.#entries.keys());
    servers.forEach((server, index) => {
      gone.delete(ids[index]);
      this.#put(ids[index], server);
    });
    for (const id of gone) this.#remove(id);
    this.#arrange();
  }

  /** An event says what has become of a server; the next full state has the rest. @param {StreamMessage} message */
  apply(message) {
    const entry = message.server === null ? undefined : this.#entries.get(message.server);
    if (!entry || message.status === null) return;
    const server = { ...entry.server, status: message.status, phase: message.phase ?? entry.server.phase };
    if (message.event_type === "status_changed") server.since = message.timestamp;
    this.#put(entry.id, server);
    this.#arrange();
  }

  /** Once a second. */
  tick() {
    for (const row of this.#visible) refreshTimes(row);
  }

  /** @param {IntersectionObserverEntry[]} seen */
  #see(seen) {
    for (const { target, isIntersecting } of seen) {
      if (!isIntersecting) this.#visible.delete(target);
      else if (!this.#visible.has(target)) {
        this.#visible.add(target);
        refreshTimes(target);
      }
    }
  }

  /** @param {string} text @param {boolean} onlyProblems */
  filter(text, onlyProblems) {
    this.#text = text.trim().toLowerCase();
    this.#onlyProblems = onlyProblems;
    this.#hide();
  }

  /** @param {string} id @param {ServerView} server */
  #put(id, server) {
    const drawn = JSON.stringify({ ...server, as_of: null });
    let entry = this.#entries.get(id);
    if (entry?.drawn === drawn) return;
    if (!entry) {
      entry = { id, server, drawn, search: "", row: element("tr", { "data-server": id, role: "row" }) };
      this.#entries.set(id, entry);
      this.#observer.observe(entry.row);
    }
    Object.assign(entry, { server, drawn, search: searchable(id, server) });
    draw(entry);
  }

  /** @param {string} id */
  #remove(id) {
    const row = this.#entries.get(id)?.row;
    this.#entries.delete(id);
    if (!row) return;
    this.#observer.unobserve(row);
    this.#visible.delete(row);
    row.remove();
  }

  /** What is urgent comes first; rows that are in their place are left alone. */
  #arrange() {
    const ordered = [...this.#entries.values()].sort(
      (a, b) => urgency(a) - urgency(b) || byName.compare(a.id, b.id),
    );
    let at = this.rows.firstElementChild;
    for (const { row } of ordered) {
      if (row === at) at = at.nextElementSibling;
      // The one before it moves down: it is put in place when its turn comes.
      else if (at !== null && at.nextElementSibling === row) at = row.nextElementSibling;
      else this.rows.insertBefore(row, at);
    }
    this.#hide();
  }

  #hide() {
    let shown = 0;
    for (const entry of this.#entries.values()) {
      const show = entry.search.includes(this.#text) && (!this.#onlyProblems || isProblem(entry.server));
      if (entry.row.hidden === show) entry.row.hidden = !show;
      if (show) shown++;
    }
    const all = this.#entries.size;
    this.shown.textContent = shown === all ? "" : `${shown} of ${all} shown`;
    this.empty.hidden = shown > 0;
    this.empty.textContent = this.#whyEmpty(all);
  }

  /** @param {number} all */
  #whyEmpty(all) {
    if (!this.#loaded) return "Loading…";
    if (all === 0) return "No servers yet. They appear as soon as an orchestrator reports them.";
    return this.#onlyProblems && !this.#text ? "No problems." : "No server matches.";
  }
}

/** The name, or source/name where several sources have the same name. @param {ServerView[]} servers */
function identify(servers) {
  const count = new Map();
  for (const { name } of servers) count.set(name, (count.get(name) ?? 0) + 1);
  return servers.map(({ name, source }) => (count.get(name) > 1 ? `${source}/${name}` : name));
}

/** @param {Entry} entry */
function urgency({ server }) {
  return (server.requires_manual ? -1 : 0) + BY_URGENCY.indexOf(shownStatus(server)) * 2;
}

/** @param {ServerView} server */
function isProblem(server) {
  const status = shownStatus(server);
  return server.stale || server.requires_manual || server.phase === "suspect" || !["ok", "stopped"].includes(status);
}

/** @param {string} id @param {ServerView} server */
function searchable(id, server) {
  const parts = [id, server.group, server.source, shownStatus(server), server.phase, server.reason, server.last_check?.message];
  return parts.filter(Boolean).join("\n").toLowerCase();
}

/** @param {Entry} entry */
function draw({ id, server, row }) {
  const status = shownStatus(server);
  row.dataset.status = status;
  row.dataset.stale = String(server.stale);
  row.replaceChildren(
    element("th", { scope: "row", role: "rowheader" }, element("span", { class: "name" }, id), second(server.group)),
    cell("", pill(status), server.stale ? element("span", { class: "tag" }, "stale") : null),
    explained(cell("phase", server.phase, second(reason(server))), server),
    cell("number", time(server.since, "for")),
    cell("check", ...check(server)),
    cell("number", ...restarts(server)),
    cell("recovery", ...recovery(server)),
  );
}

/** The whole explanation, in the machine's own words. @param {HTMLElement} cell @param {ServerView} server */
function explained(cell, { why }) {
  if (!why) return cell;
  const held = why.waiting_for ? [`held: ${why.waiting_for}`] : [];
  const next = why.next.map(({ what, at }) => `next: ${what}${at ? `, at ${clock(at)}` : ""}`);
  cell.title = [why.believes, ...held, ...next, ...why.evidence.map((text) => `because: ${text}`)].join("\n");
  return cell;
}

/** @param {string} name @param {...(Node | string | null)} children */
function cell(name, ...children) {
  return element("td", { class: name, role: "cell" }, ...children);
}

/** @param {string | null} text */
function second(text) {
  return text ? element("span", { class: "second" }, text) : null;
}

/** @param {ServerView} server */
function reason(server) {
  return server.status === "ok" || server.reason === "check" ? null : words(server.reason);
}

/** @param {ServerView} server */
function check({ last_check: last }) {
  if (!last) return [element("span", { class: "second" }, "none yet")];
  const message = [words(last.reason), last.message].filter(Boolean).join(": ");
  const line = element("span", { class: "line" }, `${last.response_time_ms} ms · `, time(last.at, "ago"));
  return [line, message ? element("span", { class: "second message", title: message }, message) : null];
}

/** @param {ServerView} server */
function restarts({ restarts: { ours, engine } }) {
  if (ours + engine === 0) return [element("span", { class: "none" }, "0")];
  return [String(ours), engine ? second(`+${engine} engine`) : null];
}

/** @param {ServerView} server */
function recovery({ recovery: plan, held, paused, requires_manual: manual, why, maintenance_until: maintenance }) {
  const lines = [];
  if (manual) lines.push(element("strong", { class: "manual" }, "Needs a person"));
  if (plan?.running) lines.push(element("span", { class: "line" }, `${attempt(plan)} running`));
  else if (plan?.next_at) lines.push(element("span", { class: "line" }, `${attempt(plan)} `, time(plan.next_at, "until")));
  if (paused) lines.push(element("span", { class: "line" }, `Paused by ${paused.by}`, paused.until ? ", ends " : "", paused.until ? time(paused.until, "until") : ""));
  if (maintenance) lines.push(element("span", { class: "line" }, "Maintenance, ends ", time(maintenance, "until")));
  if (held) {
    const what = why?.waiting_for ?? `${words(held.reason)}${held.on.length ? ` (${held.on.join(", ")})` : ""}`;
    lines.push(element("span", { class: "second", title: (why?.evidence ?? []).join("; ") }, `held: ${what}`));
  }
  return lines;
}

/** @param {{attempt: number, of: number}} plan */
function attempt({ attempt, of }) {
  return attempt === 0 ? "Restart" : `Attempt ${attempt} of ${of}`;
}
