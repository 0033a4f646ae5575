//! Each rule of `imagebuild lint` and an image that only it refuses. A new rule fails `every_rule_has_a_bad_image`
//! until it has one here.

#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/small.rs"]
mod small;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use imagebuild::boot::uki;
use imagebuild::bytes::{Bytes, Part, Whole};
use imagebuild::digest::Digest;
use imagebuild::disk::fat::{Reader, Volume};
use imagebuild::disk::gpt::Table;
use imagebuild::disk::{self, Disk, ESP_TYPE, Extent, Layout, Role};
use imagebuild::guid::Guid;
use imagebuild::lint::{self, Asked};
use imagebuild::output::{self, Kind};
use imagebuild::profile::{self, Cloud, Drivers, Format, Gce, Ova, Raw, SizeRule, Starts, Vhd};
use imagebuild::size::Size;
use imagebuild::tree::Content;

use small::{EPOCH, RELEASE, Small};

const UKI: &str = "EFI/Linux/small_1.0.0.efi";

/// A sound image and what it was made of.
struct Good {
    small: Small,
    disk: Disk,
}

fn good() -> Good {
    let mut tree = small::tree(&["dm-verity", "squashfs", "virtio_blk", "veth"]);
    let builtin = format!("/usr/lib/modules/{RELEASE}/modules.builtin");
    small::put(&mut tree, &builtin, b"kernel/drivers/nvme/host/nvme.ko\n".to_vec());
    let small = Small::new(tree);
    let disk = disk_on(&small, &small.layout);
    Good { small, disk }
}

fn disk_on(small: &Small, layout: &Layout) -> Disk {
    disk::place(layout, &small.pieces(), None, EPOCH).unwrap().0
}

impl Good {
    fn bytes(&self) -> Arc<dyn Bytes> {
        bytes(self.disk.clone())
    }

    fn at(&self, role: Role) -> u64 {
        self.small.layout.partition(role).unwrap().at
    }

    /// With a changed table, both copies.
    fn with_table(&self, change: impl FnOnce(&mut Table)) -> Arc<dyn Bytes> {
        let mut table = self.small.layout.table();
        change(&mut table);
        let mut over = Over::new(self.bytes());
        for extent in table.extents().unwrap() {
            over.lay(extent.at, extent.content.read(1 << 20).unwrap());
        }
        Arc::new(over)
    }

    /// With other files on the ESP.
    fn with_files(&self, change: impl FnOnce(&mut BTreeMap<String, Content>)) -> Arc<dyn Bytes> {
        let mut files = self.small.boot.esp.clone();
        change(&mut files);
        let length = self.small.layout.partition(Role::Esp).unwrap().length;
        let mut over = Over::new(self.bytes());
        over.lay_bytes(self.at(Role::Esp), volume(&files, length, 512));
        Arc::new(over)
    }

    /// With another UKI.
    fn with_uki(&self, change: impl FnOnce(&mut Vec<u8>)) -> Arc<dyn Bytes> {
        let mut uki = self.small.boot.uki.read(1 << 30).unwrap();
        change(&mut uki);
        self.with_files(|files| drop(files.insert(UKI.to_owned(), Content::bytes(uki))))
    }

    /// With a UKI of these sections in the place of its own; none takes the section away.
    fn with_section(&self, name: &str, bytes: Option<&[u8]>) -> Arc<dyn Bytes> {
        let old = self.small.boot.uki.read(1 << 30).unwrap();
        let pe = uki::Pe::parse(&old).unwrap();
        let sections = [".osrel", ".cmdline", ".uname", ".initrd", ".linux"];
        let sections: Vec<(&str, &[u8])> = (sections.iter())
            .filter_map(|section| Some((*section, if *section == name { bytes? } else { pe.named(section)? })))
            .collect();
        let stub = self.small.parts.stub.read(1 << 20).unwrap();
        let new = uki::append(&stub, &sections).unwrap();
        self.with_uki(|uki| *uki = new)
    }

    fn patched(&self, at: u64, bytes: &[u8]) -> Arc<dyn Bytes> {
        let mut over = Over::new(self.bytes());
        over.lay(at, bytes.to_vec());
        Arc::new(over)
    }
}

fn bytes(disk: Disk) -> Arc<dyn Bytes> {
    let length = disk.len();
    let mut over = Over::new(Arc::new(Zeros(length)));
    for extent in disk.extents() {
        over.lay(extent.at, extent.content.read(1 << 30).unwrap());
    }
    Arc::new(over)
}

