//! A guest's serial console: shown, logged, searched.
//!
//! Terminal sequences (firmware clears screens, systemd colours words) are taken out before
//! the text is searched or shown; the log gets every byte as it came.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};

/// Lines that an error shows.
const KEPT: usize = 30;
/// A line that is longer is cut for the search, keeping as much as the text may need.
const MAX_LINE: usize = 1 << 14;
/// Where nothing limits the wait.
const FOREVER: Duration = Duration::from_secs(3600);

/// Why following ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The text appeared.
    Text,
    /// The console was closed.
    End,
    /// The time is over.
    Time,
    /// Nothing at all came within the time for a first byte.
    Silence,
}

/// What came over the console so far.
pub struct Console {
    until: Option<Vec<u8>>,
    log: Option<File>,
    show: bool,
    escape: Escape,
    line: Vec<u8>,
    lines: VecDeque<String>,
    found: bool,
}

/// Where in a terminal sequence (ECMA-48) the stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    Text,
    /// After ESC.
    Begun,
    /// After ESC [, up to a byte of 0x40 to 0x7e.
    Control,
    /// After ESC ] or a string's like, up to BEL or ESC \.
    String,
}

impl Console {
    /// A console on which `until` is waited for; `show`: also on standard output.
    pub fn new(until: Option<&str>, log: Option<&Path>, show: bool) -> Result<Self> {
        if until.is_some_and(|text| text.is_empty() || text.contains(char::is_control) || text.len() > 1000) {
            return Err(Error::user("the text to wait for must be one line of 1 to 1000 bytes"));
        }
        let create = |path: &Path| File::create(path).context(|| format!("writing `{}`", path.display()));
        Ok(Console {
            until: until.map(|text| text.as_bytes().to_vec()),
            log: log.map(create).transpose()?,
            show,
            escape: Escape::Text,
            line: Vec::new(),
            lines: VecDeque::new(),
            found: false,
        })
    }

    /// Takes `output` in until the text appears, it ends, `deadline` is over, or nothing came before `first_byte`.
    pub fn follow(
        &mut self,
        output: impl Read + Send + 'static,
        deadline: Option<Instant>,
        first_byte: Option<Instant>,
    ) -> Result<Seen> {
        let chunks = read_along(output)?;
        let mut first_byte = first_byte;
        loop {
            let now = Instant::now();
            let (end, over) = match (deadline, first_byte) {
                (_, Some(first)) if deadline.is_none_or(|deadline| first < deadline) => (Some(first), Seen::Silence),
                (deadline, _) => (deadline, Seen::Time),
            };
            let wait = end.map_or(FOREVER, |end| end.saturating_duration_since(now));
            match chunks.recv_timeout(wait) {
                Ok(chunk) => {
                    first_byte = None;
                    if self.take(&chunk)? {
                        return Ok(Seen::Text);
                    }
                }
                Err(RecvTimeoutError::Timeout) if end.is_none() => {}
                Err(RecvTimeoutError::Timeout) => return Ok(over),
                Err(RecvTimeoutError::Disconnected) => return Ok(Seen::End),
            }
            // A guest that never stops talking must not outlive its time.
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(Seen::Time);
            }
        }
    }

    /// The last lines, without what a terminal would act on.
    pub fn last_lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.lines.iter().cloned().collect();
        if !self.line.is_empty() {
            lines.push(String::from_utf8_lossy(&self.line).into_owned());
        }
        lines
    }

    /// Takes one chunk in; whether the text has appeared.
    fn take(&mut self, chunk: &[u8]) -> Result<bool> {
        if let Some(log) = &mut self.log {
            log.write_all(chunk).context(|| "writing the console's log".into())?;
        }
        let mut shown = Vec::with_capacity(chunk.len());
        for byte in chunk {
            if let Some(byte) = self.escape.plain(*byte) {
                shown.push(byte);
                self.push(byte);
            }
        }
        self.search();
        if self.show {
            show(&shown);
        }
        Ok(self.found)
    }

    fn push(&mut self, byte: u8) {
        if byte != b'\n' {
            self.line.push(byte);
            if self.line.len() > MAX_LINE {
                self.search();
                let keep = self.until.as_ref().map_or(0, Vec::len);
                self.line.drain(..self.line.len() - keep);
            }
            return;
        }
        self.search();
        let line = String::from_utf8_lossy(&self.line).trim_end().to_owned();
        self.line.clear();
        if !line.is_empty() {
            self.lines.push_back(line);
            if self.lines.len() > KEPT {
                self.lines.pop_front();
            }
        }
    }

    fn search(&mut self) {
        if let Some(text) = &self.until {
            self.found |= self.line.windows(text.len()).any(|window| window == text.as_slice());
        }
    }
}

