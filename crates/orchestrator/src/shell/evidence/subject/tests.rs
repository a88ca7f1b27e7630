//! What is hidden of a server: from its entry, from files, before and after they change.

use super::*;

const PATIENT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_file_is_read_again_and_what_it_held_before_is_hidden_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("bearer");
    std::fs::write(&path, "the-first-token").expect("written");
    let entry = serde_json::json!({ "probes": [{ "bearer_token_file": "bearer" }] });
    let directories = Directories { state: directory.path(), registry: directory.path() };
    let subject = Arc::new(Subject::new("a", None, &[], [&entry], directories));
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
    let subject = Arc::new(Subject::new("calculator", None, &[], [&entry, &recovery], directories));
    let mask = subject.mask(Instant::now(), PATIENT).await;
    let secrets = ["from-a-file", "from-the-environment", "from-a-header", "from-a-key", "from-a-line", "from-a-hook"];
    for secret in secrets.into_iter().chain(["from-a-query", "from-a-header-file"]) {
        assert_eq!(mask.text(&format!("a {secret} b")), "a *** b");
    }
    assert_eq!(mask.text("calculator: the database"), "calculator: the database");
    assert!(!format!("{subject:?}").contains("from-the-environment"));
}

#[tokio::test]
async fn a_file_that_has_not_changed_is_not_read_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("bearer");
    std::fs::write(&path, "the-first-token").expect("written");
    let entry = serde_json::json!({ "probes": [{ "bearer_token_file": "bearer" }] });
    let directories = Directories { state: directory.path(), registry: directory.path() };
    let subject = Arc::new(Subject::new("a", None, &[], [&entry], directories));
    subject.mask(Instant::now(), PATIENT).await;
    let known = subject.read.known().expect("it is known");
    let mask = subject.mask(Instant::now(), PATIENT).await;
    let now = subject.read.known().expect("it is known");
    assert!(now.at > known.at && Arc::ptr_eq(&now.values, &known.values), "looked at, and not read");
    assert_eq!(mask.text("the-first-token"), "***");
}

#[tokio::test]
async fn a_changed_entry_is_hidden_at_once_and_the_one_before_until_files_are_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let directories = Directories { state: directory.path(), registry: directory.path() };
    let subject = |secret: &str| {
        let entry = serde_json::json!({ "runtime": { "env": { "API_KEY": secret } } });
        Subject::new("a", None, &[], [&entry], directories)
    };
    let before = Arc::new(subject("the-first-token"));
    before.mask(Instant::now(), PATIENT).await;
    let same = subject("the-first-token").after(&before);
    assert!(Arc::ptr_eq(&same.read, &before.read), "nothing is read anew");
    let after = Arc::new(subject("the-second-token").after(&before));
    let text = "the-first-token, the-second-token";
    assert_eq!(after.known_mask().text(text), "***, ***");
    assert_eq!(after.mask(Instant::now(), PATIENT).await.text(text), "***, ***");
}
