//! Which of the disks that are there is the one that was booted.
//!
//! A disk is taken only if it holds the root partition, its hash partition and the one that marks
//! what was booted: the ESP that the loader names, or where it names none (a BIOS, a CD) the installer
//! that the kernel's command line names, which no installed disk has. Anybody who can write a disk can
//! copy those ids, so where two disks have them all, only the firmware's boot option can tell; else none
//! is taken.

use super::text::{Fault, Text};

/// The name of a disk in `/sys/block`.
pub type Name = Text<64>;

/// What a disk holds; later is better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Claim {
    /// Nothing of interest.
    Nothing,
    /// The mark, or one of the two partitions.
    Part,
    /// The two partitions, but not the mark.
    Stranger,
    /// All three partitions, or both where nothing marks the disk.
    Booted,
    /// As before, and it is where the firmware's boot option points.
    Pointed,
}

/// What is to be done after all disks were looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The best disk is the one.
    Take,
    /// As before, but nothing says that it is where the boot option points: its original may
    /// still turn up.
    Doubt,
    /// It is not there yet.
    Wait,
    /// Two disks, and nothing to tell them apart.
    Refuse,
}

/// The disks of one round; `T` is what is kept of each.
pub struct Round<T> {
    seen: usize,
    best: Claim,
    first: Option<(Name, T)>,
    second: Option<Name>,
    marked: bool,
    pointed: bool,
}

impl<T> Round<T> {
    /// A round with no disk yet; whether a partition marks the booted disk, and whether the boot
    /// option points to a place.
    pub fn new(marked: bool, pointed: bool) -> Self {
        Round { seen: 0, best: Claim::Nothing, first: None, second: None, marked, pointed }
    }

    /// What a disk claims by which partitions it holds and where it is.
    pub fn claim(&self, data: bool, hash: bool, mark: bool, here: bool) -> Claim {
        match (data && hash, mark || !self.marked) {
            (true, true) if here && self.pointed => Claim::Pointed,
            (true, true) => Claim::Booted,
            (true, false) => Claim::Stranger,
            (false, _) if data || hash || (mark && self.marked) => Claim::Part,
            (false, _) => Claim::Nothing,
        }
    }

    /// Takes note of a disk.
    pub fn see(&mut self, name: Name, claim: Claim, kept: T) {
        if claim > self.best {
            (self.best, self.first, self.second) = (claim, Some((name, kept)), None);
        } else if claim == self.best && claim > Claim::Nothing {
            self.second.get_or_insert(name);
        }
        self.seen = self.seen.saturating_add(1);
    }

    /// The disk with the best claim, the first one of several.
    pub fn best(&self) -> Option<&(Name, T)> {
        self.first.as_ref()
    }

    /// What follows from all disks.
    pub fn verdict(&self) -> Verdict {
        match (self.best, self.second) {
            (Claim::Booted | Claim::Pointed, Some(_)) => Verdict::Refuse,
            (Claim::Booted, None) => Verdict::Doubt,
            (Claim::Pointed, None) => Verdict::Take,
            _ => Verdict::Wait,
        }
    }

