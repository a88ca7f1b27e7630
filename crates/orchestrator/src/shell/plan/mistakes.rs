//! Mistakes of meaning, and of several files and the environment: each message stands here as it is shown.

use std::fmt::Write as _;

/// Each file `mistakes/*.txt`: cases of files and variables, a line `----`, and what is said about them.
///
/// `BLESS=1 cargo test -p orchestrator --all-features --lib every_mistake_has_its_message` writes them anew.
///
/// `%env NAME=value` sets a variable; `%file NAME` begins a file, which is `registry.yaml` without such a line.
fn mistakes() -> [(&'static str, &'static str); 10] {
    [
        ("meaning", include_str!("mistakes/meaning.txt")),
        ("both", include_str!("mistakes/both.txt")),
        ("several", include_str!("mistakes/several.txt")),
        ("environment", include_str!("mistakes/environment.txt")),
        ("maintenance", include_str!("mistakes/maintenance.txt")),
        ("probes", include_str!("mistakes/probes.txt")),
        ("process", include_str!("mistakes/process.txt")),
        ("runtime", include_str!("mistakes/runtime.txt")),
        ("machine", include_str!("mistakes/machine.txt")),
        ("budget", include_str!("mistakes/budget.txt")),
    ]
}

#[test]
fn every_mistake_has_its_message() {
    let mut wrong = String::new();
    for (file, text) in mistakes() {
        let mut found = String::new();
        for case in text.split_terminator("====\n") {
            let (written, _) = case.split_once("----\n").expect("files and their messages");
            let _ = write!(found, "{written}----\n{}\n====\n", shown(written));
        }
        if found != text && std::env::var_os("BLESS").is_some() {
            let path = format!("{}/src/shell/plan/mistakes/{file}.txt", env!("CARGO_MANIFEST_DIR"));
            std::fs::write(path, found).expect("written");
        } else if found != text {
            let _ = write!(wrong, "mistakes/{file}.txt should be:\n{found}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn shown(written: &str) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut variables, mut files) = (Vec::new(), Vec::<(String, String)>::new());
    for line in written.split_inclusive('\n') {
        if let Some((name, value)) = line.strip_prefix("%env ").and_then(|rest| rest.trim_end().split_once('=')) {
            variables.push((name.to_owned(), value.to_owned()));
        } else if let Some(name) = line.strip_prefix("%file ") {
            files.push((name.trim_end().to_owned(), String::new()));
        } else if let Some((_, text)) = files.last_mut() {
            text.push_str(line);
        } else {
            files.push(("registry.yaml".to_owned(), line.to_owned()));
        }
    }
    for (name, text) in &files {
        std::fs::write(directory.path().join(name), text).expect("written");
    }
    let lookup = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let path = if files.len() == 1 { directory.path().join(&files[0].0) } else { directory.path().to_owned() };
    let (warnings, error) = match super::check(&[path], &lookup) {
        Err(error) => (error.warnings().to_vec(), Some(error.to_string())),
        Ok(plan) => (plan.loaded.warnings, None),
    };
    let said: Vec<_> = warnings.iter().map(|warning| format!("warning: {warning}")).chain(error).collect();
    let said = said.join("\n");
    said.replace(&format!("{}/", directory.path().display()), "")
}