fn volume(files: &BTreeMap<String, Content>, length: u64, sector: u32) -> Arc<dyn Bytes> {
    let volume = Volume { files, length, sector, cluster: 4096, id: 1, label: "ESP", epoch: EPOCH };
    let extents: Vec<Extent> = volume.extents().unwrap();
    let mut over = Over::new(Arc::new(Zeros(length)));
    extents.into_iter().for_each(|extent| over.lay_bytes(extent.at, Arc::new(Filed(extent.content))));
    Arc::new(over)
}

/// The bytes of a content.
#[derive(Debug)]
struct Filed(Content);

impl Bytes for Filed {
    fn length(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        Ok(self.0.read_at(&mut Default::default(), offset, buffer)?)
    }
}

/// So many zeros.
#[derive(Debug)]
struct Zeros(u64);

impl Bytes for Zeros {
    fn length(&self) -> u64 {
        self.0
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if offset + buffer.len() as u64 > self.0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.fill(0);
        Ok(())
    }
}

/// Bytes with others over them.
#[derive(Debug)]
struct Over {
    base: Arc<dyn Bytes>,
    length: u64,
    pieces: Vec<(u64, Arc<dyn Bytes>)>,
}

impl Over {
    fn new(base: Arc<dyn Bytes>) -> Self {
        Over { length: base.length(), base, pieces: Vec::new() }
    }

    fn lay(&mut self, at: u64, bytes: Vec<u8>) {
        self.lay_bytes(at, Arc::new(bytes));
    }

    fn lay_bytes(&mut self, at: u64, bytes: Arc<dyn Bytes>) {
        self.pieces.push((at, bytes));
    }
}

impl Bytes for Over {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset + buffer.len() as u64;
        if end > self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let inside = self.base.length().saturating_sub(offset).min(buffer.len() as u64) as usize;
        self.base.read_at(&mut buffer[..inside], offset)?;
        buffer[inside..].fill(0);
        for (at, piece) in &self.pieces {
            let (from, upto) = ((*at).max(offset), (at + piece.length()).min(end));
            if from < upto {
                piece.read_at(&mut buffer[(from - offset) as usize..(upto - offset) as usize], from - at)?;
            }
        }
        Ok(())
    }
}

fn cloud() -> Cloud {
    Cloud {
        title: "Mine".to_owned(),
        format: Format::Raw(Raw {}),
        compress: None,
        accepts: Vec::new(),
        size: SizeRule::default(),
        sector: 512,
        firmware: Starts::Uefi,
        cmdline: Vec::new(),
        drivers: Drivers { disk: vec!["nvme".to_owned(), "virtio_blk".to_owned()], network: vec!["veth".to_owned()] },
        features: Vec::new(),
        metadata: BTreeMap::new(),
        import: Vec::new(),
        source: String::new(),
    }
}

/// Ids of the rules that an image breaks, each once.
fn broken(disk: &Arc<dyn Bytes>, cloud: &Cloud, room: u64) -> Vec<&'static str> {
    let report = lint::disk(disk, Some(Kind::Raw), &Asked { cloud: Some(cloud), room }).unwrap();
    assert!(report.unchecked.is_empty() || !report.findings.is_empty(), "{:?}", report.unchecked);
    let mut ids: Vec<_> = report.findings.iter().map(|finding| finding.rule.id).collect();
    ids.dedup();
    ids
}

/// Where the header of a section of a UKI is.
fn header(uki: &[u8], name: &str) -> usize {
    let mut padded = [0; 8];
    padded[..name.len()].copy_from_slice(name.as_bytes());
    uki.windows(8).position(|window| window == padded).unwrap()
}

