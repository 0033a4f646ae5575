//! What the writer writes, the reader reads; what is damaged never harms.

use std::collections::BTreeMap;
use std::io::Cursor;

use proptest::prelude::*;

use super::{Image, NodeKind, OpenFile};
use crate::bytes::Bytes;
use crate::path::RootPath;
use crate::squashfs::{Codec, Options, write};
use crate::tree::{Content, Kind, Leaf, Meta, Node, NodeRef, Tree};

fn packed(tree: &Tree, options: &Options) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    write(tree, options, &mut out, None, &|_| ()).unwrap();
    out.into_inner()
}

/// Compares an image with the tree that it was made of.
fn compare(tree: &Tree, bytes: Vec<u8>) {
    let image = Image::from_bytes(bytes).unwrap();
    let nodes = image.nodes(1 << 20).unwrap();
    let expected = tree.walk();
    assert_eq!(nodes.len(), expected.len() + 1);
    let mut numbers = BTreeMap::new();
    for (node, (path, expected)) in nodes[1..].iter().zip(expected) {
        assert_eq!(node.path, path);
        let meta = Meta { origin: None, ..expected.meta().clone() };
        let empty = meta.xattrs.as_ref().is_some_and(|xattrs| xattrs.is_empty());
        let meta = if empty { Meta { xattrs: None, ..meta } } else { meta };
        assert_eq!(node.meta, meta, "{path}");
        let kind = match expected {
            NodeRef::Directory(_) => NodeKind::Directory,
            NodeRef::Leaf(id, leaf) => {
                assert_eq!(*numbers.entry(id).or_insert(node.number), node.number, "{path}");
                match &leaf.kind {
                    Kind::File(content) => {
                        let bytes = content.read(u64::MAX).unwrap();
                        assert!(image.read_file(node, 1 << 30).unwrap() == bytes, "{path}");
                        anywhere(&image.open_file(node).unwrap(), &bytes);
                        NodeKind::File(content.len())
                    }
                    Kind::Symlink(target) => NodeKind::Symlink(target.clone()),
                    Kind::BlockDevice { major, minor } => NodeKind::BlockDevice(*major, *minor),
                    Kind::CharDevice { major, minor } => NodeKind::CharDevice(*major, *minor),
                    Kind::Fifo => NodeKind::Fifo,
                    Kind::Socket => NodeKind::Socket,
                }
            }
        };
        assert_eq!(node.kind, kind, "{path}");
        if kind == NodeKind::Directory {
            let entries: Vec<u32> = image.entries(node).unwrap().iter().map(|node| node.number).collect();
            let below =
                nodes.iter().filter(|other| !other.path.is_root() && other.path.parent().as_ref() == Some(&node.path));
            assert_eq!(entries, below.map(|node| node.number).collect::<Vec<_>>(), "{path}");
        }
        assert_eq!(image.find(&path).unwrap().unwrap().number, node.number);
    }
    assert!(image.nodes(nodes.len() - 1).is_err());
}

/// Reads parts of a file that cross the ends of blocks, and past its end.
fn anywhere(file: &OpenFile<'_>, bytes: &[u8]) {
    assert_eq!(file.length(), bytes.len() as u64);
    for (from, to) in [(0, 1), (1, 3), (0, 2), (2, 3), (0, 3)].map(|(a, b)| (bytes.len() * a / 3, bytes.len() * b / 3))
    {
        let mut part = vec![0; to - from];
        file.read_at(&mut part, from as u64).unwrap();
        assert!(part == bytes[from..to]);
    }
    assert!(file.read_at(&mut [0], file.length()).is_err());
    assert!(file.read_at(&mut [0], u64::MAX).is_err());
}

fn options() -> impl Strategy<Value = Options> {
    let codec = prop_oneof![
        Just((Codec::Zstd, 1)),
        Just((Codec::Xz, 0)),
        Just((Codec::Gzip, 1)),
        Just((Codec::Lz4, 0)),
        Just((Codec::None, 0)),
    ];
    (codec, 12u32..15, any::<u32>(), 1usize..4).prop_map(|((codec, level), log, epoch, jobs)| Options {
        codec,
        level,
        block_size: 1 << log,
        epoch,
        jobs,
    })
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    // Lengths round the block sizes, zeros, text and noise.
    let length = prop_oneof![0usize..300, 4090usize..4100, 8190usize..8195, 16_380usize..16_400, 0usize..70_000];
    (length, 0u8..4, any::<u64>()).prop_map(|(length, kind, seed)| {
        let mut state = seed | 1;
        let noise = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        match kind {
            0 => vec![0; length],
            1 => b"all work and no play ".iter().copied().cycle().take(length).collect(),
            2 => (0..length).map(noise).collect(),
            _ => vec![seed as u8; length],
        }
    })
}

