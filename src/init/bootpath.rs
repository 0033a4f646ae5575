//! Where the firmware's boot option points, and whether a disk of Linux is there.
//!
//! The ids of a disk can be copied, its place in the machine cannot: where two disks hold
//! the ids of the one that was booted, the device path of the boot option tells which it is.
//! Paths that start elsewhere than at a PCI root (short forms among them) say nothing.

/// PCI bridges and devices in a path.
const MOST_HOPS: usize = 8;

/// PNP0A03 and PNP0A08, compressed as EISA ids: a PCI and a PCI Express root.
const ROOTS: [u32; 2] = [0x0a03_41d0, 0x0a08_41d0];

/// The place of a disk: a PCI root, the devices below it, and the disk behind the last one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BootPath {
    root: u32,
    hops: [(u8, u8); MOST_HOPS],
    len: usize,
    unit: Unit,
}

/// A disk behind a controller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    /// The only one, or one of which the path says nothing that Linux shows.
    Any,
    Scsi(u16, u16),
    Sata(u16),
    Nvme(u32),
}

/// What sysfs shows of a disk.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Where `/sys/block/NAME` leads.
    pub link: &'a [u8],
    /// `firmware_node/uid` of its PCI root.
    pub root: Option<u32>,
    /// `nsid`, for NVMe.
    pub namespace: Option<u32>,
    /// `port_no` of its ATA port, which counts from 1.
    pub port: Option<u32>,
}

impl BootPath {
    /// The place that a load option (UEFI 3.1.3) points to.
    pub fn parse(option: &[u8]) -> Option<Self> {
        let list = usize::from(u16_at(option, 4)?);
        let description = option.get(6..)?;
        let end = description.chunks_exact(2).position(|unit| unit == [0, 0])?;
        let mut nodes = description.get((end + 1) * 2..)?.get(..list)?;
        let (kind, bytes, rest) = node(nodes)?;
        if !matches!(kind, (2, 1 | 2)) || !ROOTS.contains(&u32_at(bytes, 4)?) {
            return None;
        }
        let mut path = BootPath { root: u32_at(bytes, 8)?, hops: [(0, 0); MOST_HOPS], len: 0, unit: Unit::Any };
        nodes = rest;
        while let Some((kind, bytes, rest)) = node(nodes) {
            match kind {
                (1, 1) => {
                    *path.hops.get_mut(path.len)? = (*bytes.get(5)?, *bytes.get(4)?);
                    path.len += 1;
                }
                (3, 2) => path.unit = Unit::Scsi(u16_at(bytes, 4)?, u16_at(bytes, 6)?),
                (3, 18) => path.unit = Unit::Sata(u16_at(bytes, 4)?),
                (3, 23) => path.unit = Unit::Nvme(u32_at(bytes, 4)?),
                _ => break,
            }
            nodes = rest;
        }
        (path.len > 0).then_some(path)
    }

    /// Whether a disk is where the path points, as far as the path says.
    pub fn fits(&self, place: &Place<'_>) -> bool {
        let Some(root) = pci_root(place.link) else { return false };
        // Firmware without ACPI names for its roots has one root.
        if place.root.unwrap_or(if root == b"pci0000:00" { 0 } else { u32::MAX }) != self.root {
            return false;
        }
        let mut wanted = self.hops.get(..self.len).unwrap_or(&[]).iter();
        for part in place.link.split(|byte| *byte == b'/') {
            if let Some(hop) = pci_device(part) {
                if wanted.next() != Some(&hop) {
                    return false;
                }
            }
        }
        let unit = match self.unit {
            Unit::Any => true,
            Unit::Nvme(namespace) => place.namespace.is_none_or(|ours| ours == namespace),
            Unit::Sata(port) => place.port.is_none_or(|ours| ours == u32::from(port) + 1),
            Unit::Scsi(target, lun) => {
                let mut addresses = place.link.split(|byte| *byte == b'/').filter_map(scsi_address);
                addresses.all(|ours| ours == (u32::from(target), u32::from(lun)))
            }
        };
        unit && wanted.next().is_none()
    }
}

/// The PCI root of a sysfs path: its `pciDDDD:BB`.
pub fn pci_root(link: &[u8]) -> Option<&[u8]> {
    link.split(|byte| *byte == b'/').find(|part| part.starts_with(b"pci") && part.contains(&b':'))
}

/// The ATA port of a sysfs path: its `ataN`.
pub fn ata_port(link: &[u8]) -> Option<&[u8]> {
    link.split(|byte| *byte == b'/')
        .find(|part| part.strip_prefix(b"ata").is_some_and(|number| number.first().is_some_and(u8::is_ascii_digit)))
}

/// Device and function of `DDDD:BB:DD.F`.
fn pci_device(part: &[u8]) -> Option<(u8, u8)> {
    let text = core::str::from_utf8(part).ok()?;
    let (bus, function) = text.rsplit_once('.')?;
    let (bus, device) = bus.rsplit_once(':')?;
    let (domain, bus) = bus.rsplit_once(':')?;
    u32::from_str_radix(domain, 16).ok()?;
    u8::from_str_radix(bus, 16).ok()?;
    Some((u8::from_str_radix(device, 16).ok()?, u8::from_str_radix(function, 16).ok()?))
}

