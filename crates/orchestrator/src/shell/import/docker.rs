//! Docker MCP catalogs, and `server.yaml` of Docker's mcp-registry.

use serde_json::{Map, Value};

use super::reference::escaped;
use super::server::Server;

/// One server of a catalog, or one `server.yaml`.
pub(super) fn server(name: &str, written: &Value) -> Server {
    let mut server = Server::new(name);
    let Some(mut rest) = written.as_object().cloned() else {
        server.left_out = Some("it is not a mapping".to_owned());
        return server;
    };
    rest.remove("name");
    let kind = rest.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind == "poci" {
        server.left_out = Some("its containers live as long as one tool call (type poci): there is nothing to watch".to_owned());
        return server;
    }
    described(&mut server, &mut rest);
    let remote = rest.remove("remote");
    match remote.as_ref().and_then(|remote| remote.get("url")).and_then(Value::as_str) {
        Some(url) => server.endpoint(&escaped(url)),
        None => container(&mut server, &mut rest),
    }
    headers(&mut server, remote.as_ref());
    if let Some(transport) = remote.as_ref().and_then(|remote| remote.get("transport_type")) {
        rest.insert("transport_type".to_owned(), transport.clone());
    }
    for key in ["tools", "volumes"] {
        let value = rest.remove(key);
        server.carry(key, value.as_ref());
    }
    server.keep("docker", rest);
    server
}

fn described(server: &mut Server, rest: &mut Map<String, Value>) {
    let about = rest.get("about").and_then(|about| about.get("description")).cloned();
    let description = rest.remove("description").or(about);
    server.carry("description", description.as_ref());
    let project = rest.get("source").and_then(|source| source.get("project")).cloned();
    server.carry("repository", project.as_ref());
}

fn container(server: &mut Server, rest: &mut Map<String, Value>) {
    let image = rest.remove("image");
    server.carry("docker_image", image.as_ref());
    server.note(
        "health_url is missing: the catalog names an image, not a container, and what is started from it speaks over stdin and stdout. \
         Give runtime: { kind: docker, container: NAME } and the health_url of a container that stays",
    );
}

fn headers(server: &mut Server, remote: Option<&Value>) {
    let headers = remote.and_then(|remote| remote.get("headers")).and_then(Value::as_object);
    let names: Vec<_> = headers.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    if !names.is_empty() {
        server.note(format!("not carried: headers ({}); health is asked for without credentials", names.join(", ")));
    }
}
