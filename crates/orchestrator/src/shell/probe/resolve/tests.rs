//! Resolvers that are down, hang, or answer for some names only.

use std::time::Duration;

use super::*;

/// Longer than anything that is meant to end.
const PATIENT: Duration = Duration::from_secs(30);

fn resolver(lookup: impl Fn(&str) -> Result<Vec<IpAddr>, Unresolved> + Send + Sync + 'static) -> Resolver {
    Resolver::with(Arc::new(lookup))
}

async fn ask(resolver: &Resolver, name: &str) -> Result<Vec<IpAddr>, Fault> {
    resolver.addresses(name, Instant::now() + PATIENT).await
}

fn down(_: &str) -> Result<Vec<IpAddr>, Unresolved> {
    Err(Unresolved::NoAnswer("try again".to_owned()))
}

#[tokio::test]
async fn a_resolver_that_is_down_is_nobodys_fault_but_ours() {
    let found = ask(&resolver(down), "a.example").await;
    assert!(matches!(found, Err(Fault::Ours(Impaired::Resolver(_)))), "{found:?}");
}

#[tokio::test]
async fn a_name_that_fails_while_others_are_answered_is_the_servers_fault() {
    let partly = resolver(|name| match name {
        "b.example" => Ok(vec![IpAddr::from([10, 0, 0, 1])]),
        _ => down(name),
    });
    assert!(ask(&partly, "b.example").await.is_ok());
    let found = ask(&partly, "a.example").await;
    assert!(matches!(found, Err(Fault::Server(Reason::Dns, _))), "{found:?}");
}

#[tokio::test]
async fn a_name_that_nobody_can_know_tells_too() {
    let only = resolver(|name| match name {
        NOBODY => Err(Unresolved::NoSuchName("no such name".to_owned())),
        _ => down(name),
    });
    let found = ask(&only, "a.example").await;
    assert!(matches!(found, Err(Fault::Server(Reason::Dns, _))), "{found:?}");
}

#[tokio::test]
async fn what_stands_in_a_file_says_nothing_about_the_resolver() {
    let local = resolver(|name| if name == "localhost" { Ok(vec![IpAddr::from([127, 0, 0, 1])]) } else { down(name) });
    assert!(ask(&local, "localhost").await.is_ok());
    let found = ask(&local, "a.example").await;
    assert!(matches!(found, Err(Fault::Ours(_))), "{found:?}");
}

#[tokio::test]
async fn a_resolver_that_hangs_holds_up_no_more_than_its_threads() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let hanging = resolver(move |_| {
        // Until the test ends.
        let _ = held.lock().map(|held| held.recv());
        down("")
    });
    let deadline = Instant::now() + Duration::from_millis(80);
    let names: Vec<String> = (0..LOOKUPS + 8).map(|number| format!("{number}.example")).collect();
    let all = futures_util::future::join_all(names.iter().map(|name| hanging.addresses(name, deadline))).await;
    assert!(all.iter().all(|found| matches!(found, Err(Fault::Ours(Impaired::Resolver(_))))), "{all:?}");
    drop(release);
}

#[tokio::test]
async fn a_name_that_hangs_holds_one_thread_however_often_it_is_checked() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let partly = resolver(move |name| {
        if name == "hangs.example" {
            // Until the test ends.
            let _ = held.lock().map(|held| held.recv());
            return down("");
        }
        Ok(vec![IpAddr::from([10, 0, 0, 1])])
    });
    let deadline = Instant::now() + Duration::from_millis(80);
    let checks = (0..LOOKUPS + 8).map(|_| partly.addresses("hangs.example", deadline));
    assert!(futures_util::future::join_all(checks).await.iter().all(Result::is_err));
    let found = ask(&partly, "another.example").await;
    assert!(found.is_ok(), "{found:?}");
    drop(release);
    // What has ended runs no longer: it is asked anew.
    while lock(&partly.underway).contains_key("hangs.example") {
        tokio::task::yield_now().await;
    }
    assert!(ask(&partly, "hangs.example").await.is_err());
}

#[tokio::test]
async fn a_dead_zone_leaves_room_for_servers_of_another_one() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let partly = resolver(move |name| {
        if name.ends_with(".dead.example") {
            // Once for each that is let go.
            let _ = held.lock().map(|held| held.recv());
            return down("");
        }
        Ok(vec![IpAddr::from([10, 0, 0, 1])])
    });
    let names: Vec<String> = (0..2 * LOOKUPS).map(|number| format!("{number}.dead.example")).collect();
    // Each is found not to be answered, some a few rounds later.
    for _ in 0..names.len() {
        let deadline = Instant::now() + Duration::from_millis(80);
        let asked = futures_util::future::join_all(names.iter().map(|name| partly.addresses(name, deadline))).await;
        assert!(asked.iter().all(Result::is_err));
        let underway = lock(&partly.underway).len();
        (0..underway).for_each(|_| release.send(()).expect("somebody waits"));
        while !lock(&partly.underway).is_empty() {
            tokio::task::yield_now().await;
        }
        if partly.unanswered().len() == names.len() {
            break;
        }
    }
    assert_eq!(partly.unanswered().len(), names.len(), "each has its turn");
    let deadline = Instant::now() + Duration::from_millis(80);
    let again = futures_util::future::join_all(names.iter().map(|name| partly.addresses(name, deadline))).await;
    assert!(again.iter().all(Result::is_err));
    let dead = lock(&partly.underway).keys().filter(|name| name.ends_with(".dead.example")).count();
    assert_eq!(dead, UNANSWERED, "they hold all that they may");
    let found = ask(&partly, "lives.example").await;
    assert!(found.is_ok(), "{found:?}");
    drop(release);
}
