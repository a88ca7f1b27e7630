//! Real Docker containers.
