//! Relations between packages: `a (>= 1) | b:any, c` (Debian Policy, 7.1).

use std::cmp::Ordering;
use std::fmt;

use super::version;
use crate::error::{Error, Result};

/// How a version is to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`, and `<`, which old packages write.
    AtMost,
    /// `=`
    Equal,
    /// `>=`, and `>`.
    AtLeast,
    /// `>>`
    Later,
}

/// A bound on a version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bound {
    /// How.
    pub operator: Operator,
    /// With what.
    pub version: Box<str>,
}

impl Bound {
    /// Whether `candidate` is within the bound.
    pub fn holds(&self, candidate: &str) -> bool {
        let order = version::compare(candidate, &self.version);
        match self.operator {
            Operator::Earlier => order == Ordering::Less,
            Operator::AtMost => order != Ordering::Greater,
            Operator::Equal => order == Ordering::Equal,
            Operator::AtLeast => order != Ordering::Less,
            Operator::Later => order == Ordering::Greater,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match self.operator {
            Operator::Earlier => "<<",
            Operator::AtMost => "<=",
            Operator::Equal => "=",
            Operator::AtLeast => ">=",
            Operator::Later => ">>",
        };
        write!(f, "({operator} {})", self.version)
    }
}

/// One package that a relation names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Name.
    pub name: String,
    /// The architecture after a colon: `any`, `amd64`.
    pub qualifier: Option<String>,
    /// The bound in brackets.
    pub bound: Option<Bound>,
}

/// Groups that must all hold; of a group one alternative.
pub fn parse(text: &str) -> Result<Vec<Vec<Relation>>> {
    let groups = text.split(',').map(str::trim).filter(|group| !group.is_empty());
    groups.map(|group| group.split('|').map(one).collect()).collect()
}

fn one(text: &str) -> Result<Relation> {
    let bad = || Error::source(format!("`{}` is no relation to a package", text.trim()));
    let text_end = text.find(['(', '[', '<']).unwrap_or(text.len());
    let (name, rest) = text.split_at(text_end);
    let (name, qualifier) = match name.trim().split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier.to_owned())),
        None => (name.trim(), None),
    };
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
    if name.is_empty() || !name.bytes().all(good) {
        return Err(bad());
    }
    let bound = match rest.strip_prefix('(') {
        None => None,
        Some(inner) => {
            let inner = inner.split_once(')').ok_or_else(bad)?.0.trim();
            let at = inner.find(|c: char| !"<>=".contains(c)).ok_or_else(bad)?;
            let (operator, version) = inner.split_at(at);
            let operator = match operator {
                "<<" => Operator::Earlier,
                "<=" | "<" => Operator::AtMost,
                "=" => Operator::Equal,
                ">=" | ">" => Operator::AtLeast,
                ">>" => Operator::Later,
                _ => return Err(bad()),
            };
            Some(Bound { operator, version: version.trim().into() })
        }
    };
    Ok(Relation { name: name.to_owned(), qualifier, bound })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_alternatives_and_bounds() {
        let groups = parse("libc6 (>= 2.38), perl:any | awk(<<3) , c").unwrap();
        assert_eq!(groups.len(), 3);
        assert_eq!(groups[0][0].bound.as_ref().unwrap().to_string(), "(>= 2.38)");
        assert_eq!(groups[1][0].qualifier.as_deref(), Some("any"));
        assert!(groups[1][1].bound.as_ref().unwrap().holds("2.9"));
        assert!(!groups[1][1].bound.as_ref().unwrap().holds("3"));
        assert!(parse("").unwrap().is_empty());
        for bad in ["a (2)", "a (>= 1", "(>= 1)", "a b", "a |", "../x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
