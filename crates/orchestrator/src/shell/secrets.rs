//! What must not be shown: what it is, where it stands, and how it is hidden.
//!
//! [`mask`] hides it in what others have written, [`hide_file`] in what an operator wrote. Whatever is shown to anybody or kept of a server has
//! gone through one of them.

use sha2::{Digest, Sha256};

pub mod credentials;
mod hidden;
pub mod mask;
mod name;

pub use hidden::{hide_entry, hide_file};
pub use mask::Mask;
pub use name::{is_secret, may_be_secret};

/// The first 12 digits of the SHA-256: tells two texts apart, and says nothing about them.
pub fn digest(text: &str) -> String {
    let bytes = Sha256::digest(text);
    let number = bytes.iter().take(6).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{number:012x}")
}
