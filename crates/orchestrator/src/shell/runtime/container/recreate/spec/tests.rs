//! What an engine tells, and what is sent back to it.

use serde_json::{Value, json};

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[expect(clippy::needless_pass_by_value, reason = "written where they are asked for")]
fn container(host: Value, networks: Value) -> ContainerInspectResponse {
    let told = json!({
        "Id": ID,
        "Name": "/a",
        "Config": {
            "Hostname": "0123456789ab", "Image": "an/image:1", "Env": ["A=1", "HOSTNAME=0123456789ab"], "Cmd": ["serve"],
            "Labels": { "com.docker.compose.service": "a" },
        },
        "HostConfig": host,
        "Mounts": [
            { "Type": "volume", "Name": "named", "Destination": "/named", "RW": true },
            { "Type": "volume", "Name": "f00d", "Destination": "/anonymous", "RW": false },
            { "Type": "volume", "Name": "cafe", "Destination": "/mounted", "RW": true },
            { "Type": "bind", "Source": "/etc", "Destination": "/etc" },
        ],
        "NetworkSettings": { "Networks": networks },
    });
    serde_json::from_value(told).expect("an engine's answer")
}

fn spec_of(host: Value, networks: Value, minor_version: usize) -> Spec {
    of(&container(host, networks), "old", EngineKind::Docker, ClientVersion { major_version: 1, minor_version })
}

fn host() -> Value {
    json!({
        "NetworkMode": "back",
        "Binds": ["named:/named:rw", "/etc:/etc"],
        "Mounts": [{ "Type": "volume", "Target": "/mounted" }],
        "Links": ["/db:/a/database"],
        "Ulimits": [{ "Name": "RLIMIT_NOFILE", "Soft": 1, "Hard": 2 }],
        "RestartPolicy": { "Name": "always" },
    })
}

fn networks() -> Value {
    json!({
        "back": { "Aliases": ["api", "0123456789ab"], "IPAMConfig": { "IPv4Address": "10.0.0.9" }, "IPAddress": "10.0.0.9" },
        "front": { "Aliases": ["web"], "IPAddress": "10.1.0.2" },
    })
}

#[test]
fn what_the_user_asked_for_is_asked_for_again() {
    let Spec { body, .. } = spec_of(host(), networks(), 44);
    assert_eq!((body.hostname, body.image.as_deref()), (None, Some("an/image:1")));
    assert_eq!(body.env, Some(vec!["A=1".to_owned()]));
    let labels = body.labels.expect("labels");
    assert_eq!((labels["com.docker.compose.service"].as_str(), labels[LABEL].as_str()), ("a", "old"));
    let host = body.host_config.expect("a host configuration");
    assert_eq!(host.binds.expect("binds"), ["named:/named:rw", "/etc:/etc", "f00d:/anonymous:ro"]);
    assert_eq!(host.mounts.expect("mounts")[0].source.as_deref(), Some("cafe"));
    assert_eq!(host.links.expect("links"), ["db:database"]);
    assert_eq!(host.ulimits.expect("limits")[0].name.as_deref(), Some("nofile"));
}

#[test]
fn networks_keep_their_aliases_and_addresses_that_were_asked_for() {
    for (version, at_once) in [(44, 2), (41, 1)] {
        let Spec { body, more_networks } = spec_of(host(), networks(), version);
        let first = body.networking_config.and_then(|config| config.endpoints_config).expect("endpoints");
        assert_eq!((first.len(), more_networks.len()), (at_once, 2 - at_once), "version 1.{version}");
        let back = &first["back"];
        assert_eq!(back.aliases.as_deref(), Some(&["api".to_owned()][..]));
        let address = back.ipam_config.as_ref().and_then(|config| config.ipv4_address.as_deref());
        assert_eq!((address, back.ip_address.as_deref()), (Some("10.0.0.9"), None));
    }
}

#[test]
fn one_that_has_no_network_of_its_own_is_given_none() {
    for mode in ["host", "none", "container:x", "default"] {
        let all = if mode == "default" { json!({ "bridge": { "IPAddress": "172.17.0.2" } }) } else { json!({ mode: {} }) };
        let Spec { body, more_networks } = spec_of(json!({ "NetworkMode": mode }), all, 41);
        assert!(body.networking_config.is_none() && more_networks.is_empty(), "{mode}");
    }
}

#[test]
fn a_share_of_the_processors_that_podman_tells_twice_is_asked_for_once() {
    let told = json!({ "NanoCpus": 500_000_000, "CpuPeriod": 50_000, "CpuQuota": 25_000 });
    let host = spec_of(told, json!({}), 41).body.host_config.expect("a host configuration");
    assert_eq!((host.nano_cpus, host.cpu_period, host.cpu_quota), (None, Some(50_000), Some(25_000)));
    let told = json!({ "NanoCpus": 500_000_000, "CpuPeriod": 0, "CpuQuota": 0 });
    assert_eq!(spec_of(told, json!({}), 41).body.host_config.and_then(|host| host.nano_cpus), Some(500_000_000));
}

#[test]
fn what_may_be_done_with_a_device_is_kept_and_else_what_usually_may() {
    for (told, expected) in [("", "rwm"), ("r", "r")] {
        let device = json!({ "PathOnHost": "/dev/null", "PathInContainer": "/dev/null", "CgroupPermissions": told });
        let host = spec_of(json!({ "Devices": [device] }), json!({}), 41).body.host_config.expect("a host configuration");
        assert_eq!(host.devices.expect("devices")[0].cgroup_permissions.as_deref(), Some(expected));
    }
}

#[test]
fn a_name_of_the_host_is_kept_unless_it_is_the_machines_or_another_containers() {
    for (host, expected) in [
        (json!({ "NetworkMode": "host" }), Some("named")),
        (json!({ "NetworkMode": "default", "UTSMode": "private" }), Some("named")),
        (json!({ "NetworkMode": "default", "UTSMode": "host" }), None),
        (json!({ "NetworkMode": "container:x" }), None),
    ] {
        let mut told = container(host.clone(), json!({}));
        told.config.get_or_insert_default().hostname = Some("named".to_owned());
        let version = ClientVersion { major_version: 1, minor_version: 41 };
        let spec = of(&told, "old", EngineKind::Docker, version);
        assert_eq!(spec.body.hostname.as_deref(), expected, "{host}");
    }
}
