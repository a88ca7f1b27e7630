//! `--token-file`: secrets come from files, since a command line is for everybody to see.

use std::io::Read;
use std::path::{Path, PathBuf};

use health_spec::conformance::Token;

use super::{Failure, USAGE};

/// No token is longer, in bytes.
const LONGEST: u64 = 16 * 1024;

/// For servers that want credentials.
#[derive(clap::Args)]
#[group(id = "credentials")]
pub(super) struct Credentials {
    /// A file with the bearer token to send
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Credentials {
    pub(super) fn read(&self) -> Result<Option<Token>, Failure> {
        self.token_file.as_deref().map(read).transpose()
    }
}

fn read(path: &Path) -> Result<Token, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::new(USAGE, format!("cannot use {}: {error}", path.display()));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| wrong(&error))?;
    file.take(LONGEST).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    Token::new(&text).map_err(|error| wrong(&error))
}
