//! Headers of a probe: names and values that can be sent, and secrets that can be read.

use health_spec::registry::Probe;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::Compiler;
use crate::shell::causes::causes;
use crate::shell::probe::headers::{Headers, Secret};

/// What the client itself says.
const OURS: [&str; 6] = ["host", "connection", "content-length", "transfer-encoding", "content-type", "te"];

impl Compiler<'_> {
    /// `None`: something is wrong. `Some(None)`: nothing special is wanted.
    #[expect(clippy::option_option, reason = "wrong, nothing, something")]
    pub(super) fn headers(&mut self, probe: &Probe, pointer: &str) -> Option<Option<Headers>> {
        let mut headers = Headers { host: None, fixed: Vec::new(), secrets: Vec::new() };
        let before = self.issues.len();
        if let Some(host) = &probe.host {
            headers.host = self.value(host, &format!("{pointer}/host"));
        }
        for (name, value) in &probe.headers {
            let place = format!("{pointer}/headers/{}", escaped(name));
            if let (Some(name), Some(value)) = (self.name(name, &place), self.value(value, &place)) {
                headers.fixed.push((name, value));
            }
        }
        for (name, path) in &probe.header_files {
            let place = format!("{pointer}/header_files/{}", escaped(name));
            if let Some(name) = self.name(name, &place) {
                let secret = Secret::new(name, "", self.path(path));
                headers.secrets.extend(self.readable(secret, &place));
            }
        }
        if let Some(path) = &probe.bearer_token_file {
            let secret = Secret::new(AUTHORIZATION, "Bearer ", self.path(path));
            headers.secrets.extend(self.readable(secret, &format!("{pointer}/bearer_token_file")));
            let written = probe.headers.keys().chain(probe.header_files.keys());
            if written.into_iter().any(|name| name.eq_ignore_ascii_case("authorization")) {
                let message = "the token and a header would both be sent as Authorization".to_owned();
                self.wrong(&format!("{pointer}/bearer_token_file"), message, "keep one of them");
            }
        }
        if self.issues.len() > before {
            return None;
        }
        Some((headers != Headers::default()).then_some(headers))
    }

    fn name(&mut self, name: &str, place: &str) -> Option<HeaderName> {
        let Ok(parsed) = HeaderName::try_from(name) else {
            self.wrong(place, format!("`{name}` is no header name"), "letters, digits and hyphens");
            return None;
        };
        if OURS.contains(&parsed.as_str()) || parsed.as_str().starts_with("mcp-") {
            let help = if parsed.as_str() == "host" { "write host: ... beside `headers`" } else { "remove it" };
            self.wrong(place, format!("`{name}` is set by the check itself"), help);
            return None;
        }
        Some(parsed)
    }

    fn value(&mut self, value: &str, place: &str) -> Option<HeaderValue> {
        let Ok(mut value) = HeaderValue::try_from(value) else {
            self.wrong(place, "no header can carry this value".to_owned(), "one line of text without control characters");
            return None;
        };
        value.set_sensitive(true);
        Some(value)
    }

    fn readable(&mut self, secret: Secret, place: &str) -> Option<Secret> {
        match secret.value() {
            Ok(_) => Some(secret),
            Err(error) => {
                self.wrong(place, causes(&error), "a file with one line that the orchestrator can read");
                None
            }
        }
    }
}

/// As a step of a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
