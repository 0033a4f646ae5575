//! The squashfs writer before its judges: unsquashfs, the kernel, backhand, and digests that stay.
//!
//! A missing judge is a failure. A new oddity goes into `odd`, a new codec into `METHODS`.

use std::fs::{self, File};
use std::io::{BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use imagebuild::digest::Digest;
use imagebuild::path::RootPath;
use imagebuild::report::Report;
use imagebuild::squashfs::{self, Codec, Image, NodeKind, Options};
use imagebuild::tree::{self, Content, Extent, Kind, Leaf, Meta, Node, NodeRef, Tree};

const METHODS: [(Codec, i32); 5] =
    [(Codec::Zstd, 15), (Codec::Xz, 6), (Codec::Gzip, 9), (Codec::Lz4, 0), (Codec::None, 0)];

fn path(text: impl AsRef<[u8]>) -> RootPath {
    RootPath::new(text).unwrap()
}

/// Text that compresses, noise that does not.
fn bytes(length: usize, seed: u8) -> Vec<u8> {
    let line = |n: usize| format!("line {n} of {seed}, and so on\n").into_bytes();
    let text = (0..).flat_map(line);
    let noise = (0u32..).flat_map(|n| Digest::of(&[&n.to_le_bytes()[..], &[seed]].concat()).0);
    if seed.is_multiple_of(2) { text.take(length).collect() } else { noise.take(length).collect() }
}

fn leaf(tree: &mut Tree, at: &str, meta: Meta, kind: Kind) {
    tree.insert(&path(at), Node::Leaf(Leaf { meta, kind })).unwrap();
}

/// A tree with one of everything that was ever written wrong; `folder` holds a sparse file.
fn odd(folder: &Path) -> Tree {
    let mut tree = small();
    for number in 0..20_000 {
        let content = Content::bytes(if number % 1000 == 0 { bytes(500, 2) } else { Vec::new() });
        tree.put_file(&path(format!("/big/name-{number:05}")), Meta::new(0o644, number), content).unwrap();
    }
    let sparse = File::create(folder.join("sparse")).unwrap();
    let length = (4 << 30) + 1_001_234;
    sparse.set_len(length).unwrap();
    // Across the border of 32 bits.
    sparse.write_all_at(&bytes(300_000, 3), (4 << 30) - 100_000).unwrap();
    sparse.write_all_at(b"end", length - 3).unwrap();
    let extents = [((4 << 30) - 100_000, 300_000), (length - 3, 3)];
    let extents = extents.map(|(at, length)| Extent { at, offset: at, length }).into();
    let content = Content::sparse(folder.join("sparse").into(), length, extents);
    tree.put_file(&path("/sparse"), Meta::new(0o600, 1), content).unwrap();
    tree.put_link(&path("/long-link"), Meta::new(0o777, 1), &[b'l'; 4095]).unwrap();
    let long = "d".repeat(200);
    let mut deep = String::new();
    for _ in 0..18 {
        deep += &format!("/{long}");
    }
    tree.put_file(&path(deep + "/x"), Meta::new(0o644, 1), Content::bytes(*b"deep")).unwrap();
    tree
}

/// All kinds of inode in both forms, on a few kilobytes.
fn small() -> Tree {
    let mut tree = Tree::default();
    let meta = || Meta::new(0o644, 1_700_000_000);
    let file = |tree: &mut Tree, at: &[u8], meta: Meta, bytes: Vec<u8>| {
        tree.put_file(&path(at), meta, Content::bytes(bytes)).unwrap();
    };
    tree.root.meta = Meta::new(0o755, 1_700_000_001);
    file(&mut tree, b"/empty", meta(), Vec::new());
    file(&mut tree, b"/one", meta(), b"x".to_vec());
    file(&mut tree, b"/exact", meta(), bytes(131_072, 1));
    file(&mut tree, b"/exact2", meta(), bytes(262_144, 2));
    file(&mut tree, b"/blocks-and-tail", meta(), bytes(300_001, 4));
    file(&mut tree, b"/zeros", meta(), vec![0; 1_000_000]);
    file(&mut tree, b"/same/a", meta(), bytes(200_000, 6));
    file(&mut tree, b"/same/b", Meta::new(0o600, 5), bytes(200_000, 6));
    // The same blocks with another tail, a longer one, and none.
    let tail = |length: usize| [bytes(131_072, 6), vec![b't'; length]].concat();
    file(&mut tree, b"/same/tail-1", meta(), tail(1));
    file(&mut tree, b"/same/tail-2", meta(), tail(70_000));
    file(&mut tree, b"/same/tail-none", meta(), tail(0));
    file(&mut tree, b"/same/c", meta(), bytes(900, 8));
    file(&mut tree, b"/same/d", meta(), bytes(900, 8));
    file(&mut tree, b"/not\xffutf8\n\xe2\x28", meta(), b"y".to_vec());
    file(&mut tree, b"/suid", Meta::new(0o4755, 7).owned(4_000_000_000, 3_999_999_999), bytes(100, 2));
    file(&mut tree, b"/sgid", Meta::new(0o2755, 7).owned(1, 65_534), bytes(101, 2));
    let mut capable = Meta::new(0o755, 8);
    capable.set_xattr(b"security.capability", &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    capable.set_xattr(b"user.long", &[b'v'; 300]);
    file(&mut tree, b"/capable", capable.clone(), bytes(102, 2));
    file(&mut tree, b"/capable2", capable, bytes(103, 2));
    let mut trusted = Meta::new(0o700, 9);
    trusted.set_xattr(b"trusted.t", b"");
    trusted.set_xattr(b"user.long", &[b'v'; 300]);
    tree.put_directory(&path("/folder"), trusted).unwrap();
    tree.put_directory(&path("/tmp"), Meta::new(0o1777, 9)).unwrap();
    tree.hard_link(&path("/folder/hard"), &path("/one")).unwrap();
    tree.hard_link(&path("/a-hard"), &path("/blocks-and-tail")).unwrap();
    tree.put_link(&path("/link"), meta(), b"../../\xfe/x").unwrap();
    leaf(&mut tree, "/dev/null", Meta::new(0o666, 1), Kind::CharDevice { major: 1, minor: 3 });
    leaf(&mut tree, "/dev/disk", Meta::new(0o660, 1).owned(0, 6), Kind::BlockDevice { major: 259, minor: 70_000 });
    leaf(&mut tree, "/dev/fifo", Meta::new(0o600, 1), Kind::Fifo);
    leaf(&mut tree, "/dev/socket", Meta::new(0o755, 1), Kind::Socket);
    tree.hard_link(&path("/dev/fifo2"), &path("/dev/fifo")).unwrap();
    tree
}

fn options(codec: Codec, level: i32, jobs: usize) -> Options {
    Options { codec, level, jobs, epoch: 1_700_000_000, ..Options::default() }
}

fn pack(tree: &Tree, options: &Options, image: &Path) {
    squashfs::write(tree, options, File::create(image).unwrap(), None, &|_| ()).unwrap();
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether two trees are the same; without root nobody can restore owners, devices and some attributes.
fn compare(expected: &Tree, found: &Tree, whole: bool) {
    let (left, right) = (expected.walk(), found.walk());
    let names = |nodes: &[(RootPath, NodeRef)]| nodes.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    let special = |node: NodeRef| !matches!(node, NodeRef::Directory(_)) && size(node).is_none();
    let left: Vec<_> = left.into_iter().filter(|(_, node)| whole || !special(*node)).collect();
    let right: Vec<_> = right.into_iter().filter(|(_, node)| whole || !special(*node)).collect();
    assert_eq!(names(&left), names(&right));
    for ((at, one), (_, other)) in left.into_iter().zip(right) {
        if whole {
            assert_eq!(one.meta(), other.meta(), "{at}");
        }
        match (one, other) {
            (NodeRef::Directory(_), NodeRef::Directory(_)) => {}
            (NodeRef::Leaf(_, one), NodeRef::Leaf(_, other)) => match (&one.kind, &other.kind) {
                (Kind::File(one), Kind::File(other)) => same_bytes(one, other, &at),
                (one, other) => assert_eq!(format!("{one:?}"), format!("{other:?}"), "{at}"),
            },
            _ => panic!("{at} is of another kind"),
        }
    }
    let links = |tree: &Tree| {
        let pairs = [("/one", "/folder/hard"), ("/blocks-and-tail", "/a-hard"), ("/same/a", "/same/b")];
        pairs.map(|(one, other)| match (tree.get(&path(one)), tree.get(&path(other))) {
            (Some(NodeRef::Leaf(one, _)), Some(NodeRef::Leaf(other, _))) => one == other,
            _ => false,
        })
    };
    assert_eq!(links(found), [true, true, false]);
}

fn size(node: NodeRef) -> Option<u64> {
    match node {
        NodeRef::Leaf(_, Leaf { kind: Kind::File(content), .. }) => Some(content.len()),
        NodeRef::Leaf(_, Leaf { kind: Kind::Symlink(target), .. }) => Some(target.len() as u64),
        _ => None,
    }
}

fn same_bytes(one: &Content, other: &Content, at: &RootPath) {
    const STEP: u64 = 1 << 20;
    assert_eq!(one.len(), other.len(), "{at}");
    let mut opened = (Default::default(), Default::default());
    let mut buffers = [vec![0; STEP as usize], vec![0; STEP as usize]];
    let mut offset = 0;
    while offset < one.len() {
        let count = STEP.min(one.len() - offset);
        if !(one.is_hole(offset, count) && other.is_hole(offset, count)) {
            let [left, right] = &mut buffers;
            let (left, right) = (&mut left[..count as usize], &mut right[..count as usize]);
            one.read_at(&mut opened.0, offset, left).unwrap();
            other.read_at(&mut opened.1, offset, right).unwrap();
            assert!(left == right, "{at} differs in the MiB at {offset}");
        }
        offset += count;
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; see tests/run"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

fn unsquashfs(tree: &Tree, image: &Path, folder: &Path) {
    let target = folder.join("extracted");
    run(Command::new("unsquashfs").args(["-quiet", "-no-progress", "-d"]).arg(&target).arg(image));
    compare(tree, &tree::scan(&target, &Report::silent()).unwrap(), is_root());
    fs::remove_dir_all(&target).unwrap();
}

/// Gone when dropped, also when a comparison fails.
struct Mounted<'p>(&'p Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(self.0).status());
    }
}

fn kernel(tree: &Tree, image: &Path, folder: &Path) {
    let known = fs::read_to_string("/proc/filesystems").unwrap();
    if !is_root() || !known.split_whitespace().any(|name| name == "squashfs") {
        eprintln!("the kernel is not asked: that needs root and a kernel with squashfs");
        return;
    }
    let point = folder.join("mounted");
    fs::create_dir_all(&point).unwrap();
    run(Command::new("mount").args(["-t", "squashfs", "-o", "loop,ro"]).arg(image).arg(&point));
    let mounted = Mounted(&point);
    compare(tree, &tree::scan(&point, &Report::silent()).unwrap(), true);
    // A look-up by name goes through the index of a large folder.
    if tree.get(&path("/big")).is_some() {
        assert!(point.join("big/name-19999").exists() && !point.join("big/name-20000").exists());
    }
    drop(mounted);
}

fn backhand(tree: &Tree, image: &Path) {
    let reader = BufReader::new(File::open(image).unwrap());
    let reader = backhand::FilesystemReader::from_reader(reader).unwrap();
    let mut names = 0;
    for node in reader.files().skip(1) {
        let at = path(std::os::unix::ffi::OsStrExt::as_bytes(node.fullpath.as_os_str()));
        let expected = tree.get(&at).unwrap_or_else(|| panic!("{at} is not in the tree"));
        let meta = expected.meta();
        let header = (node.header.permissions & 0o7777, node.header.uid, node.header.gid, node.header.mtime);
        assert_eq!(header, (meta.mode, meta.uid, meta.gid, meta.mtime), "{at}");
        if let (backhand::InnerNode::File(file), NodeRef::Leaf(_, Leaf { kind: Kind::File(content), .. })) =
            (&node.inner, expected)
            && content.len() < 10 << 20
        {
            let mut bytes = Vec::new();
            reader.file(file).reader().read_to_end(&mut bytes).unwrap();
            assert!(bytes == content.read(10 << 20).unwrap(), "{at}");
        }
        names += 1;
    }
    assert_eq!(names, tree.walk().len());
}

#[test]
fn every_reader_reads_the_odd_tree() {
    let folder = tempfile::tempdir().unwrap();
    let tree = odd(folder.path());
    let image = folder.path().join("image");
    pack(&tree, &options(Codec::Zstd, 15, 2), &image);
    unsquashfs(&tree, &image, folder.path());
    kernel(&tree, &image, folder.path());
    // The third reader knows no links of 256 bytes or more.
    let mut tree = tree;
    tree.remove(&path("/long-link"));
    pack(&tree, &options(Codec::Zstd, 15, 2), &image);
    backhand(&tree, &image);
}

#[test]
fn every_codec_is_read_by_all_and_threads_do_not_show() {
    let folder = tempfile::tempdir().unwrap();
    let tree = small();
    for (codec, level) in METHODS {
        let image = folder.path().join(codec.name());
        pack(&tree, &options(codec, level, 1), &image);
        let eight = folder.path().join("eight");
        pack(&tree, &options(codec, level, 8), &eight);
        assert!(fs::read(&image).unwrap() == fs::read(&eight).unwrap(), "{codec:?}");
        let told = run(Command::new("unsquashfs").arg("-s").arg(&image));
        let name = if codec == Codec::None { "gzip" } else { codec.name() };
        assert!(told.contains(&format!("Compression {name}")), "{told}");
        unsquashfs(&tree, &image, folder.path());
        kernel(&tree, &image, folder.path());
        // The third reader does not know lz4.
        if codec != Codec::Lz4 {
            backhand(&tree, &image);
        }
    }
}

#[test]
fn other_levels_and_blocks_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let tree = small();
    for (codec, level, block_size) in
        [(Codec::Zstd, 3, 4096), (Codec::Zstd, 19, 1 << 20), (Codec::Xz, 9, 1 << 20), (Codec::Gzip, 1, 8192)]
    {
        let image = folder.path().join("image");
        pack(&tree, &Options { block_size, ..options(codec, level, 2) }, &image);
        unsquashfs(&tree, &image, folder.path());
        kernel(&tree, &image, folder.path());
    }
}

#[test]
fn bytes_stay_what_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let golden = [
        (Codec::Zstd, 15, "573786a385e1bb60b0315863bf1606f901e7f4144016c3ccdb8ce7cbc221ed85"),
        (Codec::Zstd, 3, "27c66c1878e1ab8e6636555d530a8711175548a419b546acfc93e2e5d5de7eeb"),
        (Codec::Xz, 6, "8773264f3b5d380f5140a39bf3da7df80ad2352e7709fda83789a5f30c302fcf"),
        (Codec::Gzip, 9, "be07b0e42e64f2d37d58791fd617a44a157e027cd5b54ea003e578e417f8d6ec"),
        (Codec::Lz4, 0, "25e4ac94e9745a358067489794854e15c8f1c80ecccae1474750962003e13611"),
        (Codec::None, 0, "670278934a815211eef934bc1ec6e05854486651da1b63d0813715cc3bccb7ba"),
    ];
    let mut wrong = Vec::new();
    for (codec, level, expected) in golden {
        let image = folder.path().join("image");
        pack(&small(), &options(codec, level, 3), &image);
        let found = Digest::of(&fs::read(&image).unwrap()).to_string();
        if found != expected {
            wrong.push(format!("{codec:?} {level}: {found}"));
        }
    }
    assert!(wrong.is_empty(), "the bytes of images have changed:\n{}", wrong.join("\n"));
}

