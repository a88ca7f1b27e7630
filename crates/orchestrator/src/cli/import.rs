//! `orchestrator import`.

use std::io::Read as _;
use std::path::Path;

use orchestrator::shell::causes::causes;
use orchestrator::shell::import::{Imported, Note};

use super::args::Import;
use super::{End, Outcome, note, print};

/// More than any client keeps.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

pub(super) fn run(arguments: &Import) -> Outcome {
    let mut imported = Imported::default();
    let mut refused = false;
    for path in &arguments.files {
        let added = text(path)
            .map_err(|error| error.to_string())
            .and_then(|text| imported.add(path, &text).map_err(|error| causes(&error)));
        if let Err(error) = added {
            note(&format!("error: {}: {error}", path.display()));
            refused = true;
        }
    }
    for Note { server, message } in imported.notes() {
        note(&format!("note: {server}: {message}"));
    }
    if refused {
        return Ok(End::Failure);
    }
    print(&if arguments.json { format!("{:#}\n", imported.json()) } else { imported.yaml() })?;
    Ok(End::Fine)
}

/// `-` is standard input.
fn text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(MAX_BYTES).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    }
    Ok(text)
}
