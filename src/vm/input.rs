//! Our standard input on its way to a guest's console.
//!
//! QEMU leads a process group of its own, and such a one may not read from a terminal: so we read, and
//! hand it on through a pipe.

use std::io::{Read, Write};
use std::process::ChildStdin;
use std::sync::{Arc, Mutex};

use crate::error::{Context, Result};

/// Reads along until standard input ends; what comes while no guest listens is lost, as on a wire.
pub struct Input(Arc<Mutex<Option<ChildStdin>>>);

impl Input {
    /// Starts to read.
    pub fn start() -> Result<Self> {
        let target = Arc::new(Mutex::new(None));
        let input = Input(target.clone());
        let read = move || pump(&mut std::io::stdin().lock(), &target);
        std::thread::Builder::new().spawn(read).context(|| "starting a thread".into())?;
        Ok(input)
    }

    /// From now on to this console.
    pub fn lead_to(&self, console: ChildStdin) {
        if let Ok(mut target) = self.0.lock() {
            *target = Some(console);
        }
    }
}

fn pump<W: Write>(from: &mut impl Read, to: &Mutex<Option<W>>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let Ok(mut target) = to.lock() else { return };
        // A guest that went away reads nothing.
        let gone = target
            .as_mut()
            .is_some_and(|console| console.write_all(&buffer[..count]).and_then(|()| console.flush()).is_err());
        if gone {
            *target = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_is_handed_on() {
        let to = Mutex::new(Some(Vec::new()));
        pump(&mut &[b'x'; 10_000][..], &to);
        assert_eq!(to.into_inner().unwrap().unwrap(), [b'x'; 10_000]);
    }

    #[test]
    fn a_guest_that_went_away_ends_nothing() {
        // A slice takes what fits and then fails.
        let mut small = [0; 1];
        let to = Mutex::new(Some(&mut small[..]));
        pump(&mut &[b'x'; 10_000][..], &to);
        assert!(to.into_inner().unwrap().is_none());
        pump(&mut &b"x"[..], &Mutex::new(None::<Vec<u8>>));
    }
}