/// Rule, and an image that only it refuses.
fn cases(good: &Good) -> Vec<(&'static str, Arc<dyn Bytes>)> {
    let esp = good.at(Role::Esp);
    let signature = 3;
    let longer = {
        let mut over = Over::new(good.bytes());
        over.length += 1 << 20;
        over
    };
    let one_copy = {
        let mut table = good.small.layout.table();
        table.id = Guid::seed("other");
        let mut over = Over::new(good.bytes());
        let backup = table.extents().unwrap().remove(1);
        over.lay(backup.at, backup.content.read(1 << 20).unwrap());
        over
    };
    let other_sectors = {
        let length = good.small.layout.partition(Role::Esp).unwrap().length;
        let mut over = Over::new(good.bytes());
        over.lay_bytes(esp, volume(&good.small.boot.esp, length, 4096));
        over
    };
    let small_4k = {
        let layout = good.small.layout.on(good.small.layout.length, 4096).unwrap();
        let length = 258 << 20;
        let mut table = layout.table();
        table.entries[0].last = table.entries[0].first + length / 4096 - 1;
        let mut over = Over::new(bytes(disk_on(&good.small, &layout)));
        over.lay_bytes(esp, volume(&good.small.boot.esp, length, 4096));
        for extent in table.extents().unwrap() {
            over.lay(extent.at, extent.content.read(1 << 20).unwrap());
        }
        over
    };
    let full = {
        let part = Part::new(good.bytes(), esp, good.small.layout.partition(Role::Esp).unwrap().length).unwrap();
        let (free, cluster) = Reader::new(&part).unwrap().free().unwrap();
        let filler: Arc<dyn Bytes> = Arc::new(Zeros(free - cluster));
        good.with_files(|files| drop(files.insert("filler".to_owned(), Content::part(filler, 0, free - cluster))))
    };
    let two_hashes = good.with_files(|files| {
        let line = format!("roothash={}", "0".repeat(64));
        let addon = uki::append(&binaries::stub(), &[(".cmdline", line.as_bytes())]).unwrap();
        files.insert(imagebuild::boot::addon::path("any"), Content::bytes(addon));
    });
    vec![
        ("gpt-primary", good.patched(600, &[1])),
        ("gpt-backup", Arc::new(longer)),
        ("gpt-same", Arc::new(one_copy)),
        ("gpt-mbr", good.patched(450, &[0x83])),
        ("gpt-bounds", good.with_table(|table| table.entries[signature].first -= 2048)),
        ("gpt-aligned", good.with_table(|table| table.entries[signature].first += 8)),
        ("gpt-unique", good.with_table(|table| table.entries[signature].id = table.entries[0].id)),
        ("esp-one", good.with_table(|table| table.entries[signature].kind = ESP_TYPE)),
        // The size of its tables in 16 bits.
        ("fat-type", good.patched(esp + 22, &[1, 0])),
        ("fat-clusters", good.patched(esp + 32, &60_000u32.to_le_bytes())),
        ("fat-sector", Arc::new(other_sectors)),
        ("fat-4k-minimum", Arc::new(small_4k)),
        // The second table: 32 reserved sectors, then 520 of the first one.
        ("fat-sound", good.patched(esp + (32 + 520) * 512 + 40, &[0x77])),
        ("esp-loader", good.with_files(|files| files.retain(|path, _| !path.starts_with("EFI/BOOT/")))),
        ("esp-room", full),
        ("pe-whole", good.with_uki(|uki| uki.truncate(uki.len() - 0x200))),
        (
            "pe-aligned",
            good.with_uki(|uki| {
                let at = header(uki, ".osrel");
                uki[at + 12] = 0x80;
            }),
        ),
        (
            "pe-apart",
            good.with_uki(|uki| {
                let (osrel, cmdline) = (header(uki, ".osrel"), header(uki, ".cmdline"));
                uki.copy_within(cmdline + 12..cmdline + 16, osrel + 12);
            }),
        ),
        ("uki-parts", good.with_section(".uname", None)),
        ("initrd-cpio", good.with_section(".initrd", Some(b"070701 and no more"))),
        ("verity-word", two_hashes),
        ("verity-partitions", good.with_table(|table| table.entries[1].id = Guid::seed("other"))),
        ("verity-tree", good.patched(good.at(Role::Verity), b"V")),
    ]
}

/// Rule, and what a target asks that the sound image does not have.
fn targets() -> Vec<(&'static str, Cloud)> {
    let exact = SizeRule { exact: Some(Size(10 << 30)), ..SizeRule::default() };
    let drivers = |disk: &str, network: &str| Drivers { disk: vec![disk.into()], network: vec![network.into()] };
    vec![
        ("cloud-size", Cloud { size: exact, ..cloud() }),
        ("cloud-sector", Cloud { sector: 4096, ..cloud() }),
        ("cloud-format", Cloud { format: Format::Qcow2(profile::Qcow2::default()), ..cloud() }),
        ("cloud-firmware", Cloud { firmware: Starts::Bios, ..cloud() }),
        // In the root alone, where it is of no use to the initrd.
        ("cloud-disk-driver", Cloud { drivers: drivers("veth", "veth"), ..cloud() }),
        ("cloud-network-driver", Cloud { drivers: drivers("nvme", "ena"), ..cloud() }),
    ]
}

