//! What a run tells while it works: stages, progress, warnings; for people, for machines, or not at all.
//!
//! Everything goes to standard error but the JSON lines, which are data and go to standard
//! output. Bars appear on a terminal only; elsewhere a stage is one plain line when it ends.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::{Error, Result};
use crate::size::human;

/// How much a run says, and in what form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// For people: bars on a terminal, lines elsewhere.
    Text,
    /// For machines: one JSON object a line on standard output.
    Json,
    /// Warnings and errors only.
    Quiet,
}

/// The run's voice; shared by all threads.
pub struct Report {
    mode: Mode,
    color: bool,
    verbose: u8,
    bars: MultiProgress,
    warnings: Mutex<Vec<String>>,
}

impl Report {
    /// A voice; `color` as the user chose or the terminal allows.
    pub fn new(mode: Mode, color: bool, verbose: u8) -> Self {
        let target = match mode {
            Mode::Text if std::io::stderr().is_terminal() => ProgressDrawTarget::stderr(),
            _ => ProgressDrawTarget::hidden(),
        };
        Report { mode, color, verbose, bars: MultiProgress::with_draw_target(target), warnings: Mutex::default() }
    }

    /// Says nothing; for tests and library use.
    pub fn silent() -> Self {
        Report::new(Mode::Quiet, false, 0)
    }

    /// How it speaks.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Begins a stage; `total` bytes, where they are known.
    pub fn stage(&self, name: &'static str, total: Option<u64>) -> Stage<'_> {
        let bar = self.bars.add(ProgressBar::new(total.unwrap_or(0)));
        let template = match total {
            Some(_) => "{prefix:9} {wide_bar} {bytes:>10}/{total_bytes:10} {bytes_per_sec:>12} {eta:>4} {msg}",
            None => "{prefix:9} {spinner} {elapsed:>4} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(name);
        bar.enable_steady_tick(Duration::from_millis(200));
        Stage { report: self, name, bar, start: Instant::now() }
    }

    /// A line for whoever asked with `-v`.
    pub fn detail(&self, text: impl FnOnce() -> String) {
        if self.verbose > 0 && self.mode != Mode::Json {
            self.line(&plain(&text()));
        }
    }

    /// Something to know that stops nothing; also kept for the manifest.
    pub fn warn(&self, text: impl Into<String>) {
        self.warn_at(text, "");
    }

    /// [`Report::warn`] about what was written at `origin` (`FILE:LINE`), which the manifest does not name:
    /// it is a path of the host.
    pub fn warn_at(&self, text: impl Into<String>, origin: &str) {
        let text = text.into();
        if self.mode == Mode::Json {
            let mut line = serde_json::json!({ "event": "warning", "message": text });
            if !origin.is_empty() {
                line["origin"] = origin.into();
            }
            self.json(&line);
        } else {
            let place = if origin.is_empty() { String::new() } else { format!("{origin}: ") };
            self.line(&format!("{} {place}{}", self.paint("33", "warning:"), plain(&text)));
        }
        if let Ok(mut warnings) = self.warnings.lock() {
            warnings.push(text);
        }
    }

    /// Every warning so far, in order.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().map(|warnings| warnings.clone()).unwrap_or_default()
    }

    /// A line for people, unless quiet.
    pub fn say(&self, text: &str) {
        if self.mode == Mode::Text {
            self.line(&plain(text));
        }
    }

    /// One event for machines; nothing unless `--json`.
    pub fn event(&self, value: &serde_json::Value) {
        if self.mode == Mode::Json {
            self.json(value);
        }
    }

    /// The error that ends the run, with its hints; also under `--quiet`.
    pub fn error(&self, error: &Error) {
        if self.mode == Mode::Json {
            let mut line = serde_json::json!({
                "event": "error",
                "kind": error.kind().name(),
                "context": error.contexts().collect::<Vec<_>>(),
                "message": error.message(),
                "hints": error.hints(),
            });
            for (key, value) in error.details() {
                line[*key] = value.clone();
            }
            self.json(&line);
            return;
        }
        self.line(&format!("{} {}", self.paint("31", "error:"), plain(&error.to_string())));
        for hint in error.hints() {
            self.line(&format!("  {} {}", self.paint("36", "help:"), plain(hint)));
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[1;{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn line(&self, text: &str) {
        // A closed standard error must not end the work.
        self.bars.suspend(|| drop(writeln!(std::io::stderr(), "{text}")));
    }

    fn json(&self, value: &serde_json::Value) {
        let mut line = value.to_string();
        line.push('\n');
        drop(std::io::stdout().lock().write_all(line.as_bytes()));
    }
}

/// Text that may hold names out of archives and images: a control character in one must not move the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\n' | '\t') { c } else { visible(c) }).collect()
}

/// A document of JSON for machines that people read, too; ends in a line break.
pub fn pretty(value: &impl serde::Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::bug(error.to_string()))?;
    Ok(text + "\n")
}

/// One line of text that may hold such names.
pub fn clean(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// A character, or what stands for one that would move the terminal.
pub fn visible(character: char) -> char {
    if character.is_control() { char::REPLACEMENT_CHARACTER } else { character }
}

/// A stage under way; ends by [`Stage::done`].
pub struct Stage<'a> {
    report: &'a Report,
    name: &'static str,
    bar: ProgressBar,
    start: Instant,
}

impl Stage<'_> {
    /// `bytes` more are done.
    pub fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// The total became known or grew.
    pub fn expect(&self, total: u64) {
        self.bar.set_length(total);
    }

    /// What it is at now.
    pub fn at(&self, what: impl Into<String>) {
        self.bar.set_message(plain(&what.into()));
    }

    /// The stage is over: `bytes` were handled; `cached` where nothing had to be done.
    pub fn done(self, bytes: u64, cached: bool) {
        self.bar.finish_and_clear();
        let seconds = self.start.elapsed().as_secs_f64();
        self.report.event(&serde_json::json!({
            "event": "stage",
            "stage": self.name,
            "seconds": (seconds * 1000.0).round() / 1000.0,
            "bytes": bytes,
            "cached": cached,
        }));
        let cached = if cached { ", cached" } else { "" };
        self.report.say(&format!("{:>9}  {}, {seconds:.1} s{cached}", self.name, human(bytes)));
    }
}

/// A stage that failed leaves no bar behind.
impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_name_does_not_move_the_terminal() {
        assert_eq!(plain("`/etc/\u{1b}[2J\r\u{9b}x`:\n\tkept"), "`/etc/\u{fffd}[2J\u{fffd}\u{fffd}x`:\n\tkept");
    }
}
