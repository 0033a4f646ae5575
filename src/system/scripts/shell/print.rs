//! Syntax to text, in one canonical layout: what is left of a script, as it is shown and hashed.

use super::{AndOr, Command, CommandKind, List, Part, PartKind, Redirect, Word};

/// Gives the value of a variable, where it is known.
pub type Known<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Commands on one line, joined by `; `.
pub fn list_text(list: &List, known: Known<'_>) -> String {
    list.iter().map(|item| and_or(item, known)).collect::<Vec<_>>().join("; ")
}

/// Words joined by blanks.
pub fn words_text(words: &[Word], known: Known<'_>) -> String {
    words.iter().map(|word| parts_text(word, known)).collect::<Vec<_>>().join(" ")
}

/// Redirections, each with a blank before it.
pub fn redirects_text(redirects: &[Redirect], known: Known<'_>) -> String {
    let one = |redirect: &Redirect| {
        let fd = redirect.fd.map(|fd| fd.to_string()).unwrap_or_default();
        format!(" {fd}{}{}", redirect.sign, parts_text(&redirect.target, known))
    };
    redirects.iter().map(one).collect()
}

/// One word.
pub fn parts_text(word: &[Part], known: Known<'_>) -> String {
    let mut out = String::new();
    // Text is gathered first, so that `'a'b` and `ab` come out alike.
    let mut text = String::new();
    let mut quoted = false;
    for part in word {
        let value = match &part.kind {
            PartKind::Text(text) => Some(text.clone()),
            PartKind::Variable(name, None) => known(name),
            _ => None,
        };
        if let Some(value) = value {
            quoted |= part.quoted && value.contains(is_special);
            quoted |= value.contains(char::is_whitespace);
            text.push_str(&value);
            continue;
        }
        out.push_str(&shown(&text, quoted));
        (text, quoted) = (String::new(), false);
        let inner = match &part.kind {
            PartKind::Text(_) => String::new(),
            PartKind::Variable(name, None) => format!("${{{name}}}"),
            PartKind::Variable(name, Some((sign, _))) if sign == "length" => format!("${{#{name}}}"),
            PartKind::Variable(name, Some((sign, word))) => format!("${{{name}{sign}{}}}", parts_text(word, known)),
            PartKind::Output(list) => format!("$({})", list_text(list, known)),
            PartKind::Arithmetic(text) => format!("$(({}))", text.split_whitespace().collect::<Vec<_>>().join(" ")),
        };
        out.push_str(&if part.quoted { format!("\"{inner}\"") } else { inner });
    }
    if !text.is_empty() || out.is_empty() {
        out.push_str(&shown(&text, quoted || text.is_empty()));
    }
    out
}

fn shown(text: &str, quoted: bool) -> String {
    match quoted {
        true => format!("'{}'", text.replace('\'', "'\\''")),
        false => text.to_owned(),
    }
}

fn is_special(char: char) -> bool {
    !(char.is_ascii_alphanumeric() || "_-./:=+,@%^".contains(char))
}

fn and_or(item: &AndOr, known: Known<'_>) -> String {
    let pipeline = |pipeline: &super::Pipeline| {
        let commands = pipeline.commands.iter().map(|command| command_text(command, known));
        let not = if pipeline.negated { "! " } else { "" };
        format!("{not}{}", commands.collect::<Vec<_>>().join(" | "))
    };
    let mut out = pipeline(&item.first);
    for (and, next) in &item.rest {
        out.push_str(if *and { " && " } else { " || " });
        out.push_str(&pipeline(next));
    }
    if item.background {
        out.push_str(" &");
    }
    out
}

fn command_text(command: &Command, known: Known<'_>) -> String {
    let list = |list: &List| list_text(list, known);
    let text = match &command.kind {
        CommandKind::Simple(assigns, words) => {
            let mut out: Vec<String> =
                assigns.iter().map(|(name, word)| format!("{name}={}", parts_text(word, known))).collect();
            out.extend(words.iter().map(|word| parts_text(word, known)));
            out.join(" ")
        }
        CommandKind::If(arms, other) => {
            let mut out = String::new();
            for (at, (condition, body)) in arms.iter().enumerate() {
                let word = if at == 0 { "if" } else { "elif" };
                out.push_str(&format!("{word} {}; then {}; ", list(condition), list(body)));
            }
            if let Some(other) = other {
                out.push_str(&format!("else {}; ", list(other)));
            }
            out + "fi"
        }
        CommandKind::Case(word, arms) => {
            let arm = |(patterns, body): &(Vec<Word>, List)| {
                let patterns: Vec<String> = patterns.iter().map(|pattern| parts_text(pattern, known)).collect();
                format!("{}) {};; ", patterns.join("|"), list(body))
            };
            let arms: String = arms.iter().map(arm).collect();
            format!("case {} in {arms}esac", parts_text(word, known))
        }
        CommandKind::For(name, words, body) => {
            let words = words.as_ref().map(|words| format!(" in {}", words_text(words, known))).unwrap_or_default();
            format!("for {name}{words}; do {}; done", list(body))
        }
        CommandKind::While(until, condition, body) => {
            let word = if *until { "until" } else { "while" };
            format!("{word} {}; do {}; done", list(condition), list(body))
        }
        CommandKind::Group(body) => format!("{{ {}; }}", list(body)),
        CommandKind::Subshell(body) => format!("( {} )", list(body)),
        CommandKind::Function(name, body) => format!("{name}() {}", command_text(body, known)),
    };
    format!("{text}{}", redirects_text(&command.redirects, known)).trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn shown(text: &str) -> String {
        list_text(&parse(text).unwrap(), &|_| None)
    }

    #[test]
    fn layout_and_quotes_do_not_matter() {
        let one = shown("if [ \"$1\" = 'configure' ]; then # why\n\tchmod 0755 /x \\\n  /y\nfi\n");
        assert_eq!(one, "if [ \"${1}\" = configure ]; then chmod 0755 /x /y; fi");
        assert_eq!(one, shown("if [ \"${1}\" = configure ]\nthen\n\n chmod 0755 /x /y;fi"));
    }

    #[test]
    fn every_form_comes_back() {
        for text in [
            "a && b || ! c | d &",
            "for x in a 'b c' ${y}; do echo ${x}; done",
            "while read l; do x; done <f 2>&1",
            "case ${x} in a|b*) y;; *) z;; esac",
            "f() { x; }",
            "( cd /; x ) >/dev/null",
            "x=$(a ${b#*.} \"${c:-d}\") y=1 cmd",
            "until ! a; do :; done",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn here_documents_and_backquotes() {
        assert_eq!(shown("cat <<E >f; x\na $b\nE\ny `z \\`w\\``\n"), "cat <<'a '\"${b}\"'\n' >f; x; y $(z $(w))");
        assert_eq!(shown("cat <<-'E'\n\ta $b\n\tE\nx"), "cat <<'a $b\n'; x");
        assert_eq!(shown("x=$(( ($a + 1) * 2 ))"), "x=$((($a + 1) * 2))");
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for text in ["if x; then", "x )", "'open", "a | ", "$(x", "case x in a) b", "for 1 in x; do y; done", "${x"] {
            assert!(parse(text).is_err(), "{text}");
        }
        let deep = "(".repeat(500);
        assert!(parse(&deep).is_err());
        assert!(parse(&"$(".repeat(500)).is_err());
    }

    #[test]
    fn what_is_known_is_filled_in() {
        let list = parse("chown root:$g \"$p/x\"").unwrap();
        assert_eq!(list_text(&list, &|name| (name == "p").then(|| "/a b".into())), "chown root:${g} '/a b/x'");
    }
}
