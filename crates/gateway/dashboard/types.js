// What the gateway answers; see the contract, sections 4 to 6.

/**
 * @typedef {"ok" | "degraded" | "down" | "unknown"} Status
 * @typedef {Status | "stopped"} Shown
 *
 * @typedef {object} LastCheck
 * @property {string} at
 * @property {Status} verdict
 * @property {string | null} reason
 * @property {string | null} message
 * @property {number} response_time_ms
 *
 * @typedef {object} ServerView
 * @property {string} name
 * @property {string} source
 * @property {string | null} group
 * @property {Status} status
 * @property {string} phase
 * @property {string | null} reason
 * @property {string} since
 * @property {{until: string | null, by: string, reason: string | null} | null} paused
 * @property {{reason: string, on: string[]} | null} held
 * @property {boolean} requires_manual
 * @property {LastCheck | null} last_check
 * @property {{attempt: number, of: number, next_at: string | null, running: boolean} | null} recovery
 * @property {{ours: number, engine: number}} restarts
 * @property {{believes: string, evidence: string[], next: {what: string, at: string | null}[], waiting_for: string | null}} [why]
 * @property {string | null} [maintenance_until]
 * @property {boolean} stale
 * @property {string} as_of
 *
 * @typedef {object} SourceView
 * @property {string} name
 * @property {string | null} url
 * @property {"connecting" | "connected" | "lost"} status
 * @property {string | null} as_of
 * @property {boolean} stale
 * @property {string | null} [config_error]
 *
 * @typedef {object} Ecosystem
 * @property {Status} status
 * @property {string} timestamp
 * @property {{total: number, healthy: number, degraded: number, down: number, stopped: number, unknown: number}} servers
 * @property {ServerView[]} details
 * @property {SourceView[]} sources
 *
 * @typedef {{event_type: string, server: string | null, status: Status | null, timestamp: string, cursor: string}
 *   & Record<string, any>} StreamMessage
 */

export {};
