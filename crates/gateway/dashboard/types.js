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

/**
 * @typedef {object} Incident
 * @property {string} id
 * @property {string} server_name
 * @property {string} opened_at
 * @property {string | null} closed_at
 * @property {"open" | "successful" | "recovered" | "stopped" | "deregistered"} outcome
 * @property {boolean} exhausted
 * @property {string} reason
 * @property {string} detected_by
 * @property {number} detection_ms
 * @property {number | null} recovery_ms
 * @property {{attempt: number, strategy: string, started_at: string, ended_at: string | null, result: string, error: string | null}[]} attempts
 * @property {Evidence} [evidence]
 *
 * @typedef {object} Evidence
 * @property {{by: string, at: string, how: string} | null} noticed
 * @property {{at: string, exit_code: number | null, signal: number | null, oom_killed: boolean, core_dumped: boolean | null, error: string | null} | null} death
 * @property {string | null} well_at
 * @property {{what: string, before: string | null, after: string | null}[]} changed
 * @property {Capture[]} captures
 * @property {string[]} left_out
 *
 * @typedef {object} Capture
 * @property {string} at
 * @property {string} moment
 * @property {number} [attempt]
 * @property {number} took_ms
 * @property {{at: string, verdict: string, reason?: string, message?: string, took_ms: number, http_status?: number, phases?: Record<string, number>, body?: string, body_bytes: number}[]} [answers]
 * @property {RuntimeState} [state]
 * @property {{source: string, lines: {at?: string, stream?: string, text: string}[]}} [logs]
 * @property {{name: string, version: string | null, running: number | null, containers: number | null, processors: number | null, memory_bytes: number | null}} [engine]
 * @property {Host} [host]
 * @property {string} orchestrator_version
 * @property {string[]} [missing]
 *
 * @typedef {object} Host
 * @property {number[] | null} load
 * @property {number | null} processors
 * @property {number | null} memory_bytes
 * @property {number | null} memory_available_bytes
 * @property {number | null} disk_bytes
 * @property {number | null} disk_free_bytes
 * @property {{cpu: number | null, memory: number | null, io: number | null} | null} pressure
 * @property {number | null} oom_kills
 *
 * @typedef {object} RuntimeState
 * @property {string} kind
 * @property {string} name
 * @property {string | null} id
 * @property {boolean | null} running
 * @property {string | null} status
 * @property {string | null} started_at
 * @property {string | null} finished_at
 * @property {number | null} exit_code
 * @property {boolean | null} oom_killed
 * @property {number | null} memory_limit_bytes
 * @property {number | null} restarts
 * @property {string | null} error
 * @property {string | null} health
 * @property {{reference: string, digest: string, repository_digests: string[], reference_now: string | null} | null} image
 * @property {string[]} environment
 */

export {};
