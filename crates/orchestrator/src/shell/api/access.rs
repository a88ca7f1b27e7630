//! Who may do what (contract, section 6.3): hosts and pages for every request, the operator token for actions.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use health_spec::access::{host_allowed, origin_allowed};
use subtle::ConstantTimeEq;

use super::Refused;

/// Tokens shorter than this can be guessed.
const SHORTEST_TOKEN: usize = 16;

/// The token that whatever acts needs.
#[derive(Clone)]
pub struct OperatorToken {
    token: String,
    /// Where whoever may act finds it, as far as anybody may know.
    kept: &'static str,
}

/// Where a token is that the first run has written.
const IN_STATE: &str = "in the file operator-token in its state directory";

/// Where a token is that an operator has given.
const IN_FILE: &str = "in the file that its --operator-token-file names";

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file.
    #[error("cannot read or write the token file {path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Its content.
    #[error("the token in {path} is shorter than {SHORTEST_TOKEN} characters; put a long random one there")]
    Short {
        /// Which one.
        path: PathBuf,
    },
}

impl OperatorToken {
    /// Reads the token from `path`.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let text = std::fs::read_to_string(path).map_err(|source| TokenError::File { path: path.to_owned(), source })?;
        let token = text.trim().to_owned();
        if token.len() < SHORTEST_TOKEN {
            return Err(TokenError::Short { path: path.to_owned() });
        }
        Ok(Self { token, kept: IN_FILE })
    }

    /// Reads the token of a state directory; the first run writes one that only its owner can read.
    pub fn of_directory(directory: &Path) -> Result<Self, TokenError> {
        let path = directory.join("operator-token");
        if !path.exists() {
            let token = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
            write_private(&path, &token).map_err(|source| TokenError::File { path: path.clone(), source })?;
        }
        Ok(Self { kept: IN_STATE, ..Self::read(&path)? })
    }

    /// Whether the request carries the token.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, given) = bearer.and_then(|value| value.split_once(' ')).unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refused::no_token(self.kept));
        }
        if bool::from(given.trim().as_bytes().ct_eq(self.token.as_bytes())) {
            Ok(())
        } else {
            Err(Refused::wrong_token(self.kept))
        }
    }
}

impl std::fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OperatorToken(..)")
    }
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Turns away pages of other sites: their `Host` on a loopback bind, their `Origin` on whatever acts.
pub(super) async fn guard(bound: SocketAddr, request: Request, next: Next) -> Response {
    match foreign(bound, request.method(), request.headers()) {
        Some(refused) => refused.into_response(),
        None => next.run(request).await,
    }
}

fn foreign(bound: SocketAddr, method: &Method, headers: &HeaderMap) -> Option<Refused> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (host, origin) = (text(header::HOST), text(header::ORIGIN));
    if !host_allowed(host, bound) {
        return Some(Refused::foreign("Host", host.unwrap_or_default()));
    }
    let acts = method != Method::GET && method != Method::HEAD;
    (acts && !origin_allowed(origin, host)).then(|| Refused::foreign("Origin", origin.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_token_is_told_from_none_and_the_place_of_the_right_one_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let written = OperatorToken::of_directory(directory.path()).expect("a token");
        let given = OperatorToken::read(&directory.path().join("operator-token")).expect("a token");
        let said = |token: &OperatorToken, authorization: &str| {
            let headers = [(header::AUTHORIZATION, authorization.parse().expect("a header"))].into_iter().collect();
            token.check(&headers).map_err(|refused| format!("{refused:?}"))
        };
        let wrong = said(&written, "Bearer 0123456789abcdef").expect_err("wrong");
        assert!(wrong.contains("is not this orchestrator's") && wrong.contains(IN_STATE), "{wrong}");
        assert!(!wrong.contains(&written.token) && !wrong.contains(&*directory.path().to_string_lossy()), "{wrong}");
        assert!(said(&given, "Bearer 0123456789abcdef").expect_err("wrong").contains(IN_FILE));
        assert!(said(&written, "Basic abc").expect_err("none").contains("send `Authorization: Bearer TOKEN`"));
        assert_eq!(said(&given, &format!("bearer {}", given.token)), Ok(()));
    }
}