/// Target and unit of `HOST:CHANNEL:TARGET:LUN`.
fn scsi_address(part: &[u8]) -> Option<(u32, u32)> {
    let text = core::str::from_utf8(part).ok()?;
    let mut numbers = text.split(':').map(|number| number.parse::<u32>().ok());
    let (_, _) = (numbers.next()??, numbers.next()??);
    let address = (numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(address)
}

/// The first node of a device path: type and subtype, its bytes, what follows.
#[allow(clippy::type_complexity, reason = "used twice, here")]
fn node(path: &[u8]) -> Option<((u8, u8), &[u8], &[u8])> {
    let size = usize::from(u16_at(path, 2)?);
    let (bytes, rest) = if size < 4 { return None } else { path.split_at_checked(size)? };
    Some(((*bytes.first()?, *bytes.get(1)?), bytes, rest))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACPI: &[u8] = &[2, 1, 12, 0, 0xd0, 0x41, 0x03, 0x0a, 0, 0, 0, 0];
    const END: &[u8] = &[0x7f, 0xff, 4, 0];

    fn pci(device: u8, function: u8) -> Vec<u8> {
        vec![1, 1, 6, 0, function, device]
    }

    fn option(nodes: &[&[u8]]) -> Vec<u8> {
        let path = [&nodes.concat(), END].concat();
        let mut bytes = vec![1, 0, 0, 0];
        bytes.extend((path.len() as u16).to_le_bytes());
        bytes.extend("Misc\0".encode_utf16().flat_map(u16::to_le_bytes));
        bytes.extend(path);
        bytes
    }

    fn place(link: &str) -> Place<'_> {
        Place { link: link.as_bytes(), root: None, namespace: None, port: None }
    }

    #[test]
    fn tells_two_virtio_disks_apart() {
        let path = BootPath::parse(&option(&[ACPI, &pci(4, 0)])).unwrap();
        assert!(path.fits(&place("../devices/pci0000:00/0000:00:04.0/virtio1/block/vda")));
        assert!(!path.fits(&place("../devices/pci0000:00/0000:00:05.0/virtio2/block/vdb")));
        assert!(!path.fits(&place("../devices/pci0000:00/0000:00:04.0/0000:01:00.0/virtio2/block/vdb")));
        assert!(!path.fits(&place("../devices/pci0000:80/0000:80:04.0/virtio2/block/vdb")));
        assert!(!path.fits(&place("../devices/virtual/block/loop0")));
        let other = Place { root: Some(1), ..place("../devices/pci0000:00/0000:00:04.0/virtio1/block/vda") };
        assert!(!path.fits(&other));
    }

    #[test]
    fn tells_disks_of_one_controller_apart() {
        let scsi = [3, 2, 8, 0, 1, 0, 2, 0];
        let path = BootPath::parse(&option(&[ACPI, &pci(2, 0), &pci(0, 1), &scsi])).unwrap();
        let link = |address: &str| {
            format!("../devices/pci0000:00/0000:00:02.0/0000:01:00.1/virtio0/host0/target0:0:1/{address}/block/sda")
        };
        assert!(path.fits(&place(&link("0:0:1:2"))));
        assert!(!path.fits(&place(&link("0:0:1:3"))));
        assert!(!path.fits(&place(&link("0:0:0:2"))));

        let nvme = [3, 23, 16, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let path = BootPath::parse(&option(&[ACPI, &pci(3, 0), &nvme])).unwrap();
        let disk = place("../devices/pci0000:00/0000:00:03.0/nvme/nvme0/nvme0n2");
        assert!(path.fits(&Place { namespace: Some(2), ..disk }));
        assert!(!path.fits(&Place { namespace: Some(1), ..disk }));

        let sata = [3, 18, 10, 0, 1, 0, 0xff, 0xff, 0, 0];
        let path = BootPath::parse(&option(&[ACPI, &pci(31, 2), &sata])).unwrap();
        let disk = place("../devices/pci0000:00/0000:00:1f.2/ata4/host3/target3:0:0/3:0:0:0/block/sdb");
        assert_eq!(ata_port(disk.link), Some(&b"ata4"[..]));
        assert!(path.fits(&Place { port: Some(2), ..disk }));
        assert!(!path.fits(&Place { port: Some(1), ..disk }));
    }

    #[test]
    fn says_nothing_where_it_knows_nothing() {
        let drive = [4, 1, 42, 0].iter().copied().chain([0; 38]).collect::<Vec<u8>>();
        for nodes in [&[&drive[..]][..], &[ACPI], &[], &[&[2, 1, 12, 0, 1, 1, 1, 1, 0, 0, 0, 0], &pci(1, 0)]] {
            assert_eq!(BootPath::parse(&option(nodes)), None);
        }
    }

    #[test]
    fn survives_options_made_to_harm() {
        let good = option(&[ACPI, &pci(4, 0), &[3, 2, 8, 0, 1, 0, 2, 0]]);
        for len in 0..good.len() {
            let _ = BootPath::parse(&good[..len]);
        }
        for at in 0..good.len() {
            for value in [0, 1, 3, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                let _ = BootPath::parse(&bad);
            }
        }
        let hops: Vec<_> = (0..9).map(|n| pci(n, 0)).collect();
        let nodes: Vec<&[u8]> = std::iter::once(ACPI).chain(hops.iter().map(Vec::as_slice)).collect();
        assert_eq!(BootPath::parse(&option(&nodes)), None);
    }

    proptest::proptest! {
        #[test]
        fn survives_any_option_and_any_link(option: Vec<u8>, link: String) {
            let path = BootPath::parse(&option).or_else(|| BootPath::parse(&self::option(&[ACPI, &pci(4, 0)])));
            let place = Place { link: link.as_bytes(), root: Some(0), namespace: Some(1), port: Some(1) };
            assert!(!path.is_some_and(|path| path.fits(&place)));
        }
    }
}
