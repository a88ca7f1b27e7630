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
