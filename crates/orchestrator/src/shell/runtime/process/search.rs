//! Whether a program is there, by the rules of `execvp`: a path is that file, a bare name is looked for in PATH.
//!
//! It only looks. What it may not look at counts as there: the child may have other rights.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::shell::asked;

/// Where `execvp` looks without a PATH: musl's list, which has all of glibc's.
const WITHOUT_PATH: &str = "/usr/local/bin:/bin:/usr/bin";

/// A program that cannot be started here.
#[derive(Debug, Error)]
pub enum Absent {
    /// A bare name.
    #[error("`{}` is not on this machine: no directory of PATH has it", .0.display())]
    InPath(PathBuf),
    /// A path that leads nowhere.
    #[error("there is no \"{}\" on this machine", .0.display())]
    File(PathBuf),
    /// A path to something else.
    #[error("\"{}\" is no executable file", .0.display())]
    Plain(PathBuf),
}

impl Absent {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::InPath(_) => "install it, or write its whole path",
            Self::File(_) => "install it there, or write where it is; a relative path starts at the working directory",
            Self::Plain(_) => "chmod +x it, or name its interpreter as the command",
        }
    }
}

/// Looks for `program`, as a child would that runs in `directory` with this PATH.
pub fn find(program: &Path, directory: &Path, path: Option<&str>) -> Result<(), Absent> {
    if program.as_os_str().as_encoded_bytes().contains(&b'/') {
        let file = directory.join(program);
        return match is_executable(&file) {
            Some(true) => Ok(()),
            Some(false) => Err(Absent::Plain(file)),
            None => Err(Absent::File(file)),
        };
    }
    let mut directories = path.unwrap_or(WITHOUT_PATH).split(':').map(|of_path| directory.join(of_path));
    let is_there = directories.any(|of_path| is_executable(&of_path.join(program)) == Some(true));
    if is_there { Ok(()) } else { Err(Absent::InPath(program.to_owned())) }
}

/// Whether a directory is there.
pub fn is_directory(path: &Path) -> bool {
    look(path, fs::Metadata::is_dir) == Some(true)
}

/// `None`: there is nothing.
fn is_executable(file: &Path) -> Option<bool> {
    look(file, |found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Whether what is there fits; `None`: there is nothing.
fn look(path: &Path, fits: impl Fn(&fs::Metadata) -> bool) -> Option<bool> {
    match asked::of(path, || fs::metadata(path)) {
        Ok(found) => Some(fits(&found)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Some(true),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_as_they_are_started() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("bin")).unwrap();
        for (name, mode) in [("bin/serve", 0o755), ("bin/notes", 0o644)] {
            fs::write(at(name), "").unwrap();
            fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        let found = |program: &str, path| find(Path::new(program), directory.path(), path);
        assert!(found("sh", None).is_ok(), "without a PATH there is one");
        assert!(found("serve", Some("/nowhere:bin")).is_ok(), "a relative directory of PATH");
        assert!(matches!(found("serve", Some("/nowhere")), Err(Absent::InPath(_))));
        assert!(matches!(found("notes", Some("bin")), Err(Absent::InPath(_))), "it may not be executed");
        assert!(found("bin/serve", Some("/nowhere")).is_ok());
        assert!(matches!(found("bin/notes", None), Err(Absent::Plain(_))));
        assert!(matches!(found("bin", Some("")), Err(Absent::InPath(_))), "a directory is no program");
        assert!(matches!(found("bin/none", None), Err(Absent::File(_))));
        assert!(is_directory(&at("bin")) && !is_directory(&at("none")) && !is_directory(&at("bin/serve")));
    }
}
