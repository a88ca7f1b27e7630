//! Who a server's process runs as.
//!
//! Linux keeps the rights of each thread apart, and a child has those of the thread that made it. So a thread of its own
//! becomes the user, makes the child and ends; the orchestrator itself changes nothing.

use std::{
    ffi::{CString, OsString},
    io, thread,
};

use nix::unistd;
use rustix::{
    process::{Gid, Uid, getegid, geteuid},
    thread::{CapabilitySet, capabilities, clear_ambient_capability_set, set_thread_gid, set_thread_groups, set_thread_uid},
};
use thiserror::Error;

/// The user cannot be had.
#[derive(Debug, Error)]
pub enum UserError {
    /// Nobody has that name or number.
    #[error("there is no {what} \"{name}\" on this machine")]
    Unknown {
        /// `user` or `group`.
        what: &'static str,
        /// As written.
        name: String,
    },
    /// A number without an entry has no group.
    #[error("user {uid} has no entry in the user database, so it has no group: write \"{uid}:GID\"")]
    NoGroup {
        /// The number.
        uid: u32,
    },
    /// The user database cannot be asked.
    #[error("cannot look \"{name}\" up: {source}")]
    LookUp {
        /// As written.
        name: String,
        /// Why.
        source: nix::Error,
    },
    /// Only root may.
    #[error(
        "only root may start a process as \"{name}\": run the orchestrator as root (or with CAP_SETUID, CAP_SETGID and CAP_KILL), or leave `user` out"
    )]
    NotAllowed {
        /// As written.
        name: String,
    },
    /// The kernel refused.
    #[error("cannot become \"{name}\": {source}")]
    Refused {
        /// As written.
        name: String,
        /// Why.
        source: io::Error,
    },
}

/// A user with its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    written: String,
    uid: u32,
    gid: u32,
    /// With the first one among them.
    groups: Vec<u32>,
    /// Of the user database: name, home.
    entry: Option<(String, OsString)>,
}

impl User {
    /// `name`, `uid`, or either with `:group`. `None`: that is who we are already.
    pub fn find(written: &str) -> Result<Option<Self>, UserError> {
        let (name, group) = written.split_once(':').map_or((written, None), |(name, group)| (name, Some(group)));
        let entry = entry(name)?;
        let uid = match (&entry, name.parse::<u32>()) {
            (Some(entry), _) => entry.uid.as_raw(),
            (None, Ok(uid)) => uid,
            (None, Err(_)) => return Err(UserError::Unknown { what: "user", name: name.to_owned() }),
        };
        let gid = match (group, &entry) {
            (Some(group), _) => gid(group)?,
            (None, Some(entry)) => entry.gid.as_raw(),
            (None, None) => return Err(UserError::NoGroup { uid }),
        };
        if uid == geteuid().as_raw() && gid == getegid().as_raw() {
            return Ok(None);
        }
        let written = written.to_owned();
        if !may() {
            return Err(UserError::NotAllowed { name: written });
        }
        let groups = groups(entry.as_ref(), gid)?;
        let entry = entry.map(|entry| (entry.name, entry.dir.into_os_string()));
        Ok(Some(Self { written, uid, gid, groups, entry }))
    }

    /// What a login sets: `HOME`, `USER`, `LOGNAME`.
    pub fn variables(&self) -> Vec<(&'static str, OsString)> {
        match &self.entry {
            Some((name, home)) => vec![("HOME", home.clone()), ("USER", name.into()), ("LOGNAME", name.into())],
            None => vec![("HOME", "/".into()), ("USER", self.uid.to_string().into()), ("LOGNAME", self.uid.to_string().into())],
        }
    }

    /// Runs this as the user, in a thread that ends with it.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, UserError> {
        let refused = |source| UserError::Refused { name: self.written.clone(), source };
        thread::scope(|scope| {
            let worker = thread::Builder::new().name("as-user".to_owned());
            let worker = worker.spawn_scoped(scope, || self.enter().map(|()| work())).map_err(refused)?;
            worker.join().unwrap_or_else(|_| Err(io::Error::other("the thread has failed"))).map_err(refused)
        })
    }

    /// The uid last: without it the groups cannot be changed any more.
    fn enter(&self) -> io::Result<()> {
        keep_rights_to_ourselves()?;
        let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
        set_thread_groups(&groups)?;
        set_thread_gid(Gid::from_raw(self.gid))?;
        set_thread_uid(Uid::from_raw(self.uid))?;
        Ok(())
    }
}

