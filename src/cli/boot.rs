//! `boot`: an image in QEMU, on an overlay.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::arch::Arch;
use crate::bytes::limited;
use crate::disk::gpt;
use crate::error::{Context, Error, Kind, Result};
use crate::guid::Guid;
use crate::manifest::Manifest;
use crate::output;
use crate::profile::Firmware;
use crate::report::Report;
use crate::size::Size;
use crate::vm::{self, Accel, Bus, Credential, End, Network, Protocol, Role};

/// The credential by which a guest can prove that it is the one that was started.
const NONCE: &str = "hello.nonce";
/// What stands for its value in `--until`.
const PLACE: &str = "{nonce}";
/// The largest credential that systemd takes (1 MiB).
const MAX_CREDENTIAL: u64 = 1 << 20;
/// The least memory that a node starts with.
const LEAST_MEMORY: Size = Size(256 * Size::MIB);

const MEMORY: Size = Size(Size::GIB);
/// The fetched file, the initrd in it and the root that stays.
const NETBOOT_MEMORY: Size = Size(2 * Size::GIB);

/// `imagebuild boot out/node_1.0.0.raw --until 'hello from a pod'`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild boot out/node_1.0.0.raw                           run it until it powers off\n  \
    imagebuild boot out/node_1.0.0.raw --until 'hello'           exit 0 when the text is on the console\n  \
    imagebuild boot out/node_1.0.0.raw --until 'hello {nonce}'   the guest must know this run's nonce\n  \
    imagebuild boot out/node_1.0.0.iso --cdrom                   from a CD drive\n  \
    imagebuild boot out/node_1.0.0.iso --cdrom --install-to disk.raw\n  \
    imagebuild boot out/node_1.0.0.netboot                       without a disk, over the network (TFTP)\n  \
    imagebuild boot out/node_1.0.0.netboot --over http           the same, over HTTP\n  \
    imagebuild boot out/node_1.0.0.netboot --firmware bios       by iPXE, which takes --over http as well\n\n\
    Exit codes: 0 seen (or ended, where no text was asked for), 5 not seen, 1 QEMU or its firmware is missing.")]
pub struct Args {
    /// A disk of any format that QEMU attaches, or the folder of a netboot output.
    image: PathBuf,
    /// Wait for this text on the console; `{nonce}` stands for the value of the credential `hello.nonce`.
    #[arg(long, value_name = "TEXT")]
    until: Option<String>,
    /// Give up after so many seconds [default: 600 where a text is waited for, else never].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    timeout: Option<u64>,
    /// Size of the disk that the guest sees [default: the least that the image's manifest demands].
    #[arg(long, value_name = "SIZE")]
    disk_size: Option<Size>,
    /// Write the console's bytes to this file too.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Memory of the machine [default: 1G; 2G where the root lies in memory, too].
    #[arg(long, value_name = "SIZE")]
    memory: Option<Size>,
    /// Processors of the machine [default: the host's, at most 4].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=255))]
    cpus: Option<u16>,
    /// The image is in a CD drive.
    #[arg(long, conflicts_with_all = ["usb", "disk_size", "overlay"])]
    cdrom: bool,
    /// The image is on a USB stick.
    #[arg(long)]
    usb: bool,
    /// How disks are attached.
    #[arg(long, value_name = "KIND", default_value = "virtio")]
    disk: Bus,
    /// What the network is to the machine.
    #[arg(long, value_name = "KIND", default_value = "virtio")]
    network: Network,
    /// How the files of a netboot folder travel.
    #[arg(long, value_name = "KIND", default_value = "tftp")]
    over: Protocol,
    /// Bytes of a sector of the disk, 512 or 4096 [default: those that its partition table counts in].
    #[arg(long, value_name = "BYTES", value_parser = sector, conflicts_with_all = ["cdrom", "usb"])]
    sector_size: Option<u32>,
    /// How the guest's code is run.
    #[arg(long, value_name = "KIND", default_value = "auto")]
    accel: Accel,
    /// The machine's architecture [default: the manifest's, else the host's].
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
    /// What starts the machine: `bios` is QEMU's own, for amd64; over the network it starts iPXE.
    #[arg(long, value_name = "KIND", default_value = "uefi")]
    firmware: Firmware,
    /// A systemd credential for the guest; `NAME=@FILE` takes it from a file.
    #[arg(long = "credential", value_name = "NAME=VALUE")]
    credentials: Vec<String>,
    /// The machine's id, as firmware tells it.
    #[arg(long, value_name = "UUID")]
    uuid: Option<Guid>,
    /// Keep what the guest writes to the disk in this file (qcow2), made where it is missing; it holds
    /// for this image alone.
    #[arg(long, value_name = "FILE")]
    overlay: Option<PathBuf>,
    /// Hand standard input to the console: for images made with the template `debug`.
    #[arg(long)]
    input: bool,
    /// Keep the firmware's variables in this file, made where it is missing; `--over http` sets `BootNext` in them.
    #[arg(long, value_name = "FILE")]
    firmware_vars: Option<PathBuf>,
    /// Attach another raw disk before the image; it is not changed either.
    #[arg(long = "extra-disk", value_name = "FILE")]
    extra_disks: Vec<PathBuf>,
    /// Attach this raw disk as well, and keep what the guest writes to it: what an installer fills. Where it is
    /// missing it is made, empty, as large as the image's manifest demands.
    #[arg(long, value_name = "FILE")]
    install_to: Option<PathBuf>,
}

