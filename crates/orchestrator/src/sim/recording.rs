//! What a machine was told, as lines of JSON: a header, then one line an input with its moment and a fingerprint of what came of it.
//!
//! Written by the shell (`run --record`), read here. A last line that a crash has torn is left out.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use health_spec::config::File;
use serde::{Deserialize, Serialize};

use crate::machine::fleet::{Beginning, Limits};
use crate::machine::{Command, Effect, Fleet, Input, Mono, ServerId};

/// The form of the lines.
pub const VERSION: u32 = 2;

/// The first line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub version: u32,
    /// What the machine went by. Values of environments are masked.
    pub configuration: File,
    /// What it remembered, and how it was set up.
    pub beginning: Beginning,
    /// When it began.
    pub at: Mono,
}

/// What every version's first line has.
#[derive(Deserialize)]
struct Mark {
    version: u64,
}

/// Every further line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// When.
    pub at: Mono,
    /// What.
    pub what: What,
    /// Of everything that the machine answered.
    pub effects: u64,
}

/// What a machine can be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// An input.
    Input(Input),
    /// A person's command.
    Command(ServerId, Command),
    /// Another configuration.
    Reload(Box<File>, Limits),
}

/// A whole recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// How it began.
    pub header: Header,
    /// What followed.
    pub told: Vec<Told>,
    /// The last line was torn.
    pub torn: bool,
}

/// Why there is nothing to replay.
#[derive(Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// There is no first line, or it is no header.
    Header(String),
    /// Another version has written it.
    Version(u64),
    /// A line, the first being 1, does not read.
    Line(usize, String),
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header(cause) => write!(f, "it does not begin like a recording: {cause}"),
            Self::Version(version) => {
                write!(
                    f,
                    "it is of version {version}, and this program reads version {VERSION}: replay it with the program that wrote it"
                )
            }
            Self::Line(line, cause) => write!(f, "line {line} does not read: {cause}"),
        }
    }
}

impl std::error::Error for Unreadable {}

impl Recording {
    /// Reads the lines.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let unlike = |error: serde_json::Error| Unreadable::Header(error.to_string());
        // Before anything else: a header of another version need not read.
        let Mark { version } = serde_json::from_str(first).map_err(unlike)?;
        if version != u64::from(VERSION) {
            return Err(Unreadable::Version(version));
        }
        let header: Header = serde_json::from_str(first).map_err(unlike)?;
        let lines: Vec<_> = lines.collect();
        let mut told = Vec::with_capacity(lines.len());
        for (index, line) in lines.iter().enumerate() {
            match serde_json::from_str(line) {
                Ok(one) => told.push(one),
                Err(_) if index + 1 == lines.len() && !text.ends_with('\n') => return Ok(Self { header, told, torn: true }),
                Err(error) => return Err(Unreadable::Line(index + 2, error.to_string())),
            }
        }
        Ok(Self { header, told, torn: false })
    }

    /// Who had which place in the machine that was recorded: places are never given again.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.header.configuration.servers.iter().map(|entry| entry.name.as_str()).collect();
        let mut live: BTreeSet<_> = names.iter().copied().collect();
        for told in &self.told {
            let What::Reload(file, _) = &told.what else { continue };
            names.extend(file.servers.iter().map(|entry| entry.name.as_str()).filter(|name| !live.contains(name)));
            live = file.servers.iter().map(|entry| entry.name.as_str()).collect();
        }
        names
    }
}

/// Tells the machine an input, and gives what is to be written down of it.
pub fn step(fleet: &mut Fleet, at: Mono, input: Input) -> (Vec<Effect>, Told) {
    let what = What::Input(input.clone());
    let effects = fleet.step(at, input);
    let told = Told { at, what, effects: fingerprint(&effects) };
    (effects, told)
}

/// FNV-1a over the effects as they are shown: small, and the same on every machine.
pub fn fingerprint(effects: &[Effect]) -> u64 {
    let mut text = String::new();
    for effect in effects {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{effect:?}");
    }
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
