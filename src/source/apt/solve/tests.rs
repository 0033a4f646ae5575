//! Solves of universes of a few lines.

use super::*;

/// A universe of `from: name version; Field: value; ...` lines; `@` before a line makes it of the source `other`.
fn universe(lines: &[&str]) -> Universe {
    let mut universe = Universe::new("amd64");
    for line in lines {
        let (from, line) = line.strip_prefix('@').map_or(("debian", *line), |line| ("other", line));
        let mut parts = line.split("; ");
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        let mut text = format!("Package: {name}\nVersion: {version}\nArchitecture: all\n");
        text.extend(parts.map(|part| format!("{part}\n")));
        universe.add(from, "suite", text).unwrap();
    }
    universe
}

struct Query {
    packages: Vec<(&'static str, &'static str)>,
    without: Vec<&'static str>,
    keep: Vec<(&'static str, &'static str)>,
}

fn ask(packages: &[&'static str]) -> Query {
    Query { packages: packages.iter().map(|name| (*name, "debian")).collect(), without: vec![], keep: vec![] }
}

impl Query {
    fn without(mut self, without: &[&'static str]) -> Self {
        self.without = without.to_vec();
        self
    }

    fn solve(&self, lines: &[&str]) -> Result<(Vec<String>, Vec<String>)> {
        let universe = universe(lines);
        let packages =
            self.packages.iter().map(|(name, from)| Package { name: name.to_string(), from: from.to_string() });
        let without = self.without.iter().map(|key| (key.to_string(), "reason".to_owned())).collect();
        let keep =
            self.keep.iter().map(|(name, version)| (name.to_string(), ("debian".to_owned(), version.to_string())));
        let ask = Ask { packages: &packages.collect(), without: &without, keep: &keep.collect() };
        let chosen = solve(&universe, &ask)?;
        let names = chosen.packages.iter().map(|id| universe.stanza(*id));
        let names = names.map(|stanza| format!("{} {}", stanza.name(), stanza.version())).collect();
        Ok((names, chosen.used.into_iter().collect()))
    }

    fn names(&self, lines: &[&str]) -> Vec<String> {
        self.solve(lines).unwrap().0
    }
}

#[test]
fn the_closure_of_depends_and_nothing_else() {
    let lines = [
        "a 1; Pre-Depends: b; Depends: c (>= 2), d:any | e; Recommends: f; Suggests: f",
        "b 1",
        "c 1",
        "c 2",
        "c 3~rc1",
        "d 1",
        "e 1",
        "f 1; Essential: yes; Priority: required",
    ];
    assert_eq!(ask(&["a"]).names(&lines), ["a 1", "b 1", "c 3~rc1", "d 1"]);
    let mut kept = ask(&["a"]);
    kept.keep = vec![("c", "2"), ("b", "0.9")];
    assert_eq!(kept.names(&lines), ["a 1", "b 1", "c 2", "d 1"]);
}

#[test]
fn provided_names_and_their_versions() {
    let lines = [
        "a 1; Depends: mta, api (>= 2)",
        "x 1; Provides: mta; Priority: extra",
        "y 1; Provides: mta; Priority: optional",
        "old 9; Provides: api (= 1)",
        "new 1; Provides: api (= 2)",
        "none 1; Provides: api",
    ];
    assert_eq!(ask(&["a"]).names(&lines), ["a 1", "new 1", "y 1"]);
    // One that is asked for anyhow is taken.
    assert_eq!(ask(&["a", "x"]).names(&lines), ["a 1", "new 1", "x 1"]);
    let error = ask(&["mta"]).solve(&lines).unwrap_err();
    assert_eq!(error.hints(), ["it is provided by `x`, `y`: name one of them"]);
}

#[test]
fn conflicts_hold_also_with_provided_names_but_not_with_oneself() {
    let lines = [
        "a 1; Depends: x | y",
        "x 1; Conflicts: b",
        "y 1",
        "b 1; Breaks: z (<< 2)",
        "z 1",
        "z 2",
        "m 1; Provides: mta; Conflicts: mta; Replaces: mta",
        "n 1; Provides: mta; Conflicts: mta",
    ];
    assert_eq!(ask(&["a", "b"]).names(&lines), ["a 1", "b 1", "y 1"]);
    assert_eq!(ask(&["m"]).names(&lines), ["m 1"]);
    let error = ask(&["m", "n"]).solve(&lines).unwrap_err();
    assert!(error.message().contains("no set of packages fits together"), "{error}");
    let lines = ["a 1; Depends: b (>= 2)", "b 1"];
    let error = ask(&["a"]).solve(&lines).unwrap_err();
    assert!(error.message().contains("b (>= 2)"), "{error}");
    assert!(error.hints()[0].contains("without"), "{error:?}");
}

#[test]
fn what_is_left_out_never_comes_in() {
    let lines = [
        "a 1; Depends: perl, awk, c",
        "c 1; Depends: perl | sh, bus",
        "perl 5",
        "sh 1",
        "mawk 1; Provides: awk",
        "dbus 1; Provides: bus",
    ];
    let (names, used) = ask(&["a"]).without(&["perl", "mawk", "dbus", "idle"]).solve(&lines).unwrap();
    assert_eq!(names, ["a 1", "c 1"]);
    assert_eq!(used, ["dbus", "mawk", "perl"]);
    let (names, used) = ask(&["a"]).without(&["perl < a", "bus"]).solve(&lines).unwrap();
    assert_eq!(names, ["a 1", "c 1", "mawk 1", "perl 5"]);
    assert_eq!(used, ["bus", "perl < a"]);
    let error = ask(&["a", "perl"]).without(&["perl"]).solve(&lines).unwrap_err();
    assert!(error.message().contains("both asked for and left out"), "{error}");
}

#[test]
fn sources_are_told_apart() {
    let lines =
        ["a 1; Depends: lib", "lib 1", "@b 1; Depends: lib, other-only", "@lib 2", "@other-only 1", "debian-only 1"];
    // Packages of one source alone do not see the other.
    assert_eq!(ask(&["a"]).names(&["a 1; Depends: lib", "lib 1"]), ["a 1", "lib 1"]);
    let mut both = ask(&["a"]);
    both.packages.push(("b", "other"));
    let names = both.names(&lines);
    assert_eq!(names.len(), 4, "{names:?}");
    let mut own = ask(&["debian-only"]);
    own.packages.push(("b", "other"));
    assert_eq!(own.names(&lines), ["b 1", "debian-only 1", "lib 2", "other-only 1"]);
    let error = ask(&["b"]).solve(&lines).unwrap_err();
    assert_eq!(error.hints(), ["source `other` has it: { name = \"b\", from = \"other\" }"]);
    let error = ask(&["debian-onli"]).solve(&lines).unwrap_err();
    assert_eq!(error.hints(), ["did you mean `debian-only`?"]);
}

#[test]
fn the_outcome_does_not_depend_on_the_order_of_the_question() {
    let lines = ["a 1; Depends: v", "b 1; Depends: y", "x 1; Provides: v", "y 1; Provides: v", "c 1; Conflicts: x"];
    let first = ask(&["a", "b", "c"]).names(&lines);
    for order in [["c", "b", "a"], ["b", "a", "c"]] {
        assert_eq!(ask(&order).names(&lines), first);
    }
}

#[test]
fn an_unsound_index_is_an_error_only_where_it_matters() {
    let lines = ["a 1; Depends: b", "b 1", "bad 1; Depends: (nothing"];
    assert_eq!(ask(&["a"]).names(&lines), ["a 1", "b 1"]);
    let error = ask(&["bad"]).solve(&lines).unwrap_err();
    assert!(error.message().contains("is no relation to a package"), "{error}");
}