/// The rules that refuse a file.
fn refused(file: &Arc<dyn Bytes>) -> Vec<&'static str> {
    let report = lint::file(file, Path::new("."), &Asked { cloud: None, room: 1 }).unwrap();
    report.findings.iter().map(|finding| finding.rule.id).collect()
}

/// What is not looked at of a file that breaks no rule.
fn unchecked(file: &Arc<dyn Bytes>) -> Vec<String> {
    let report = lint::file(file, Path::new("."), &Asked { cloud: None, room: 1 }).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    report.unchecked
}

/// A CD with a FAT of 64 sectors, which its entry for `platform` points to and of which `load` are to be loaded.
fn cd(load: u16, platform: u8) -> Vec<u8> {
    let mut out = vec![0; 40 * 2048];
    let mut lay = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    lay(16 * 2048, b"\x01CD001\x01");
    lay(16 * 2048 + 80, &40u32.to_le_bytes());
    lay(17 * 2048, b"\0CD001\x01EL TORITO SPECIFICATION");
    lay(17 * 2048 + 0x47, &19u32.to_le_bytes());
    lay(18 * 2048, b"\xffCD001\x01");
    lay(19 * 2048, &[1, platform]);
    lay(19 * 2048 + 32, &[0x88, 0, 0, 0, 0, 0]);
    lay(19 * 2048 + 38, &load.to_le_bytes());
    lay(19 * 2048 + 40, &20u32.to_le_bytes());
    lay(20 * 2048 + 11, &512u16.to_le_bytes());
    lay(20 * 2048 + 19, &64u16.to_le_bytes());
    lay(20 * 2048 + 510, &[0x55, 0xaa]);
    out
}

