//! What is hidden of a server: from its entry, from files, before and after they change.

use super::*;
use crate::shell::secrets::mask::tests::made_up;

const PATIENT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_file_is_read_again_and_what_it_held_before_is_hidden_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("bearer");
    std::fs::write(&path, "the-first-token").expect("written");
    let entry = serde_json::json!({ "probes": [{ "bearer_token_file": "bearer" }] });
    let directories = Directories { state: directory.path(), registry: directory.path() };
    let subject = Arc::new(Subject::new("a", None, &[], [(&entry, directories.registry)], directories));
    let text = "the-first-token, the-second-token";
    assert_eq!(subject.known_mask().text(text), text, "nobody has read it");
    assert_eq!(subject.mask(Instant::now(), PATIENT).await.text(text), "***, the-second-token");
    std::fs::write(&path, "the-second-token").expect("written");
    assert_eq!(subject.mask(Instant::now(), PATIENT).await.text(text), "***, ***");
    assert_eq!(subject.known_mask().text(text), "***, ***");
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(subject.mask(Instant::now(), PATIENT).await.text(text), "the-first-token, ***");
}

#[tokio::test]
async fn what_the_registry_gives_is_hidden() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("bearer"), "from-a-file\n").expect("written");
    std::fs::write(directory.path().join("key"), "from-a-header-file").expect("written");
    std::fs::write(directory.path().join("more.env"), "# more\nexport MORE='from-a-line'\n").expect("written");
    let entry = serde_json::json!({
        "name": "calculator",
        "endpoint": "http://127.0.0.1/mcp?apikey=from-a-query&check=database",
        "runtime": { "env": { "PLAIN": "from-the-environment" }, "env_file": "more.env" },
        "probes": [{ "headers": { "X-Team": "from-a-header" }, "bearer_token_file": "bearer", "password": "from-a-key",
                     "header_files": { "X-Key": "key" } }],
    });
    let recovery = serde_json::json!({ "after": { "url": "http://a/", "headers": { "X-Hook": "from-a-hook" } } });
    let directories = Directories { state: directory.path(), registry: directory.path() };
    let subject = Arc::new(Subject::new(
        "calculator",
        None,
        &[],
        [(&entry, directories.registry), (&recovery, directories.registry)],
        directories,
    ));
    let mask = subject.mask(Instant::now(), PATIENT).await;
    let secrets = ["from-a-file", "from-the-environment", "from-a-header", "from-a-key", "from-a-line", "from-a-hook"];
    for secret in secrets.into_iter().chain(["from-a-query", "from-a-header-file"]) {
        assert_eq!(mask.text(&format!("a {secret} b")), "a *** b");
    }
    assert_eq!(mask.text("calculator: the database"), "calculator: the database");
    assert!(!format!("{subject:?}").contains("from-the-environment"));
}

/// A server prints what it was sent without the name of the scheme.
#[tokio::test]
async fn what_follows_the_name_of_a_scheme_is_hidden_too() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("key"), "Token KEY-of-a-file\n").expect("written");
    let entry = serde_json::json!({
        "probes": [{ "headers": { "Authorization": "Bearer PRBTOK-of-a-probe", "X-Key": "Token KEYTOK-of-a-probe" },
                     "header_files": { "X-Other": "key" } }],
        "recovery": { "before": { "headers": { "Authorization": "Basic QmFzaWM6b2YtYS1ob29r" } } },
    });
    let directories = Directories { state: directory.path(), registry: directory.path() };
    let subject = Arc::new(Subject::new("a", None, &[], [(&entry, directories.registry)], directories));
    let mask = subject.mask(Instant::now(), PATIENT).await;
    for token in ["PRBTOK-of-a-probe", "KEYTOK-of-a-probe", "KEY-of-a-file", "QmFzaWM6b2YtYS1ob29r"] {
        assert_eq!(mask.text(&format!("rejected {token}!")), "rejected ***!");
    }
    let known: Vec<_> = subject.values().collect();
    assert!(known.contains(&"PRBTOK-of-a-probe".to_owned()), "also before files are read");
}

#[tokio::test]
async fn a_file_that_has_not_changed_is_not_read_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("bearer");
    std::fs::write(&path, "the-first-token").expect("written");
    let entry = serde_json::json!({ "probes": [{ "bearer_token_file": "bearer" }] });
    let directories = Directories { state: directory.path(), registry: directory.path() };
    let subject = Arc::new(Subject::new("a", None, &[], [(&entry, directories.registry)], directories));
    subject.mask(Instant::now(), PATIENT).await;
    let known = subject.read.known().expect("it is known");
    let mask = subject.mask(Instant::now(), PATIENT).await;
    let now = subject.read.known().expect("it is known");
    assert!(now.at > known.at && Arc::ptr_eq(&now.values, &known.values), "looked at, and not read");
    assert_eq!(mask.text("the-first-token"), "***");
}

/// A server whose entry gives it this secret.
fn given(directory: &Path, secret: &str) -> Subject {
    let directories = Directories { state: directory, registry: directory };
    let entry = serde_json::json!({ "runtime": { "env": { "API_KEY": secret } } });
    Subject::new("a", None, &[], [(&entry, directories.registry)], directories)
}

