//! Image files of the formats that are too large for a seed: one of ours, with changes laid over it. What a checksum
//! guards is signed anew.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::disk::{Patched, walk};
use crate::bytes::Bytes;
use crate::disk::Disk;
use crate::disk::iso9660::{Entry, Platform, Reader, Volume};
use crate::epoch::Epoch;
use crate::guid::Guid;
use crate::lint::{self, Asked};
use crate::output::packed::Unpack;
use crate::output::{Emit, Format, open, vhd, vhdx};
use crate::profile::{Ova, Vhd, VhdKind, Vhdx, Vmdk, VmdkKind};
use crate::size::Size;
use crate::tree::Content;

/// Records that are laid over a file at most.
const MOST: usize = 200;
/// The moment of all that is made here.
const EPOCH: Epoch = Epoch(1_700_000_000);

/// A file of ours: VHD (fixed, dynamic), VHDX, VMDK (stream, sparse), OVA, ISO.
struct File {
    bytes: Vec<u8>,
    /// First byte and length of what a checksum guards, and how it is signed.
    sealed: Vec<(usize, usize, Seal)>,
}

/// A checksum: where it lies in what it guards, and what it is.
type Seal = (usize, fn(&[u8]) -> [u8; 4]);

const VHD_FOOTER: Seal = (64, |bytes| vhd::checksum(bytes, 64).to_be_bytes());
const VHD_HEADER: Seal = (36, |bytes| vhd::checksum(bytes, 36).to_be_bytes());
const VHDX: Seal = (4, |bytes| vhdx::checksum(bytes).to_le_bytes());

fn files() -> &'static [File] {
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut bytes = vec![0; 2 << 20];
        bytes[4096..6000].fill(b'A');
        bytes[(1 << 20) + 70_000..(1 << 20) + 90_000]
            .iter_mut()
            .enumerate()
            .for_each(|(at, byte)| *byte = (at * 7) as u8);
        let disk = Disk::of(Arc::new(bytes)).expect("a disk");
        let spool = super::folder();
        let file = |format: &dyn Format, sealed: &dyn Fn(usize) -> Vec<(usize, usize, Seal)>| {
            let how = Emit { jobs: 1, seed: Guid::seed("x"), epoch: EPOCH, name: "x_1", spool: spool.path() };
            let mut bytes = Vec::new();
            format.emit(&disk, &how, &mut bytes).expect("a file");
            let sealed = sealed(bytes.len());
            File { bytes, sealed }
        };
        let vhd = |kind| Vhd { kind, align: Size(512) };
        let dynamic = |end: usize| vec![(0, 512, VHD_FOOTER), (512, 1024, VHD_HEADER), (end - 512, 512, VHD_FOOTER)];
        let vhdx =
            |_| [(64, 4), (128, 4), (192, 64), (256, 64)].map(|(at, size)| (at << 10, size << 10, VHDX)).to_vec();
        vec![
            file(&vhd(VhdKind::Fixed), &|end| vec![(end - 512, 512, VHD_FOOTER)]),
            file(&vhd(VhdKind::Dynamic), &dynamic),
            file(&Vhdx { block: Size(Size::MIB) }, &vhdx),
            file(&Vmdk::default(), &|_| Vec::new()),
            file(&Vmdk { kind: VmdkKind::Sparse, ..Vmdk::default() }, &|_| Vec::new()),
            file(&Ova::default(), &|_| Vec::new()),
            File { bytes: iso(), sealed: Vec::new() },
        ]
    })
}

fn iso() -> Vec<u8> {
    let names = [("EFI/BOOT/BOOTX64.EFI", 700), ("boot/a-longer.name.of-a.file", 2048), ("boot/vmlinuz", 5000)];
    let files: BTreeMap<String, Content> =
        names.iter().map(|(name, length)| ((*name).to_owned(), Content::bytes(vec![7; *length]))).collect();
    let length = 256 << 10;
    let boot = vec![Entry { platform: Platform::Uefi, at: 128 << 10, length: 4096 }];
    let volume = Volume { files: &files, boot, label: "X", length, epoch: EPOCH };
    let mut out = Vec::new();
    let extents = volume.extents().expect("a volume");
    Disk::new(length, extents).and_then(|disk| disk.emit(1, &mut out)).expect("its bytes");
    out
}

/// Which file (u8), then records of: place (24 bits, little-endian, a negative one from the end), length (u8), bytes.
pub fn format(bytes: &[u8]) {
    let Some((choice, mut rest)) = bytes.split_first() else { return };
    let files = files();
    let file = &files[usize::from(*choice) % files.len()];
    let mut patches = Vec::new();
    while let Some(([low, middle, high, length], after)) = rest.split_first_chunk::<4>()
        && patches.len() < MOST
    {
        let (patch, after) = after.split_at(after.len().min(usize::from(*length)));
        let place = i64::from(i32::from_le_bytes([0, *low, *middle, *high]) >> 8);
        let place = if place < 0 { place + file.bytes.len() as i64 } else { place };
        patches.extend(u64::try_from(place).ok().map(|place| (place, patch.to_vec())));
        rest = after;
    }
    let mut disk = Patched { base: &file.bytes, patches };
    for (at, length, (place, seal)) in &file.sealed {
        let mut guarded = vec![0; *length];
        if disk.read_at(&mut guarded, *at as u64).is_ok() {
            disk.patches.push(((at + place) as u64, seal(&guarded).to_vec()));
        }
    }
    let disk: Arc<dyn Bytes> = Arc::new(disk);
    read(&disk);
}

fn read(file: &Arc<dyn Bytes>) {
    let unpack = Unpack { limit: Size(Size::MIB), folder: Path::new(".") };
    if let Ok(opened) = open::of(file.clone(), unpack) {
        walk(&*opened.disk);
    }
    let report = lint::file(file, Path::new("."), &Asked { cloud: None, room: 1 });
    // Nothing of it is on a disk of the host.
    assert!(report.is_ok_and(|report| report.findings.len() < 1000), "what lint found");
    let Ok(reader) = Reader::new(&**file) else { return };
    drop(reader.boot());
    for found in reader.files().unwrap_or_default() {
        assert!(found.at.checked_add(found.length).is_some_and(|end| end <= file.length()), "a file outside of the CD");
        assert!(!found.path.starts_with('/') && !found.path.split('/').any(|part| part == ".."), "`{}`", found.path);
    }
}
