//! Where the files of a server's process are.
//!
//! A server's name may hold anything; a file's may not.

use std::path::{Path, PathBuf};

/// Where a server's files are.
#[derive(Clone, Debug)]
pub struct Places {
    /// The server's name, for people.
    pub name: String,
    /// What we have done and are about to do.
    pub record: PathBuf,
    /// What the server writes to stdout and stderr; older files are beside it, with `.1` and so on added.
    pub log: PathBuf,
}

impl Places {
    /// Below the state directory: `processes/NAME.json` and `logs/NAME.log`.
    pub fn of(state_directory: &Path, name: &str) -> Self {
        let (name, written) = (file_name(name), name.to_owned());
        Self {
            name: written,
            record: state_directory.join("processes").join(format!("{name}.json")),
            log: state_directory.join("logs").join(format!("{name}.log")),
        }
    }
}

/// Where it is kept that a hook of this server runs: `hooks/NAME.json` below the state directory.
pub fn hook_record(state_directory: &Path, name: &str) -> PathBuf {
    hook_records(state_directory).join(format!("{}.json", file_name(name)))
}

/// The directory of these records.
pub fn hook_records(state_directory: &Path) -> PathBuf {
    state_directory.join("hooks")
}

/// File systems allow 255 bytes; suffixes follow.
const LONGEST_NAME: usize = 200;

/// A file name for a server: letters, digits, `-`, `_` and inner `.` stay, all else is percent-encoded.
/// What would be too long ends in a hash.
fn file_name(name: &str) -> String {
    let safe: String = name.bytes().enumerate().map(|(at, byte)| encoded(byte, at == 0)).collect();
    if safe.len() <= LONGEST_NAME {
        return safe;
    }
    format!("{}%{:016X}", &safe[..LONGEST_NAME - 17], fnv1a(name))
}

fn encoded(byte: u8, first: bool) -> String {
    if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) || (byte == b'.' && !first) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

/// FNV-1a, 64 bits: the same in every version of the program.
pub(super) fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_safe_and_distinct() {
        assert_eq!(file_name("mcp-server_1.0"), "mcp-server_1.0");
        assert_eq!(file_name("../etc"), "%2E.%2Fetc");
        assert_eq!(file_name("a b%"), "a%20b%25");
        assert_eq!(file_name("."), "%2E");
        let (long, longer) = (file_name(&"x".repeat(300)), file_name(&"x".repeat(301)));
        assert!(long.len() <= LONGEST_NAME && longer.len() <= LONGEST_NAME);
        assert_ne!(long, longer);
    }
}