/// Rule, and a file that only it refuses.
fn files(good: &Good) -> Vec<(&'static str, Arc<dyn Bytes>)> {
    let folder = tempfile::tempdir().unwrap();
    let small = Disk::new(3 << 20, Vec::new()).unwrap();
    let write = |format: &dyn output::Format, disk: &Disk| {
        let path = folder.path().join("file");
        small::write(format, disk, &path);
        path
    };
    let fixed = |disk: &Disk| Arc::new(Whole::open(&write(&Vhd::default(), disk)).unwrap()) as Arc<dyn Bytes>;
    let end = good.disk.len();
    let spoilt = {
        let mut over = Over::new(fixed(&good.disk));
        // A reserved byte of the footer.
        over.lay(end + 300, vec![1]);
        over
    };
    // A footer, of a disk of another size, behind the disk.
    let other = {
        let mut over = Over::new(fixed(&good.disk));
        let mut footer = vec![0; 512];
        fixed(&small).read_at(&mut footer, 3 << 20).unwrap();
        over.lay(end, footer);
        over
    };
    // As large as it says, but not in whole MiB: the disk with its table, and three sectors more.
    let odd = {
        let mut disk = Over::new(good.bytes());
        disk.length += 3 * 512;
        let mut table = good.small.layout.table();
        table.sectors += 3;
        for extent in table.extents().unwrap() {
            disk.lay(extent.at, extent.content.read(1 << 20).unwrap());
        }
        let format = Vhd { align: Size(512), ..Vhd::default() };
        Whole::open(&write(&format, &Disk::of(Arc::new(disk)).unwrap())).unwrap()
    };
    // Archives, by the system's own tar where it writes the form that is asked for.
    let pack = |words: &[&str], names: &[&str]| {
        let archive = folder.path().join("archive");
        let mut tar = Command::new("tar");
        tar.current_dir(folder.path()).args(words).arg(&archive).args(names);
        assert!(tar.status().expect("tar").success());
        Arc::new(std::fs::read(&archive).unwrap()) as Arc<dyn Bytes>
    };
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("n.ovf", "<References><File ovf:href=\"n.raw\"/></References>");
    put("n.raw", "a disk");
    let digest = |name: &str| Digest::of(&std::fs::read(folder.path().join(name)).unwrap());
    put("n.mf", &format!("SHA256(n.ovf)= {}\nSHA256(n.raw)= {}\n", digest("n.ovf"), digest("n.raw")));
    put("n.cert", "a signature");
    let ustar = ["--format=ustar", "-cf"];
    let disk_first = pack(&ustar, &["n.raw", "n.ovf"]);
    let apart = pack(&ustar, &["n.ovf", "n.mf", "n.raw", "n.cert"]);
    for sound in [["n.ovf", "n.mf", "n.cert", "n.raw"], ["n.ovf", "n.raw", "n.mf", "n.cert"]] {
        // The archive is, and so its disk is looked at, which is none.
        assert_eq!(refused(&pack(&ustar, &sound)), ["gpt-primary"]);
    }
    // In pieces of four bytes and two, and in one piece, with its size.
    put("c.raw.000000000", "a di");
    put("c.raw.000000001", "sk");
    let cut_up = |size: &str| {
        put("c.ovf", &format!("<File ovf:href=\"c.raw\" ovf:id='>' {size}/>"));
        pack(&ustar, &["c.ovf", "c.raw.000000000", "c.raw.000000001"])
    };
    let whole = |size: &str| {
        put("w.ovf", &format!("<File ovf:size=\"{size}\" ovf:href=\"n.raw\"/>"));
        pack(&ustar, &["w.ovf", "n.raw"])
    };
    // Of pieces the disk is not put together.
    assert_eq!(unchecked(&cut_up("ovf:size=\"6\" ovf:chunkSize=\"4\"")), ["the disk in it: it is in pieces"]);
    assert_eq!(refused(&whole("6")), ["gpt-primary"]);
    let sizes = [
        cut_up("ovf:size=\"7\" ovf:chunkSize=\"4\""),
        cut_up("ovf:size=\"6\" ovf:chunkSize=\"5\""),
        whole("7"),
        whole("six"),
    ];
    let no_size = {
        put("u.ovf", "<File ovf:href=\"n.raw\" ovf:chunkSize=\"4\"/>");
        pack(&ustar, &["u.ovf", "n.raw"])
    };
    let one_piece_less = {
        put("c.ovf", "<File ovf:href=\"c.raw\" ovf:size=\"9\" ovf:chunkSize=\"4\"/>");
        pack(&ustar, &["c.ovf", "c.raw.000000000", "c.raw.000000001"])
    };
    put("n.raw", "a dusk");
    let untrue = pack(&ustar, &["n.ovf", "n.mf", "n.raw"]);
    put("n.mf", &format!("SHA256(n.ovf)= {}\n", digest("n.ovf")));
    let missing = pack(&ustar, &["n.ovf", "n.raw", "n.mf"]);
    let raw = std::fs::File::create(folder.path().join("disk.raw")).unwrap();
    raw.set_len(1 << 30).unwrap();
    let posix = pack(&["--format=ustar", "-czf"], &["disk.raw"]);
    let plain = pack(&["--format=oldgnu", "-cSf"], &["disk.raw"]);
    let further = pack(&["--format=oldgnu", "-cSzf"], &["disk.raw", "n.mf"]);
    raw.set_len((1 << 30) + (1 << 20)).unwrap();
    let part = pack(&["--format=oldgnu", "-cSzf"], &["disk.raw"]);
    let (iso, sound) = (cd(4, 0xef), Arc::new(cd(0, 0xef)) as Arc<dyn Bytes>);
    assert_eq!(refused(&sound), [""; 0]);
    let report = lint::file(&sound, Path::new("."), &Asked { cloud: Some(&cloud()), room: 1 }).unwrap();
    assert_eq!(report.unchecked, ["what Mine asks: a CD without a disk in it"]);
    // Zeros where the entry points to; no boot record before the end of the descriptors.
    let no_fat = [&iso[..20 * 2048], &[0; 2048], &iso[21 * 2048..]].concat();
    let no_record = [&iso[..17 * 2048], &iso[18 * 2048..]].concat();
    let mut qcow2 = b"QFI\xfb".to_vec();
    qcow2.resize(4096, 0);
    let mut files: Vec<(&str, Arc<dyn Bytes>)> = vec![
        ("vhd-footer", Arc::new(spoilt)),
        ("vhd-whole", Arc::new(other)),
        ("vhd-mib", Arc::new(odd)),
        ("ova-order", disk_first),
        ("ova-order", apart),
        ("ova-digests", untrue),
        ("ova-digests", missing),
        ("gce-archive", posix),
        ("gce-archive", plain),
        ("gce-archive", further),
        ("gce-gib", part),
        ("iso-el-torito", Arc::new(iso)),
        ("iso-el-torito", Arc::new(cd(4, 0))),
        ("iso-el-torito", Arc::new(no_fat)),
        ("iso-el-torito", Arc::new(no_record)),
        ("file-readable", Arc::new(qcow2)),
        ("ova-order", one_piece_less),
        ("ova-sizes", no_size),
    ];
    files.extend(sizes.map(|file| ("ova-sizes", file)));
    files
}

