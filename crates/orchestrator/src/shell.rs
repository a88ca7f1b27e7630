//! Acts: everything that waits or fails.
