//! An error and what caused it, in one line: for events, answers and the terminal.

use std::error::Error;

/// The error, then each cause behind a colon; one that says what was said right before is left out.
pub fn causes(error: &dyn Error) -> String {
    let mut last = error.to_string();
    let mut line = last.clone();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if last != said && !last.ends_with(&format!(": {said}")) {
            line.push_str(": ");
            line.push_str(&said);
            last = said;
        }
        source = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Layer>>);

    #[test]
    fn a_cause_that_says_the_same_once_more_is_left_out() {
        let names_it = Layer("hyper: client error", Some(Layer("client error", Some(Layer("refused", None).into())).into()));
        assert_eq!(causes(&names_it), "hyper: client error: refused");
        let deepest = Layer("refused", None);
        let all =
            Layer("no engine", Some(Layer("client error", Some(Layer("client error", Some(deepest.into())).into())).into()));
        assert_eq!(causes(&all), "no engine: client error: refused");
    }
}