#[test]
fn equal_files_are_stored_once_whether_digests_are_known_or_not() {
    let folder = tempfile::tempdir().unwrap();
    // The last two differ from the first in their last byte and in their first.
    let files =
        [("a", 6, None), ("b", 6, None), ("c", 4, None), ("d", 6, None), ("e", 6, Some(149_999)), ("f", 6, Some(0))];
    let mut known = Tree::default();
    for (name, seed, change) in files {
        let mut bytes = bytes(150_000, seed);
        change.into_iter().for_each(|at: usize| bytes[at] ^= 1);
        fs::create_dir_all(folder.path().join("t")).unwrap();
        fs::write(folder.path().join("t").join(name), &bytes).unwrap();
        let content = Content::bytes(bytes);
        known.put_file(&path(format!("/{name}")), Meta::default(), content).unwrap();
    }
    let mut unknown = tree::scan(&folder.path().join("t"), &Report::silent()).unwrap();
    unknown.each_meta(|meta| *meta = Meta::default());
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    pack(&known, &options(Codec::Zstd, 15, 2), &one);
    pack(&unknown, &options(Codec::Zstd, 15, 2), &other);
    assert!(fs::read(&one).unwrap() == fs::read(&other).unwrap());
    let image = Image::open(&one).unwrap();
    let stored = |name: &str| image.stored(&image.find(&path(name)).unwrap().unwrap()).unwrap();
    assert_eq!(stored("/a"), stored("/b"));
    assert_eq!(stored("/a"), stored("/d"));
    assert_ne!(stored("/a")[0], stored("/c")[0]);
    assert_eq!(stored("/a")[0], stored("/e")[0]);
    assert_ne!(stored("/a")[0], stored("/f")[0]);
    assert_eq!(image.find(&path("/a")).unwrap().unwrap().kind, NodeKind::File(150_000));
}

