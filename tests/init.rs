//! The initrd's program: what is committed is what its source gives, and is fit to be PID 1.
//!
//! A new test of the program's logic belongs beside the logic, in `src/init/`; boots are in
//! `tests/boot.rs`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use imagebuild::arch::Arch;
use imagebuild::digest::Digest;
use imagebuild::init;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader};

const MANIFEST: &str = "src/init/bin/MANIFEST.toml";

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn triple(arch: Arch) -> &'static str {
    match arch {
        Arch::Amd64 => "x86_64-unknown-linux-gnu",
        Arch::Arm64 => "aarch64-unknown-linux-gnu",
    }
}

/// The folder of the compiler, fetched once.
fn toolchain() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("init-toolchain");
        let status = Command::new(package().join("src/init/toolchain")).arg(&dir).status();
        assert!(status.is_ok_and(|status| status.success()), "src/init/toolchain must be able to fetch the compiler");
        dir
    })
}

/// The first line that a program prints for `--version`.
fn version(program: &str) -> String {
    let output = Command::new(toolchain().join(program)).arg("--version").output().expect("running the compiler");
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
}

/// Compiles the program from its source; README.md there says why each flag.
fn compile(arch: Arch) -> Vec<u8> {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("init-{arch}"));
    let status = Command::new(toolchain().join("rustc"))
        .args(["--edition=2024", "--crate-name=init", "--crate-type=bin", "-Dwarnings"])
        .args(["-Cpanic=abort", "-Copt-level=z", "-Clto=fat", "-Ccodegen-units=1", "-Cstrip=symbols"])
        .args(["-Crelocation-model=static", "-Coverflow-checks=yes"])
        .args(["-Clinker-flavor=ld.lld", &format!("-Clinker={}", toolchain().join("ld.lld").display())])
        .args(["--target", triple(arch), "-o"])
        .arg(&out)
        .arg("src/init/main.rs")
        .current_dir(package())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "src/init/main.rs must compile for {arch}");
    std::fs::read(&out).expect("reading the program")
}

/// What the manifest must say of the programs.
fn manifest(programs: &[(Arch, Vec<u8>)]) -> String {
    let mut text = String::from(
        "# What the programs of this folder were made with, and what they are.\n\
         # Written by `BLESS=1 cargo test --test init`.\n",
    );
    let _ = write!(text, "\n[compiler]\nrustc = \"{}\"\nlld = \"{}\"\n", version("rustc"), version("ld.lld"));
    for (arch, bytes) in programs {
        let digest = Digest::of(bytes);
        let _ = write!(text, "\n[init-{arch}]\nsize = {}\nsha256 = \"{digest}\"\n", bytes.len());
    }
    text
}

#[test]
fn the_programs_are_what_the_source_gives() {
    let programs: Vec<_> = Arch::ALL.into_iter().map(|arch| (arch, compile(arch))).collect();
    let expected = manifest(&programs);
    let path = package().join(MANIFEST);
    let stated = std::fs::read_to_string(&path).unwrap_or_default();
    let same = programs.iter().all(|(arch, bytes)| init::binary(*arch) == bytes);
    if std::env::var_os("BLESS").is_some() {
        for (arch, bytes) in &programs {
            std::fs::write(path.with_file_name(format!("init-{arch}")), bytes).expect("writing the program");
        }
        std::fs::write(&path, expected).expect("writing the manifest");
        panic!("the programs were written anew: run again without BLESS");
    }
    let hint = "after a change of src/init, run `BLESS=1 cargo test --test init`";
    assert!(same, "src/init/bin is not what its source gives; {hint}\nthis compiler:\n{expected}\nstated:\n{stated}");
    assert_eq!(stated, expected, "{MANIFEST} is out of date; {hint}");
}

#[test]
fn the_programs_are_small_static_files_of_their_architecture() {
    for arch in Arch::ALL {
        let bytes = init::binary(arch);
        let header = elf::FileHeader64::<object::Endianness>::parse(bytes).expect("an ELF file of 64 bits");
        let endian = header.endian().expect("a byte order");
        let machine = match arch {
            Arch::Amd64 => elf::EM_X86_64,
            Arch::Arm64 => elf::EM_AARCH64,
        };
        assert_eq!((header.e_machine(endian), header.e_type(endian)), (machine, elf::ET_EXEC), "{arch}");
        for segment in header.program_headers(endian, bytes).expect("segments") {
            let (kind, flags) = (segment.p_type(endian), segment.p_flags(endian));
            assert!(!matches!(kind, elf::PT_INTERP | elf::PT_DYNAMIC), "{arch}: needs a loader");
            assert_ne!(flags & (elf::PF_W | elf::PF_X), elf::PF_W | elf::PF_X, "{arch}: writable code");
        }
        assert!(bytes.len() < 96 << 10, "{arch}: {} bytes", bytes.len());
    }
}

/// cargo sees only those files of the program that the library includes.
#[test]
fn the_source_is_formatted_and_free_of_lints() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("init.rmeta");
    let format = ["--check", "--edition", "2024", "src/init/main.rs"].map(str::to_owned);
    let lint = ["--edition=2024", "--crate-name=init", "--crate-type=bin", "-Cpanic=abort", "-Dwarnings"];
    let lint = lint.into_iter().chain(["--emit=metadata", "src/init/main.rs", "-o"]).map(str::to_owned);
    let lint = lint.chain([out.display().to_string()]);
    for (program, arguments) in [("rustfmt", format.to_vec()), ("clippy-driver", lint.collect())] {
        let status = Command::new(program).args(arguments).current_dir(package()).status();
        assert!(status.is_ok_and(|status| status.success()), "{program} must be content with src/init/main.rs");
    }
}
