//! Who a server runs as, and what it knows.

use std::fs;

use health_spec::registry::{Runtime, Session};

use super::begin_as;
use crate::bench::{Bench, eventually};
use crate::root::is_root;

fn as_user(bench: &Bench, user: &str, script: &str) -> Runtime {
    Runtime { user: Some(user.to_owned()), cwd: Some("/".to_owned()), ..bench.shell(script) }
}

/// Its user, its groups, its home: as a login would have them.
#[test]
fn one_runs_as_the_user_that_it_is_to_be() {
    if !is_root("process::who::one_runs_as_the_user_that_it_is_to_be") {
        return;
    }
    let script = "id -u; id -G; echo $USER $HOME; /bin/pwd; echo ready; exec sleep 1000";
    let id = |option: &str| {
        String::from_utf8(std::process::Command::new("id").args([option, "nobody"]).output().unwrap().stdout).unwrap()
    };
    for session in [Session::Group, Session::Session] {
        let bench = Bench::new();
        let server = Runtime { session: Some(session), ..as_user(&bench, "nobody", script) };
        let (life, _) = begin_as(&bench, server);
        assert!(bench.log().starts_with(&format!("{}{}nobody /", id("-u"), id("-G"))), "{}", bench.log());
        assert!(bench.log().ends_with("\n/\nready\n"), "its working directory: {}", bench.log());
        assert_eq!(
            fs::read_to_string("/proc/self/status").unwrap().matches("\nUid:\t0\t0\t0\t0\n").count(),
            1,
            "we stay who we are"
        );
        life.restart().unwrap();
        eventually("a second start", || bench.log().matches("ready").count() == 2);
        life.shut_down();
        assert!(bench.living().is_empty());
    }
}

/// `pwd` of the kernel's, not of the environment. Relative to the registry's directory; without the key it is that.
#[test]
fn one_works_where_it_is_told_to() {
    for (cwd, place) in [(None, "."), (Some("inside"), "inside"), (Some("/usr"), "/usr")] {
        let bench = Bench::new();
        fs::create_dir(bench.path().join("inside")).unwrap();
        let script = "/bin/pwd; echo ready; exec sleep 1000";
        let server = Runtime { cwd: cwd.map(str::to_owned), ..bench.shell(script) };
        let (life, _) = begin_as(&bench, server);
        let place = bench.path().join(place).canonicalize().unwrap();
        assert_eq!(bench.log(), format!("{}\nready\n", place.display()), "{cwd:?}");
        life.shut_down();
    }
}

#[test]
fn a_user_that_is_not_there_is_said_before_anything_starts() {
    let bench = Bench::new();
    let error = bench.try_start(&[as_user(&bench, "no-such-user", "")]).err().unwrap();
    assert_eq!(error.faults[0].pointer, "/servers/0/runtime/user");
    assert_eq!(error.to_string(), "there is no user \"no-such-user\" on this machine");
}

#[test]
fn a_file_of_variables_is_read_at_every_start_and_env_goes_over_it() {
    let bench = Bench::new();
    let file = bench.path().join("secrets.env");
    let mut server = bench.shell("echo $FIRST $SECOND; echo ready; exec sleep 1000");
    server.env_file = Some("secrets.env".to_owned());
    server.env.insert("SECOND".to_owned(), "two".to_owned());
    let error = bench.try_start(std::slice::from_ref(&server)).err().unwrap();
    assert_eq!(error.faults[0].pointer, "/servers/0/runtime/env_file");
    fs::write(&file, "FIRST=one\nSECOND=not this\n").unwrap();
    let (life, _) = begin_as(&bench, server);
    fs::write(&file, "FIRST=another\n").unwrap();
    life.restart().unwrap();
    eventually("a second start", || bench.log().matches("ready").count() == 2);
    assert_eq!(bench.log(), "one two\nready\nanother two\nready\n");
    fs::write(&file, "what is this\n").unwrap();
    let error = orchestrator::shell::causes::causes(&life.restart().unwrap_err());
    assert!(error.contains("line 1 of the environment file"), "{error}");
}
