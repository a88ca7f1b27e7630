//! What a server is asked, and where: what its answers have taught holds as long as that is the same.

use serde::{Deserialize, Serialize};

use super::mcp::McpTarget;
use super::{Look, Target};
use crate::shell::secrets::digest;

/// Where checks look, in digests: a URL may hold a secret. With what credentials they do so makes no difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aim {
    /// What is asked: paths, methods, tools.
    pub asks: String,
    /// Where: hosts and ports.
    pub at: String,
}

impl Target {
    /// Where its checks look.
    pub fn aim(&self) -> Aim {
        let (asks, at): (Vec<_>, Vec<_>) = self.looks.iter().map(aim).unzip();
        Aim { asks: digest(&asks.join("\n")), at: digest(&at.join("\n")) }
    }
}

fn aim(look: &Look) -> (String, String) {
    let (what, place) = match look {
        Look::Http(http) => (format!("{:?} {}", http.dialect, http.address.path()), format!("{:?}", http.address.to())),
        Look::Mcp(mcp) => McpTarget::aim(mcp),
        Look::Tcp(to) => (String::new(), format!("{to:?}")),
        Look::Container | Look::Process => (String::new(), String::new()),
    };
    (format!("{} {what}", look.kind().as_str()), place)
}
