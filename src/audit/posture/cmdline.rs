//! Words of the kernel's command line.

use super::view::View;
use super::{Breach, Verdict};
use crate::profile::posture::Words;

/// Whether one of the words that must be there is, and none of those that must not.
pub fn check(view: &View<'_>, words: &Words) -> Verdict {
    let Some(line) = &view.cmdline else { return Verdict::Unknown("nothing tells the kernel's command line") };
    let own = split(line);
    let mut breaches = Vec::new();
    if !words.needs.is_empty() && !words.needs.iter().any(|needed| own.iter().any(|word| is(needed, word))) {
        breaches
            .push(Breach::of(format!("`{}` is not on the command line", words.needs.first().map_or("", |word| word))));
    }
    // What a target's addon says counts as well: it comes behind, and the last word wins.
    let all = own.iter().cloned().chain(view.addons.iter().flat_map(|line| split(line)));
    for word in all {
        if words.never.iter().any(|never| is(never, &word)) {
            breaches.push(Breach::of(format!("`{word}` is on the command line")));
        }
    }
    Verdict::of(breaches)
}

/// Whether a word of a command line is one that a rule names: the same, or the same key where the rule has no value.
fn is(rule: &str, word: &str) -> bool {
    let key = |text: &str| text.split('=').next().unwrap_or_default().replace('-', "_");
    match (rule.split_once('='), word.split_once('=')) {
        (Some((_, wanted)), Some((_, value))) => key(rule) == key(word) && wanted == value,
        (Some(_), None) => false,
        (None, _) => key(rule) == key(word),
    }
}

/// The words, as the kernel splits them: blanks inside of quotes do not count.
fn split(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(String::new()),
            c => {
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_compare_as_the_kernel_does() {
        assert!(is("init", "init=/bin/sh") && is("single", "single") && is("rd.break", "rd.break=mount"));
        assert!(is("init_on_alloc=1", "init-on-alloc=1"));
        assert!(!is("init", "init_on_alloc=1") && !is("pti=off", "pti=on") && !is("pti=off", "pti"));
        assert_eq!(split("a  b=\"c d\" e"), ["a", "b=c d", "e"]);
    }
}
