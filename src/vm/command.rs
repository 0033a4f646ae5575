//! QEMU's command line: a machine as the field's clouds and metal have it, and nothing else.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::Options;
use crate::arch::Arch;
use crate::error::{Error, Result};

/// How disks are attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Bus {
    /// virtio-blk.
    #[default]
    Virtio,
    /// NVMe.
    Nvme,
    /// SCSI, on virtio-scsi.
    Scsi,
    /// SCSI, on LSI's MegaRAID controller, as servers have it; OVMF does not know it, a BIOS does.
    Megaraid,
    /// SCSI, on VMware's paravirtual controller; Debian's OVMF does not know it, a BIOS does.
    Pvscsi,
    /// SCSI, on LSI's SAS 1068 controller, VMware's `LSI Logic SAS`; Debian's OVMF does not know it, a BIOS does.
    Mptsas,
}

/// What the network is to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Network {
    /// virtio-net.
    #[default]
    Virtio,
    /// Intel's 82540EM, as VMware and many others have it.
    E1000,
}

impl Network {
    fn device(self) -> &'static str {
        match self {
            Network::Virtio => "virtio-net-pci",
            Network::E1000 => "e1000",
        }
    }
}

/// How a machine without a disk fetches its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Protocol {
    /// TFTP, which every network card's program knows.
    #[default]
    Tftp,
    /// HTTP, which iPXE and UEFI know; QEMU's DHCP server offers it to iPXE alone, UEFI has it from a boot option.
    Http,
}

/// Where the files of such a machine come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// A folder that QEMU serves.
    Tftp(PathBuf),
    /// A port of the host that serves one.
    Http(u16),
}

impl Served {
    /// Where the guest finds `file` on `port` of the host.
    pub(super) fn url(port: u16, file: &str) -> String {
        format!("http://10.0.2.2:{port}/{file}")
    }
}

/// What the image is to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// A disk, on the bus of disks.
    #[default]
    Disk,
    /// A CD in a drive; it cannot be written to.
    Cdrom,
    /// A USB stick.
    Usb,
}

/// How the guest's code is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Accel {
    /// KVM where it runs a guest, else TCG.
    #[default]
    Auto,
    /// The processor itself.
    Kvm,
    /// Translated: works everywhere, slowly.
    Tcg,
}

/// A systemd credential, handed in through SMBIOS (systemd.system-credentials(7)).
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub value: Vec<u8>,
}

/// Not the value: it may be a secret.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credential({}, {} bytes)", self.name, self.value.len())
    }
}

impl Credential {
    /// A credential; names have the letters of file names, without `:` and `=`.
    pub fn new(name: &str, value: impl Into<Vec<u8>>) -> Result<Self> {
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'@');
        if name.is_empty() || name.len() > 255 || name.starts_with('.') || !name.bytes().all(sound) {
            return Err(Error::user(format!("`{name}` is no name of a credential"))
                .hint("expected letters, digits and `.`, `-`, `_`, `@`"));
        }
        Ok(Credential { name: name.to_owned(), value: value.into() })
    }

    /// The string of SMBIOS type 11 that carries it.
    pub(super) fn smbios(&self) -> Vec<u8> {
        let plain = self.value.iter().all(|byte| matches!(byte, 0x20..=0x7e)) && !self.value.ends_with(b" ");
        let mut text = match plain {
            true => format!("io.systemd.credential:{}=", self.name).into_bytes(),
            false => format!("io.systemd.credential.binary:{}=", self.name).into_bytes(),
        };
        match plain {
            true => text.extend(&self.value),
            false => text.extend(BASE64.encode(&self.value).into_bytes()),
        }
        text
    }
}

/// The QEMU for `arch` on PATH.
pub fn program(arch: Arch) -> Result<PathBuf> {
    let name = format!("qemu-system-{}", arch.kernel());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(&name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let package = match arch {
            Arch::Amd64 => "qemu-system-x86",
            Arch::Arm64 => "qemu-system-arm",
        };
        Error::system(format!("there is no `{name}` on PATH"))
            .hint(format!("install it: apt install {package} (qemu-system-{} elsewhere)", arch.kernel()))
    })
}

/// A machine with all its files in place.
pub struct Machine<'a> {
    /// What was asked for.
    pub options: &'a Options,
    /// KVM or TCG.
    pub accel: Accel,
    /// Code and variables of UEFI, the latter writable; none for QEMU's own BIOS.
    pub flash: Option<(PathBuf, PathBuf)>,
    /// The overlay of the image, or a CD itself; none where there is no disk.
    pub disk: Option<PathBuf>,
    /// What the firmware fetches over the network.
    pub served: Option<Served>,
    /// Overlays of further disks.
    pub extra: Vec<PathBuf>,
    /// A raw disk that is written to.
    pub install_to: Option<PathBuf>,
    /// Files that each hold a string of SMBIOS type 11.
    pub credentials: Vec<PathBuf>,
}

