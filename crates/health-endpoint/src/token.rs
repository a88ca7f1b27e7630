//! The bearer token that a request for health must bring, where the author wants one.

use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;

/// Never shown: not in `Debug`, not in an answer.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    /// # Panics
    ///
    /// When it is empty: that is a variable that was not set, not a wish. White space around it is a file's, not the token's.
    pub(crate) fn new(token: &str) -> Self {
        let token = token.trim();
        assert!(!token.is_empty(), "the bearer token is empty");
        Self(token.to_owned())
    }

    /// Whether the request brings it. The time that takes tells the token's length at most.
    pub(crate) fn is_in(&self, headers: &HeaderMap) -> bool {
        let credentials = headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes);
        credentials.and_then(bearer).is_some_and(|given| given.ct_eq(self.0.as_bytes()).into())
    }
}

/// What follows `Bearer `; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(credentials: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = credentials.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_opens() {
        let token = Token::new("secret");
        let cases = [
            (Some("Bearer secret"), true),
            (Some("bearer  secret"), true),
            (Some("Bearer Secret"), false),
            (Some("Bearer secrets"), false),
            (Some("Bearer secre"), false),
            (Some("Bearer "), false),
            (Some("Bearer"), false),
            (Some("Basic secret"), false),
            (Some("secret"), false),
            (None, false),
        ];
        for (given, opens) in cases {
            let headers = HeaderMap::from_iter(given.map(|given| (AUTHORIZATION, given.parse().unwrap())));
            assert_eq!(token.is_in(&headers), opens, "{given:?}");
        }
    }

    #[test]
    fn it_is_not_printed() {
        assert_eq!(format!("{:?}", Token::new("secret")), "Token(..)");
    }

    #[test]
    #[should_panic(expected = "the bearer token is empty")]
    fn nothing_is_no_token() {
        let _ = Token::new("");
    }
}
