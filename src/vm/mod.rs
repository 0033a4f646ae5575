//! An image run in QEMU, on an overlay: the image itself is never changed.
//!
//! Everything that a run writes (overlay, firmware variables, credentials) lies in one folder
//! below `TMPDIR`, gone with the run, but for overlay and variables where a file to keep them is named;
//! the guest's serial console is its only output.

mod command;
mod console;
mod firmware;
mod http;
mod input;
pub mod overlay;
mod variables;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

pub use command::{Accel, Bus, Credential, Network, Protocol, Role};

use command::{Machine, Served};
use console::{Console, Seen};
use input::Input;

use crate::arch::Arch;
use crate::error::{Context, Error, Kind, Result};
use crate::guid::Guid;
use crate::output;
use crate::process::Running;
use crate::profile::Firmware;
use crate::report::{Mode, Report};
use crate::temp::TempFolder;

/// How long a guest on KVM may say nothing; the firmware speaks within a second or two.
const SILENCE: Duration = Duration::from_secs(8);
/// Bytes of QEMU's own words that an error shows.
const MAX_WORDS: u64 = 4096;

/// What is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// A disk of any format that QEMU attaches; with `netboot`, the folder of a netboot output.
    pub image: PathBuf,
    /// No disk: UEFI fetches the UKI of the folder over the network, iPXE beside a BIOS the other files.
    pub netboot: bool,
    /// How the files of that folder travel.
    pub protocol: Protocol,
    /// The machine's architecture.
    pub arch: Arch,
    /// What starts it.
    pub firmware: Firmware,
    /// Bytes of the disk that the guest sees; at least the image's own.
    pub disk_size: u64,
    /// Bytes of a sector of the disk, 512 or 4096.
    pub sector: u32,
    /// What the image is to the machine.
    pub role: Role,
    /// How disks are attached.
    pub bus: Bus,
    /// What the network is.
    pub network: Network,
    /// How the guest's code is run.
    pub accel: Accel,
    /// Bytes of memory.
    pub memory: u64,
    /// Processors.
    pub cpus: u16,
    /// What the guest's systemd finds as credentials.
    pub credentials: Vec<Credential>,
    /// The machine's id in SMBIOS.
    pub uuid: Option<Guid>,
    /// A file that keeps what the guest writes to its disk from run to run, a qcow2 over the image.
    pub overlay: Option<PathBuf>,
    /// Whether our standard input goes to the guest's console.
    pub input: bool,
    /// A file that keeps the firmware's variables from run to run.
    pub firmware_vars: Option<PathBuf>,
    /// Raw disks that are attached before the image; never changed either.
    pub extra_disks: Vec<PathBuf>,
    /// A raw disk of the guest that is written to, and stays so: what an installer fills.
    pub install_to: Option<PathBuf>,
    /// What must appear on the console, in one line.
    pub until: Option<String>,
    /// How long the whole run may take.
    pub timeout: Option<Duration>,
    /// A file that gets the console's bytes as they come.
    pub log: Option<PathBuf>,
}

/// How a run that is no fault ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The text appeared.
    Seen,
    /// The guest powered off or rebooted, and no text was asked for.
    GuestEnded,
    /// The time was over, and no text was asked for.
    Timeout,
}

