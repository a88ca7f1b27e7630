//! The virtual world: scripted servers, virtual time, and the same machine that runs in production.
//!
//! [`world`] plays what happens ([`twist`]), [`trace`] and [`chart`] are what `simulate` prints. A [`story`] is a whole random world from one
//! seed, [`laws`] are what must hold in every world, [`proof`] plays a story under the laws.
//! A [`recording`] is what a real machine was told; [`replay`] tells it again.

pub mod chart;
pub mod laws;
pub mod proof;
mod random;
pub mod recording;
pub mod replay;
pub mod story;
pub mod trace;
pub mod twist;
pub mod world;

pub use trace::{Line, Trace};
pub use world::{Setting, Window, World};
