//! Servers that share another one's network: when an action of ours has restarted that one, they are restarted after it.

use super::Fleet;
use crate::machine::server::Server;
use crate::machine::{Effect, Mono, ServerId};

impl Fleet {
    /// This server is well again: whoever has lost its network follows.
    pub(super) fn let_follow(&mut self, now: Mono, leader: ServerId, effects: &mut Vec<Effect>) {
        if self.cut.is_empty() {
            return;
        }
        let name = self.servers[leader.0].policy().name.clone();
        let of_it = |place: &usize| self.servers[*place].cut_from() == Some(&name);
        let followers: Vec<_> = self.cut.iter().copied().filter(of_it).map(ServerId).collect();
        for follower in followers {
            self.turn(now, follower, effects, Server::follow);
        }
    }
}