    /// Why no disk was taken, after `seconds`.
    pub fn fault(&self, data: &dyn core::fmt::Display, seconds: u64) -> Fault {
        let nameless = Name::new();
        let name = self.first.as_ref().map_or(&nameless, |(name, _)| name);
        match (self.best, self.second) {
            (Claim::Booted | Claim::Pointed, Some(other)) if !self.marked => Fault::of(format_args!(
                "disks {name} and {other} both hold the root partition {data}, and nothing says which was booted: \
                 detach one"
            )),
            (Claim::Booted | Claim::Pointed, Some(other)) => Fault::of(format_args!(
                "disks {name} and {other} both hold what was booted and the root partition {data}: detach the copy"
            )),
            (Claim::Stranger, _) => Fault::of(format_args!(
                "missing partition: the booted disk holds no root partition {data}; disk {name} holds one, \
                 but was not booted and is not taken"
            )),
            (Claim::Part, _) => Fault::of(format_args!(
                "missing partition: disk {name} lacks the root partition {data}, its hash partition or what else the booted one has"
            )),
            _ => Fault::of(format_args!(
                "missing partition: none of {} disks holds the root partition {data} after {seconds} s",
                self.seen
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Claim::*;
    use super::*;

    fn name(n: usize) -> Name {
        Name::of(format_args!("vd{}", char::from(b'a' + n as u8)))
    }

    fn round(marked: bool, pointed: bool, claims: &[Claim]) -> Round<usize> {
        let mut round = Round::new(marked, pointed);
        claims.iter().enumerate().for_each(|(n, claim)| round.see(name(n), *claim, n));
        round
    }

    fn verdict(pointed: bool, claims: &[Claim]) -> (Verdict, Option<usize>) {
        let round = round(true, pointed, claims);
        let best = round.best().map(|(_, n)| *n);
        (round.verdict(), best)
    }

    #[test]
    fn takes_the_booted_disk_only() {
        assert_eq!(verdict(false, &[Nothing, Booted]), (Verdict::Doubt, Some(1)));
        assert_eq!(verdict(false, &[Stranger, Part, Booted]), (Verdict::Doubt, Some(2)));
        for claims in [&[Stranger][..], &[Part, Part], &[Nothing], &[]] {
            assert_eq!(verdict(false, claims).0, Verdict::Wait, "{claims:?}");
        }
        assert_eq!(verdict(false, &[Booted, Nothing, Booted]).0, Verdict::Refuse);
    }

    #[test]
    fn the_boot_option_tells_copies_apart() {
        assert_eq!(verdict(true, &[Booted, Pointed]), (Verdict::Take, Some(1)));
        assert_eq!(verdict(true, &[Pointed, Booted]), (Verdict::Take, Some(0)));
        assert_eq!(verdict(true, &[Booted]), (Verdict::Doubt, Some(0)));
        assert_eq!(verdict(true, &[Booted, Booted]).0, Verdict::Refuse);
        assert_eq!(verdict(true, &[Pointed, Pointed]).0, Verdict::Refuse);
    }

    #[test]
    fn claims() {
        let marked = Round::<()>::new(true, true);
        assert_eq!(marked.claim(true, true, true, true), Pointed);
        assert_eq!(marked.claim(true, true, true, false), Booted);
        assert_eq!(marked.claim(true, true, false, true), Stranger);
        assert_eq!(marked.claim(true, false, true, true), Part);
        assert_eq!(marked.claim(false, false, true, true), Part);
        assert_eq!(marked.claim(false, false, false, true), Nothing);
        let unmarked = Round::<()>::new(false, false);
        assert_eq!(unmarked.claim(true, true, false, true), Booted);
        assert_eq!(unmarked.claim(false, false, true, false), Nothing);
    }

    /// A BIOS says nothing: no ESP, no place. The root's ids on one disk alone must do.
    #[test]
    fn a_bios_leaves_one_disk_or_none() {
        let verdict = |holds: &[(bool, bool)]| {
            let mut round = Round::new(false, false);
            for (n, (data, hash)) in holds.iter().enumerate() {
                round.see(name(n), round.claim(*data, *hash, false, false), n);
            }
            (round.verdict(), round.best().map(|(_, n)| *n))
        };
        assert_eq!(verdict(&[(false, false), (true, true)]), (Verdict::Doubt, Some(1)));
        assert_eq!(verdict(&[(true, false), (true, true), (false, true)]), (Verdict::Doubt, Some(1)));
        assert_eq!(verdict(&[(true, true), (false, false), (true, true)]).0, Verdict::Refuse);
        let fault = round(false, false, &[Booted, Booted]).fault(&"ID", 30).to_string();
        assert!(fault.contains("nothing says which was booted"), "{fault}");
        for holds in [&[(true, false), (false, true)][..], &[(false, false)], &[]] {
            assert_eq!(verdict(holds).0, Verdict::Wait, "{holds:?}");
        }
    }

    #[test]
    fn says_which_disk_and_why() {
        let fault = |claims: &[Claim]| round(true, false, claims).fault(&"ID", 30).to_string();
        assert_eq!(
            fault(&[Booted, Nothing, Booted]),
            "disks vda and vdc both hold what was booted and the root partition ID: detach the copy"
        );
        assert!(fault(&[Part, Stranger]).contains("; disk vdb holds one, but was not booted"));
        assert!(fault(&[Nothing, Part]).starts_with("missing partition: disk vdb lacks"));
        assert_eq!(fault(&[Nothing]), "missing partition: none of 1 disks holds the root partition ID after 30 s");
    }
}
