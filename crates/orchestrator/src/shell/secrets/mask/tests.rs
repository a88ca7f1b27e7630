//! What is hidden, and what is not. No secret here was ever one.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// A made-up key of this many characters.
fn made(prefix: &str, length: usize) -> String {
    let letters = "aB3dE5fG7hJ9kL2mN4pQ6rS8tU0vW1xY";
    format!("{prefix}{}", letters.chars().cycle().take(length).collect::<String>())
}

#[test]
fn what_looks_like_a_secret_is_hidden() {
    let jwt = format!("{}.{}.{}", made("eyJ", 20), made("eyJ", 30), made("", 40));
    for (text, secret) in [
        ("Authorization: Bearer SECRET12345".to_owned(), "SECRET12345"),
        ("authorization=Basic dXNlcjpwYXNz".to_owned(), "dXNlcjpwYXNz"),
        (r#"{"headers":{"Authorization":"Bearer SECRET12345"}}"#.to_owned(), "SECRET12345"),
        ("sent bearer SECRET12345 to upstream".to_owned(), "SECRET12345"),
        ("Cookie: sid=SECRET; theme=dark".to_owned(), "SECRET"),
        ("Set-Cookie: id=SECRET; HttpOnly".to_owned(), "SECRET"),
        ("password=hunter2 next".to_owned(), "hunter2"),
        ("PASSWORD: hunter2".to_owned(), "hunter2"),
        ("password := hunter2".to_owned(), "hunter2"),
        ("password -> hunter2".to_owned(), "hunter2"),
        ("passcode=hunter2".to_owned(), "hunter2"),
        ("db_password='hunter 2' next".to_owned(), "hunter 2"),
        ("POSTGRES_PASSWORD=hunter2".to_owned(), "hunter2"),
        ("--api-key=hunter2 --verbose".to_owned(), "hunter2"),
        ("--token 'hunter2'".to_owned(), "hunter2"),
        ("mysql --password hunter2 -u root".to_owned(), "hunter2"),
        ("serve --api-key hunter2 --secret more".to_owned(), "hunter2"),
        ("amqp://user:p@ss:hunter2@host/".to_owned(), "hunter2"),
        ("key=hunter2".to_owned(), "hunter2"),
        ("x-api-key: hunter2".to_owned(), "hunter2"),
        ("token=hunter2&user=me".to_owned(), "hunter2"),
        ("GET /a?access_token=hunter2&b=1".to_owned(), "hunter2"),
        ("https://s3/x?X-Amz-Signature=abcdef123".to_owned(), "abcdef123"),
        ("the password is hunter2".to_owned(), "hunter2"),
        (r#"{"user":"me","password":"hunter2"}"#.to_owned(), "hunter2"),
        (r#"{"user":"me","password":"hun\"ter2","next":1}"#.to_owned(), "ter2"),
        (r#"{\"apiKey\":\"hunter2\"}"#.to_owned(), "hunter2"),
        (r#"{"client_secret": "hunter2"#.to_owned(), "hunter2"),
        ("{'secret': 'hunter2'}".to_owned(), "hunter2"),
        ("{:secret=>\"hunter2\"}".to_owned(), "hunter2"),
        ("postgres://user:hunter2@db:5432/x".to_owned(), "hunter2"),
        ("redis://:hunter2@cache/0".to_owned(), "hunter2"),
        (format!("https://{}@git.example/x", made("", 20)), &made("", 20)),
        (format!("found {jwt} in a header"), &jwt),
        (made("AKIA", 0) + "ABCDEFGHIJKLMNOP", "ABCDEFGHIJKLMNOP"),
        (made("ghp_", 36), &made("", 36)),
        (made("github_pat_", 40), &made("", 40)),
        (made("sk-proj-", 40), &made("", 40)),
        (made("sk-ant-", 40), &made("", 40)),
        (made("sk-", 40), &made("", 40)),
        (made("sk_live_", 24), &made("", 24)),
        (made("xoxb-", 24), &made("", 24)),
        (made("AIza", 35), &made("", 35)),
        (made("hf_", 30), &made("", 30)),
        (made("glpat-", 20), &made("", 20)),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----".to_owned(), "MIIabc"),
        (r"key -----BEGIN PRIVATE KEY-----\nMIIabc\n".to_owned(), "MIIabc"),
        ("password\u{1b}[0m=\u{1b}[32mhunter2\u{1b}[0m".to_owned(), "hunter2"),
        ("\u{1b}[1;32mkey\u{1b}[0m: hunter2".to_owned(), "hunter2"),
        (r"pass\u001b[0mword=hunter2".to_owned(), "hunter2"),
        ("DB_PASS=hunter2".to_owned(), "hunter2"),
        ("SMTP_PASS: hunter2".to_owned(), "hunter2"),
        ("OPENAI_KEY=hunter2 APP_KEY=next".to_owned(), "hunter2"),
        ("GITHUB_PAT=hunter2".to_owned(), "hunter2"),
        ("AccountName=me;AccountKey=hunter2+/==;EndpointSuffix=core".to_owned(), "hunter2"),
        (r#"[{"name":"DB_PASSWORD","value":"hunter2"}]"#.to_owned(), "hunter2"),
        (r#"{"name": "OPENAI_KEY", "value": "hun\"ter2"}"#.to_owned(), "ter2"),
        (r#"{\"name\":\"DB_PASS\",\"value\":\"hunter2\"}"#.to_owned(), "hunter2"),
        (r#"{"value":"hunter2","name":"DB_PASSWORD"}"#.to_owned(), "hunter2"),
        (r#"["serve","--token","hunter2","-v"]"#.to_owned(), "hunter2"),
        ("['serve', '--api-key', 'hunter2']".to_owned(), "hunter2"),
        (r#"{"X-Api-Key":["hunter2"]}"#.to_owned(), "hunter2"),
        ("{\"X-Api-Key\": [\n  \"one\",\n  \"hunter2\"\n]}".to_owned(), "hunter2"),
        (r#"{"Authorization":["Basic hunter2"]}"#.to_owned(), "hunter2"),
        ("{'password': b'hunter2'}".to_owned(), "hunter2"),
        ("GET /cb?next=%2Fa%3Faccess_token%3Dhunter2".to_owned(), "hunter2"),
        ("postgres://app:a/hunter2@db:5432/x".to_owned(), "hunter2"),
        ("https://hooks.slack.com/services/T0/B0/hunter2".to_owned(), "hunter2"),
        ("POST https://api.telegram.org/bot12345:hunter2/sendMessage".to_owned(), "hunter2"),
    ] {
        assert_hidden(&text, secret);
    }
}

fn assert_hidden(text: &str, secret: &str) {
    let masked = Mask::default().text(text);
    assert!(!masked.contains(secret), "{text} became {masked}");
    assert!(masked.contains(MASK), "{text} became {masked}");
}

#[test]
fn what_a_command_an_element_or_a_line_below_its_name_gives_away_is_hidden() {
    for (text, secret) in [
        ("curl -u bob:hunter2 http://a/", "hunter2"),
        ("curl -s -ubob:hunter2 http://a/", "hunter2"),
        ("curl --user 'bob:hunter2' http://a/", "hunter2"),
        ("curl --proxy-user=bob:hunter2 http://a/", "hunter2"),
        (r#"["curl","-u","bob:hunter2"]"#, "hunter2"),
        ("<password>hunter2</password>", "hunter2"),
        ("<wsse:Password Type=\"text\">hunter2</wsse:Password>", "hunter2"),
        ("<api-key>\n  hunter2\n</api-key>", "hunter2"),
        ("<secret><![CDATA[hun<ter2]]></secret>", "ter2"),
        (r#"{"body":"\u003cpassword\u003ehunter2\u003c/password\u003e"}"#, "hunter2"),
        ("<password>hunter2", "hunter2"),
        (r#"<add key="ApiKey" value="hunter2"/>"#, "hunter2"),
        (r#"<property name="db.password" type='x' value='hunter2'/>"#, "hunter2"),
        (r#"<add value="hunter2" key="ApiKey"/>"#, "hunter2"),
        ("mysql -h db -u root -phunter2 app", "hunter2"),
        ("/usr/bin/mysqldump -p'hunter 2' app", "hunter 2"),
        (r#"["mysqladmin","-u","root","-phunter2","ping"]"#, "hunter2"),
        ("mysql -phunter2 -print", "hunter2"),
        ("sshpass -p hunter2 ssh a", "hunter2"),
        ("mongosh -u root -p hunter2", "hunter2"),
        ("docker login -u bob -p hunter2 registry", "hunter2"),
        ("redis-cli -h cache -a hunter2 ping", "hunter2"),
        ("Enter password:\nhunter2", "hunter2"),
        ("[sudo] password for bob: hunter2", "hunter2"),
        ("{\n  \"password\":\n    \"hunter2\"\n}", "hunter2"),
        ("- name: DB_PASSWORD\n  value: hunter2", "hunter2"),
        ("password: |\n  hunter2", "hunter2"),
        ("auth: password: hunter2", "hunter2"),
        (r#"Proxy-Authorization: Digest username="x", realm="a b", response="hunter2""#, "hunter2"),
        (r#"{"authorization":"Digest username=\"x\", response=\"hunter2\", qop=auth"}"#, "hunter2"),
        (r#"sent digest username="x", response="hunter2"#, "hunter2"),
        ("secrets:\n  password: hunter2", "hunter2"),
        ("secretary_token: hunter2", "hunter2"),
        ("token=123456", "123456"),
        ("DB_PASS=123", "123"),
    ] {
        assert_hidden(text, secret);
    }
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        "listening on 127.0.0.1:8082",
        "used max_tokens=4096 of the model",
        r#"{"prompt_tokens": 12, "status": "ok"}"#,
        r#"{"token": null, "secret": false}"#,
        "GET http://127.0.0.1:8082/health 200 in 3 ms",
        "connect to http://host:8080/a failed: refused",
        "KeyError: 'missing'",
        "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "author: somebody, keyboard: de",
        "panicked at src/main.rs:7:5",
        "key=value pairs",
        "the access-token expired",
        "missing x-api-key header",
        r#"{"checks": {"auth": "down", "token": "ok"}}"#,
        "monkey=1",
        "keyboard: x",
        "tokens: 512",
        r#"{"tokens": [12, 7], "token": []}"#,
        "duplicate value for primary_key=7",
        r#"{"name":"LOG_LEVEL","value":"debug"}"#,
        r#"["serve","--token-less","--verbose"]"#,
        "http://127.0.0.1:8080/users/@me",
        "pulled registry.example:5000/app@sha256:0123",
        "http://[::1]:8080/a@b",
        "\u{1b}[32mlistening\u{1b}[0m on 8082",
        "see https://slack.com/help and https://core.telegram.org/bots",
        "secretary: Bob",
        "tokenizer: bert, tokenizer=\"bert-base\"",
        "pass=1 fail=0",
        "worker 12 killed by sig=9",
        r#"WWW-Authenticate: Digest realm="users", nonce="abc", qop="auth""#,
        "tests 12, pass: 12",
        "token: 5 remaining",
        "access_token=4096 left of 8192",
        "tokens_used=12, token_count: 7, secret_length=32",
        "<tokens>512</tokens>",
        "basic auth is required",
        "the password is incorrect. the token was revoked",
        "token: missing, password: required",
        "docker run -p8080:80 -p127.0.0.1:3306:3306 mysql",
        "docker run --name mysql -p3306:3306/tcp mysql:8",
        "find . -name x -print",
        "mkdir -p /srv/a",
        "docker run -u 1000:1000 a",
        "docker run --user=1000:1000 a",
        "curl -u http://a/",
        "journalctl -u a.service: nothing",
        "usage: login <password> <token> [file]",
        "Vec<Token> expected, Option<Secret> found",
        r#"<add key="LogLevel" value="debug"/>"#,
        r#"{"key": "LogLevel", "value": "debug"}"#,
        "secrets:\n  mode: files",
        r#"{"auth": {"mode": "none"}}"#,
        "- name: LOG_LEVEL\n  value: debug",
        "enter the room: it is open",
    ] {
        assert_eq!(Mask::default().text(text), text);
    }
}

#[test]
fn a_plain_word_is_told_from_what_has_to_be_looked_at() {
    let mask = Mask::of(["swordfish".to_owned()]);
    for word in ["database", "upstream_api", "1.26.0", "v2.0-rc1"] {
        assert!(mask.is_plain(word), "{word}");
    }
    for word in ["swordfish", "a_swordfish", "a b", "eyJabcdefgh1", "key=1", "1.2.3+build.20260102"] {
        assert!(!mask.is_plain(word), "{word}");
    }
}

#[test]
fn the_words_around_a_secret_stay() {
    let mask = Mask::default();
    assert_eq!(mask.text("login of bob with password=hunter2 failed"), "login of bob with password=*** failed");
    assert_eq!(mask.text(r#"{"a":1,"password":"x y","b":2}"#), r#"{"a":1,"password":"***","b":2}"#);
    assert_eq!(mask.text(r#"{"X-Api-Key":["x y"],"b":2}"#), r#"{"X-Api-Key":[***],"b":2}"#);
    assert_eq!(mask.text("{'password': b'x y', 'b': 2}"), "{'password': b'***', 'b': 2}");
    assert_eq!(mask.text("postgres://bob:p/w@db/x is away"), "postgres://bob:***@db/x is away");
    assert_eq!(mask.text("\u{1b}[1mlogin\u{1b}[0m pwd=\u{1b}[2mx\u{1b}[0m failed"), "login pwd=*** failed");
    assert_eq!(mask.text("postgres://bob:pw@db/x is away"), "postgres://bob:***@db/x is away");
}

#[test]
fn values_that_are_known_are_hidden_wherever_they_stand() {
    let mask = Mask::of(["swordfish\n".to_owned(), "swordfish-two".to_owned(), "short".to_owned(), "production".to_owned()]);
    assert_eq!(mask.text("a swordfish, and swordfish-two too; short production"), "a ***, and *** too; short production");
    assert_eq!(format!("{mask:?}"), "Mask(2 values)");
}

#[test]
fn each_line_of_a_known_value_is_hidden_also_where_it_stands_alone() {
    let mask = Mask::of(["first-of-two\n  second-of-two\r\nshort\n".to_owned()]);
    assert_eq!(mask.lines(["a first-of-two", "b second-of-two c", "short"]), ["a ***", "b *** c", "short"]);
    assert_eq!(mask.text(r#"{"a":"first-of-two\n  second-of-two\r\nshort\n"}"#), r#"{"a":"***\n"}"#);
}

#[test]
fn of_a_known_key_the_lines_are_hidden_and_a_certificate_is_not() {
    let blocks = |key: &str, other: &str| {
        format!(
            "subject=CN = calculator\n-----BEGIN CERTIFICATE-----\n{other}\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----"
        )
    };
    let pem = blocks("MIIEvQIBADAN\nxYzAbC12", "MIIDazCC");
    for value in [pem.clone(), pem.replace('\n', "\\n")] {
        let mask = Mask::of([value]);
        let text = "MIIEvQIBADAN and xYzAbC12 and MIIDazCC of subject=CN = calculator";
        assert_eq!(mask.text(text), "*** and *** and MIIDazCC of subject=CN = calculator");
        assert_eq!(mask.text("-----BEGIN PRIVATE KEY-----\nanother one"), "-----BEGIN ***-----");
    }
    let account = "{\n\"private_key\": \"-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADAN\\n-----END PRIVATE KEY-----\\n\",\n\"refresh\": \"swordfish\"\n}";
    let mask = Mask::of([account.to_owned()]);
    assert_eq!(mask.lines(["MIIEvQIBADAN", "\"refresh\": \"swordfish\""]), ["***", "***"]);
}

#[test]
fn a_known_value_is_hidden_however_it_is_escaped() {
    let value = "p\"a/s\\s+w=\u{f6}rd '<1>";
    let mask = Mask::of([value.to_owned()]);
    for written in [
        value,
        r#"p\"a/s\\s+w=örd '<1>"#,
        r#"p\"a\/s\\s+w=\u00f6rd '<1>"#,
        r"p\u0022a/s\\s\u002Bw\u003d\u00F6rd \u0027\u003c1\u003e",
        r#"p\\\"a\\/s\\\\s+w=örd '<1>"#,
        "p%22a%2Fs%5Cs%2Bw%3D%C3%B6rd%20%27%3C1%3E",
        "p%22a/s%5cs%2bw=%c3%b6rd+'%3c1%3e",
        r"p%22a\/s%5Cs%2Bw%3D%C3%B6rd%20'%3C1%3E",
    ] {
        assert_eq!(mask.text(&format!("a {written} b")), "a *** b", "{written}");
    }
    assert_eq!(mask.text(r"C:\a 100 % \u00"), r"C:\a 100 % \u00");
    let mask = Mask::of(["pa%2Fss%3Dword".to_owned()]);
    assert_eq!(mask.text("pa/ss=word or pa%2Fss%3Dword"), "*** or ***", "one that the entry escapes, too");
}

/// Letters that do not repeat.
pub(in crate::shell) fn made_up(length: u32) -> String {
    (0..length).map(|at| char::from(b'a' + u8::try_from(at * at % 7_919 % 26).expect("a letter"))).collect()
}

#[test]
fn of_a_long_value_a_part_is_hidden_too() {
    let value = made_up(500);
    let mask = Mask::of([value.clone(), "-".repeat(300)]);
    assert_eq!(mask.text(&format!("a {value} b")), "a *** b");
    let (cut, rest) = (mask.text(&format!("a {}", &value[..400])), 400 % 64);
    assert_eq!(cut, format!("a ***{}", &value[400 - rest..400]), "less than a piece is left");
    assert_eq!(mask.text(&"-".repeat(64)), "-".repeat(64), "that is everywhere");
}

#[test]
fn a_key_on_several_lines_is_hidden_wherever_the_reading_began() {
    let material = "MIIEpAIBAAKCAQEA7bq2kqzzzXkQ0Jm5Yc1Z9sQyqAbCdEfGhIjKlMnOpQrStUvW";
    let lines = ["starting", "-----BEGIN PRIVATE KEY-----", material, "c2hvcnQ=", "-----END PRIVATE KEY-----", "done"];
    for from in 0..lines.len() {
        for to in from..=lines.len() {
            let masked = Mask::default().lines(lines[from..to].iter().copied());
            assert_eq!(masked.len(), to - from, "no line comes or goes");
            assert!(masked.iter().all(|line| !line.contains("MIIE")), "{from}..{to}: {masked:?}");
        }
    }
    assert_eq!(Mask::default().lines(lines).first().map(String::as_str), Some("starting"));
    assert_eq!(Mask::default().lines(lines).last().map(String::as_str), Some("done"));
}

#[test]
fn a_value_on_the_line_below_its_name_is_hidden_and_the_next_line_is_not() {
    for (lines, expected) in [
        (&["Enter password:", "hunter2", "welcome"][..], &["Enter password:", "***", "welcome"][..]),
        (&["[sudo] password for bob: ", "", "hunter two", "welcome"], &["[sudo] password for bob: ", "", "***", "welcome"]),
        (&["{", "  \"password\":", "    \"hunter 2\",", "  \"a\": 1"], &["{", "  \"password\":", "    \"***\",", "  \"a\": 1"]),
        (
            &["  \"X-Api-Key\": [", "    \"one\",", "    \"two\"", "  ],", "  \"a\": 1"],
            &["  \"X-Api-Key\": [", "***", "***", "  ],", "  \"a\": 1"],
        ),
        (&["tokens:", "  - one", "  - two", "other: x"], &["tokens:", "  - ***", "  - ***", "other: x"]),
        (&["password: |", "  hunter2", "a: b"], &["password: |", "  ***", "a: b"]),
        (&["- name: DB_PASSWORD", "  value: hunter2", "  a: b"], &["- name: DB_PASSWORD", "  value: ***", "  a: b"]),
        (&["\"--token\",", "\"hunter2\",", "\"-v\""], &["\"--token\",", "\"***\",", "\"-v\""]),
        (&["auth:", "  mode: none", "a: b"], &["auth:", "  mode: none", "a: b"]),
        (&["secretary:", "Bob"], &["secretary:", "Bob"]),
    ] {
        assert_eq!(Mask::default().lines(lines.iter().copied()), expected, "{lines:?}");
    }
}

proptest! {
    #[test]
    fn whatever_stands_in_a_text_nothing_panics_and_no_line_comes_or_goes(lines in vec(line(), 0..8)) {
        let mask = Mask::default();
        prop_assert_eq!(mask.lines(lines.iter().map(String::as_str)).len(), lines.len());
        let once = mask.text(&lines.join("\n"));
        prop_assert_eq!(mask.text(&once), once.clone(), "what was hidden stays as it is shown");
    }

    #[test]
    fn a_value_is_hidden_in_every_form_and_before_anything(value in "[a-z]{4}[0-9][A-Za-z0-9]{6,20}", after in line(), form in select(&IN_FORM)) {
        let text = format!("{} {after}", form.replace('@', &value));
        prop_assert!(!Mask::default().text(&text).contains(&value), "{text}");
        let lines: Vec<_> = text.split('\n').collect();
        prop_assert!(!Mask::default().lines(lines).concat().contains(&value), "{text}");
    }
}

/// Where a value stands, each as it begins a text.
const IN_FORM: [&str; 14] = [
    "password=@",
    "password: @",
    "password:\n@",
    "{\"password\":\n  \"@\",",
    "curl -u bob:@",
    "mysql -p@",
    "sshpass -p @",
    "--token @",
    "<password>@</password>",
    "<add key=\"ApiKey\" value=\"@\"/>",
    "- name: API_KEY\n  value: @",
    "Enter password for bob:\n@",
    "Authorization: Bearer @",
    "auth: token: @",
];

/// Of what masks look for, and of anything.
fn line() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        select(
            &[
                "password",
                "token",
                "key",
                "auth",
                "secretary",
                "pass",
                "-u ",
                "-p",
                "mysql ",
                "curl ",
                "<password>",
                "</",
                "value",
                "name"
            ][..]
        )
        .prop_map(str::to_owned),
        select(&[":", "=", " ", "\"", "'", "[", "]", "{", "- ", "\\", ",", " is ", "|", "\u{1b}[1m"][..]).prop_map(str::to_owned),
        "[a-z0-9]{1,8}",
        "\\PC{0,4}",
    ];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}