fn leaf() -> impl Strategy<Value = Kind> {
    prop_oneof![
        6 => bytes().prop_map(|bytes| Kind::File(Content::bytes(bytes))),
        1 => proptest::collection::vec(1u8.., 1..300).prop_map(|target| Kind::Symlink(target.into())),
        1 => (0u32..4096, 0u32..1 << 20).prop_map(|(major, minor)| Kind::BlockDevice { major, minor }),
        1 => (0u32..4096, 0u32..1 << 20).prop_map(|(major, minor)| Kind::CharDevice { major, minor }),
        1 => Just(Kind::Fifo),
        1 => Just(Kind::Socket),
    ]
}

fn meta() -> impl Strategy<Value = Meta> {
    let name = prop_oneof![Just("user.a"), Just("trusted.b"), Just("security.capability"), Just("user.long")];
    let xattrs = proptest::collection::vec((name, proptest::collection::vec(any::<u8>(), 0..40)), 0..3);
    (0u16..0o10000, 0u32..5, any::<u32>(), any::<u32>(), xattrs).prop_map(|(mode, uid, gid, mtime, xattrs)| {
        let mut meta = Meta::new(mode, mtime).owned(uid * 1_000_000_000, gid);
        xattrs.iter().for_each(|(name, value)| meta.set_xattr(name.as_bytes(), value));
        meta
    })
}

fn tree() -> impl Strategy<Value = Tree> {
    let name = proptest::collection::vec(any::<u8>().prop_filter("a name", |byte| !matches!(byte, 0 | b'/')), 1..12);
    let path = proptest::collection::vec(name, 1..4);
    let entry = (path, meta(), proptest::option::of(leaf()), any::<bool>());
    proptest::collection::vec(entry, 0..40).prop_map(|entries| {
        let mut tree = Tree::default();
        let mut last = None;
        for (path, meta, leaf, linked) in entries {
            let joined: Vec<u8> = path.iter().flat_map(|name| [b"/", &name[..]].concat()).collect();
            let Ok(path) = RootPath::new(joined) else { continue };
            // What contradicts what is there already is left out.
            drop(match (leaf, &last, linked) {
                (_, Some(existing), true) if tree.get(&path).is_none() => tree.hard_link(&path, existing),
                (None, ..) => tree.put_directory(&path, meta),
                (Some(kind), ..) => {
                    let added = tree.insert(&path, Node::Leaf(Leaf { meta, kind }));
                    last = Some(path.clone());
                    added
                }
            });
        }
        tree
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_comes_back(tree in tree(), options in options()) {
        let bytes = packed(&tree, &options);
        assert_eq!(bytes.len() % 4096, 0);
        let more = Options { jobs: options.jobs + 3, ..options };
        assert!(packed(&tree, &more) == bytes, "threads show");
        compare(&tree, bytes);
    }

    #[test]
    fn damage_never_harms(tree in tree(), options in options(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = packed(&tree, &options);
        let end = bytes.len();
        // Half of the time where it hurts: the superblock, and the tables behind the data.
        let place = if bit < 4 { at.index(96) } else { end - 1 - at.index(end.min(4096 * 2)) };
        bytes[place] ^= 1 << bit;
        let Ok(image) = Image::from_bytes(bytes) else { return Ok(()) };
        let mut nodes = Vec::new();
        drop(image.walk(&mut |node| {
            nodes.push(node);
            if nodes.len() > 10_000 { Err(crate::error::Error::source("enough")) } else { Ok(()) }
        }));
        for node in nodes.iter().take(200) {
            drop(image.read_file(node, 1 << 20));
            drop(image.stored(node));
        }
    }
}

#[test]
fn a_large_folder_many_ids_and_long_names_come_back() {
    let mut tree = Tree::default();
    for number in 0..3000u32 {
        let path = RootPath::new(format!("/big/{}{number:05}", "n".repeat(240))).unwrap();
        tree.put_file(&path, Meta::new(0o644, number).owned(number, 1), Content::bytes(*b"x")).unwrap();
    }
    compare(&tree, packed(&tree, &Options::default()));
}

#[test]
fn a_cut_image_and_a_folder_with_two_names_are_refused() {
    let mut tree = Tree::default();
    tree.put_directory(&RootPath::new("/a").unwrap(), Meta::default()).unwrap();
    tree.put_file(&RootPath::new("/a/f").unwrap(), Meta::default(), Content::bytes(*b"x")).unwrap();
    let plain = Options { codec: Codec::None, ..Options::default() };
    let bytes = packed(&tree, &plain);
    assert!(Image::from_bytes(bytes[..bytes.len() / 2].to_vec()).is_err() || bytes.len() == 4096);
    // The folder's only entry is made to lead to the folder itself: its type and its inode's offset.
    let image = Image::from_bytes(bytes.clone()).unwrap();
    let folder = image.find(&RootPath::new("/a").unwrap()).unwrap().unwrap();
    let directories = image.superblock.directory_table as usize + 2;
    let mut looped = bytes.clone();
    looped[directories + 12..directories + 14].copy_from_slice(&folder.place.offset.to_le_bytes());
    looped[directories + 16] = 1;
    let error = Image::from_bytes(looped).unwrap().nodes(100).unwrap_err();
    assert_eq!(error.message(), "a folder has two names");
}
