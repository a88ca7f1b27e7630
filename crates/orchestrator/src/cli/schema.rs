//! `orchestrator schema`.

use super::{End, Outcome, print};

pub(super) fn run() -> Outcome {
    print(&format!("{:#}\n", health_spec::schema::registry()))?;
    Ok(End::Fine)
}
