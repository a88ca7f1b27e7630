//! Where things lie: the repository, the target directory, the built programs.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::outcome::{Context, Outcome};

/// The repository.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Cargo's target directory.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), |folder| env::current_dir().unwrap_or_default().join(folder))
}

/// A program that cargo built, `profile` being `debug` or `release`.
pub(crate) fn binary(profile: &str, name: &str) -> PathBuf {
    target().join(profile).join(name)
}

/// What xtask keeps between runs.
pub(crate) fn own_folder() -> Outcome<PathBuf> {
    let folder = target().join("xtask");
    fs::create_dir_all(&folder).context(format_args!("create {}", folder.display()))?;
    Ok(folder)
}

/// A folder that did not exist before, `target/KIND/TIME-PID`.
pub(crate) fn fresh_folder(kind: &str) -> Outcome<PathBuf> {
    let now = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string();
    let folder = target().join(kind).join(format!("{now}-{}", std::process::id()));
    fs::create_dir_all(&folder).context(format_args!("create {}", folder.display()))?;
    Ok(folder)
}

/// A program on `PATH`, or where Debian keeps root's programs.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
