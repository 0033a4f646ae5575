//! Every target over its seeds and over what a generator makes of them: the same inputs in every run.

use std::fs;
use std::path::Path;

use super::TARGETS;

/// Inputs that are made of the seeds of a target.
const MADE: usize = 300;

/// SplitMix64, of the public domain (Steele, Lea, Flood 2014).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// `seed`, changed in one to four places.
    fn changed(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let length = self.below(16).min(bytes.len() - at);
            match self.below(8) {
                0 | 1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                2 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'0', b' ', b'\n'][self.below(8)],
                3 => bytes[at..at + length].fill(0xff),
                4 => drop(bytes.drain(at..at + length)),
                5 => {
                    let copy = bytes[at..at + length].to_vec();
                    bytes.splice(at..at, copy);
                }
                6 => bytes.truncate(at),
                _ => {
                    let from = self.below(other.len());
                    let piece = other[from..].iter().take(64).copied().collect::<Vec<_>>();
                    bytes.splice(at..at + length, piece);
                }
            }
        }
        bytes
    }
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let listed = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn every_target_takes_its_seeds_and_what_is_made_of_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    let failed: Vec<&str> = std::thread::scope(|scope| {
        let one = |(name, target): &'static super::Target| {
            let mut seeds = files(&root.join(name));
            assert!(!seeds.is_empty(), "no seed for `{name}`");
            seeds.push(Vec::new());
            let mut numbers = Numbers(1);
            let mut inputs = seeds.clone();
            for _ in 0..MADE {
                let (seed, other) = (numbers.below(seeds.len()), numbers.below(seeds.len()));
                inputs.push(numbers.changed(&seeds[seed], &seeds[other]));
            }
            inputs.iter().for_each(|input| target(input));
        };
        let handles: Vec<_> = TARGETS.iter().map(|target| (target.0, scope.spawn(move || one(target)))).collect();
        handles.into_iter().filter_map(|(name, handle)| handle.join().err().map(|_| name)).collect()
    });
    assert!(failed.is_empty(), "of {names:?} failed: {failed:?}");
}

#[test]
fn each_target_has_a_program_and_each_program_a_target() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let cargo: toml::Table = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap().parse().unwrap();
    let programs = cargo["bin"].as_array().unwrap().iter().map(|bin| bin["name"].as_str().unwrap());
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(programs.collect::<Vec<_>>(), names);
    for name in &names {
        let text = fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(text.contains(&format!("imagebuild::fuzzing::{name}(bytes)")), "{name}");
        assert!(fs::read_to_string(fuzz.join("README.md")).unwrap().contains(&format!("`{name}`")), "{name}");
    }
    let made = fs::read_dir(fuzz.join("fuzz_targets")).unwrap().count();
    assert_eq!(made, names.len(), "programs that no target has");
}
