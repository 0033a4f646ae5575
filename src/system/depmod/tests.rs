use super::graph::{Parts, build};
use super::*;

fn facts(exports: &[&str], imports: &[&str]) -> Facts {
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    Facts { exports: owned(exports), imports: owned(imports), ..Facts::default() }
}

fn modules(files: &[(&str, Facts)], order: &str) -> Result<Modules> {
    build(Parts {
        version: "6".to_owned(),
        files: files.iter().map(|(path, facts)| ((*path).to_owned(), facts.clone())).collect(),
        order: order.as_bytes().to_vec(),
        builtin: b"kernel/fs/ext4/ext4.ko\nkernel/lib/a-b.ko\n".to_vec(),
        builtin_info: b"a_b.alias=x-[0-9]-y\0a_b.license=GPL\0".to_vec(),
    })
}

fn names(list: &[&Module]) -> Vec<String> {
    list.iter().map(|module| module.name.clone()).collect()
}

#[test]
fn loads_what_is_needed_first() {
    let mut soft = facts(&[], &["low"]);
    soft.softdeps = vec!["pre: base post: top".to_owned()];
    let files = [
        ("kernel/base.ko", facts(&["low"], &["printk"])),
        ("kernel/mid-dle.ko.xz", facts(&["mid"], &["low"])),
        ("kernel/soft.ko", soft),
        ("kernel/top.ko", facts(&[], &["mid", "low"])),
    ];
    let graph = modules(&files, "").unwrap();
    assert_eq!(names(&graph.load_order(&["top", "ext4"]).unwrap()), ["base", "mid_dle", "top"]);
    assert_eq!(names(&graph.load_order(&["soft", "mid_dle", "a-b"]).unwrap()), ["base", "soft", "mid_dle"]);
    let error = graph.load_order(&["base", "nvme"]).unwrap_err();
    assert!(error.to_string().contains("`nvme`"), "{error}");
}

#[test]
fn a_circle_is_an_error() {
    let files = [("a.ko", facts(&["a"], &["b"])), ("b.ko", facts(&["b"], &["a"]))];
    assert!(modules(&files, "").is_err());
    assert!(modules(&[("a.ko", facts(&["a"], &["a"]))], "").is_err());
}

#[test]
fn order_and_overrides() {
    let one = facts(&[], &[]);
    let files = [
        ("kernel/a.ko.xz", one.clone()),
        ("kernel/b.ko.xz", one.clone()),
        ("kernel/c.ko", one.clone()),
        ("updates/b.ko", one.clone()),
    ];
    let graph = modules(&files, "kernel/c.ko\nkernel/a.ko\n").unwrap();
    let paths: Vec<_> = graph.list.iter().map(|module| module.path.as_str()).collect();
    assert_eq!(paths, ["kernel/c.ko", "kernel/a.ko.xz", "updates/b.ko"]);
}

#[test]
fn damaged_modules_are_errors() {
    for bytes in [&b""[..], b"\x7fELF", &[0x7f; 200]] {
        assert!(Facts::parse(bytes).is_err());
    }
    let content = Content::bytes(*b"not xz");
    assert!(Facts::read("x.ko.xz", &content).is_err());
    assert!(Facts::read("x.ko.zst", &content).is_err());
}
