//! Where the data of every file went, held in little memory: there may be millions of files.

use crate::error::{Error, Result};

/// A place in a fragment block: its number, and the offset in it.
pub type Tail = Option<(u32, u32)>;

/// Where one file's data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed<'p> {
    /// Where its first block is in the image.
    pub start: u64,
    /// Sizes as inodes hold them.
    pub blocks: &'p [u32],
    /// Where its tail is.
    pub fragment: Tail,
}

/// Where everything went.
#[derive(Debug, Default)]
pub struct Placement {
    files: Vec<Place>,
    large: Vec<Large>,
    runs: Vec<Run>,
    /// Entries of the fragment table, back to back: place u64, size u32, 0 u32.
    pub fragments: Vec<u8>,
    /// The image's bytes so far.
    pub end: u64,
    /// Files that share another one's data.
    pub duplicates: u64,
}

/// A file's place, by its number in the plan.
#[derive(Debug)]
enum Place {
    /// A file smaller than a block.
    Small(Tail),
    /// One of `large`.
    Large(u32),
    /// The file of this number, which is no duplicate.
    SameAs(u32),
}

#[derive(Debug)]
struct Large {
    run: u32,
    fragment: Tail,
}

/// Blocks in a row, of one file or of several that differ in their tails only.
#[derive(Debug, Default)]
struct Run {
    start: u64,
    blocks: Box<[u32]>,
}

impl Placement {
    /// Nothing placed; data begins at `start`.
    pub fn new(start: u64) -> Self {
        Placement { end: start, ..Placement::default() }
    }

    /// The next file has the data of an earlier one.
    pub fn push_duplicate(&mut self, original: u32) {
        self.files.push(Place::SameAs(original));
        self.duplicates += 1;
    }

    /// The next file has no blocks.
    pub fn push_small(&mut self) {
        self.files.push(Place::Small(None));
    }

    /// The next file has the blocks of `run`.
    pub fn push_large(&mut self, run: u32) {
        self.files.push(Place::Large(self.large.len() as u32));
        self.large.push(Large { run, fragment: None });
    }

    /// The number of a new run, to be filled by [`Placement::set_run`].
    pub fn new_run(&mut self) -> u32 {
        self.runs.push(Run::default());
        self.runs.len() as u32 - 1
    }

    /// Where a run begins, and the sizes of its blocks.
    pub fn set_run(&mut self, run: u32, start: u64, blocks: Vec<u32>) {
        if let Some(run) = self.runs.get_mut(run as usize) {
            *run = Run { start, blocks: blocks.into() };
        }
    }

    /// Where the tail of a file that is no duplicate goes.
    pub fn set_tail(&mut self, file: usize, fragment: u32, offset: u32) {
        let tail = match self.files.get_mut(file) {
            Some(Place::Small(tail)) => Some(tail),
            Some(Place::Large(at)) => self.large.get_mut(*at as usize).map(|large| &mut large.fragment),
            _ => None,
        };
        if let Some(tail) = tail {
            *tail = Some((fragment, offset));
        }
    }

    /// Where a fragment block went; blocks may come in any order.
    pub fn set_fragment(&mut self, fragment: u32, place: u64, size: u32) {
        let at = fragment as usize * 16;
        if self.fragments.len() < at + 16 {
            self.fragments.resize(at + 16, 0);
        }
        self.fragments[at..at + 8].copy_from_slice(&place.to_le_bytes());
        self.fragments[at + 8..at + 12].copy_from_slice(&size.to_le_bytes());
    }

    /// Where the data of a file of the plan is.
    pub fn of(&self, file: usize) -> Result<Placed<'_>> {
        let place = match self.files.get(file) {
            Some(Place::SameAs(original)) => self.files.get(*original as usize),
            other => other,
        };
        let found = match place {
            Some(Place::Small(fragment)) => Some(Placed { start: 0, blocks: &[], fragment: *fragment }),
            Some(Place::Large(at)) => self.large.get(*at as usize).and_then(|large| {
                let run = self.runs.get(large.run as usize)?;
                Some(Placed { start: run.start, blocks: &run.blocks, fragment: large.fragment })
            }),
            // What a duplicate leads to is no duplicate.
            Some(Place::SameAs(_)) | None => None,
        };
        found.ok_or_else(|| Error::bug("a file was not laid out"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_share_data_and_runs() {
        let mut placement = Placement::new(96);
        let run = placement.new_run();
        placement.push_large(run);
        placement.push_small();
        placement.push_duplicate(0);
        placement.push_large(run);
        placement.set_tail(0, 1, 7);
        placement.set_tail(1, 0, 0);
        placement.set_run(run, 96, vec![5, 6]);
        let large = Placed { start: 96, blocks: &[5, 6], fragment: Some((1, 7)) };
        assert_eq!(placement.of(0).unwrap(), large);
        assert_eq!(placement.of(1).unwrap(), Placed { start: 0, blocks: &[], fragment: Some((0, 0)) });
        assert_eq!(placement.of(2).unwrap(), large);
        assert_eq!(placement.of(3).unwrap(), Placed { fragment: None, ..large });
        assert!(placement.of(4).is_err());
        assert!(std::mem::size_of::<Place>() <= 12);
    }
}
