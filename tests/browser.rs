//! Pages in a real browser: headless Chromium lays them out, and a script beside the page measures what it sees.
//!
//! The page itself holds no script; it is measured from a page round it, in whose frame it is shown.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/house.rs"]
mod house;
#[path = "common/small.rs"]
mod small;

use std::path::Path;
use std::process::{Command, Stdio};

use imagebuild::disk;
use imagebuild::profile::Raw;
use imagebuild::tree::Tree;

use house::House;
use small::{EPOCH, Small, put};

/// Shows `page.html` in a frame, and writes down what the script between these two says that a reader would see of it.
const ROUND: [&str; 2] = [
    r#"<!DOCTYPE html><meta charset="utf-8"><body style="margin:0">
<iframe id="f" style="width:1100px;height:2000px;border:0"></iframe><pre id="out"></pre>
<script>
const frame = document.getElementById('f');
frame.onload = () => {
  const page = frame.contentDocument, see = (e) => e.getBoundingClientRect();
  const within = (a, b) => a.left >= b.left - 1 && a.top >= b.top - 1 && a.right <= b.right + 1 && a.bottom <= b.bottom + 1;
  const all = (q) => [...page.querySelectorAll(q)];
"#,
    "  document.getElementById('out').textContent = 'SEEN' + JSON.stringify(out) + 'END';\n\
     };\n\
     frame.src = 'page.html';\n\
     </script>",
];

/// Of the page of a comparison.
const LOOK: &str = r#"  const out = {
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
"#;

/// Of the page of a build.
const LOOK_REPORT: &str = r##"
  const below = (a, b) => see(a).top >= see(b).bottom - 1;
  const sections = all('main > section');
  const out = {
    scripts: all('script').length,
    wide: page.documentElement.scrollWidth - page.documentElement.clientWidth,
    headings: all('h1, h2').map((e) => e.textContent),
    seen: all('h1, h2').every((e) => see(e).height > 0),
    apart: sections.slice(1).every((e, n) => below(e, sections[n])),
    links: all('nav a').every((e) => page.querySelectorAll(e.getAttribute('href')).length === 1),
    twice: all('[id]').length - new Set(all('[id]').map((e) => e.id)).size,
    rules: all('.rules tr').map((e) => e.querySelector('.fate').textContent + ' ' + e.querySelector('code').textContent),
    bar: all('.posture span').map((e) => [e.textContent, see(e).width, see(e).height]),
    tiles: all('.tiles div').map((e) => e.textContent),
    packages: all('.packages tr').length - 1,
    stages: all('.stages > li h3').map((e) => e.textContent),
    fates: all('.fate').every((e) => see(e).width > 40),
    commands: all('#verify pre').map((e) => e.textContent),
    drawings: all('svg').every((svg) => see(svg).width > 500 && see(svg).height > 30
      && [...svg.querySelectorAll('rect')].every((e) => within(see(e), see(svg)))
      && [...svg.querySelectorAll('text')].every((e) => within(see(e), see(e.parentNode.querySelector('rect'))))),
    disks: all('.disk svg').map((svg) => [...svg.querySelectorAll('g')].map((g) => {
      const box = see(g.querySelector('rect'));
      return [g.querySelector('title').textContent, box.left - see(svg).left, box.width, see(svg).width];
    })),
  };
  all('details').forEach((e) => { e.open = true; });
  out.opened = all('details td, details p').every((e) => see(e).height > 0);
  out.wide_opened = page.documentElement.scrollWidth - page.documentElement.clientWidth;
  frame.style.width = '420px';
  out.wide_on_a_phone = page.documentElement.scrollWidth - page.documentElement.clientWidth;
"##;

/// What a script saw of `page.html`.
fn seen(folder: &Path, look: &str) -> serde_json::Value {
    let [begin, end] = ROUND;
    std::fs::write(folder.join("round.html"), [begin, look, end].concat()).unwrap();
    let dom = chromium(folder, &["--dump-dom", &format!("file://{}", folder.join("round.html").display())]);
    let seen = dom.split_once(">SEEN").and_then(|(_, rest)| rest.split_once("END<")).expect(&dom).0;
    let seen = seen.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&seen).expect(&seen)
}

