//! States over time: one line a server, one character a time slice.
