//! What `--break NAME=HOW` asks for, and when it is done.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::cast::NAMES;

/// From the moment all servers are up to the first break, and from one to the next.
const PAUSE: Duration = Duration::from_secs(3);

/// One server, broken once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Break {
    /// One of the demo's servers.
    pub(crate) server: &'static str,
    /// In which way.
    pub(crate) how: How,
    /// How long after all servers are up.
    pub(crate) after: Duration,
}

/// The ways a sample server can be told to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Its process ends.
    Crash,
    /// It accepts and never answers.
    Hang,
    /// It says `down` of itself.
    Down,
}

impl How {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Crash, Self::Hang, Self::Down];

    /// The last part of `POST /break/HOW`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Hang => "hang",
            Self::Down => "down",
        }
    }
}

/// One after the other, in the order given: several at once would be a storm, and are held.
pub(crate) fn in_turn(breaks: &[Break]) -> Vec<Break> {
    let pauses = (1..).map(|turn| PAUSE * turn);
    breaks.iter().zip(pauses).map(|(asked, after)| Break { after, ..asked.clone() }).collect()
}

impl FromStr for Break {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, how) = text.split_once('=').ok_or("write NAME=HOW, for example calculator=crash")?;
        let server = NAMES.into_iter().find(|known| *known == name);
        let server = server.ok_or_else(|| format!("no server `{name}`; there are {}", NAMES.join(", ")))?;
        let how = How::ALL.into_iter().find(|known| known.as_str() == how);
        let how = how.ok_or("a server can be broken by crash, hang or down")?;
        Ok(Self { server, how, after: PAUSE })
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.server, self.how.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_servers_break_in_known_ways() {
        assert_eq!("search=hang".parse::<Break>().expect("reads").how, How::Hang);
        for wrong in ["search", "search=", "search=melt", "nobody=crash", "=crash"] {
            assert!(wrong.parse::<Break>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn breaks_take_turns() {
        let one = "notes=down".parse::<Break>().expect("reads");
        let planned = in_turn(&[one.clone(), one]);
        assert_eq!(planned[0].after, PAUSE);
        assert_eq!(planned[1].after, PAUSE * 2);
    }
}