/// Boots.
pub fn run(args: &Args, report: &Report) -> Result<()> {
    let options = options(args)?;
    let end = vm::run(&options, report)?;
    let word = match end {
        End::Seen => "seen",
        End::GuestEnded => "ended",
        End::Timeout => "timeout",
    };
    report.event(&serde_json::json!({ "event": "boot", "end": word }));
    Ok(())
}

fn options(args: &Args) -> Result<vm::Options> {
    let meta = std::fs::metadata(&args.image).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::user(format!("there is no image `{}`", args.image.display()))
            .hint("`imagebuild build PROFILE` makes one, by default in out/"),
        _ => Error::from(error).context(format!("reading `{}`", args.image.display())),
    })?;
    let netboot = meta.is_dir() && args.image.join(vm::NETBOOT).is_file();
    if meta.is_dir() && !netboot {
        return Err(Error::user(format!("the folder `{}` holds no `{}`", args.image.display(), vm::NETBOOT))
            .hint("expected a disk image, or the folder of an output `netboot`"));
    }
    let manifest = manifest(&args.image)?;
    let disk = if netboot { None } else { Some(output::open(&args.image)?.disk) };
    let length = disk.as_ref().map_or(0, |disk| disk.length());
    let sector = args.sector_size.or_else(|| gpt::sector_size(&**disk.as_ref()?)).unwrap_or(512);
    let iso = manifest.as_ref().is_some_and(|manifest| is_iso(manifest, &args.image));
    // An ISO image makes nothing on its medium.
    let needed = manifest.as_ref().filter(|_| !iso).map_or(0, |manifest| manifest.minimum_disk);
    if let Some(path) = args.install_to.as_deref().filter(|path| !path.exists()) {
        make_disk(path, manifest.as_ref())?;
    }
    let least = needed.max(length).next_multiple_of(sector.into());
    let memory = args.memory.unwrap_or(if netboot || iso { NETBOOT_MEMORY } else { MEMORY });
    let host = Arch::host().unwrap_or(Arch::Amd64);
    let mut credentials = args.credentials.iter().map(|text| credential(text)).collect::<Result<Vec<_>>>()?;
    if !credentials.iter().any(|credential| credential.name == NONCE) {
        credentials.push(Credential::new(NONCE, nonce()?)?);
    }
    if memory < LEAST_MEMORY {
        return Err(Error::user(format!("a machine of {memory} cannot run a node"))
            .hint(format!("expected --memory {LEAST_MEMORY} or more")));
    }
    let seconds = args.timeout.or(args.until.as_ref().map(|_| 600));
    let arch = args.arch.or(manifest.map(|manifest| manifest.image.arch)).unwrap_or(host);
    if args.firmware == Firmware::Bios && (arch != Arch::Amd64 || args.firmware_vars.is_some()) {
        return Err(Error::user("only machines of amd64 have a BIOS, and it has no variables")
            .hint("expected `--firmware bios` for amd64, without `--firmware-vars`"));
    }
    if args.over == Protocol::Http && !netboot {
        let error = Error::user("only the files of a netboot folder travel over HTTP");
        return Err(error.hint("expected the folder of an output `netboot`"));
    }
    Ok(vm::Options {
        image: args.image.clone(),
        netboot,
        protocol: args.over,
        arch,
        firmware: args.firmware,
        disk_size: disk_size(args.disk_size, least)?,
        sector,
        role: match (args.cdrom, args.usb) {
            (true, _) => Role::Cdrom,
            (_, true) => Role::Usb,
            _ => Role::Disk,
        },
        bus: args.disk,
        network: args.network,
        accel: args.accel,
        memory: memory.bytes(),
        cpus: args.cpus.unwrap_or_else(processors),
        until: args.until.as_ref().map(|text| expand(text, &credentials)),
        credentials,
        uuid: args.uuid,
        overlay: args.overlay.clone(),
        input: args.input,
        firmware_vars: args.firmware_vars.clone(),
        extra_disks: args.extra_disks.clone(),
        install_to: args.install_to.clone(),
        timeout: seconds.map(Duration::from_secs),
        log: args.log.clone(),
    })
}

