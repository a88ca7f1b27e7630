//! What a new container is created from: everything that the engine tells of the old one, made fit to be sent back to it.

use std::collections::{BTreeMap, HashMap};

use bollard::{
    ClientVersion,
    models::{
        ContainerConfig, ContainerCreateBody, ContainerInspectResponse, EndpointSettings, HostConfig, MountPoint, MountType,
        NetworkingConfig,
    },
};
use health_spec::config::EngineKind;

use super::layout::LABEL;

/// From this version of the API on a container can be created with several networks.
const SEVERAL_NETWORKS: (usize, usize) = (1, 44);

/// The network that a container is in when nobody says otherwise; it takes neither aliases nor addresses.
const USUAL: [&str; 2] = ["bridge", "podman"];

/// What may be done with a device where nobody says otherwise: reading, writing, and making nodes of it.
const USUALLY: &str = "rwm";

/// What is sent.
pub(super) struct Spec {
    pub(super) body: ContainerCreateBody,
    /// Networks that it is connected to before it is started.
    pub(super) more_networks: Vec<(String, EndpointSettings)>,
}

/// From `container`, as a successor of the container `old`.
pub(super) fn of(container: &ContainerInspectResponse, old: &str, kind: EngineKind, version: ClientVersion) -> Spec {
    let mut body = configured(container.config.clone().unwrap_or_default());
    let id = container.id.as_deref().unwrap_or_default();
    let short = &id[..id.len().min(12)];
    // Given by the engine, from the id.
    body.hostname = body.hostname.filter(|name| name != short);
    body.env = body.env.map(|env| env.into_iter().filter(|it| *it != format!("HOSTNAME={short}")).collect());
    body.labels.get_or_insert_default().insert(LABEL.to_owned(), old.to_owned());
    let mut host = container.host_config.clone().unwrap_or_default();
    let mode = host.network_mode.clone().unwrap_or_default();
    // One that shares another's network has neither a name nor ports of its own, and none has a name that bears the machine's.
    if mode.starts_with("container:") {
        (body.hostname, body.exposed_ports) = (None, None);
    }
    if host.uts_mode.as_deref() == Some("host") {
        body.hostname = None;
    }
    fit(&mut host, container.mounts.as_deref().unwrap_or_default());
    body.host_config = Some(host);
    let several = kind == EngineKind::Podman || (version.major_version, version.minor_version) >= SEVERAL_NETWORKS;
    let mut networks = networks(container, &mode, short);
    let first: HashMap<_, _> =
        if several { std::mem::take(&mut networks).into_iter().collect() } else { primary(&mut networks, &mode) };
    body.networking_config = (!first.is_empty()).then_some(NetworkingConfig { endpoints_config: Some(first) });
    Spec { body, more_networks: networks.into_iter().collect() }
}

/// What it shares with another container, if it does.
pub(super) fn shared(body: &mut ContainerCreateBody) -> impl Iterator<Item = &mut String> {
    let host = body.host_config.iter_mut();
    host.flat_map(|host| [&mut host.network_mode, &mut host.pid_mode, &mut host.ipc_mode]).flatten()
}

/// Field by field, so that a new one is not forgotten unseen.
fn configured(config: ContainerConfig) -> ContainerCreateBody {
    ContainerCreateBody {
        hostname: config.hostname,
        domainname: config.domainname,
        user: config.user,
        attach_stdin: config.attach_stdin,
        attach_stdout: config.attach_stdout,
        attach_stderr: config.attach_stderr,
        exposed_ports: config.exposed_ports,
        tty: config.tty,
        open_stdin: config.open_stdin,
        stdin_once: config.stdin_once,
        env: config.env,
        cmd: config.cmd,
        healthcheck: config.healthcheck,
        args_escaped: config.args_escaped,
        image: config.image,
        volumes: config.volumes,
        working_dir: config.working_dir,
        entrypoint: config.entrypoint,
        network_disabled: config.network_disabled,
        on_build: config.on_build,
        labels: config.labels,
        stop_signal: config.stop_signal,
        stop_timeout: config.stop_timeout,
        shell: config.shell,
        host_config: None,
        networking_config: None,
    }
}