impl Escape {
    /// The byte, where it is text.
    fn plain(&mut self, byte: u8) -> Option<u8> {
        match (*self, byte) {
            (Escape::String, 0x07) => *self = Escape::Text,
            (_, 0x1b) => *self = Escape::Begun,
            (Escape::Text, b'\n' | b'\t' | 0x20..=0x7e | 0x80..) => return Some(byte),
            (Escape::Begun, b'[') => *self = Escape::Control,
            (Escape::Begun, b']' | b'P' | b'X' | b'^' | b'_') => *self = Escape::String,
            // Designations of character sets have bytes between.
            (Escape::Begun, 0x20..=0x2f) => {}
            (Escape::Begun, _) | (Escape::Control, 0x40..=0x7e) => *self = Escape::Text,
            // A sequence that is never closed must not swallow the rest of the console.
            (Escape::Control | Escape::String, b'\n') => {
                *self = Escape::Text;
                return Some(byte);
            }
            _ => {}
        }
        None
    }
}

/// To standard output; whoever went away there (`| head`) does not end the run.
fn show(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(bytes).and_then(|()| out.flush()));
}

/// Reads in a thread of its own, so that time can run out while nothing comes.
fn read_along(mut output: impl Read + Send + 'static) -> Result<Receiver<Vec<u8>>> {
    let (sender, receiver) = sync_channel(64);
    let read = move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = output.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("console".into()).spawn(read).context(|| "starting a thread".into())?;
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one piece a read, then ends.
    struct Pieces(VecDeque<&'static [u8]>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let piece = self.0.pop_front().unwrap_or_default();
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    fn follow(until: &str, pieces: &[&'static [u8]]) -> (Seen, Console) {
        let mut console = Console::new(Some(until), None, false).unwrap();
        let seen = console.follow(Pieces(pieces.iter().copied().collect()), None, None).unwrap();
        (seen, console)
    }

    #[test]
    fn a_text_is_seen_across_pieces_and_colours() {
        assert_eq!(follow("hello from", &[b"x\r\nhel", b"lo \x1b[0;1;32m", b"from"]).0, Seen::Text);
        assert_eq!(follow("hello", &[b"\x1b]0;title hello\x07hel\r\n", b"lo"]).0, Seen::End);
        assert_eq!(follow("hello", &[b"\x1b[2Jhel", b"\x1b[", b"mlo\n"]).0, Seen::Text);
        assert_eq!(follow("after", &[b"\x1b]never closed\nafter"]).0, Seen::Text);
    }

    #[test]
    fn a_long_line_hides_nothing() {
        let long: &'static [u8] = Box::leak(vec![b'x'; MAX_LINE - 2].into_boxed_slice());
        assert_eq!(follow("hello", &[long, b"hel", b"lo"]).0, Seen::Text);
    }

    #[test]
    fn the_last_lines_are_kept() {
        let (seen, console) = follow("no", &[b"a\n\n", b"\x1b[1mb\x1b[m\nc"]);
        assert_eq!(seen, Seen::End);
        assert_eq!(console.last_lines(), ["a", "b", "c"]);
    }

    #[test]
    fn time_and_silence_end_the_wait() {
        /// A pipe on which nothing comes until the other end goes.
        fn quiet() -> (impl Read + Send + 'static, std::io::PipeWriter) {
            std::io::pipe().unwrap()
        }
        let mut console = Console::new(None, None, false).unwrap();
        let (reader, _writer) = quiet();
        assert_eq!(console.follow(reader, Some(Instant::now()), None).unwrap(), Seen::Time);
        let (reader, _writer) = quiet();
        let later = Instant::now() + FOREVER;
        assert_eq!(console.follow(reader, Some(later), Some(Instant::now())).unwrap(), Seen::Silence);
    }

    #[test]
    fn a_text_that_cannot_appear_is_refused() {
        for text in ["", "a\nb"] {
            assert!(Console::new(Some(text), None, false).is_err());
        }
    }
}
