//! `test` and `[`: what is decided of them for a fresh installation.

use super::tools::STAND_INS;

/// Whether the expression holds; none where only the system could tell.
///
/// `words` are those between the brackets; one that is not known is none.
pub fn holds(words: &[Option<String>]) -> Option<bool> {
    match words {
        [] => Some(false),
        [bang, rest @ ..] if bang.as_deref() == Some("!") => holds(rest).map(|holds| !holds),
        [word] => word.as_ref().map(|word| !word.is_empty()),
        _ => joined(words, "-o", |a, b| a || b)
            .or_else(|| joined(words, "-a", |a, b| a && b))
            .unwrap_or_else(|| simple(words)),
    }
}

/// The expression split at the first `-o` or `-a`, three-valued; none where there is no such word.
fn joined(words: &[Option<String>], sign: &str, join: fn(bool, bool) -> bool) -> Option<Option<bool>> {
    let at = words.iter().position(|word| word.as_deref() == Some(sign)).filter(|at| *at > 0)?;
    let (left, right) = (holds(words.get(..at)?), holds(words.get(at + 1..)?));
    let known = match (left, right) {
        (Some(left), Some(right)) => Some(join(left, right)),
        // One side can decide alone: true for or, false for and.
        (Some(side), None) | (None, Some(side)) if join(side, true) == join(side, false) => Some(side),
        _ => None,
    };
    Some(known)
}

fn simple(words: &[Option<String>]) -> Option<bool> {
    match words {
        [Some(sign), Some(word)] => match &**sign {
            "-z" => Some(word.is_empty()),
            "-n" => Some(!word.is_empty()),
            "-d" | "-e" if word == "/run/systemd/system" => Some(false),
            "-x" | "-e" | "-f" if is_stand_in(word) => Some(true),
            "-x" | "-e" | "-f" | "-d" | "-L" | "-h" | "-s" | "-r" | "-w" if word.is_empty() => Some(false),
            _ => None,
        },
        [Some(left), Some(sign), Some(right)] => match &**sign {
            "=" | "==" => Some(left == right),
            "!=" => Some(left != right),
            "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" => {
                let (left, right) = (left.parse::<i64>().ok()?, right.parse::<i64>().ok()?);
                Some(match &**sign {
                    "-eq" => left == right,
                    "-ne" => left != right,
                    "-lt" => left < right,
                    "-le" => left <= right,
                    "-gt" => left > right,
                    _ => left >= right,
                })
            }
            _ => None,
        },
        _ => None,
    }
}

fn is_stand_in(path: &str) -> bool {
    let name = ["/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/"].iter().find_map(|folder| path.strip_prefix(folder));
    name.is_some_and(|name| STAND_INS.contains(&name))
}

/// `dpkg --compare-versions A SIGN B` where A is empty, as on a fresh installation.
///
/// With an empty version `lt`, `le`, `eq` and the like take it for older than any; the forms that end in
/// `-nl` take it for newer (`dpkg(1)`).
pub fn versions(words: &[&str]) -> Option<bool> {
    let [left, sign, right] = words else { return None };
    let empty_is_later = sign.ends_with("-nl");
    let order = match (left.is_empty(), right.is_empty()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) if empty_is_later => std::cmp::Ordering::Greater,
        (true, false) => std::cmp::Ordering::Less,
        (false, true) if empty_is_later => std::cmp::Ordering::Less,
        (false, true) => std::cmp::Ordering::Greater,
        (false, false) => return None,
    };
    match sign.trim_end_matches("-nl") {
        "lt" | "<<" => Some(order.is_lt()),
        "le" | "<=" => Some(order.is_le()),
        "eq" | "=" => Some(order.is_eq()),
        "ne" => Some(order.is_ne()),
        "ge" | ">=" => Some(order.is_ge()),
        "gt" | ">>" => Some(order.is_gt()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(text: &str) -> Option<bool> {
        let word = |word: &str| match word {
            "?" => None,
            "''" => Some(String::new()),
            word => Some(word.to_owned()),
        };
        holds(&text.split_whitespace().map(word).collect::<Vec<_>>())
    }

    #[test]
    fn three_values() {
        for (text, expected) in [
            ("a = a", Some(true)),
            ("a = b", Some(false)),
            ("! -z ''", Some(false)),
            ("-n ?", None),
            ("-e /etc/x", None),
            ("-d /run/systemd/system", Some(false)),
            ("-x /usr/bin/deb-systemd-helper", Some(true)),
            ("2 -gt 1", Some(true)),
            ("-e /x -o a = a", Some(true)),
            ("-e /x -a a = a", None),
            ("-e /x -a a = b", Some(false)),
            ("''", Some(false)),
        ] {
            assert_eq!(test(text), expected, "{text}");
        }
    }

    #[test]
    fn an_empty_version_is_older_than_any_unless_said() {
        assert_eq!(versions(&["", "lt", "1.0"]), Some(true));
        assert_eq!(versions(&["", "lt-nl", "1.0"]), Some(false));
        assert_eq!(versions(&["", "le-nl", "1.0"]), Some(false));
        assert_eq!(versions(&["", "ge", "1.0"]), Some(false));
        assert_eq!(versions(&["2", "lt", "1.0"]), None);
    }
}
