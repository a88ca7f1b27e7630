//! From a path to text: one file, or those of a directory. Knows nothing of YAML.

use std::fs::File as Handle;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{LoadError, MAX_BYTES};
use crate::shell::asked;

/// What a file of a directory must end in to be read.
const ENDINGS: [&str; 2] = ["yaml", "yml"];

/// The files of `path`, in the order in which they are read: itself, or what a directory holds, by name.
///
/// Hidden files are not read: editors keep their copies there, and Kubernetes its mounts.
pub(super) fn listed(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    asked::of(path, || list(path))
}

fn list(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |source| LoadError::Unreadable { path: path.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if is_configuration(&file) {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() { Err(LoadError::NothingThere(path.to_owned())) } else { Ok(files) }
}

fn is_configuration(file: &Path) -> bool {
    let ending = file.extension().and_then(|ending| ending.to_str());
    let hidden = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    ending.is_some_and(|ending| ENDINGS.contains(&ending)) && !hidden && !file.is_dir()
}

/// What stands in a file, as it is.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let unreadable = |source| LoadError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let read = || Handle::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    asked::of(path, read).map_err(unreadable)?;
    Ok(bytes)
}

/// Lines end in `\n` from here on, and a byte order mark is gone.
pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<String, LoadError> {
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(LoadError::TooLarge(path.to_owned()));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| LoadError::NotText { path: path.to_owned(), offset: error.valid_up_to() })?;
    Ok(text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_its_yaml_files_by_name() {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["b.yaml", "a.yml", ".hidden.yaml", "notes.txt", "a.yaml~"] {
            std::fs::write(directory.path().join(name), "").expect("written");
        }
        std::fs::create_dir(directory.path().join("c.yaml")).expect("a directory");
        let names: Vec<_> =
            listed(directory.path()).expect("two").iter().map(|path| path.file_name().expect("a name").to_owned()).collect();
        assert_eq!(names, ["a.yml", "b.yaml"]);
    }
}
