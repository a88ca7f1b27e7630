//! An error and what caused it, in one line: for events, answers and the terminal.

use std::error::Error;

/// The error, then each cause behind a colon.
pub fn causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    line
}
