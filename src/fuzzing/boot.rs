//! What the firmware, the loader and the chip say, and the files that they boot.

use super::text;
use crate::arch::Arch;
use crate::audit::image::take_apart;
use crate::boot::{archives, cmdline as words, uki};
use crate::digest::Digest;
use crate::init::bootpath::{BootPath, Place};
use crate::init::tpm::{Chip, LARGEST, measure};
use crate::init::{cmdline as own, efi as variables};

/// A kernel command line, as the initrd reads it; and words of a profile, which must not move the root hash.
pub fn cmdline(bytes: &[u8]) {
    if let Ok(hash) = own::root_hash(bytes) {
        let named = bytes.windows(8).any(|window| window == b"roothash");
        let quoted = bytes.contains(&b'"');
        assert!(named || quoted, "a root hash out of nothing");
        let _ = hash.partitions();
    }
    let root = Digest::of(b"root");
    let list: Vec<String> = text(bytes).split('\n').map(str::to_owned).collect();
    for list in [list, Vec::new()] {
        if let Ok(line) = words::build(Arch::Amd64, &list, &root) {
            let found = own::root_hash(line.as_bytes());
            assert_eq!(found.map(|hash| hash.0), Ok(root.0), "the initrd reads another root hash from `{line}`");
        }
    }
}

/// A PE file: as a UKI that is taken apart, as an initrd, and as a stub that sections are appended to.
pub fn pe(bytes: &[u8]) {
    let _ = take_apart("EFI/Linux/x.efi", bytes);
    // What is none may be an initrd.
    let mut unpacked = 0;
    let _ = archives::read(bytes, 1 << 24, &mut |_, content| {
        unpacked += std::io::copy(content, &mut std::io::sink())?;
        Ok(())
    });
    assert!(unpacked <= 1 << 24, "more than was allowed");
    let Ok(pe) = uki::Pe::parse(bytes) else { return };
    for section in pe.sections() {
        assert!(pe.data(section).len() <= section.size as usize, "more than the section");
    }
    let _ = pe.is_signed();
    let parts: [(&str, &[u8]); 2] = [(".cmdlinf", b"ro"), (".linuy", &[7; 600])];
    if let Ok(made) = uki::append(bytes, &parts) {
        let made = uki::Pe::parse(&made).expect("what was appended to can be read");
        for (name, data) in parts {
            assert_eq!(made.named(name), Some(data), "`{name}` comes back");
        }
    }
}

/// Variables of the firmware; one is a load option, whose path a disk is compared with.
pub fn efi(bytes: &[u8]) {
    let links: [&[u8]; 3] = [
        b"../devices/pci0000:00/0000:00:05.0/virtio2/block/vda",
        b"../devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda",
        bytes,
    ];
    for value in [variables::volatile(bytes), variables::any(bytes)].into_iter().flatten() {
        let _ = (variables::partition_id(value), variables::measured(value, 11), variables::boot_current(value));
        let Some(path) = BootPath::parse(value) else { continue };
        for link in links {
            for number in [None, Some(0), Some(1)] {
                path.fits(&Place { link, root: number, namespace: number, port: number });
            }
        }
    }
}

/// A chip that answers what it likes.
struct Liar<'a>(&'a [u8]);

impl Chip for Liar<'_> {
    fn transact(&mut self, _: &[u8], answer: &mut [u8]) -> Option<usize> {
        let count = self.0.len().min(answer.len());
        answer[..count].copy_from_slice(&self.0[..count]);
        // A driver would not, but the reader need not trust it: a length beyond the buffer.
        Some(if self.0.first() == Some(&0xff) { usize::MAX } else { count })
    }

    fn wait(&mut self) {}
}

/// The answer of a TPM to a measurement.
pub fn tpm(bytes: &[u8]) {
    let mut answer = [0; LARGEST];
    if let Ok(digests) = measure(&mut Liar(bytes), 11, b"enter-initrd", &mut answer) {
        let mut sum = 0;
        digests.each(|_, digest| sum += digest.len());
        assert!(sum > 0 && sum <= bytes.len(), "digests that the chip did not send");
    }
}
