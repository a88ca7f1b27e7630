//! The virtual world: scripted servers, virtual time, and the same machine that runs in production.
//!
//! [`world`] plays a script, [`trace`] is what it prints, [`laws`] are what must hold in every world.

pub mod laws;
pub mod trace;
pub mod world;

pub use trace::{Line, Trace};
pub use world::World;
