//! Pages in a real browser: headless Chromium lays them out, and a script beside the page measures what it sees.
//!
//! The page itself holds no script; it is measured from a page round it, in whose frame it is shown.

#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/small.rs"]
mod small;

use std::path::Path;
use std::process::{Command, Stdio};

use imagebuild::disk;
use imagebuild::profile::Raw;
use imagebuild::tree::Tree;

use small::{EPOCH, Small, put};

/// Shows `page.html` in a frame and writes down what a reader would see of it.
const ROUND: &str = r#"<!DOCTYPE html><meta charset="utf-8"><body style="margin:0">
<iframe id="f" style="width:1100px;height:2000px;border:0"></iframe><pre id="out"></pre>
<script>
const frame = document.getElementById('f');
frame.onload = () => {
  const page = frame.contentDocument, see = (e) => e.getBoundingClientRect();
  const within = (a, b) => a.left >= b.left - 1 && a.top >= b.top - 1 && a.right <= b.right + 1 && a.bottom <= b.bottom + 1;
  const all = (q) => [...page.querySelectorAll(q)];
  const out = {
    scripts: all('script').length,
    wide: page.documentElement.scrollWidth - page.documentElement.clientWidth,
    title: page.title,
    heading: see(page.querySelector('h1')).height > 0,
    look: all('#look li').map((e) => e.textContent.trim()),
    closed: all('details').filter((e) => !e.open).length,
    rows: all('#files > table tr').filter((e) => see(e).height > 0).length,
    maps: all('svg').map((svg) => ({
      seen: see(svg).width > 100 && see(svg).height > 50,
      inside: [...svg.querySelectorAll('rect')].every((e) => within(see(e), see(svg))),
      labels: [...svg.querySelectorAll('text')].every((e) => within(see(e), see(e.parentNode.querySelector('rect')))),
      area: Object.fromEntries([...svg.querySelectorAll('g')].map((g) => {
        const box = see(g.querySelector('rect'));
        return [g.querySelector('title').textContent.split(':')[0], Math.round(box.width * box.height)];
      })),
    })),
  };
  page.querySelectorAll('details').forEach((e) => { e.open = true; });
  out.opened = all('details pre, details td').every((e) => see(e).height > 0);
  document.getElementById('out').textContent = 'SEEN' + JSON.stringify(out) + 'END';
};
frame.src = 'page.html';
</script>"#;

fn chromium(folder: &Path, arguments: &[&str]) -> String {
    let profile = folder.join("browser");
    let output = Command::new("chromium")
        .current_dir(folder)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--allow-file-access-from-files"])
        .args(["--window-size=1200,2200", "--virtual-time-budget=10000"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("chromium is installed: apt install chromium");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Packages of a MiB and of three, one of them new.
fn tree(after: bool) -> Tree {
    let mut tree = small::tree(&["dm-verity", "squashfs"]);
    let package = |name: &str, version: &str| {
        format!("Package: {name}\nStatus: install ok installed\nVersion: {version}\nArchitecture: all\n\n")
    };
    let mut status = package("tool", if after { "1" } else { "2" });
    put(&mut tree, "/usr/lib/dpkg-db/info/tool.list", b"/usr/lib/tool\n".to_vec());
    put(&mut tree, "/usr/lib/tool", vec![if after { 1 } else { 2 }; 1 << 20]);
    put(&mut tree, "/etc/greeting", if after { b"<b>hi</b>\n".to_vec() } else { b"hi\n".to_vec() });
    if after {
        status += &package("late", "1");
        put(&mut tree, "/usr/lib/dpkg-db/info/late.list", b"/usr/lib/late\n".to_vec());
        put(&mut tree, "/usr/lib/late", vec![3; 3 << 20]);
    }
    put(&mut tree, "/usr/lib/dpkg-db/status", status.into_bytes());
    tree
}

#[test]
fn the_page_of_a_comparison_is_seen_as_it_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    for (name, after) in [("a.raw", false), ("b.raw", true)] {
        let small = Small::new(tree(after));
        let (disk, _) = disk::place(&small.layout, &small.pieces(), None, EPOCH).unwrap();
        small::write(&Raw {}, &disk, &folder.path().join(name));
    }
    let status = Command::new(env!("CARGO_BIN_EXE_imagebuild"))
        .current_dir(&folder)
        .args(["diff", "--format", "html", "-o", "page.html", "a.raw", "b.raw"])
        .status()
        .unwrap();
    assert!(status.success());
    std::fs::write(folder.path().join("round.html"), ROUND).unwrap();
    let url = format!("file://{}", folder.path().join("round.html").display());
    let dom = chromium(folder.path(), &["--dump-dom", &url]);
    let seen = dom.split_once(">SEEN").and_then(|(_, rest)| rest.split_once("END<")).expect(&dom).0;
    let seen = seen.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let seen: serde_json::Value = serde_json::from_str(&seen).expect(&seen);
    assert_eq!(seen["title"], "a.raw → b.raw");
    assert_eq!(
        (&seen["scripts"], &seen["wide"], &seen["heading"], &seen["opened"]),
        (&0.into(), &0.into(), &true.into(), &true.into()),
        "{seen}"
    );
    assert!(seen["closed"].as_u64() > Some(0), "{seen}");
    let look: Vec<&str> = seen["look"].as_array().unwrap().iter().filter_map(|line| line.as_str()).collect();
    assert!(look.iter().any(|line| line.starts_with("downgrade tool 2 -> 1")), "{look:?}");
    assert!(look.iter().any(|line| line.starts_with("unowned /etc/greeting")), "{look:?}");
    assert!(seen["rows"].as_u64() > Some(1), "{seen}");
    let maps = seen["maps"].as_array().unwrap();
    assert_eq!(maps.len(), 2);
    for map in maps {
        assert!([&map["seen"], &map["inside"], &map["labels"]].iter().all(|good| **good == true), "{map}");
    }
    // Areas in proportion to sizes, and in both maps at one scale.
    let area = |map: usize, name: &str| maps[map]["area"][name].as_f64().unwrap_or(0.0);
    assert!((area(1, "late") / area(1, "tool") - 3.0).abs() < 0.1, "{maps:?}");
    assert!((area(0, "tool") / area(1, "tool") - 1.0).abs() < 0.1, "{maps:?}");
    // The picture is kept for whoever looks.
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join("diff.png");
    let page = format!("file://{}", folder.path().join("page.html").display());
    chromium(folder.path(), &[&format!("--screenshot={}", picture.display()), &page]);
    let bytes = std::fs::read(&picture).unwrap();
    assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 10_000, "{} bytes", bytes.len());
}
