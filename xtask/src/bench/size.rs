//! How large the programs are.

use std::fs;

use super::report::{Cell, Measurement};
use crate::outcome::{Context, Outcome};
use crate::workspace;

/// The release programs, as cargo leaves them.
pub(super) fn measure() -> Outcome<Measurement> {
    let rows = ["orchestrator", "gateway"].into_iter().map(row).collect::<Outcome<_>>()?;
    let note = "Release profile; the orchestrator has the gateway and its dashboard inside.".to_owned();
    Ok(Measurement { title: "Size of the programs", note, columns: &["program", "size"], rows })
}

fn row(name: &str) -> Outcome<Vec<Cell>> {
    let file = workspace::binary("release", name);
    let bytes = fs::metadata(&file).context(format_args!("read {}", file.display()))?.len();
    Ok(vec![Cell::Text(name.to_owned()), Cell::Bytes(bytes)])
}