impl Machine<'_> {
    /// The command that runs it, its console on standard output.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(self.arguments());
        command
    }

    fn arguments(&self) -> Vec<OsString> {
        let options = self.options;
        let mut line = Line::default();
        let (machine, cpu) = match (options.arch, self.accel) {
            (Arch::Amd64, Accel::Kvm) => ("q35", "host"),
            // What TCG does quickly: a newer one makes the guest use instructions that are emulated slowly.
            (Arch::Amd64, _) => ("q35", "Nehalem"),
            (Arch::Arm64, Accel::Kvm) => ("virt,gic-version=host", "host"),
            (Arch::Arm64, _) => ("virt", "cortex-a72"),
        };
        line.words(["-no-user-config", "-nodefaults", "-machine", machine, "-cpu", cpu]);
        line.words(["-accel", if self.accel == Accel::Kvm { "kvm" } else { "tcg,thread=multi" }]);
        line.words(["-smp", &options.cpus.to_string(), "-m", &format!("{}M", options.memory >> 20)]);
        line.words(["-display", "none", "-monitor", "none", "-no-reboot"]);
        line.words(["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]);
        if let Some((code, vars)) = &self.flash {
            line.option("-drive", "if=pflash,unit=0,format=raw,readonly=on,file=", code);
            line.option("-drive", "if=pflash,unit=1,format=raw,file=", vars);
        }
        line.words(["-device", "virtio-rng-pci"]);
        let network = options.network.device();
        match &self.served {
            None => line.words(["-nic", &format!("user,model={network}")]),
            Some(served) => {
                // A BIOS knows no network: the ROM that QEMU brings with a card is iPXE.
                let file = if self.flash.is_some() { super::NETBOOT } else { super::NETBOOT_SCRIPT };
                let rom = match (&self.flash, options.network) {
                    // UEFI has a driver of its own for this one.
                    (Some(_), Network::Virtio) => ",romfile=",
                    _ => "",
                };
                match served {
                    Served::Tftp(folder) => {
                        line.option("-netdev", &format!("user,id=net,bootfile={file},tftp="), folder);
                    }
                    // Its variables tell it.
                    Served::Http(_) if self.flash.is_some() => line.words(["-netdev", "user,id=net"]),
                    Served::Http(port) => {
                        let url = Served::url(*port, file);
                        line.words(["-netdev", &format!("user,id=net,bootfile={url}")]);
                    }
                }
                line.words(["-device", &format!("{network},netdev=net{rom},bootindex=0")]);
            }
        }
        match options.bus {
            Bus::Scsi => line.words(["-device", "virtio-scsi-pci,id=scsi"]),
            Bus::Megaraid => line.words(["-device", "megasas-gen2,id=scsi"]),
            Bus::Pvscsi => line.words(["-device", "pvscsi,id=scsi"]),
            Bus::Mptsas => line.words(["-device", "mptsas1068,id=scsi"]),
            Bus::Virtio | Bus::Nvme => {}
        }
        for (index, path) in self.extra.iter().enumerate() {
            self.disk(&mut line, &format!("extra{index}"), path, "");
        }
        if let Some(path) = &self.install_to {
            self.attach(&mut line, "target", "raw", path, "");
        }
        if let Some(disk) = &self.disk {
            self.image(&mut line, disk);
        }
        if let Some(uuid) = &options.uuid {
            line.words(["-uuid", &uuid.to_string()]);
        }
        for path in &self.credentials {
            line.option("-smbios", "type=11,path=", path);
        }
        line.0
    }

    fn image(&self, line: &mut Line, disk: &Path) {
        match self.options.role {
            Role::Disk => {
                let sector = match self.options.sector {
                    // The default of every bus.
                    512 => String::new(),
                    size => format!(",logical_block_size={size},physical_block_size={size}"),
                };
                self.disk(line, "disk", disk, &format!(",bootindex=0{sector}"));
            }
            Role::Cdrom => {
                line.option("-drive", "if=none,id=disk,format=raw,media=cdrom,readonly=on,file=", disk);
                match self.options.arch {
                    // On the SATA controller of the machine.
                    Arch::Amd64 => line.words(["-device", "ide-cd,drive=disk,bootindex=0"]),
                    Arch::Arm64 => {
                        line.words(["-device", "virtio-scsi-pci,id=cd"]);
                        line.words(["-device", "scsi-cd,bus=cd.0,drive=disk,bootindex=0"]);
                    }
                }
            }
            Role::Usb => {
                line.words(["-device", "qemu-xhci"]);
                line.option("-drive", "if=none,id=disk,format=qcow2,cache=unsafe,file=", disk);
                line.words(["-device", "usb-storage,drive=disk,removable=on,bootindex=0"]);
            }
        }
    }

    /// An overlay.
    fn disk(&self, line: &mut Line, id: &str, path: &Path, more: &str) {
        self.attach(line, id, "qcow2", path, more);
    }

    fn attach(&self, line: &mut Line, id: &str, format: &str, path: &Path, more: &str) {
        // What must last is in the host's memory even when QEMU is killed; no host's power cut is waited for.
        line.option("-drive", &format!("if=none,id={id},format={format},cache=unsafe,file="), path);
        let device = match self.options.bus {
            Bus::Virtio => format!("virtio-blk-pci,drive={id}{more}"),
            Bus::Nvme => format!("nvme,drive={id},serial={id}{more}"),
            Bus::Scsi | Bus::Megaraid | Bus::Pvscsi => format!("scsi-hd,bus=scsi.0,drive={id}{more}"),
            Bus::Mptsas => format!("scsi-hd,bus=scsi.0,drive={id},wwn={:#x}{more}", address(id)),
        };
        line.words(["-device", &device]);
    }
}

/// The SAS address of a disk, of those that anyone may give (NAA 3 of SPC-4, 7.8.6.6). QEMU gives it none by default,
/// and Linux passes over an end device without one.
fn address(id: &str) -> u64 {
    let name = id.bytes().fold(0, |name: u64, byte| name << 8 | u64::from(byte));
    3 << 60 | name & (u64::MAX >> 4)
}

#[derive(Default)]
struct Line(Vec<OsString>);

impl Line {
    fn words<const N: usize>(&mut self, words: [&str; N]) {
        self.0.extend(words.map(OsString::from));
    }

    /// `name` with a value that ends in a path; QEMU reads two commas as one.
    fn option(&mut self, name: &str, value: &str, path: &Path) {
        let mut bytes = value.as_bytes().to_vec();
        for byte in path.as_os_str().as_bytes() {
            bytes.extend(std::iter::repeat_n(*byte, if *byte == b',' { 2 } else { 1 }));
        }
        self.0.extend([OsStr::new(name).to_owned(), OsString::from_vec(bytes)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Firmware;

    fn options() -> Options {
        Options {
            image: "/x.raw".into(),
            netboot: false,
            protocol: Protocol::Tftp,
            arch: Arch::Amd64,
            firmware: Firmware::Uefi,
            disk_size: 1 << 30,
            bus: Bus::Virtio,
            network: Network::Virtio,
            sector: 512,
            role: Role::Disk,
            accel: Accel::Tcg,
            memory: 1 << 30,
            cpus: 2,
            credentials: Vec::new(),
            uuid: None,
            overlay: None,
            input: false,
            firmware_vars: None,
            extra_disks: Vec::new(),
            install_to: None,
            until: None,
            timeout: None,
            log: None,
        }
    }

    fn line(options: &Options, extra: Vec<PathBuf>) -> String {
        let machine = Machine {
            options,
            accel: options.accel,
            flash: (options.firmware == Firmware::Uefi).then(|| ("/code".into(), "/v,ars".into())),
            disk: Some("/disk".into()),
            served: None,
            extra,
            install_to: options.install_to.clone(),
            credentials: vec!["/c".into()],
        };
        let words: Vec<String> = machine.arguments().iter().map(|word| word.to_string_lossy().into_owned()).collect();
        words.join(" ")
    }

    #[test]
    fn the_image_boots_and_decoys_come_before_it() {
        let text = line(&options(), vec!["/decoy".into()]);
        let (decoy, disk) = (text.find("drive=extra0").unwrap(), text.find("drive=disk,bootindex=0").unwrap());
        assert!(decoy < disk);
        assert!(text.contains("file=/v,,ars") && text.contains("-accel tcg,thread=multi"));
        assert!(text.contains("-smbios type=11,path=/c") && text.contains("-m 1024M"));
    }

    #[test]
    fn an_image_may_be_a_cd_or_a_stick() {
        let devices = [
            (Role::Cdrom, "media=cdrom,readonly=on,file=/disk -device ide-cd,drive=disk,bootindex=0"),
            (Role::Usb, "file=/disk -device usb-storage,drive=disk,removable=on,bootindex=0"),
        ];
        for (role, device) in devices {
            let text = line(&Options { role, ..options() }, Vec::new());
            assert!(text.contains(device) && !text.contains("virtio-blk"), "{text}");
        }
    }

    #[test]
    fn what_an_installer_fills_is_the_file_itself() {
        let text = line(&Options { role: Role::Cdrom, install_to: Some("/new".into()), ..options() }, Vec::new());
        assert!(
            text.contains("id=target,format=raw,cache=unsafe,file=/new -device virtio-blk-pci,drive=target"),
            "{text}"
        );
    }

    #[test]
    fn a_bios_needs_no_flash() {
        let text = line(&Options { firmware: Firmware::Bios, ..options() }, Vec::new());
        assert!(!text.contains("pflash") && text.contains("drive=disk,bootindex=0"), "{text}");
    }

    #[test]
    fn what_a_machine_without_a_disk_fetches_depends_on_its_firmware() {
        let served = |firmware, network, protocol| {
            let options = Options { firmware, network, ..options() };
            let flash = (firmware == Firmware::Uefi).then(|| ("/code".into(), "/vars".into()));
            let served = Some(match protocol {
                Protocol::Tftp => Served::Tftp("/folder".into()),
                Protocol::Http => Served::Http(8080),
            });
            let (accel, extra, credentials) = (options.accel, Vec::new(), Vec::new());
            let machine =
                Machine { options: &options, accel, flash, disk: None, served, extra, install_to: None, credentials };
            let words: Vec<String> =
                machine.arguments().iter().map(|word| word.to_string_lossy().into_owned()).collect();
            words.join(" ")
        };
        let (tftp, http) = (Protocol::Tftp, Protocol::Http);
        for (firmware, network, protocol, words) in [
            (
                Firmware::Uefi,
                Network::Virtio,
                tftp,
                ",bootfile=netboot.efi,tftp=/folder -device virtio-net-pci,netdev=net,romfile=,bootindex",
            ),
            (
                Firmware::Uefi,
                Network::E1000,
                tftp,
                ",bootfile=netboot.efi,tftp=/folder -device e1000,netdev=net,bootindex",
            ),
            (Firmware::Uefi, Network::Virtio, http, " -device virtio-net-pci,netdev=net,romfile=,bootindex"),
            (
                Firmware::Bios,
                Network::Virtio,
                tftp,
                ",bootfile=boot.ipxe,tftp=/folder -device virtio-net-pci,netdev=net,bootindex",
            ),
            (
                Firmware::Bios,
                Network::Virtio,
                http,
                ",bootfile=http://10.0.2.2:8080/boot.ipxe -device virtio-net-pci,netdev=net,bootindex",
            ),
        ] {
            let text = served(firmware, network, protocol);
            assert!(text.contains(&format!("user,id=net{words}=0")), "{text}");
        }
    }

    #[test]
    fn every_bus_has_its_device() {
        let devices = [
            (Bus::Virtio, "-device virtio-blk-pci,drive=disk,bootindex=0"),
            (Bus::Nvme, "-device nvme,drive=disk,serial=disk,bootindex=0"),
            (Bus::Scsi, "-device virtio-scsi-pci,id=scsi"),
            (Bus::Scsi, "-device scsi-hd,bus=scsi.0,drive=disk,bootindex=0"),
            (Bus::Megaraid, "-device megasas-gen2,id=scsi"),
            (Bus::Megaraid, "-device scsi-hd,bus=scsi.0,drive=disk,bootindex=0"),
            (Bus::Pvscsi, "-device pvscsi,id=scsi"),
            (Bus::Mptsas, "-device mptsas1068,id=scsi"),
            (Bus::Mptsas, "-device scsi-hd,bus=scsi.0,drive=disk,wwn=0x300000006469736b,bootindex=0"),
        ];
        for (bus, device) in devices {
            assert!(line(&Options { bus, ..options() }, Vec::new()).contains(device), "{device}");
            let large = line(&Options { bus, sector: 4096, ..options() }, vec!["/decoy".into()]);
            assert_eq!(large.matches(",logical_block_size=4096,physical_block_size=4096").count(), 1, "{large}");
        }
    }

    #[test]
    fn every_disk_has_its_own_sas_address() {
        let ids = ["disk", "target", "extra0", "extra1", "extra10", "extra101"];
        let addresses: std::collections::BTreeSet<u64> = ids.into_iter().map(address).collect();
        assert_eq!(addresses.len(), ids.len());
        assert!(addresses.iter().all(|address| address >> 60 == 3), "{addresses:x?}");
    }

    #[test]
    fn credentials_go_as_text_or_as_base64() {
        let smbios = |value: &[u8]| String::from_utf8(Credential::new("a.b", value).unwrap().smbios()).unwrap();
        assert_eq!(smbios(b"x,y=z"), "io.systemd.credential:a.b=x,y=z");
        assert_eq!(smbios(b"a\nb"), "io.systemd.credential.binary:a.b=YQpi");
        assert_eq!(smbios(b"foobar\xff"), "io.systemd.credential.binary:a.b=Zm9vYmFy/w==");
        for name in ["", "a:b", "a=b", "../x", ".x", "a/b"] {
            assert!(Credential::new(name, "").is_err(), "{name}");
        }
    }
}
