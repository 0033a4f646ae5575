//! Measures the initrd's boot phases, where the stub measured the kernel.
//!
//! As systemd's own initrd does: without a TPM nothing is measured and the boot goes on. But
//! once the first phase is in the PCR the second one must get there too, else what is
//! sealed to the initrd could be opened by the running system.

use super::disks::Firmware;
use super::phase;
use super::say;
use super::sys::{self, File, open};
use super::text::{Fault, Text};
use super::tpm::{self, Chip, Digests, Record};

/// Milliseconds for the TPM's device to turn up.
const PATIENCE: u64 = 5000;

/// Milliseconds between two looks.
const PAUSE: u64 = 50;

struct Device(File);

impl Chip for Device {
    fn transact(&mut self, command: &[u8], answer: &mut [u8]) -> Option<usize> {
        let written = self.0.write_once(command).ok()?;
        if written == command.len() { self.0.read(answer).ok() } else { None }
    }

    fn wait(&mut self) {
        sys::sleep(PAUSE);
    }
}

/// Measures the first phase; whether there is a TPM that took it.
pub fn enter(firmware: &Firmware) -> bool {
    if !firmware.measured {
        return false;
    }
    let began = sys::uptime();
    while device().is_none() {
        if sys::uptime().saturating_sub(began) / 1000 >= PATIENCE {
            say::line(format_args!("warning: the stub measured, but there is no TPM"));
            return false;
        }
        sys::sleep(PAUSE);
    }
    match measure(phase::ENTER) {
        Ok(()) => true,
        Err(fault) => {
            say::line(format_args!("warning: {fault}"));
            false
        }
    }
}

/// Measures the last phase of the initrd.
pub fn leave() -> Result<(), Fault> {
    measure(phase::LEAVE)
}

fn device() -> Option<Device> {
    let open = |path| File::open(path, open::READ_WRITE).ok();
    open(c"/dev/tpmrm0").or_else(|| open(c"/dev/tpm0")).map(Device)
}

fn measure(word: &str) -> Result<(), Fault> {
    let mut answer = [0u8; tpm::LARGEST];
    let result = match device() {
        Some(mut device) => tpm::measure(&mut device, phase::PCR, word.as_bytes(), &mut answer),
        None => Err(tpm::Error::Device),
    };
    match result {
        Ok(digests) => {
            say::line(format_args!("measured {word} into PCR {}", phase::PCR));
            log(word, digests);
            Ok(())
        }
        Err(error) => Err(Fault::of(format_args!("TPM: measuring {word}: {error:?}"))),
    }
}

/// Appends to systemd's log of measurements; a log that cannot be written is no end.
fn log(word: &str, digests: Digests<'_>) {
    let mut buffer = [0u8; 64];
    let mut boot = Text::<40>::new();
    let id = say::read(c"/proc/sys/kernel/random/boot_id", &mut buffer).unwrap_or(&[]);
    id.iter().filter(|byte| byte.is_ascii_hexdigit()).for_each(|byte| boot.push(&[*byte]));
    let record = Record { pcr: phase::PCR, word, digests, boot: boot.str(), time: sys::uptime() };
    let text = Text::<2048>::of(format_args!("{record}"));
    let _ = sys::make_directory(c"/run/log", 0o755);
    let _ = sys::make_directory(c"/run/log/systemd", 0o755);
    let flags = open::WRITE | open::APPEND | open::CREATE | open::NO_FOLLOW;
    if let (true, Ok(file)) = (text.whole(), File::make(c"/run/log/systemd/tpm2-measure.log", flags, 0o600)) {
        let _ = file.write(text.bytes());
    }
}
