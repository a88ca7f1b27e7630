//! The end of what a hook writes: as much as an error message may hold.

use std::collections::VecDeque;

/// More than this is not kept.
const MOST: usize = 1_024;

/// The last bytes of an output.
#[derive(Debug, Default)]
pub(super) struct Tail {
    kept: VecDeque<u8>,
    is_cut: bool,
}

impl Tail {
    /// Some more of it.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.kept.extend(bytes);
        let excess = self.kept.len().saturating_sub(MOST);
        self.is_cut |= excess > 0;
        self.kept.drain(..excess);
    }

    /// For an error message, after a colon; empty when nothing was written. Control characters, which could do things to a
    /// terminal, become spaces.
    pub(super) fn said(&self) -> String {
        let bytes: Vec<u8> = self.kept.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let text: String = text.trim().chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
        match (text.is_empty(), self.is_cut) {
            (true, _) => String::new(),
            (false, true) => format!(": ...{text}"),
            (false, false) => format!(": {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_kept() {
        let mut tail = Tail::default();
        assert_eq!(tail.said(), "");
        tail.add(b"one\n\x1b[31mtwo\n");
        assert_eq!(tail.said(), ": one\n [31mtwo");
        for _ in 0..10_000 {
            tail.add(b"much more ");
        }
        let said = tail.said();
        assert!(said.starts_with(": ...") && said.len() <= MOST + 5, "{said}");
    }
}
