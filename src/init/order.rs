//! What an installation is told: onto which disk, whether that may hold data, and what follows.
//!
//! `imagebuild.install=` of the command line, or a file of the stick, holds one word:
//!
//! ```text
//! auto[,erase][,poweroff]        the one disk that will do
//! /dev/NAME[,erase][,poweroff]   this one, by the kernel's name
//! ```

/// An order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Order<'a> {
    /// The disk's name in `/sys/block`; none for the one that will do.
    pub disk: Option<&'a [u8]>,
    /// Whether the disk may hold data, which is lost then.
    pub erase: bool,
    /// Whether the machine is switched off afterwards, not started again.
    pub power_off: bool,
}

/// Reads an order.
pub fn parse(text: &[u8]) -> Result<Order<'_>, &'static str> {
    let mut words = text.split(|byte| *byte == b',');
    let disk = match words.next() {
        Some(b"auto") => None,
        Some(path) => Some(name(path).ok_or("imagebuild.install= names neither `auto` nor a disk as `/dev/sda`")?),
        None => return Err("imagebuild.install= is empty"),
    };
    let mut order = Order { disk, erase: false, power_off: false };
    for word in words {
        match word {
            b"erase" => order.erase = true,
            b"poweroff" => order.power_off = true,
            _ => return Err("imagebuild.install= has a word that is neither `erase` nor `poweroff`"),
        }
    }
    Ok(order)
}

fn name(path: &[u8]) -> Option<&[u8]> {
    let name = path.strip_prefix(b"/dev/")?;
    let sound = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (!name.is_empty() && name.len() <= 32 && name.iter().all(sound)).then_some(name)
}

/// What is known of a disk before anything of it is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    /// Whether it is what was booted.
    pub medium: bool,
    /// Whether it is a stick, a card or a drive for such.
    pub removable: bool,
    /// Whether it cannot be written to.
    pub read_only: bool,
    /// Bytes of a logical sector.
    pub sector: u64,
    /// Bytes.
    pub size: u64,
}

impl Facts {
    /// Why a system of `least` bytes cannot go there; `named`: the order says that it is to.
    pub fn unfit(&self, least: u64, named: bool) -> Option<&'static str> {
        // The ESP's file system is made for sectors of 512 bytes.
        match () {
            () if self.medium => Some("it is the medium itself"),
            () if self.read_only => Some("it is read-only"),
            () if self.removable && !named => Some("it is removable"),
            () if self.sector != 512 => Some("its sectors do not have 512 bytes"),
            () if self.size < least => Some("it is too small"),
            () => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        let order = |disk, erase, power_off| Ok(Order { disk, erase, power_off });
        assert_eq!(parse(b"auto"), order(None, false, false));
        assert_eq!(parse(b"auto,erase"), order(None, true, false));
        assert_eq!(parse(b"/dev/nvme0n1,poweroff,erase"), order(Some(b"nvme0n1"), true, true));
        for text in [
            "",
            "sda",
            "/dev/",
            "/dev/../x",
            "/dev/disk/by-id/x",
            "auto,",
            "auto,now",
            "AUTO",
            "/dev/sda ",
            "auto,erase=no",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_small_or_removable_or_booted_will_not_do() {
        let good = Facts { medium: false, removable: false, read_only: false, sector: 512, size: 1 << 30 };
        assert_eq!(good.unfit(1 << 30, false), None);
        let bad = [
            Facts { medium: true, ..good },
            Facts { removable: true, ..good },
            Facts { read_only: true, ..good },
            Facts { sector: 4096, ..good },
            Facts { size: (1 << 30) - 1, ..good },
        ];
        for facts in bad {
            assert!(facts.unfit(1 << 30, false).is_some(), "{facts:?}");
            assert_eq!(facts.unfit(1 << 30, true).is_some(), !facts.removable, "{facts:?}");
        }
    }
}
