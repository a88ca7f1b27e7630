//! The last answer of a check, as it came: kept, so that it is there when something breaks.

/// So much of a body is kept: what is cut in two at the end of what is shown would not be recognised as a secret.
pub const KEPT_BYTES: usize = 640;

/// An answer as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glimpse {
    /// Its status code, where there is such a thing.
    pub http_status: Option<u16>,
    /// The first [`KEPT_BYTES`] of its body.
    pub body: Box<[u8]>,
    /// How long the body was, as far as it was read.
    pub body_bytes: usize,
}

impl Glimpse {
    /// Of an answer with this body.
    pub fn of(http_status: u16, body: &[u8]) -> Self {
        Self { http_status: Some(http_status), ..Self::said(body) }
    }

    /// Of what came without HTTP.
    pub fn said(text: &[u8]) -> Self {
        Self { http_status: None, body: text[..text.len().min(KEPT_BYTES)].into(), body_bytes: text.len() }
    }
}
