//! What is a secret by its name, or may be one.

/// A value of the container's own environment whose name says nothing is taken for a secret from this length on, unless it is a path.
const LONG_VALUE: usize = 20;

/// Whether a name says that its value is a secret.
pub fn is_secret(name: &str) -> bool {
    const PARTS: [&str; 13] = [
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "apikey",
        "accesskey",
        "accountkey",
        "privatekey",
        "signingkey",
        "encryptionkey",
        "credential",
    ];
    const LAST: [&str; 3] = ["pass", "key", "pat"];
    let plain: String = name.chars().filter(|it| !matches!(it, '-' | '_')).flat_map(char::to_lowercase).collect();
    let last = name.rsplit(['-', '_', '.']).next().unwrap_or(name).to_ascii_lowercase();
    PARTS.iter().any(|part| plain.contains(part)) || LAST.contains(&last.as_str())
}

/// Whether a variable may hold a secret.
pub fn may_be_secret(name: &str, value: &str) -> bool {
    is_secret(name) || (value.len() >= LONG_VALUE && !value.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_a_secret() {
        for name in ["DB_PASS", "SMTP_PASS", "OPENAI_KEY", "APP_KEY", "AccountKey", "MYSQL_PWD", "x-api-key", "GITHUB_PAT"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["KEYBOARD", "MONKEY", "COMPASS", "PATH", "keys", "PASSIVE"] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
