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

/// The line with a star for each character of who asks: everything stays where it stands.
pub fn starred(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = url.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>')).unwrap_or(url.len());
        let hidden = credentials(&url[..end]).map_or(0, |end| end - 1);
        shown.extend(url[..hidden].chars().map(|_| '*'));
        rest = &url[hidden..];
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_starred_and_nothing_moves() {
        for (line, expected) in [
            ("url: \"http://user:secret@c/\" # x@y", "url: \"http://***********@c/\" # x@y"),
            ("[http://token@a, https://u:p@ss@b:1/?c]", "[http://*****@a, https://******@b:1/?c]"),
            ("http://u:se/cr?et@c/", "http://**********@c/"),
            ("http://[::1]/@me http://a:80/@me http://a/b:c@d unix:///a.sock:/@x", ""),
            ("http://b\u{fc}cher:ge\u{df}heim@c", "http://**************@c"),
            ("no URL, a@b", ""),
        ] {
            let expected = if expected.is_empty() { line } else { expected };
            assert_eq!(starred(line), expected);
        }
    }
}
