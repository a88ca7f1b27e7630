//! Which keys belong to which kind of probe, and which need one another.

use health_spec::registry::{Depth, Probe, ProbeKind};

use crate::machine::policy::Issue;

/// A key, the kinds that it belongs to, and whether it is there.
type Key = (&'static str, &'static [ProbeKind], bool);

/// `false` when something is wrong with them.
pub(super) fn check(probe: &Probe, pointer: &str, issues: &mut Vec<Issue>) -> bool {
    let before = issues.len();
    let mut wrong = |key: &str, message: String, help: String| {
        issues.push(Issue { pointer: format!("{pointer}{key}"), message, help });
    };
    let kind = probe.kind.as_str();
    for (key, kinds, _) in keys(probe).into_iter().filter(|(_, kinds, is_given)| *is_given && !kinds.contains(&probe.kind)) {
        let of: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
        let help = format!("it belongs to kind {}; remove it, or change the kind", of.join(" and "));
        wrong(&format!("/{key}"), format!("`{key}` does not belong to a probe of kind {kind}"), help);
    }
    if probe.kind == ProbeKind::Mcp {
        match (probe.depth, &probe.tool) {
            (Some(Depth::Call), None) => {
                wrong("/depth", "depth call needs a `tool`".to_owned(), "add tool: ..., a harmless one".to_owned());
            }
            (Some(Depth::Discover | Depth::List), Some(_)) => {
                wrong(
                    "/tool",
                    "a `tool` is only called with depth call".to_owned(),
                    "remove it, or write depth: call".to_owned(),
                );
            }
            _ => {}
        }
        for (key, is_given) in [("arguments", probe.arguments.is_some()), ("expect", probe.expect.is_some())] {
            if is_given && probe.tool.is_none() {
                wrong(&format!("/{key}"), format!("`{key}` belongs to a `tool`, and none is named"), "add tool: ...".to_owned());
            }
        }
        if probe.tool.as_deref() == Some("") {
            wrong("/tool", "the tool has no name".to_owned(), "name a harmless tool of the server".to_owned());
        }
    }
    issues.len() == before
}

fn keys(probe: &Probe) -> [Key; 12] {
    const REQUEST: &[ProbeKind] = &[ProbeKind::Http, ProbeKind::Mcp];
    const MCP: &[ProbeKind] = &[ProbeKind::Mcp];
    [
        ("url", REQUEST, probe.url.is_some()),
        ("unix_socket", REQUEST, probe.unix_socket.is_some()),
        ("headers", REQUEST, !probe.headers.is_empty()),
        ("header_files", REQUEST, !probe.header_files.is_empty()),
        ("bearer_token_file", REQUEST, probe.bearer_token_file.is_some()),
        ("host", REQUEST, probe.host.is_some()),
        ("tls", REQUEST, probe.tls.is_some()),
        ("address", &[ProbeKind::Tcp], probe.address.is_some()),
        ("depth", MCP, probe.depth.is_some()),
        ("tool", MCP, probe.tool.is_some()),
        ("arguments", MCP, probe.arguments.is_some()),
        ("expect", MCP, probe.expect.is_some()),
    ]
}