/// A picture of `page.html`, kept for whoever looks.
fn picture(folder: &Path, name: &str) {
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let page = format!("file://{}", folder.join("page.html").display());
    chromium(folder, &[&format!("--screenshot={}", picture.display()), &page]);
    let bytes = std::fs::read(&picture).unwrap();
    assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 10_000, "{} bytes", bytes.len());
}

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
    let seen = seen(folder.path(), LOOK);
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
    picture(folder.path(), "diff.png");
}

#[test]
fn the_pages_of_builds_are_seen_as_they_are_meant() {
    let house = House::new();
    let folder = house.folder.path();
    house.few();
    let rules = "rules = [\"none\"]\nalso = [\"shell\", \"kubelet-seccomp\"]\n\
        [waive.kubelet-seccomp]\nreason = \"too old for it\"\nuntil = \"2999-12-31\"\n";
    house.change("rules = [\"none\"]\n", rules);
    house.lock();
    house.build("old", |_| ());
    house.change("a small image", "another image");
    house.build("new", |_| ());
    let report = |what: &[&str]| {
        let mut command = house.tool("store");
        house::succeed(command.current_dir(folder).args(["report", "-o", "page.html"]).args(what));
    };
    report(&["new"]);
    let one = seen(folder, LOOK_REPORT);
    picture(folder, "report.png");
    report(&["old", "new"]);
    let two = seen(folder, LOOK_REPORT);
    picture(folder, "report-diff.png");
    for page in [&one, &two] {
        for good in ["seen", "apart", "links", "fates", "drawings", "opened"] {
            assert_eq!(page[good], true, "{good}: {page:#}");
        }
        for none in ["scripts", "wide", "wide_opened", "wide_on_a_phone", "twice"] {
            assert_eq!(page[none], 0, "{none}: {page:#}");
        }
        assert_eq!(page["packages"], 4, "{page:#}");
        let stages = page["stages"].as_array().unwrap();
        assert!(stages.len() > 9 && stages[0] == "load" && stages[stages.len() - 1] == "sbom", "{page:#}");
        assert_eq!(page["commands"][1], "imagebuild verify small_1.raw");
        for disk in page["disks"].as_array().unwrap() {
            to_scale(disk, folder);
        }
    }
    assert_eq!(one["headings"][0], "small 1");
    let (rules, bar) = (one["rules"].as_array().unwrap(), one["bar"].as_array().unwrap());
    assert_eq!(rules, &["waived kubelet-seccomp", "kept shell"], "{one:#}");
    assert_eq!((&bar[0][0], &bar[1][0]), (&"1 waived".into(), &"1 kept".into()));
    assert!(bar.iter().all(|part| part[1].as_f64() > Some(400.0) && part[2].as_f64() > Some(15.0)), "{bar:?}");
    assert!(one["tiles"].as_array().unwrap().iter().any(|tile| tile == "4packages"), "{one:#}");
    assert_eq!((one["disks"].as_array().unwrap().len(), two["disks"].as_array().unwrap().len()), (1, 2));
    assert_eq!(two["headings"][0], "old → new");
    assert!(
        two["headings"].as_array().unwrap().iter().any(|text| text.as_str().unwrap().starts_with("Files (")),
        "{two:#}"
    );
}

/// Holds a drawing of a disk, as `[title, left, width, width of all]` for each piece, against the manifest.
fn to_scale(disk: &serde_json::Value, folder: &Path) {
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("new/manifest.json")).unwrap()).unwrap();
    let whole = manifest["minimum_disk"].as_f64().unwrap();
    let parts = manifest["partitions"].as_array().unwrap();
    let pieces = disk.as_array().unwrap();
    // What is made at the first boot is drawn as well.
    assert_eq!(pieces.len(), parts.len() + 1, "{disk:#}");
    for (piece, part) in pieces.iter().zip(parts) {
        let [left, width, room] = [1, 2, 3].map(|at| piece[at].as_f64().unwrap());
        let share = |key: &str| part[key].as_f64().unwrap() / whole * room;
        assert!(piece[0].as_str().unwrap().starts_with(part["label"].as_str().unwrap()), "{piece}");
        // The least ones are drawn wider than they are, to be seen.
        assert!((left - share("start")).abs() < 4.0 && (width - share("size").max(3.0)).abs() < 4.0, "{piece} {part}");
    }
}
