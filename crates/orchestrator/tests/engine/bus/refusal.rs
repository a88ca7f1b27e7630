//! Why systemd's stand-in refuses a restart.

use zbus::{Message, fdo, message::Header, names::ErrorName};

/// Why a restart is refused.
pub(super) enum Refusal {
    Usual(fdo::Error),
    /// It would cancel a job.
    InTheWay,
}

impl From<fdo::Error> for Refusal {
    fn from(error: fdo::Error) -> Self {
        Self::Usual(error)
    }
}

impl zbus::DBusError for Refusal {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        match self {
            Self::Usual(error) => error.create_reply(call),
            Self::InTheWay => Message::error(call, self.name()).build(&self.description().unwrap_or_default()),
        }
    }

    fn name(&self) -> ErrorName<'_> {
        match self {
            Self::Usual(error) => error.name(),
            Self::InTheWay => ErrorName::from_static_str_unchecked("org.freedesktop.systemd1.TransactionIsDestructive"),
        }
    }

    fn description(&self) -> Option<&str> {
        match self {
            Self::Usual(error) => error.description(),
            Self::InTheWay => Some("the unit has 'stop' job queued, but 'restart' is included in transaction."),
        }
    }
}
