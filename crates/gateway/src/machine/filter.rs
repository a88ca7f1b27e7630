//! What a stream client asked to see (contract, section 6.1).
//!
//! Server names are not checked: a server may be registered later. Every other word is.

use health_spec::event::EVENT_TYPES;
use health_spec::status::Observed;

use super::message::Message;

/// Left out unless asked for: there is one for each check.
const QUIET: &str = "health_check_completed";

/// The words of `?status=`.
const STATUSES: [Observed; 4] = [Observed::Ok, Observed::Degraded, Observed::Down, Observed::Unknown];

/// What to show; an empty list shows all. Gaps are always shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    servers: Vec<String>,
    types: Vec<&'static str>,
    statuses: Vec<Observed>,
}

/// A word that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilterError {
    /// Not a parameter.
    #[error("unknown parameter {0:?}: known are {known}", known = PARAMETERS.join(", "))]
    Parameter(String),
    /// Not an event type.
    #[error("unknown event type {0:?}: known are {known}", known = EVENT_TYPES.join(", "))]
    Type(String),
    /// Not a status.
    #[error("unknown status {0:?}: known are ok, degraded, down, unknown")]
    Status(String),
}

/// The parameters of a stream.
pub(crate) const PARAMETERS: [&str; 4] = ["since", "server", "types", "status"];

impl Filter {
    /// Takes one parameter; `since` is not a filter and changes nothing.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), FilterError> {
        let words = value.split(',').map(str::trim).filter(|word| !word.is_empty());
        match name {
            "since" => {}
            "server" => self.servers.extend(words.map(str::to_owned)),
            "types" => self.types = words.map(event_type).collect::<Result<_, _>>()?,
            "status" => self.statuses = words.map(status).collect::<Result<_, _>>()?,
            _ => return Err(FilterError::Parameter(name.to_owned())),
        }
        Ok(())
    }

    /// Whether an event is shown.
    pub(crate) fn shows_event(&self, message: &Message) -> bool {
        let wanted = if self.types.is_empty() {
            &*message.event_type != QUIET
        } else {
            self.types.iter().any(|event_type| **event_type == *message.event_type)
        };
        wanted && self.shows(&message.server.0, &message.server.1, message.status)
    }

    /// Whether the present state of a server is shown.
    pub(crate) fn shows(&self, source: &str, name: &str, status: Observed) -> bool {
        let server = self.servers.is_empty() || self.servers.iter().any(|id| is(id, source, name));
        server && (self.statuses.is_empty() || self.statuses.contains(&status))
    }
}

/// Whether `id` names this server: by its name, or by `source/name`.
pub(crate) fn is(id: &str, source: &str, name: &str) -> bool {
    id == name || id.strip_prefix(source).and_then(|rest| rest.strip_prefix('/')) == Some(name)
}

fn event_type(word: &str) -> Result<&'static str, FilterError> {
    EVENT_TYPES.into_iter().find(|known| *known == word).ok_or_else(|| FilterError::Type(word.to_owned()))
}

fn status(word: &str) -> Result<Observed, FilterError> {
    STATUSES.into_iter().find(|known| known.as_str() == word).ok_or_else(|| FilterError::Status(word.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(parameters: &[(&str, &str)]) -> Result<Filter, FilterError> {
        let mut filter = Filter::default();
        parameters.iter().try_for_each(|(name, value)| filter.set(name, value))?;
        Ok(filter)
    }

    #[test]
    fn unknown_words_are_errors() {
        assert_eq!(filter(&[("colour", "red")]), Err(FilterError::Parameter("colour".into())));
        assert_eq!(filter(&[("types", "server_down,nonsense")]), Err(FilterError::Type("nonsense".into())));
        assert_eq!(filter(&[("status", "green")]), Err(FilterError::Status("green".into())));
        assert!(filter(&[("since", "1"), ("server", "later"), ("types", "server_down"), ("status", "ok,down")]).is_ok());
    }

    #[test]
    fn servers_are_named_in_both_forms() {
        for (id, expected) in [("a", true), ("s/a", true), ("b", false), ("s/b", false), ("/a", false), ("sa", false)] {
            let filter = filter(&[("server", id)]).expect("a filter");
            assert_eq!(filter.shows("s", "a", Observed::Ok), expected, "{id}");
        }
    }

    #[test]
    fn a_status_filters_servers() {
        let filter = filter(&[("status", "down,unknown")]).expect("a filter");
        assert!(filter.shows("s", "a", Observed::Down));
        assert!(!filter.shows("s", "a", Observed::Ok));
    }
}