#[test]
fn a_cache_changes_no_byte_and_spares_the_sources() {
    let folder = tempfile::tempdir().unwrap();
    let store = imagebuild::store::Store::open(&folder.path().join("store")).unwrap();
    let source = folder.path().join("source");
    let mut text = bytes(400_000, 4);
    fs::write(&source, &text).unwrap();
    let tree = |text: &[u8], motd: &str| {
        let mut tree = small();
        let content = Content::range(source.as_path().into(), 0, 400_000, Some(Digest::of(text)));
        tree.put_file(&path("/from-a-file"), Meta::default(), content).unwrap();
        tree.put_file(&path("/motd"), Meta::default(), Content::bytes(motd.as_bytes())).unwrap();
        tree
    };
    let pack = |tree: &Tree, cached: bool, jobs: usize| {
        let mut out = std::io::Cursor::new(Vec::new());
        let packs = store.packs().unwrap();
        squashfs::write(tree, &options(Codec::Zstd, 15, jobs), &mut out, cached.then_some(&packs), &|_| ()).unwrap();
        out.into_inner()
    };
    let plain = pack(&tree(&text, "one"), false, 1);
    assert!(pack(&tree(&text, "one"), true, 4) == plain);
    let other = pack(&tree(&text, "two, longer"), false, 1);
    // Now the source cannot be read any more, and is not.
    fs::remove_file(&source).unwrap();
    assert!(pack(&tree(&text, "one"), true, 3) == plain);
    fs::write(&source, &text).unwrap();
    assert!(pack(&tree(&text, "two, longer"), true, 3) == other);
    text[0] ^= 1;
    File::create(&source).unwrap().write_all(&text).unwrap();
    assert!(pack(&tree(&text, "one"), true, 3) != plain);
}

