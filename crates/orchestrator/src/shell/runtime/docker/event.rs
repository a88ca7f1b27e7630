//! The engine's events, as far as they say something about a container's life.

use bollard::models::EventMessage;

/// What the engine is asked for: everything else (health checks, execs) would only be noise.
pub const ACTIONS: [&str; 9] = ["create", "destroy", "die", "kill", "oom", "rename", "restart", "start", "stop"];

/// An event of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// The container's name, as of this event.
    pub name: String,
    /// Its full id.
    pub id: String,
    /// When, in nanoseconds since 1970 by the engine's clock.
    pub at: i64,
    /// What.
    pub act: Act,
}

/// What happened to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It was created.
    Create,
    /// It was given the name that it has now.
    Rename,
    /// It was started.
    Start,
    /// A signal was sent to it.
    Kill(i32),
    /// The kernel killed something in it for memory.
    Oom,
    /// It ended with this exit code.
    Die(Option<i64>),
    /// A stop has been carried out.
    Stop,
    /// A restart has been carried out.
    Restart,
    /// It was removed.
    Destroy,
}

impl Happening {
    /// `None` for what says nothing about a container's life.
    pub fn read(message: EventMessage) -> Option<Self> {
        let actor = message.actor?;
        let attribute = |name: &str| actor.attributes.as_ref()?.get(name).cloned();
        let act = match message.action?.as_str() {
            "create" => Act::Create,
            "rename" => Act::Rename,
            "start" => Act::Start,
            "kill" => Act::Kill(attribute("signal").and_then(|signal| signal_number(&signal))?),
            "oom" => Act::Oom,
            "die" => Act::Die(attribute("exitCode").and_then(|code| code.parse().ok())),
            "stop" => Act::Stop,
            "restart" => Act::Restart,
            "destroy" => Act::Destroy,
            _ => return None,
        };
        Some(Self { name: attribute("name")?, at: message.time_nano?, act, id: actor.id? })
    }
}

/// A signal as engines and images write it: `15`, `TERM`, `SIGTERM`. `None` for real-time signals by name.
pub fn signal_number(text: &str) -> Option<i32> {
    let name = text.strip_prefix("SIG").unwrap_or(text);
    Some(match name {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ABRT" => 6,
        "KILL" => 9,
        "USR1" => 10,
        "USR2" => 12,
        "TERM" => 15,
        "WINCH" => 28,
        number => return number.parse().ok(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(action: &str, attributes: &str) -> Option<Act> {
        let json = format!(
            r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"b0db","Attributes":{{"name":"a"{attributes}}}}},
                "scope":"local","time":1,"timeNano":1000000002}}"#
        );
        let happening = Happening::read(serde_json::from_str(&json).unwrap())?;
        assert_eq!((happening.name.as_str(), happening.id.as_str(), happening.at), ("a", "b0db", 1_000_000_002));
        Some(happening.act)
    }

    #[test]
    fn events_are_read() {
        assert_eq!(read("die", r#","exitCode":"137""#), Some(Act::Die(Some(137))));
        assert_eq!(read("die", ""), Some(Act::Die(None)));
        assert_eq!(read("kill", r#","signal":"15""#), Some(Act::Kill(15)));
        assert_eq!(read("kill", r#","signal":"SIGKILL""#), Some(Act::Kill(9)));
        assert_eq!(read("stop", ""), Some(Act::Stop));
        assert_eq!(read("exec_create: /bin/check", ""), None);
        assert_eq!(read("health_status: healthy", ""), None);
    }
}
