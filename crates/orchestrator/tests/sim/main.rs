//! The machine in virtual worlds: the published timelines, and laws that hold in thousands of random ones.
#![cfg(feature = "sim")]

mod once;
mod pages;
mod random;
mod scenes;
mod timelines;