/// The rights that let one who is not root start others as another user (`AmbientCapabilities=` of a unit) would go with every program
/// that this thread and its later threads start: who has `CAP_SETUID` may be anybody. We still have them afterwards. A kernel that knows no
/// such rights gives none.
pub fn keep_rights_to_ourselves() -> io::Result<()> {
    match clear_ambient_capability_set() {
        Ok(()) | Err(rustix::io::Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn entry(name: &str) -> Result<Option<unistd::User>, UserError> {
    let found = match name.parse() {
        Ok(uid) => unistd::User::from_uid(unistd::Uid::from_raw(uid)),
        Err(_) => unistd::User::from_name(name),
    };
    found.map_err(|source| UserError::LookUp { name: name.to_owned(), source })
}

fn gid(group: &str) -> Result<u32, UserError> {
    if let Ok(gid) = group.parse() {
        return Ok(gid);
    }
    let found = unistd::Group::from_name(group).map_err(|source| UserError::LookUp { name: group.to_owned(), source })?;
    found.map(|group| group.gid.as_raw()).ok_or_else(|| UserError::Unknown { what: "group", name: group.to_owned() })
}

fn groups(entry: Option<&unistd::User>, gid: u32) -> Result<Vec<u32>, UserError> {
    let Some(entry) = entry else { return Ok(vec![gid]) };
    let failed = |source| UserError::LookUp { name: entry.name.clone(), source };
    let name = CString::new(entry.name.as_str()).map_err(|_| failed(nix::Error::EINVAL))?;
    let groups = unistd::getgrouplist(&name, unistd::Gid::from_raw(gid)).map_err(failed)?;
    Ok(groups.into_iter().map(unistd::Gid::as_raw).collect())
}

/// Whoever cannot end another user's process is not to start one.
fn may() -> bool {
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::KILL;
    capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

#[cfg(test)]
mod tests {
    use rustix::thread::{CapabilitySets, configure_capability_in_ambient_set, set_capabilities, set_keep_capabilities};

    use super::*;
    use crate::shell::root::is_root;

    #[test]
    fn names_and_numbers_are_users() {
        let ourselves = format!("{}:{}", geteuid().as_raw(), getegid().as_raw());
        assert_eq!(User::find(&ourselves).unwrap(), None, "nothing is to be done");
        for (written, error) in [
            ("no-such-user", "there is no user \"no-such-user\" on this machine"),
            ("0:no-such-group", "there is no group \"no-such-group\" on this machine"),
            ("54321", "user 54321 has no entry in the user database, so it has no group: write \"54321:GID\""),
        ] {
            assert_eq!(User::find(written).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn whoever_may_not_is_told_so() {
        if !is_root("shell::runtime::process::user::tests::whoever_may_not_is_told_so") {
            return;
        }
        let nobody = User::find("nobody").unwrap().unwrap();
        assert!(nobody.groups.contains(&nobody.gid));
        assert_eq!(nobody.variables()[1], ("USER", "nobody".into()));
        let numbers = User::find("54321:12345").unwrap().unwrap();
        assert_eq!((numbers.uid, numbers.gid, numbers.groups), (54321, 12345, vec![12345]));
        let without_rights = || {
            set_thread_uid(Uid::from_raw(54321)).unwrap();
            User::find("nobody").unwrap_err().to_string()
        };
        assert!(thread::spawn(without_rights).join().unwrap().starts_with("only root may start a process as \"nobody\""));
        let may_start = CapabilitySet::SETUID | CapabilitySet::SETGID;
        let with = |rights: CapabilitySet| {
            let find = move || {
                set_keep_capabilities(true).unwrap();
                set_thread_uid(Uid::from_raw(54321)).unwrap();
                set_capabilities(None, CapabilitySets { effective: rights, permitted: rights, inheritable: rights }).unwrap();
                User::find("nobody").map(drop)
            };
            thread::spawn(find).join().unwrap()
        };
        let error = with(may_start).unwrap_err().to_string();
        assert!(error.contains("CAP_KILL"), "it could not be ended: {error}");
        with(may_start | CapabilitySet::KILL).unwrap();
    }

    /// What `/proc/self/status` says of the rights of a child of this user, whose maker is no root and has them from its unit.
    fn rights_of_a_child() -> String {
        let both = CapabilitySet::SETUID | CapabilitySet::SETGID;
        set_keep_capabilities(true).unwrap();
        set_thread_uid(Uid::from_raw(54321)).unwrap();
        set_capabilities(None, CapabilitySets { effective: both, permitted: both, inheritable: both }).unwrap();
        both.iter().for_each(|one| configure_capability_in_ambient_set(one, true).unwrap());
        let user = User { written: String::new(), uid: 54322, gid: 54322, groups: vec![54322], entry: None };
        let output = user.run(|| std::process::Command::new("cat").arg("/proc/self/status").output()).unwrap().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn the_rights_to_become_a_user_do_not_go_with_its_child() {
        if !is_root("shell::runtime::process::user::tests::the_rights_to_become_a_user_do_not_go_with_its_child") {
            return;
        }
        let status = thread::spawn(rights_of_a_child).join().unwrap();
        for name in ["CapPrm", "CapEff", "CapAmb"] {
            assert!(status.contains(&format!("{name}:\t0000000000000000\n")), "{name} in {status}");
        }
        assert!(status.contains("Uid:\t54322\t54322\t54322\t54322\n"), "{status}");
    }

    #[test]
    fn only_the_thread_becomes_the_user() {
        if !is_root("shell::runtime::process::user::tests::only_the_thread_becomes_the_user") {
            return;
        }
        let nobody = User::find("nobody").unwrap().unwrap();
        assert_eq!(nobody.run(|| geteuid().as_raw()).unwrap(), nobody.uid);
        assert_ne!(geteuid().as_raw(), nobody.uid);
    }
}