/// Runs the image until the text appears, the guest ends or the time is over.
///
/// A text that does not appear is an error of [`Kind::Found`] with the console's last lines.
pub fn run(options: &Options, report: &Report) -> Result<End> {
    let firmware = match options.firmware {
        Firmware::Uefi => Some(firmware::find(options.arch)?),
        // QEMU brings its own.
        Firmware::Bios => None,
    };
    let program = command::program(options.arch)?;
    let folder = TempFolder::new_in(&std::env::temp_dir())?;
    let start = Instant::now();
    let mut console = Console::new(options.until.as_deref(), options.log.as_deref(), report.mode() == Mode::Text)?;
    let mut accel = match options.accel {
        Accel::Auto if kvm(options.arch) => Accel::Kvm,
        Accel::Auto => Accel::Tcg,
        chosen => chosen,
    };
    let probing = options.accel == Accel::Auto && accel == Accel::Kvm;
    let input = if options.input { Some(Input::start()?) } else { None };
    let mut attempt = Attempt { options, program, firmware, folder: folder.path(), start, input };
    if probing {
        match attempt.run(accel, &mut console, Some(SILENCE))? {
            Outcome::Ended(end) => return attempt.judge(end, &console),
            Outcome::Silent(why) => {
                report.warn(format!("KVM does not run a guest here ({why}); going on with TCG, which is slower"))
            }
        }
        accel = Accel::Tcg;
        attempt.start = Instant::now();
    }
    match attempt.run(accel, &mut console, None)? {
        Outcome::Ended(end) => attempt.judge(end, &console),
        Outcome::Silent(why) => Err(Error::system(why).context("running QEMU")),
    }
}

/// Whether there is a KVM that opens, for a guest of `arch`; whether it runs one shows only then.
fn kvm(arch: Arch) -> bool {
    Arch::host() == Some(arch) && fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok()
}

/// What became of one QEMU.
enum Outcome {
    /// A guest ran.
    Ended(Stop),
    /// QEMU failed or the guest said nothing: why.
    Silent(String),
}

/// Why a guest that ran does not any more.
enum Stop {
    Seen,
    Off,
    Time,
}

struct Attempt<'a> {
    options: &'a Options,
    program: PathBuf,
    firmware: Option<firmware::Firmware>,
    folder: &'a Path,
    start: Instant,
    input: Option<Input>,
}

