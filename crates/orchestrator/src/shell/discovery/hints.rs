//! What other tools' labels tell about a container: shown to people. None of them is ever an opt-in.

use super::container::Container;

/// Docker compose.
const SERVICE: &str = "com.docker.compose.service";
const PROJECT: &str = "com.docker.compose.project";
const NUMBER: &str = "com.docker.compose.container-number";
const DEPENDS_ON: &str = "com.docker.compose.depends_on";

/// What compose says about a container of one of its services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compose<'a> {
    /// The project.
    pub project: &'a str,
    /// The service.
    pub service: &'a str,
    /// The how manieth container of the service it is, from 1.
    pub number: u32,
    /// Services that are started before it, without those that only have to end.
    pub depends_on: Vec<&'a str>,
}

impl<'a> Compose<'a> {
    /// `None` for what compose does not run.
    pub fn of(container: &'a Container) -> Option<Self> {
        let (project, service) = (container.label(PROJECT)?, container.label(SERVICE)?);
        let number = container.label(NUMBER).and_then(|number| number.parse().ok()).unwrap_or(1);
        let depends_on = container.label(DEPENDS_ON).unwrap_or_default().split(',');
        // `db:service_healthy:true`
        let mut parts = depends_on.map(|one| one.split(':').collect::<Vec<_>>());
        let lasts = |part: &[&str]| part.get(1).is_none_or(|condition| !condition.contains("completed"));
        let depends_on = parts.by_ref().filter(|part| lasts(part) && !part[0].is_empty()).map(|part| part[0]).collect();
        Some(Self { project, service, number, depends_on })
    }

    /// What the container is called when its labels do not say: each of several has a name of its own.
    pub fn server_name(&self) -> String {
        if self.number == 1 { self.service.to_owned() } else { format!("{}-{}", self.service, self.number) }
    }
}

/// In words, for `orchestrator discover`.
pub fn hints(container: &Container) -> Vec<String> {
    let compose = Compose::of(container).map(|compose| {
        let after = compose.depends_on.join(", ");
        let after = if after.is_empty() { after } else { format!(", after {after}") };
        format!("compose: service {} of project {}{after}", compose.service, compose.project)
    });
    compose.into_iter().chain(autoheal(container)).chain(toolhive(container)).collect()
}

/// It restarts what its engine calls unhealthy.
fn autoheal(container: &Container) -> Option<String> {
    let asks = container.label("autoheal") == Some("true");
    asks.then(|| "autoheal: asked to restart it as well when its HEALTHCHECK fails; let only one of the two do it".to_owned())
}

/// The labels are those of ToolHive's package `labels`.
fn toolhive(container: &Container) -> Option<String> {
    container.label("toolhive").filter(|value| *value == "true")?;
    let name = container.label("toolhive-basename").or_else(|| container.label("toolhive-name")).unwrap_or(&container.name);
    let more = [("toolhive-transport", "transport"), ("toolhive-port", "proxy port"), ("toolhive-group", "group")];
    let more = more.into_iter().filter_map(|(label, word)| Some(format!(", {word} {}", container.label(label)?)));
    Some(format!("ToolHive: server {name}{}", more.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(labels: &[(&str, &str)]) -> Container {
        let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
        Container { name: "c".into(), labels, ..Container::default() }
    }

    #[test]
    fn compose_says_who_comes_first() {
        let one = container(&[
            (PROJECT, "shop"),
            (SERVICE, "web"),
            (NUMBER, "2"),
            (DEPENDS_ON, "db:service_healthy:true,migrate:service_completed_successfully:false,cache:service_started:false"),
        ]);
        let compose = Compose::of(&one).expect("compose");
        assert_eq!((compose.server_name().as_str(), &compose.depends_on[..]), ("web-2", &["db", "cache"][..]));
        assert_eq!(hints(&one), ["compose: service web of project shop, after db, cache"]);
    }

    #[test]
    fn others_are_named() {
        let one = container(&[("autoheal", "true"), ("toolhive", "true"), ("toolhive-name", "fetch"), ("toolhive-port", "8080")]);
        let hints = hints(&one);
        assert!(hints[0].starts_with("autoheal: ") && hints.len() == 2, "{hints:?}");
        assert_eq!(hints[1], "ToolHive: server fetch, proxy port 8080");
        assert!(super::hints(&container(&[("a", "b")])).is_empty());
    }
}
