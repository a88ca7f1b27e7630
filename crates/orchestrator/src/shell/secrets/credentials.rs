//! Who asks, within a URL: where that stands, so that nobody else reads it.

/// How much of `rest`, which follows `://`, is who asks, up to and with the `@`; `None`: nobody is named.
///
/// A slash in a password should have been escaped. Where it was not, what stands before it is no host with a port.
pub fn credentials(rest: &str) -> Option<usize> {
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if let Some(at) = authority.rfind('@') {
        return Some(at + 1);
    }
    let (_, port) = authority.rsplit_once(':')?;
    let is_host = port.ends_with(']') || port.bytes().all(|byte| byte.is_ascii_digit());
    let at = path.rfind('@').filter(|_| !is_host)?;
    Some(authority.len() + at + 1)
}

/// The passwords in the URLs of a text.
pub fn passwords(text: &str) -> impl Iterator<Item = &str> {
    let rests = text.split("://").skip(1);
    rests.filter_map(|rest| rest[..credentials(rest)? - 1].split_once(':').map(|(_, password)| password))
}

/// Schemes of the header `Authorization`, and what others write like them.
const SCHEMES: [&str; 9] = ["bearer", "basic", "digest", "token", "apikey", "api-key", "key", "negotiate", "hmac"];

/// What follows the name of a scheme: whoever prints a token prints it without one.
pub fn behind_scheme(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(char::is_whitespace)?;
    SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme)).then_some(token.trim())
}

/// The line with a star for each character of who asks, and of what is asked for in a query: everything stays where it stands.
pub fn starred(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = url.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>')).unwrap_or(url.len());
        let hidden = credentials(&url[..end]).map_or(0, |end| end - 1);
        stars(&url[..hidden], &mut shown);
        let (address, query) = url[hidden..end].split_at(url[hidden..end].find(['?', '#']).unwrap_or(end - hidden));
        shown.push_str(address);
        // What a list or a mapping in one line goes on with.
        let (query, after) = query.split_at(query.trim_end_matches([',', ']', '}']).len());
        query.split_inclusive(['?', '#', '&', ';']).for_each(|part| starred_value(part, &mut shown));
        shown.push_str(after);
        rest = &url[end..];
    }
    shown + rest
}

/// Of `name=value` the value; what has no name is one.
fn starred_value(part: &str, shown: &mut String) {
    let (part, separator) = part.split_at(part.trim_end_matches(['?', '#', '&', ';']).len());
    let value = part.find('=').map_or(0, |at| at + 1);
    shown.push_str(&part[..value]);
    stars(&part[value..], shown);
    shown.push_str(separator);
}

fn stars(hidden: &str, shown: &mut String) {
    shown.extend(hidden.chars().map(|_| '*'));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_stand_before_the_host() {
        let all = |text| passwords(text).collect::<Vec<_>>();
        assert_eq!(all("postgres://u:pgpw5566@db/x,amqp://:other@b"), ["pgpw5566", "other"]);
        assert_eq!(all("http://a:80/@me https://token@c"), [""; 0]);
    }

    #[test]
    fn a_token_stands_behind_its_scheme() {
        for (value, token) in
            [("Bearer  a-token\n", Some("a-token")), ("token a b", Some("a b")), ("my monitor", None), ("Bearer", None)]
        {
            assert_eq!(behind_scheme(value), token, "{value}");
        }
    }

    #[test]
    fn who_asks_is_starred_and_nothing_moves() {
        for (line, expected) in [
            ("url: \"http://user:secret@c/\" # x@y", "url: \"http://***********@c/\" # x@y"),
            ("[http://token@a, https://u:p@ss@b:1/?c]", "[http://*****@a, https://******@b:1/?*]"),
            ("http://u:se/cr?et@c/", "http://**********@c/"),
            ("http://[::1]/@me http://a:80/@me http://a/b:c@d unix:///a.sock:/@x", ""),
            ("http://b\u{fc}cher:ge\u{df}heim@c", "http://**************@c"),
            ("no URL, a@b", ""),
            ("ftp://a/b?key=se=cret&sécret#top, x", "ftp://a/b?key=*******&******#***, x"),
            ("[\"ws://a?secret\", 'http://u@b/?a=b&c=']", "[\"ws://a?******\", 'http://*@b/?a=*&c=']"),
        ] {
            let expected = if expected.is_empty() { line } else { expected };
            assert_eq!(starred(line), expected);
        }
    }
}
