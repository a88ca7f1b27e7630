// The dashboard: everything it shows comes from `/health/ecosystem`, `/health/events` and `/health/stream`.
// @ts-check

import { Connection } from "./connection.js";
import { Events } from "./events.js";
import { Incidents } from "./incidents.js";
import { showConnection, showEcosystem, showTitle } from "./summary.js";
import { Table } from "./table.js";

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

const table = new Table(byId("rows"), byId("empty"), byId("shown"));
const events = new Events(byId("events"));
const incidents = new Incidents(byId("incidents"), byId("incident"));
/** @type {import("./types.js").Ecosystem | null} */
let known = null;

const connection = new Connection({
  onState(state) {
    showConnection(state, connection.seen);
    showTitle(state, known);
    if (state === "live") incidents.refresh();
  },
  onEcosystem(ecosystem) {
    known = ecosystem;
    showEcosystem(ecosystem);
    table.replace(ecosystem.details);
  },
  onHistory: (history) => events.replace(history),
  onMessage(message) {
    if (message.event_type !== "current" && message.event_type !== "gap") {
      events.add(message);
      table.apply(message);
      incidents.heard(message.event_type);
    }
    connection.pollSoon();
  },
});

const filter = byId("filter");
const problems = byId("problems");
const applyFilter = () => table.filter(filter.value, problems.checked);
filter.addEventListener("input", applyFilter);
problems.addEventListener("change", applyFilter);
document.addEventListener("keydown", (pressed) => {
  if (pressed.key === "/" && document.activeElement !== filter && !pressed.ctrlKey && !pressed.metaKey) {
    pressed.preventDefault();
    filter.focus();
  }
});

applyFilter();
setInterval(() => table.tick(), 1000);
connection.start();
