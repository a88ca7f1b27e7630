//! What the tests need from the machine: one table, how to see whether it is there, where it comes from.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::packages;
use crate::command::{self, program};
use crate::outcome::{Failure, Outcome};
use crate::workspace::which;

/// One thing, with the Debian packages that bring it.
struct Need {
    name: &'static str,
    is_there: fn() -> bool,
    packages: &'static [&'static str],
}

const NEEDS: [Need; 8] = [
    Need { name: "a C compiler with its library", is_there: compiles_c, packages: &["gcc", "libc6-dev"] },
    Need { name: "Python 3.10 or newer with venv", is_there: || python().is_some(), packages: &["python3", "python3-venv"] },
    Need { name: "Chromium and its driver", is_there: has_chromium, packages: &["chromium", "chromium-driver"] },
    Need { name: "a message bus", is_there: || which("dbus-daemon").is_some(), packages: &["dbus-daemon"] },
    Need { name: "a Docker engine", is_there: has_docker, packages: &["docker.io", "iptables"] },
    Need {
        name: "a Podman engine",
        is_there: has_podman,
        packages: &["podman", "runc", "netavark", "aardvark-dns", "containernetworking-plugins", "uidmap"],
    },
    Need { name: "bridges and network namespaces", is_there: has_networks, packages: &["iproute2", "util-linux"] },
    Need { name: "HAProxy", is_there: has_haproxy, packages: &["haproxy"] },
];

/// Installs what is missing, or says what to install.
pub(super) fn provide() -> Outcome {
    let lacking = lacking();
    if lacking.is_empty() {
        return Ok(());
    }
    let names = names(&lacking);
    packages::install(&packages_of(&lacking))
        .map_err(|failure| Failure::new(format!("missing: {names}\n{}", failure.message())))?;
    let still = self::lacking();
    if still.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!("still missing after the installation: {}", self::names(&still))))
    }
}

/// A Python that can make virtual environments; Debian's own when the first on `PATH` cannot.
pub(super) fn python() -> Option<PathBuf> {
    let candidates = which("python3").into_iter().chain([PathBuf::from("/usr/bin/python3")]);
    let test = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";
    candidates.into_iter().find(|python| command::succeeds(program(python).args(["-c", test])))
}

/// The browser.
pub(super) fn chromium() -> Option<PathBuf> {
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(which)
}

/// What drives it.
pub(super) fn chromedriver() -> Option<PathBuf> {
    which("chromedriver")
}

fn lacking() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !(need.is_there)()).collect()
}

fn names(needs: &[&Need]) -> String {
    needs.iter().map(|need| need.name).collect::<Vec<_>>().join(", ")
}

fn packages_of(needs: &[&'static Need]) -> Vec<&'static str> {
    needs.iter().flat_map(|need| need.packages).copied().collect()
}

fn compiles_c() -> bool {
    use std::io::Write;
    let mut cc = program("cc");
    cc.args(["-x", "c", "-fsyntax-only", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = cc.spawn() else { return false };
    let written = child
        .stdin
        .take()
        .is_some_and(|mut stdin| stdin.write_all(b"#include <stdio.h>\nint main(void) { return 0; }\n").is_ok());
    child.wait().is_ok_and(|status| status.success()) && written
}

fn has_chromium() -> bool {
    chromium().is_some() && chromedriver().is_some()
}

/// Debian has it where only root looks.
fn has_haproxy() -> bool {
    which("haproxy").is_some() || Path::new("/usr/sbin/haproxy").exists()
}

/// One that is named is used as it is.
fn has_podman() -> bool {
    std::env::var_os(super::podman::VARIABLE).is_some()
        || (["podman", "runc", "newuidmap"].into_iter().all(|program| which(program).is_some())
            && Path::new("/usr/lib/podman/netavark").exists())
}

/// One that answers is used as it is; but some tests start and end another one beside it.
fn has_docker() -> bool {
    ["dockerd", "containerd", "iptables"].into_iter().all(|program| which(program).is_some())
}

fn has_networks() -> bool {
    which("ip").is_some() && which("nsenter").is_some()
}