#[tokio::test]
async fn a_changed_entry_is_hidden_at_once_and_the_one_before_until_files_are_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let subject = |secret: &str| given(directory.path(), secret);
    let before = Arc::new(subject("the-first-token"));
    before.mask(Instant::now(), PATIENT).await;
    let same = subject("the-first-token").after(&before);
    assert!(Arc::ptr_eq(&same.read, &before.read), "nothing is read anew");
    let after = Arc::new(subject("the-second-token").after(&before));
    let text = "the-first-token, the-second-token";
    assert_eq!(after.known_mask().text(text), "***, ***");
    assert_eq!(after.mask(Instant::now(), PATIENT).await.text(text), "***, ***");
}

#[tokio::test]
async fn a_file_of_variables_may_be_long_and_hold_a_key_and_what_is_no_text() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut text =
        b"FIRST=the-first-one\nODD=\xff\xfe\nKEY=-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\n".to_vec();
    text.extend("# a long comment\n".repeat(2_000).into_bytes());
    text.extend(b"LAST=the-last-one\n");
    std::fs::write(directory.path().join("more.env"), text).expect("written");
    let entry = serde_json::json!({ "runtime": { "env_file": "more.env" } });
    let directories = Directories { state: directory.path(), registry: directory.path() };
    let subject = Arc::new(Subject::new("a", None, &[], [(&entry, directories.registry)], directories));
    let mask = subject.mask(Instant::now(), PATIENT).await;
    assert_eq!(mask.text("the-first-one, the-last-one"), "***, ***");
}

#[tokio::test]
async fn files_of_secrets_may_be_long_hold_several_and_be_no_text() {
    let directory = tempfile::tempdir().expect("a directory");
    let hidden = async |content: &[u8], text: &str| {
        std::fs::write(directory.path().join("bearer"), content).expect("written");
        let entry = serde_json::json!({ "probes": [{ "bearer_token_file": "bearer" }] });
        let directories = Directories { state: directory.path(), registry: directory.path() };
        let subject = Arc::new(Subject::new("a", None, &[], [(&entry, directories.registry)], directories));
        subject.mask(Instant::now(), PATIENT).await.text(text)
    };
    let long = made_up(6_000);
    assert_eq!(hidden(long.as_bytes(), &format!("a {long} b")).await, "a *** b");
    let longer = format!("{}\u{e9} and more", made_up(64 * 1024 - 1));
    let part = &longer[..6_400];
    assert_eq!(hidden(longer.as_bytes(), part).await, "***", "what is read ends within a character");
    assert_eq!(hidden(b"the-first-one\nthe-second-one\n", "the-second-one, the-first-one").await, "***, ***");
    assert_eq!(hidden(b"sw\xe4rdfish\n", r"a sw\xe4rdfish b").await, "a *** b", "as it is shown");
    let key = b"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\n-----END PRIVATE KEY-----\n";
    assert_eq!(hidden(key, "a MIIEvQIBADAN b").await, "a *** b");
}

#[tokio::test]
async fn what_was_found_of_a_running_server_is_hidden_now_and_after_a_change() {
    let directory = tempfile::tempdir().expect("a directory");
    let subject = |secret: &str| given(directory.path(), secret);
    let (subject, other) = (Arc::new(subject("the-first-token")), subject("the-second-token"));
    let text = "an-old-secret, a-new-secret, the-first-token";
    subject.hides_too(&["an-old-secret".to_owned()]);
    assert_eq!(subject.known_mask().text(text), "***, a-new-secret, ***", "before any file was read");
    subject.mask(Instant::now(), PATIENT).await;
    subject.hides_too(&[]);
    subject.hides_too(&["a-new-secret".to_owned()]);
    assert_eq!(subject.known_mask().text(text), "***, ***, ***");
    let after = Arc::new(other.after(&subject));
    assert_eq!(after.known_mask().text(text), "***, ***, ***");
    assert_eq!(after.mask(Instant::now(), PATIENT).await.text(text), "***, ***, ***");
}

#[tokio::test]
async fn what_a_program_is_given_after_a_flag_that_calls_it_a_secret_is_hidden_wherever_it_is_said() {
    let directory = tempfile::tempdir().expect("a directory");
    let entry = serde_json::json!({
        "runtime": { "args": ["--port", "8082", "--api-key=the-first-one", "-e", "A_TOKEN=the-third-one"] },
        "recovery": { "before": { "command": ["./drain", "--key", "the-second-one/of/all", "--cert-key", "/etc/tls.key", "-v"] } },
    });
    let directories = Directories { state: directory.path(), registry: directory.path() };
    let subject = Arc::new(Subject::new("a", None, &[], [(&entry, directories.registry)], directories));
    let text = "8082, the-first-one, the-second-one/of/all, the-third-one, /etc/tls.key";
    assert_eq!(subject.mask(Instant::now(), PATIENT).await.text(text), "8082, ***, ***, ***, /etc/tls.key");
}
