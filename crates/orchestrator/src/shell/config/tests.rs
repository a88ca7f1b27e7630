//! The messages are the product: each stands here as it is shown.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn lookup(name: &str) -> Option<String> {
    (name == "PORT").then(|| "8082".to_owned())
}

fn read(text: &str) -> Result<Loaded, LoadError> {
    parse(Path::new("registry.yaml"), text.as_bytes(), &lookup)
}

fn shown(text: &str) -> String {
    match read(text) {
        Err(error) => error.to_string(),
        Ok(loaded) => loaded.warnings.iter().map(|warning| format!("warning: {warning}")).collect::<Vec<_>>().join("\n"),
    }
}

/// Each file `mistakes/*.txt`: a configuration, a line `----`, and what is said about it.
fn mistakes() -> [(&'static str, &'static str); 3] {
    [
        ("values", include_str!("mistakes/values.txt")),
        ("keys", include_str!("mistakes/keys.txt")),
        ("syntax", include_str!("mistakes/syntax.txt")),
    ]
}

#[test]
fn every_mistake_has_its_message() {
    let mut wrong = String::new();
    for (file, text) in mistakes() {
        let mut found = String::new();
        for case in text.split_terminator("====\n") {
            let (yaml, _) = case.split_once("----\n").expect("a configuration and its messages");
            let _ = write!(found, "{yaml}----\n{}\n====\n", shown(yaml));
        }
        if found != text {
            let _ = write!(wrong, "mistakes/{file}.txt should be:\n{found}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_contracts_own_example_loads() {
    let loaded = read(
        "version: \"1.1\"\nservers:\n  - name: taskmgr\n    port: ${PORT}\n    trace_id: \"${PORT}\"\n    health_check: { interval_seconds: 10 }\n\
         health_check:\n  timeout_seconds: 5s\nrecovery:\n  # all of it commented out\n",
    );
    let loaded = loaded.expect("a good file");
    assert_eq!(loaded.file.servers[0].port, Some(8082));
    assert_eq!(loaded.file.servers[0].trace_id.as_deref(), Some("8082"));
    assert_eq!(loaded.file.health_check.timeout_seconds, Some(health_spec::config::Seconds::new(5)));
    assert_eq!(loaded.warnings, []);
}

#[test]
fn a_mistake_hides_no_warning() {
    let error = read("servers: [{ name: a, port: x, colour: red }]").expect_err("a port that is none");
    let warnings: Vec<_> = error.warnings().iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(warnings, ["unknown key `colour` of a server; it is carried, but not read"]);
    assert!(!error.to_string().contains("colour` of"), "each is said once");
}

#[test]
fn a_wrapped_entry_is_read_as_its_server() {
    let loaded = read(
        "servers:\n  - server:\n      name: a\n      health_url: http://a/\n    tools: [x]\n    metadata: { since: 2025 }\n",
    );
    let loaded = loaded.expect("a good file");
    assert_eq!(loaded.file.servers[0].tools, Some(json!(["x"])));
    assert_eq!(loaded.raw["servers"][0]["metadata"], json!({ "since": 2025 }));
    assert_eq!(loaded.warnings, []);
    let problem = loaded.places.problem("/servers/0/health_url", "no".to_owned(), None);
    assert_eq!((problem.line, problem.column, problem.width), (4, 19, 9));
}

#[test]
fn a_place_that_is_absent_is_its_nearest_ancestor() {
    let places = read("servers:\n  - name: a\n    runtime: { kind: none }\n").expect("a good file").places;
    let cases = [
        ("/servers/0/runtime/kind", (3, 22)),
        ("/servers/0/runtime/container", (3, 5)),
        ("/servers/0/health_url", (2, 5)),
        ("/servers/7", (1, 1)),
        ("/engines", (1, 1)),
        ("nonsense", (1, 1)),
    ];
    for (pointer, expected) in cases {
        let problem = places.problem(pointer, String::new(), None);
        assert_eq!((problem.line, problem.column), expected, "{pointer}");
    }
}

#[test]
fn line_ends_and_byte_order_marks_move_nothing() {
    for text in ["\u{feff}servers:\r\n  - name: 3\r\n", "servers:\r  - name: 3\r"] {
        let error = read(text).expect_err("a number is no name").to_string();
        assert!(error.starts_with("registry.yaml:2:11: `name` must be a string, not a number\n  2 |   - name: 3\n"), "{error}");
    }
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let text = format!("servers: [{{ name: a, description: {}, port: http }}]\n", "x".repeat(5000));
    let error = read(&text).expect_err("no port").to_string();
    assert!(error.lines().all(|line| line.len() < 140), "{error}");
    assert!(error.contains(", port: http }"), "{error}");
}

#[test]
fn what_is_no_text_is_said_to_be_none() {
    let path = Path::new("registry.yaml");
    let of = |bytes: &[u8]| parse(path, bytes, &lookup).expect_err("no configuration").to_string();
    assert_eq!(of(b"a: \xff"), "registry.yaml is no UTF-8 text: byte 3 belongs to no character");
    assert!(of(b"\x7fELF\x02\x01\x01\0\0").starts_with("registry.yaml:1:"));
    let large = vec![b'#'; 10 * 1024 * 1024 + 1];
    assert_eq!(of(&large), "registry.yaml is larger than 10 MiB; that is no configuration");
}

fn loaded(paths: &[&Path]) -> Result<Loaded, LoadError> {
    load(&paths.iter().map(|path| path.to_path_buf()).collect::<Vec<_>>(), &lookup)
}

#[test]
fn files_that_cannot_be_read() {
    let directory = tempfile::tempdir().expect("a directory");
    assert!(matches!(loaded(&[directory.path()]), Err(LoadError::NothingThere(_))));
    let absent = directory.path().join("absent.yaml");
    assert!(matches!(loaded(&[&absent]), Err(LoadError::Unreadable { .. })));
    let large = directory.path().join("large.yaml");
    std::fs::File::create(&large).and_then(|file| file.set_len(50 * 1024 * 1024)).expect("a large file");
    assert!(matches!(loaded(&[&large]), Err(LoadError::TooLarge(_))));
    let error = loaded(&[&absent, &large]).expect_err("neither can be read").to_string();
    assert!(error.contains("absent.yaml cannot be read") && error.contains("larger than 10 MiB"), "{error}");
}

#[test]
fn several_documents_and_files_are_one_configuration() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    let first = file("10-defaults.yaml", "version: 1.1\nhealth_check: { interval_seconds: 10 }\nservers:\n");
    let second =
        file("20-team.yml", "servers: [{ name: a }]\n---\nservers: [{ name: b }]\nhealth_check: { timeout_seconds: 2 }\n---\n");
    file("empty.yaml", "# nothing\n");
    for paths in [vec![directory.path()], vec![&first, &second, &first]] {
        let loaded = loaded(&paths).expect("good files");
        let names: Vec<_> = loaded.file.servers.iter().map(|server| server.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(loaded.file.health_check.interval_seconds, Some(health_spec::config::Seconds::new(10)));
        assert_eq!(loaded.file.health_check.timeout_seconds, Some(health_spec::config::Seconds::new(2)));
        let place = loaded.places.problem("/servers/1/name", String::new(), None);
        assert_eq!((place.path.as_path(), place.line, place.column), (second.as_path(), 3, 19));
        assert!(loaded.watched.contains(&first) && loaded.watched.contains(&second));
    }
    let odd = loaded(&[directory.path()]).expect("good files").warnings;
    let odd: Vec<_> = odd.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(odd, ["nothing stands behind `servers:`", "the file is empty"]);
}

/// A file that is only half written must not deregister everything.
#[test]
fn servers_with_nothing_behind_it_is_a_mistake_and_an_empty_list_is_none() {
    for text in ["servers:", "version: 1.1\nservers: ~\n", "servers: null\n---\nhealth_check: { interval_seconds: 10 }\n"] {
        let error = read(text).expect_err("nothing is meant by it").to_string();
        assert!(error.contains("nothing stands behind `servers:`") && error.contains("`servers: []`"), "{text}: {error}");
    }
    for text in ["servers: []", "health_check: { interval_seconds: 10 }"] {
        assert!(read(text).expect("fine").file.servers.is_empty(), "{text}");
    }
}

#[test]
fn the_environment_goes_over_the_file() {
    let lookup = |name: &str| match name {
        "HEALTH_CHECK_INTERVAL_SECONDS" => Some("5".to_owned()),
        "RECOVERY_ENABLED" => Some("false".to_owned()),
        "RECOVERY_BACKOFF_SCHEDULE" => Some("2, 4s".to_owned()),
        "RECOVERY_MODE" => Some(String::new()),
        "EVENT_EMISSION_JSONL_LOG" => Some("7".to_owned()),
        _ => None,
    };
    let text = b"health_check: { interval_seconds: 10 }\nservers: [{ name: a, health_check: { interval_seconds: 3 } }]\n";
    let file = parse(Path::new("r.yaml"), text, &lookup).expect("a good file").file;
    let seconds = health_spec::config::Seconds::new;
    assert_eq!(file.health_check.interval_seconds, Some(seconds(5)));
    assert_eq!(file.servers[0].health_check.interval_seconds, Some(seconds(3)), "a server's own key stays");
    assert_eq!((file.recovery.enabled, file.recovery.mode), (Some(false), None));
    assert_eq!(file.recovery.backoff.and_then(|backoff| backoff.schedule), Some(vec![seconds(2), seconds(4)]));
    assert_eq!(file.event_emission.jsonl_log.as_deref(), Some("7"));
}

#[test]
fn an_overlay_goes_over_the_entry_key_by_key() {
    let text = "
servers: [{ name: a, port: 1, health_check: { interval_seconds: 3, timeout_seconds: 1 } }, { name: b }]
health:
  a: { health_url: 'http://h/', health_check: { timeout_seconds: 2 } }
  b: { depends_on: [a], runtime: { kind: process, command: x } }
";
    let loaded = read(text).expect("a good file");
    let [a, b] = &loaded.file.servers[..] else { panic!("two servers") };
    let seconds = health_spec::config::Seconds::new;
    assert_eq!(a.health_url.as_deref(), Some("http://h/"));
    assert_eq!((a.health_check.interval_seconds, a.health_check.timeout_seconds), (Some(seconds(3)), Some(seconds(2))));
    assert_eq!((b.depends_on.len(), b.runtime.is_some()), (1, true));
    let place = loaded.places.problem("/servers/0/health_check/timeout_seconds", String::new(), None);
    assert_eq!((place.line, place.column), (4, 66));
}

#[test]
fn a_secret_from_the_environment_is_never_shown() {
    let secret = |name: &str| ["P", "M"].contains(&name).then(|| "hunter2".to_owned());
    let text = b"servers:\n  - name: a\n    port: ${P}\nrecovery: { mode: \"${M}\" }\n";
    let error = parse(Path::new("r.yaml"), text, &secret).expect_err("no port").to_string();
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn nothing_nests_too_deep() {
    let blocks = (0..40).fold(String::new(), |mut text, at| {
        let _ = writeln!(text, "{}a:", " ".repeat(at));
        text
    });
    // Aliases that repeat aliases: each line is shallow, the whole is not.
    let aliases = (1..12).fold(format!("a0: &a0 {}1{}\n", "[".repeat(20), "]".repeat(20)), |mut text, at| {
        let _ = writeln!(text, "a{at}: &a{at} {}*a{}{}", "[".repeat(20), at - 1, "]".repeat(20));
        text
    });
    for text in [&blocks, &aliases, &format!("{}{}", "[".repeat(60), "]".repeat(60)), &"[".repeat(5000), &"- ".repeat(60)] {
        let error = read(text).expect_err("too deep").to_string();
        assert!(error.contains("deep") || error.contains("recursion"), "{error}");
    }
}

#[test]
fn a_small_file_cannot_grow_without_end() {
    let laughs = (1..12).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |mut text, at| {
        let _ = writeln!(text, "a{at}: &a{at} [{}]", vec![format!("*a{}", at - 1); 9].join(", "));
        text
    });
    read(&laughs).expect_err("too large");
}

/// Pieces of which most combinations are nearly a configuration.
fn piece() -> impl Strategy<Value = &'static str> {
    const PIECES: &[&str] = &[
        "servers:",
        "health_check:",
        "recovery:",
        "name:",
        "server:",
        "port:",
        "backoff:",
        "schedule:",
        "runtime:",
        "\n",
        "\n  ",
        "\n  - ",
        "\n      ",
        " ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        ": ",
        "a",
        "1",
        "-1",
        "1e999",
        ".nan",
        "~",
        "true",
        "\"",
        "'",
        "&a ",
        "*a",
        "<<: *a",
        "!!int ",
        "!x ",
        "|",
        ">-",
        "#",
        "---",
        "...",
        "%YAML 1.2",
        "\t",
        "${",
        "${PORT}",
        "${X:-1}",
        "}",
        "\u{feff}",
        "é",
        "\u{1f600}",
        "\r",
        "\0",
        "?",
        "99999999999999999999",
    ];
    prop::sample::select(PIECES)
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(Path::new("r"), &bytes, &lookup).map_err(|error| error.to_string());
    }

    #[test]
    fn no_near_configuration_panics(pieces in prop::collection::vec(piece(), 0..40)) {
        let _ = read(&pieces.concat()).map_err(|error| error.to_string());
    }

    #[test]
    fn no_pointer_panics(pointer in "[/~a-z0-9]{0,20}", text in ".{0,80}") {
        if let Ok(loaded) = read(&format!("servers: [{{ name: '{}' }}]", text.replace('\'', ""))) {
            let _ = loaded.places.problem(&pointer, String::new(), None).to_string();
        }
    }
}