#[test]
fn every_rule_has_an_image_that_only_it_refuses() {
    let good = good();
    assert_eq!(broken(&good.bytes(), &cloud(), 1), [""; 0]);
    let mut seen = vec!["initrd-size"];
    for (rule, image) in cases(&good) {
        // What is asked of a target says nothing here, but for the sectors of its disk.
        let sector = if rule == "fat-4k-minimum" { 4096 } else { 512 };
        assert_eq!(broken(&image, &Cloud { sector, ..cloud() }, 1), [rule]);
        seen.push(rule);
    }
    // A disk of whole GiB, as Google's archive asks for.
    let grown = disk_on(&good.small, &good.small.layout.on(1 << 30, 512).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let formats: [&dyn output::Format; 4] = [&Gce {}, &Ova::default(), &Vhd::default(), &Raw {}];
    for format in formats {
        let path = folder.path().join("sound");
        small::write(format, &grown, &path);
        assert_eq!(refused(&Whole::shared(&path).unwrap()), [""; 0], "{}", format.name());
    }
    for (rule, file) in files(&good) {
        assert_eq!(refused(&file), [rule]);
        seen.push(rule);
    }
    for (rule, cloud) in targets() {
        assert_eq!(broken(&good.bytes(), &cloud, 1), [rule]);
        seen.push(rule);
    }
    // initrd-size has its image beside the rule: it is too large for this one.
    let mut rules: Vec<_> = lint::rules().iter().map(|rule| rule.id).collect();
    rules.sort_unstable();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, rules);
    for rule in lint::rules() {
        assert!([rule.required, rule.why, rule.mend].iter().all(|text| text.len() > 10), "{}", rule.id);
    }
}

#[test]
fn archives_and_cds_that_lie_are_findings_not_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    small::write(&Ova::default(), &Disk::new(3 << 20, Vec::new()).unwrap(), &path);
    let ova = std::fs::read(&path).unwrap();
    // Of the CD: descriptor, boot record, catalogue, boot sector.
    let lies =
        [16 * 2048..16 * 2048 + 88, 17 * 2048..17 * 2048 + 76, 19 * 2048..19 * 2048 + 96, 20 * 2048..20 * 2048 + 64];
    let lies = lies.into_iter().flatten().collect::<Vec<usize>>();
    for (file, places) in [(&ova, (0..512).collect()), (&cd(0, 0xef), lies)] {
        for at in places {
            for value in [0, 0x7f, 0xff] {
                let mut bad = file.clone();
                bad[at] = value;
                refused(&(Arc::new(bad) as Arc<dyn Bytes>));
            }
        }
        for length in (0..file.len()).step_by(509) {
            refused(&(Arc::new(file[..length].to_vec()) as Arc<dyn Bytes>));
        }
    }
}

#[test]
fn the_verb_tells_each_broken_rule_and_exits_with_5() {
    let good = good();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.raw");
    small::write(&Raw {}, &good.disk, &path);
    let tool = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_imagebuild")).args(words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let image = path.to_str().unwrap();
    assert_eq!(tool(&["lint", image]).0, Some(0));
    let (code, out, err) = tool(&["--json", "lint", image, "--for", "exoscale"]);
    assert_eq!(code, Some(5), "{err}");
    let value: serde_json::Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    let findings = value["findings"].as_array().unwrap();
    let ids: Vec<&str> = findings.iter().map(|finding| finding["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["cloud-size", "cloud-format", "cloud-network-driver"]);
    assert!(findings[0]["found"].as_str().unwrap().contains("exactly 10G"), "{}", findings[0]);
    for key in ["required", "why", "mend"] {
        assert!(findings[0][key].is_string());
    }
    // Cut off in the middle of a copy.
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(200 << 20).unwrap();
    let (code, out, _) = tool(&["lint", image]);
    assert_eq!(code, Some(5));
    assert!(out.contains("gpt-backup") && out.contains("gpt-bounds") && out.contains("mend"), "{out}");
    let (code, _, err) = tool(&["lint", image, "--for", "nowhere"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("there is no cloud `nowhere`"), "{err}");
    std::fs::write(&path, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    let (code, out, _) = tool(&["lint", image]);
    assert_eq!(code, Some(5));
    assert!(out.contains("file-readable") && out.contains("compressed"), "{out}");
}
