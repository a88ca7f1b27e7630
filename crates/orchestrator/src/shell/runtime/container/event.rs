//! The engine's events, as far as they say something about a container's life.

use bollard::models::EventMessage;

/// What the engine is asked for: everything else (execs, attaches) would only be noise. Podman has words of its own (`died`,
/// `remove`) in what it is asked for, and says `cleanup` after a death.
pub const ACTIONS: [&str; 15] = [
    "cleanup",
    "create",
    "destroy",
    "die",
    "died",
    "health_status",
    "kill",
    "oom",
    "pause",
    "remove",
    "rename",
    "restart",
    "start",
    "stop",
    "unpause",
];

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
    /// What it left was cleared away (Podman): once by whoever watches it, and once more by whoever stopped it.
    Cleanup,
    /// A stop has been carried out. Podman may say so before the death, and mostly does not say it.
    Stop,
    /// A restart has been carried out; Podman says so before it begins.
    Restart,
    /// It was frozen.
    Pause,
    /// It goes on.
    Unpause,
    /// Its HEALTHCHECK has another verdict, if the event says which one.
    Health(Option<Health>),
    /// It was removed.
    Destroy,
}

/// The verdict of a container's own HEALTHCHECK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// There is none yet.
    Starting,
    /// It is well.
    Healthy,
    /// It is not.
    Unhealthy,
}

impl Health {
    /// The engine's word; `None` where there is no HEALTHCHECK.
    pub fn read(word: &str) -> Option<Self> {
        match word {
            "starting" => Some(Self::Starting),
            "healthy" => Some(Self::Healthy),
            "unhealthy" => Some(Self::Unhealthy),
            _ => None,
        }
    }
}

impl Happening {
    /// `None` for what says nothing about a container's life.
    pub fn read(message: EventMessage) -> Option<Self> {
        let actor = message.actor?;
        let attributes = actor.attributes.unwrap_or_default();
        let attribute = |name: &str| attributes.get(name);
        let act = match message.action?.as_str() {
            "create" => Act::Create,
            "rename" => Act::Rename,
            "start" => Act::Start,
            "kill" => Act::Kill(attribute("signal").and_then(|signal| signal_number(signal))?),
            "oom" => Act::Oom,
            "die" | "died" => Act::Die(attribute("exitCode").and_then(|code| code.parse().ok())),
            "cleanup" => Act::Cleanup,
            "stop" => Act::Stop,
            "restart" => Act::Restart,
            "pause" => Act::Pause,
            "unpause" => Act::Unpause,
            // Podman's verdict in the event is the one before.
            "health_status" => Act::Health(None),
            "destroy" | "remove" => Act::Destroy,
            other => Act::Health(Some(Health::read(other.strip_prefix("health_status: ")?)?)),
        };
        Some(Self { name: attribute("name")?.clone(), at: message.time_nano?, act, id: actor.id? })
    }
}

/// The first and the last real-time signal, as engines count them.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// A signal as engines and images write it: `15`, `TERM`, `SIGTERM`, `SIGRTMIN+3`.
pub fn signal_number(text: &str) -> Option<i32> {
    let text = text.to_ascii_uppercase();
    let name = text.strip_prefix("SIG").unwrap_or(&text);
    let real_time = |from: &str, sign: char| {
        let rest = name.strip_prefix(from)?;
        if rest.is_empty() { Some(0) } else { rest.strip_prefix(sign)?.parse::<u8>().ok().map(i32::from) }
    };
    if let Some(more) = real_time("RTMIN", '+') {
        return RTMIN.checked_add(more).filter(|signal| *signal <= RTMAX);
    }
    if let Some(less) = real_time("RTMAX", '-') {
        return RTMAX.checked_sub(less).filter(|signal| *signal >= RTMIN);
    }
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
    fn signals_are_read() {
        let known =
            [("15", 15), ("TERM", 15), ("SIGKILL", 9), ("sigquit", 3), ("SIGRTMIN+3", 37), ("RTMIN", 34), ("SIGRTMAX-2", 62)];
        for (text, number) in known.into_iter().chain([("SIGRTMAX", 64), ("RTMIN+30", 64)]) {
            assert_eq!(signal_number(text), Some(number), "{text}");
        }
        for unknown in ["", "SIGNONE", "RTMIN+31", "RTMAX-31", "RTMIN-1", "RTMIN+-40", "RTMAX+1"] {
            assert_eq!(signal_number(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn podmans_words_are_read() {
        assert_eq!(read("died", r#","exitCode":"3""#), Some(Act::Die(Some(3))));
        assert_eq!(read("remove", ""), Some(Act::Destroy));
        assert_eq!(read("cleanup", ""), Some(Act::Cleanup));
        assert_eq!(read("health_status", ""), Some(Act::Health(None)));
        assert_eq!(read("kill", ""), None);
    }

    #[test]
    fn events_are_read() {
        assert_eq!(read("die", r#","exitCode":"137""#), Some(Act::Die(Some(137))));
        assert_eq!(read("die", ""), Some(Act::Die(None)));
        assert_eq!(read("kill", r#","signal":"15""#), Some(Act::Kill(15)));
        assert_eq!(read("kill", r#","signal":"SIGKILL""#), Some(Act::Kill(9)));
        assert_eq!(read("stop", ""), Some(Act::Stop));
        assert_eq!(read("exec_create: /bin/check", ""), None);
        assert_eq!(read("health_status: healthy", ""), Some(Act::Health(Some(Health::Healthy))));
        assert_eq!(read("health_status: running: ", ""), None);
    }
}
