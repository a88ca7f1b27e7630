//! Hooks: what an operator wants done around an attempt, or as the attempt itself (contract, section 2).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Seconds;
#[cfg(feature = "schema")]
use super::defaults;
use crate::registry::ProbeTls;

/// A command, or a request to a URL: exactly one of the two.
///
/// A command learns of the attempt from its environment (`MCP_HEALTH_SERVER`, `_ATTEMPT`, `_REASON`, `_STRATEGY`, `_INCIDENT`), a
/// request from headers of the same words (`MCP-Health-Server`, ...). It ended well with exit code 0, or with a status from 200 to 299.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Hook {
    /// The program and its arguments; no shell reads them. A relative path starts at the registry file's directory.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub command: Option<Vec<String>>,
    /// Where the request goes, such as `http://127.0.0.1:9000/repair`.
    pub url: Option<String>,
    /// How an `https` request is secured. Default: with the system's trusted certificates.
    pub tls: Option<ProbeTls>,
    /// The request's method. Default `POST`.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::HOOK_METHOD), length(min = 1)))]
    pub method: Option<String>,
    /// Headers of the request.
    pub headers: BTreeMap<String, String>,
    /// The body of the request.
    pub body: Option<String>,
    /// How long it may take; then it is ended, with everything that it started. Default 30.
    #[cfg_attr(feature = "schema", schemars(extend("default" = defaults::HOOK_TIMEOUT)))]
    pub timeout_seconds: Option<Seconds>,
}