/// The manifest beside the image, if it tells of this image.
fn manifest(image: &Path) -> Result<Option<Manifest>> {
    let path = image.with_file_name("manifest.json");
    if !path.is_file() {
        return Ok(None);
    }
    let manifest = Manifest::read(&path)?;
    let name = image.file_name().unwrap_or_default();
    Ok(manifest.artifacts.iter().any(|artifact| Path::new(&artifact.path).starts_with(name)).then_some(manifest))
}

/// An empty disk that the image of `manifest` can be installed onto.
fn make_disk(path: &Path, manifest: Option<&Manifest>) -> Result<()> {
    let doing = || format!("making the disk `{}`", path.display());
    let manifest = manifest.ok_or_else(|| {
        let error = Error::user("no manifest beside the image says how large it must be").context(doing());
        error.hint(format!("make it: truncate -s 4G {}", path.display()))
    })?;
    let made = std::fs::File::create_new(path).and_then(|file| file.set_len(manifest.minimum_disk));
    made.context(doing)
}

fn is_iso(manifest: &Manifest, image: &Path) -> bool {
    let name = image.file_name().unwrap_or_default();
    manifest.artifacts.iter().any(|artifact| name == artifact.path.as_str() && artifact.format == "iso")
}

fn disk_size(asked: Option<Size>, least: u64) -> Result<u64> {
    match asked {
        None => Ok(least),
        Some(size) if size.bytes() < least => {
            let least = Size(least.next_multiple_of(Size::MIB));
            Err(Error::user(format!("a disk of {size} is too small for this image"))
                .hint(format!("it needs {least} at least: --disk-size {least}")))
        }
        Some(size) => Ok(size.bytes()),
    }
}

fn sector(text: &str) -> Result<u32, String> {
    let found = [512, 4096].into_iter().find(|size| size.to_string() == text);
    found.ok_or_else(|| "expected 512 or 4096".to_owned())
}

fn processors() -> u16 {
    std::thread::available_parallelism().map_or(1, |count| count.get().min(4) as u16)
}

fn credential(text: &str) -> Result<Credential> {
    let (name, value) = text.split_once('=').ok_or_else(|| {
        Error::user(format!("`--credential {text}` has no value")).hint("expected NAME=VALUE or NAME=@FILE")
    })?;
    let Some(file) = value.strip_prefix('@') else { return Credential::new(name, value) };
    let doing = || format!("reading credential `{name}` from `{file}`");
    let opened = std::fs::File::open(file).context(doing)?;
    Credential::new(name, limited(opened, MAX_CREDENTIAL, Kind::User).context(doing)?)
}

/// 128 random bits as hex digits: no text of an image can hold them.
fn nonce() -> Result<String> {
    let mut bytes = [0u8; 16];
    let random = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    random.context(|| "reading `/dev/urandom`".into())?;
    Ok(hex::encode(bytes))
}

fn expand(text: &str, credentials: &[Credential]) -> String {
    let nonce = credentials.iter().find(|credential| credential.name == NONCE);
    text.replace(PLACE, &nonce.map(|nonce| String::from_utf8_lossy(&nonce.value).into_owned()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_disk_is_never_smaller_than_the_image_needs() {
        assert_eq!(disk_size(None, 3 << 30).unwrap(), 3 << 30);
        assert_eq!(disk_size(Some(Size(4 << 30)), 3 << 30).unwrap(), 4 << 30);
        let error = disk_size(Some(Size(2 << 30)), 3 << 30).unwrap_err();
        assert_eq!(error.kind(), Kind::User);
        assert_eq!(error.hints(), ["it needs 3G at least: --disk-size 3G"]);
    }

    #[test]
    fn the_nonce_is_new_each_time_and_goes_into_the_text() {
        let (one, two) = (nonce().unwrap(), nonce().unwrap());
        assert_ne!(one, two);
        let credentials = [Credential::new(NONCE, one.clone()).unwrap()];
        assert_eq!(expand("hello {nonce}!", &credentials), format!("hello {one}!"));
    }

    #[test]
    fn credentials_are_read_as_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a\n").unwrap();
        let text = format!("x=@{}", file.path().display());
        assert_eq!(credential(&text).unwrap(), Credential::new("x", "a\n").unwrap());
        assert_eq!(credential("x=a=b").unwrap(), Credential::new("x", "a=b").unwrap());
        assert!(credential("x").is_err());
        assert!(credential("x=@/nowhere/at/all").is_err());
    }
}