impl Attempt<'_> {
    /// One QEMU from start to end; `silence`: how long the console may stay empty.
    fn run(&self, accel: Accel, console: &mut Console, silence: Option<Duration>) -> Result<Outcome> {
        let http = match (self.options.netboot, self.options.protocol) {
            (true, Protocol::Http) => Some(http::Server::start(&absolute(&self.options.image)?)?),
            _ => None,
        };
        let machine = self.machine(accel, http.as_ref().map(http::Server::port))?;
        let words = self.folder.join("qemu.log");
        let stderr = fs::File::create(&words).context(|| format!("writing `{}`", words.display()))?;
        let mut command = machine.command(&self.program);
        let stdin = if self.input.is_some() { Stdio::piped() } else { Stdio::null() };
        command.stdin(stdin).stdout(Stdio::piped()).stderr(stderr);
        let mut qemu = Running::spawn(&mut command).context(|| format!("starting `{}`", self.program.display()))?;
        if let (Some(input), Some(console)) = (&self.input, qemu.stdin()) {
            input.lead_to(console);
        }
        let output = qemu.stdout().ok_or_else(|| Error::bug("QEMU without a console"))?;
        let deadline = self.options.timeout.map(|timeout| self.start + timeout);
        let seen = console.follow(output, deadline, silence.map(|silence| Instant::now() + silence))?;
        match seen {
            Seen::Text => Ok(Outcome::Ended(Stop::Seen)),
            Seen::Time => Ok(Outcome::Ended(Stop::Time)),
            Seen::Silence => Ok(Outcome::Silent("nothing appears on the console".into())),
            Seen::End => {
                let status = qemu.wait().context(|| "waiting for QEMU".into())?;
                match status.success() {
                    true => Ok(Outcome::Ended(Stop::Off)),
                    false => Ok(Outcome::Silent(format!("QEMU ended with {status}: {}", last_words(&words)))),
                }
            }
        }
    }

    fn machine(&self, accel: Accel, http: Option<u16>) -> Result<Machine<'_>> {
        let (mut disk, mut served) = (None, None);
        if self.options.netboot {
            served = Some(match http {
                Some(port) => Served::Http(port),
                None => Served::Tftp(absolute(&self.options.image)?),
            });
        } else if self.options.role == Role::Cdrom {
            // Nothing is written to it.
            disk = Some(absolute(&self.options.image)?);
        } else {
            let path = self.options.overlay.clone().unwrap_or_else(|| self.folder.join("disk.qcow2"));
            if self.options.overlay.is_none() || !path.exists() {
                overlay(&path, &self.options.image, Some(self.options.disk_size))?;
            }
            disk = Some(path);
        }
        let flash = match &self.firmware {
            Some(firmware) => Some((firmware.code.clone(), self.vars(firmware, http)?)),
            None => None,
        };
        let mut extra = Vec::new();
        for (index, path) in self.options.extra_disks.iter().enumerate() {
            let target = self.folder.join(format!("extra-{index}.qcow2"));
            overlay(&target, path, None)?;
            extra.push(target);
        }
        let install_to = self.options.install_to.as_deref().map(absolute).transpose()?;
        let mut credentials = Vec::new();
        for (index, credential) in self.options.credentials.iter().enumerate() {
            // In a file, so that no list of processes shows a secret.
            let path = self.folder.join(format!("credential-{index}"));
            fs::write(&path, credential.smbios()).context(|| format!("writing `{}`", path.display()))?;
            credentials.push(path);
        }
        Ok(Machine { options: self.options, accel, flash, disk, served, extra, install_to, credentials })
    }

    /// The firmware's variables: kept ones, or a copy for this run; with a port, they start the UKI there.
    fn vars(&self, firmware: &firmware::Firmware, http: Option<u16>) -> Result<PathBuf> {
        let kept = self.options.firmware_vars.as_ref();
        let path = kept.map_or_else(|| self.folder.join("vars.fd"), PathBuf::clone);
        let uri = http.map(|port| Served::url(port, NETBOOT));
        firmware.write_vars(&path, kept.is_some() && path.exists(), uri.as_deref())?;
        Ok(path)
    }

    fn judge(&self, stop: Stop, console: &Console) -> Result<End> {
        let text = self.options.until.as_deref();
        let missed = |text: &str, how: String| {
            let lines = console.last_lines();
            let shown = if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n    ") };
            let message = format!("`{text}` did not appear on the console: {how}\n  last on the console:\n    {shown}");
            Error::new(Kind::Found, message)
        };
        match (stop, text) {
            (Stop::Seen, _) => Ok(End::Seen),
            (Stop::Off, None) => Ok(End::GuestEnded),
            (Stop::Time, None) => Ok(End::Timeout),
            (Stop::Off, Some(text)) => Err(missed(text, "the guest powered off or rebooted".into())),
            (Stop::Time, Some(text)) => {
                let seconds = self.options.timeout.unwrap_or_default().as_secs();
                Err(missed(text, format!("{seconds} s are over")).hint("give it more time: --timeout SECONDS"))
            }
        }
    }
}

/// What firmware starts of a netboot output's folder: the UKI, or by way of iPXE the script.
pub const NETBOOT: &str = "netboot.efi";
const NETBOOT_SCRIPT: &str = "boot.ipxe";

/// Writes an overlay over an image of any format that QEMU attaches; of the image's own size where none is asked for.
fn overlay(path: &Path, image: &Path, size: Option<u64>) -> Result<()> {
    let opened = output::open(image)?;
    let format = opened.qemu().ok_or_else(|| {
        let packed = if opened.packed { "compressed " } else { "" };
        Error::user(format!("QEMU attaches no {packed}`{}`", opened.kind.name()))
            .hint(format!("make a disk of it first: imagebuild convert {} --to qcow2", image.display()))
    })?;
    overlay::write(path, &absolute(image)?, format, size.unwrap_or(opened.disk.length().next_multiple_of(512)))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).context(|| format!("finding `{}`", path.display()))
}

/// What QEMU said of its fault.
fn last_words(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = fs::File::open(path) {
        drop(std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_WORDS), &mut bytes));
    }
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    // The first line tells the fault, further ones are of its consequences.
    text.lines().next().map_or_else(|| "it says nothing".into(), str::to_owned)
}