/// What engines tell in another form than they take it.
fn fit(host: &mut HostConfig, mounts: &[MountPoint]) {
    host.container_id_file = None;
    for link in host.links.iter_mut().flatten() {
        // Told as `/other:/own/alias`.
        if let Some((other, own)) = link.split_once(':') {
            let alias = own.rsplit('/').next().unwrap_or(own);
            *link = format!("{}:{alias}", other.trim_start_matches('/'));
        }
    }
    for ulimit in host.ulimits.iter_mut().flatten() {
        ulimit.name = ulimit.name.as_ref().map(|name| name.trim_start_matches("RLIMIT_").to_lowercase());
    }
    // Podman tells a share of the processors in both its forms, and takes only one of them: the exact one.
    if host.cpu_quota.is_some_and(|quota| quota > 0) {
        host.nano_cpus = None;
    }
    // Podman does not tell what may be done with a device, and takes no silence for an answer: it is what usually may be done.
    for device in host.devices.iter_mut().flatten() {
        device.cgroup_permissions =
            device.cgroup_permissions.take().filter(|told| !told.is_empty()).or_else(|| Some(USUALLY.to_owned()));
    }
    for mount in mounts.iter().filter(|mount| mount.typ.as_deref() == Some("volume")) {
        keep_volume(host, mount);
    }
}

/// A volume without a name of the user's has one of the engine's: by that it is mounted again.
fn keep_volume(host: &mut HostConfig, mount: &MountPoint) {
    let (Some(name), Some(destination)) = (&mount.name, &mount.destination) else { return };
    let at = |bind: &String| bind.split(':').nth(1) == Some(destination);
    if host.binds.iter().flatten().any(at) {
        return;
    }
    if let Some(written) = host.mounts.iter_mut().flatten().find(|written| written.target.as_ref() == Some(destination)) {
        if written.typ == Some(MountType::VOLUME) && written.source.as_deref().unwrap_or_default().is_empty() {
            written.source = Some(name.clone());
        }
        return;
    }
    let mode = if mount.rw == Some(false) { ":ro" } else { "" };
    host.binds.get_or_insert_default().push(format!("{name}:{destination}{mode}"));
}

/// By name, with what a user can have asked for.
fn networks(container: &ContainerInspectResponse, mode: &str, short: &str) -> BTreeMap<String, EndpointSettings> {
    if mode == "host" || mode == "none" || mode.starts_with("container:") {
        return BTreeMap::new();
    }
    let all = container.network_settings.clone().and_then(|settings| settings.networks).unwrap_or_default();
    let only_usual = all.keys().all(|name| USUAL.contains(&name.as_str()));
    let asked_for = all.into_iter().filter(|_| !only_usual);
    asked_for
        .map(|(name, endpoint)| {
            let asked = asked(&name, endpoint, short);
            (name, asked)
        })
        .collect()
}

fn asked(network: &str, endpoint: EndpointSettings, short: &str) -> EndpointSettings {
    if USUAL.contains(&network) {
        return EndpointSettings::default();
    }
    let aliases = endpoint.aliases.map(|aliases| aliases.into_iter().filter(|alias| alias != short).collect());
    EndpointSettings {
        ipam_config: endpoint.ipam_config,
        links: endpoint.links,
        aliases,
        driver_opts: endpoint.driver_opts,
        gw_priority: endpoint.gw_priority,
        ..EndpointSettings::default()
    }
}

/// The one that the network mode names; it alone can be given when the container is created.
fn primary(networks: &mut BTreeMap<String, EndpointSettings>, mode: &str) -> HashMap<String, EndpointSettings> {
    let mode = if mode == "default" { "bridge" } else { mode };
    networks.remove_entry(mode).into_iter().collect()
}

#[cfg(test)]
mod tests;
