//! Which browsers may talk to a daemon (contract, section 6.3). Pure: header values in, a decision out.

use std::net::SocketAddr;

/// Whether a request with this `Host` header may be answered by a daemon that listens on `bound`.
///
/// On a loopback bind only loopback names are accepted: a page that rebinds its own DNS name to
/// 127.0.0.1 is turned away. On other binds any name is.
pub fn host_allowed(host: Option<&str>, bound: SocketAddr) -> bool {
    !bound.ip().is_loopback() || host.is_none_or(|host| is_loopback_name(without_port(host)))
}

/// Whether a request with this `Origin` may act or open a stream: it comes from no browser, or from a page of
/// the same authority as the request itself.
pub fn origin_allowed(origin: Option<&str>, host: Option<&str>) -> bool {
    let Some(origin) = origin else { return true };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_some() && authority == host
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_loopback_name(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rebound_name_is_turned_away_on_loopback_only() {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 8080));
        for host in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "localhost"] {
            assert!(host_allowed(Some(host), loopback), "{host}");
        }
        assert!(!host_allowed(Some("evil.example:8080"), loopback));
        assert!(host_allowed(Some("evil.example:8080"), SocketAddr::from(([0, 0, 0, 0], 8080))));
    }

    #[test]
    fn only_pages_of_our_own_may_act() {
        assert!(origin_allowed(None, Some("localhost:8080")));
        assert!(origin_allowed(Some("http://localhost:8080"), Some("localhost:8080")));
        assert!(!origin_allowed(Some("http://evil.example"), Some("localhost:8080")));
        assert!(!origin_allowed(Some("null"), Some("localhost:8080")));
    }
}