#[test]
fn what_has_no_place_in_the_format_is_an_error() {
    let refused = |tree: &Tree, options: Options| {
        squashfs::write(tree, &options, std::io::Cursor::new(Vec::new()), None, &|_| ()).unwrap_err()
    };
    let mut labelled = Tree::default();
    labelled.root.meta.set_xattr(b"system.posix_acl_access", b"x");
    refused(&labelled, Options::default());
    let mut device = Tree::default();
    leaf(&mut device, "/d", Meta::default(), Kind::CharDevice { major: 4096, minor: 0 });
    assert!(refused(&device, Options::default()).to_string().contains("`4096:0`"));
    let mut ids = Tree::default();
    for id in 0..65_536 {
        leaf(&mut ids, &format!("/{id}"), Meta::default().owned(id, id), Kind::Fifo);
    }
    refused(&ids, Options { codec: Codec::None, level: 0, ..Options::default() });
    for block_size in [0, 2048, 5000, 1 << 21] {
        refused(&Tree::default(), Options { block_size, ..Options::default() });
    }
    refused(&Tree::default(), Options { level: 23, ..Options::default() });
    let mut gone = Tree::default();
    let content = Content::range(Path::new("/nothing/here").into(), 0, 5, None);
    gone.put_file(&path("/x"), Meta::default(), content).unwrap();
    assert!(refused(&gone, Options::default()).to_string().contains("/nothing/here"));
}
