//! The lines of `sysusers.d(5)`.

use crate::error::{Error, Result};

/// A line that adds something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// `u` and `u!`.
    User {
        /// Login name.
        name: String,
        /// The id; none where any will do.
        uid: Option<u32>,
        /// The group; none where it is the user's own.
        group: Option<GroupRef>,
        /// Full name.
        gecos: String,
        /// Home.
        home: String,
        /// Shell.
        shell: String,
    },
    /// `g`.
    Group {
        /// Name.
        name: String,
        /// The id; none where any will do.
        id: Option<u32>,
    },
    /// `m`.
    Member {
        /// Who.
        user: String,
        /// Where.
        group: String,
    },
}

/// A group that a user's line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupRef {
    /// By number.
    Id(u32),
    /// By name.
    Name(String),
}

impl Line {
    /// The order in which lines are carried out: groups, users, memberships.
    pub fn rank(&self) -> u8 {
        match self {
            Line::Group { .. } => 0,
            Line::User { .. } => 1,
            Line::Member { .. } => 2,
        }
    }
}

/// Parses a file. Lines of type `r` (ranges) are passed over: every id is pinned.
pub fn parse(text: &str) -> Result<Vec<Line>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut out = Vec::new();
    for line in lines {
        let bad = || Error::source(format!("`{line}` is not a line of sysusers.d"));
        let fields = fields(line).ok_or_else(bad)?;
        let field = |at: usize| fields.get(at).map(String::as_str).filter(|field| *field != "-" && !field.is_empty());
        let name = field(1);
        match field(0).ok_or_else(bad)?.trim_end_matches(['!', '-']) {
            "u" => {
                let (uid, group) = ids(field(2)).ok_or_else(bad)?;
                let name = name.ok_or_else(bad)?.to_owned();
                let root = name == "root";
                out.push(Line::User {
                    uid,
                    group,
                    gecos: field(3).unwrap_or_default().to_owned(),
                    home: field(4).unwrap_or("/").to_owned(),
                    shell: field(5).unwrap_or(if root { "/bin/sh" } else { "/usr/sbin/nologin" }).to_owned(),
                    name,
                });
            }
            "g" => {
                let id = field(2).map(str::parse).transpose().map_err(|_| bad())?;
                out.push(Line::Group { name: name.ok_or_else(bad)?.to_owned(), id });
            }
            "m" => {
                let (user, group) = (name.ok_or_else(bad)?.to_owned(), field(2).ok_or_else(bad)?.to_owned());
                out.push(Line::Member { user, group });
            }
            "r" => {}
            _ => return Err(bad()),
        }
    }
    Ok(out)
}

/// `-`, `ID`, `ID:GID`, `ID:GROUP` or `-:GROUP`; the path of a file to copy the id of is refused.
fn ids(field: Option<&str>) -> Option<(Option<u32>, Option<GroupRef>)> {
    let Some(field) = field else { return Some((None, None)) };
    let (uid, group) = match field.split_once(':') {
        Some((uid, group)) => (uid, Some(group)),
        None => (field, None),
    };
    let uid = if uid == "-" { None } else { Some(uid.parse().ok()?) };
    let group = group.map(|group| group.parse().map_or_else(|_| GroupRef::Name(group.to_owned()), GroupRef::Id));
    Some((uid, group))
}

/// Splits at blanks; quotes hold a field together.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut out = Vec::new();
    let mut chars = line.chars().peekable();
    loop {
        while chars.next_if(|char| char.is_whitespace()).is_some() {}
        let Some(first) = chars.peek().copied() else { return Some(out) };
        let mut field = String::new();
        if first == '"' || first == '\'' {
            chars.next();
            loop {
                match chars.next()? {
                    char if char == first => break,
                    '\\' => field.push(chars.next()?),
                    char => field.push(char),
                }
            }
        } else {
            while let Some(char) = chars.next_if(|char| !char.is_whitespace()) {
                field.push(char);
            }
        }
        out.push(field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_lines() {
        let text =
            "# no\n\ng adm 4 -\nu sync 4:65534 - /bin /bin/sync\nu! x - \"A \\\"b\\\" c\"\nm x adm\nr - 100-200\n";
        let lines = parse(text).unwrap();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0], Line::Group { name: "adm".into(), id: Some(4) });
        let Line::User { uid, group, shell, .. } = &lines[1] else { panic!() };
        assert_eq!((uid, group, &**shell), (&Some(4), &Some(GroupRef::Id(65534)), "/bin/sync"));
        let Line::User { uid, group, gecos, home, shell, .. } = &lines[2] else { panic!() };
        assert_eq!((uid, group, &**gecos), (&None, &None, "A \"b\" c"));
        assert_eq!((&**home, &**shell), ("/", "/usr/sbin/nologin"));
        assert_eq!(lines[3], Line::Member { user: "x".into(), group: "adm".into() });
    }

    #[test]
    fn what_is_no_line_is_an_error() {
        for text in ["q x", "u", "g x y", "u x /file", "u x - \"open", "m x"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
