//! How a comparison looks.

use std::collections::BTreeMap;

use super::super::change::Flag;
use super::*;

fn diff(changes: Vec<(Topic, Change)>) -> Diff {
    let mut topics = BTreeMap::<Topic, Vec<Change>>::new();
    for (topic, change) in changes {
        topics.entry(topic).or_default().push(change);
    }
    Diff { before: "a".into(), after: "b".into(), topics, sizes: BTreeMap::new(), notes: Vec::new() }
}

fn changed(what: &str) -> Change {
    Change::new(Kind::Changed, what, Some("1".into()), Some("2".into()))
}

#[test]
fn the_text_has_signs_causes_and_a_verdict() {
    let file = changed("/etc/motd").because("node.toml:3");
    let package = changed("bash").flag(Flag::Downgrade).note("DOWNGRADED");
    let told = text(&diff(vec![(Topic::Files, file), (Topic::Packages, package)]), Show::default());
    let expected = "--- a\n+++ b\n\nPackages (1 changed)\n  ! bash  1 -> 2 [DOWNGRADED]\n\n\
        Files (1 changed)\n  ~ /etc/motd  1 -> 2 <- node.toml:3\n\n2 differences; to look at: downgrade 1\n";
    assert_eq!(told, expected);
}

#[test]
fn nothing_and_next_to_nothing_have_words_of_their_own() {
    assert!(text(&diff(Vec::new()), Show::default()).ends_with("no difference\n"));
    let cosmetic = diff(vec![(Topic::Identity, changed("id").weigh(Weight::Cosmetic))]);
    let told = text(&cosmetic, Show::default());
    assert!(told.contains("(1 of ids and times)") && told.contains("\ncosmetic only: "), "{told}");
    assert!(text(&cosmetic, Show { all: true }).contains("~ id  1 -> 2"));
}

#[test]
fn files_of_a_package_are_one_line_unless_flagged() {
    let mut changes = Vec::new();
    for number in 0..5 {
        let mut change = changed(&format!("/f{number}")).because("x 1 -> 2").grown(0, 1000);
        change.group = Some("files of package x".into());
        changes.push((Topic::Files, if number == 0 { change.flag(Flag::Setuid) } else { change }));
    }
    let told = text(&diff(changes), Show::default());
    assert!(told.contains("  ! /f0") && !told.contains("/f1"), "{told}");
    assert!(told.contains("~ 4 files of package x (x 1 -> 2): 4 changed, +4.0 kB"), "{told}");
}

#[test]
fn names_from_an_image_are_text_and_nothing_else() {
    let name = "<script>alert(1)</script>\u{1b}[2J`*[x](y)";
    let diff = diff(vec![(Topic::Files, changed(name))]);
    let page = html(&diff);
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
    for told in [page, text(&diff, Show::default()), markdown(&diff, Show::default())] {
        assert!(!told.contains('\u{1b}'), "{told}");
    }
    assert!(markdown(&diff, Show::default()).contains("`<script>alert(1)</script>\u{fffd}[2Jˋ*[x](y)`"));
}

#[test]
fn the_page_holds_a_map_of_each_side() {
    let mut diff = diff(vec![(Topic::Files, changed("/x"))]);
    diff.sizes = [("bash".to_owned(), (1_000_000, 2_000_000)), ("gone".to_owned(), (500_000, 0))].into();
    let page = html(&diff);
    assert_eq!(page.matches("<svg").count(), 2);
    assert!(page.contains("bash: 1.0 MB -&gt; 2.0 MB") && page.contains("class=\"removed\"><title>gone"), "{page}");
    // Nothing from elsewhere, nothing that runs.
    for never in ["http:", "https:", "src=", "<script", "@import", "url("] {
        assert!(!page.contains(never), "{never}");
    }
}
