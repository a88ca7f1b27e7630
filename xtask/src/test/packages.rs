//! Debian packages: installed where that is allowed, else named.

use std::process::Command;

use crate::command::{self, program};
use crate::outcome::{Failure, Outcome};

/// Installs them, or fails with the commands that would.
pub(super) fn install(packages: &[&str]) -> Outcome {
    let Some(rights) = Rights::found().filter(|_| is_debian()) else {
        return Err(Failure::new(format!("on Debian or Ubuntu, install it with:\n{}", by_hand(packages))));
    };
    eprintln!("xtask: installing {}", packages.join(", "));
    command::run_with_retries(|| rights.apt(&["update"]))?;
    let words = ["install", "-y", "--no-install-recommends"].iter().chain(packages).copied().collect::<Vec<_>>();
    command::run_with_retries(|| rights.apt(&words))
}

/// How a command becomes root's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rights {
    /// We are root.
    Root,
    /// `sudo` asks for no password.
    Sudo,
}

impl Rights {
    /// `None`: there is no way without a password.
    pub(super) fn found() -> Option<Self> {
        if rustix::process::geteuid().is_root() {
            return Some(Self::Root);
        }
        command::succeeds(program("sudo").args(["-n", "true"])).then_some(Self::Sudo)
    }

    /// The program, run as root.
    pub(super) fn program(self, name: &str) -> Command {
        match self {
            Self::Root => program(name),
            Self::Sudo => {
                let mut command = program("sudo");
                command.args(["-n", name]);
                command
            }
        }
    }

    fn apt(self, words: &[&str]) -> Command {
        let mut command = self.program("env");
        // Another installation may hold the lock for a while; a mirror may stumble.
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]);
        command.args(words);
        command
    }
}

fn is_debian() -> bool {
    std::fs::read_to_string("/etc/os-release").is_ok_and(|text| names_debian(&text))
}

fn names_debian(os_release: &str) -> bool {
    let values = os_release.lines().filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")));
    values.flat_map(|value| value.trim_matches('"').split(' ')).any(|word| matches!(word, "debian" | "ubuntu"))
}

fn by_hand(packages: &[&str]) -> String {
    format!("  sudo apt-get update\n  sudo apt-get install -y --no-install-recommends {}", packages.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_and_what_is_like_it_have_apt() {
        assert!(names_debian("PRETTY_NAME=\"x\"\nID=debian\n"));
        assert!(names_debian("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!names_debian("ID=fedora\nVERSION_ID=41\n"));
    }
}
