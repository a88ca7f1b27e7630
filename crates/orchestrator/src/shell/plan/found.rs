//! The engines that are there when a configuration names none: by the variables that `docker` and `podman` read, else at the
//! paths where they listen by themselves. Looks at paths; opens nothing.

use health_spec::config::{Engine, EngineKind, EngineTls, defaults};

use crate::shell::runtime::container::address::Address;

/// What stands in the environment, by name.
type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Docker first, then Podman; of each at least one, which may not be running.
pub(super) fn engines(environment: Environment<'_>) -> Vec<Engine> {
    let at_home = |path: &str| environment("XDG_RUNTIME_DIR").map(|directory| format!("{directory}/{path}"));
    let docker = match named(environment, "DOCKER_HOST", "local", EngineKind::Docker) {
        Some(engine) => vec![Engine { tls: docker_tls(environment, &engine), ..engine }],
        None => at(["/var/run/docker.sock".into(), at_home("docker.sock").unwrap_or_default()], "local", EngineKind::Docker),
    };
    let podman = match named(environment, "CONTAINER_HOST", "podman", EngineKind::Podman) {
        Some(engine) => vec![engine],
        None => at(
            ["/run/podman/podman.sock".into(), at_home("podman/podman.sock").unwrap_or_default()],
            "podman",
            EngineKind::Podman,
        ),
    };
    [docker, podman].concat()
}

/// One that we cannot dial (`ssh://`) counts as not named.
fn named(environment: Environment<'_>, variable: &str, name: &str, kind: EngineKind) -> Option<Engine> {
    let address = environment(variable).filter(|address| !address.is_empty())?;
    let engine = Engine { name: name.to_owned(), kind, address, tls: None };
    Address::of(&engine).ok().map(|_| engine)
}

/// As `docker` does: `ca.pem`, `cert.pem` and `key.pem` of one directory.
fn docker_tls(environment: Environment<'_>, engine: &Engine) -> Option<EngineTls> {
    let asked = |variable| environment(variable).filter(|value| !value.is_empty());
    let directory = asked("DOCKER_CERT_PATH").or_else(|| {
        asked("DOCKER_TLS_VERIFY")?;
        environment("HOME").map(|home| format!("{home}/.docker"))
    })?;
    let file = |name: &str| Some(format!("{directory}/{name}"));
    let files = EngineTls { ca_file: file("ca.pem"), cert_file: file("cert.pem"), key_file: file("key.pem") };
    (!engine.address.starts_with("unix://")).then_some(files)
}

/// The system's socket, the user's own, or both; the usual one when there is none.
fn at(paths: [String; 2], name: &str, kind: EngineKind) -> Vec<Engine> {
    let mut sockets = Vec::new();
    // Two paths may lead to one socket.
    let is_another = |path: &String| {
        let socket = std::fs::canonicalize(path).ok().filter(|socket| !sockets.contains(socket));
        sockets.extend(socket.clone());
        socket.is_some()
    };
    let there = paths.into_iter().filter(is_another);
    let engine = |(at, path): (usize, String)| Engine {
        name: if at == 0 { name.to_owned() } else { format!("{name}-rootless") },
        kind,
        address: format!("unix://{path}"),
        tls: None,
    };
    let found: Vec<_> = there.enumerate().map(engine).collect();
    if found.is_empty() { defaults::engines().into_iter().filter(|engine| engine.kind == kind).collect() } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let lookup = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        engines(&lookup).into_iter().map(|engine| (engine.name, engine.address)).collect()
    }

    #[test]
    fn variables_go_before_paths_and_what_cannot_be_dialled_is_passed_over() {
        let named = found(&[("DOCKER_HOST", "tcp://far:2375"), ("CONTAINER_HOST", "unix:///tmp/podman.sock")]);
        let expected = [("local", "tcp://far:2375"), ("podman", "unix:///tmp/podman.sock")];
        assert_eq!(named, expected.map(|(name, address)| (name.to_owned(), address.to_owned())));
        assert_eq!(found(&[("DOCKER_HOST", "ssh://far")]), found(&[]));
    }

    #[test]
    fn a_users_own_socket_is_found_beside_the_systems() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("podman")).expect("a directory");
        std::fs::write(directory.path().join("podman/podman.sock"), "").expect("a file");
        let home = directory.path().to_str().expect("text");
        let names = found(&[("XDG_RUNTIME_DIR", home)]);
        assert!(names.iter().any(|(name, address)| name.starts_with("podman") && address.contains(home)), "{names:?}");
        assert_eq!(names[0].0, "local");
    }

    #[test]
    fn one_socket_under_two_paths_is_one_engine() {
        let directory = tempfile::tempdir().expect("a directory");
        let [own, linked, other] = ["own.sock", "linked.sock", "other.sock"].map(|name| directory.path().join(name));
        std::fs::write(&own, "").expect("a file");
        std::fs::write(&other, "").expect("a file");
        std::os::unix::fs::symlink(&own, &linked).expect("a link");
        let text = |path: &std::path::Path| path.to_str().expect("text").to_owned();
        let count = |second| at([text(&own), text(second)], "local", EngineKind::Docker).len();
        assert_eq!((count(&linked), count(&own), count(&other)), (1, 1, 2));
    }

    #[test]
    fn certificates_are_where_docker_keeps_them() {
        let variables = [("DOCKER_HOST", "tcp://far:2376"), ("DOCKER_TLS_VERIFY", "1"), ("HOME", "/home/me")];
        let lookup = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let tls = engines(&lookup)[0].tls.clone().expect("TLS");
        assert_eq!(tls.ca_file.as_deref(), Some("/home/me/.docker/ca.pem"));
    }
}
