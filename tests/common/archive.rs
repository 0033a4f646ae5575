//! A miniature signed archive, made by the test: packages, indexes, a release file signed by a test key.
//!
//! Everything is a function of what is put in: the same calls give the same bytes, keys included.
#![allow(dead_code)] // each test binary uses its own part

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, Password, Timestamp};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sha2::Digest;

/// When test archives are published: 2026-01-01T00:00:00Z.
pub const DATE: u32 = 1_767_225_600;
/// [`DATE`] as release files write it.
pub const DATE_TEXT: &str = "Thu, 01 Jan 2026 00:00:00 UTC";

/// How a member is compressed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pack {
    /// Not at all.
    None,
    /// xz.
    Xz,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Pack {
    /// The ending of its files.
    pub fn ending(self) -> &'static str {
        match self {
            Pack::None => "",
            Pack::Xz => ".xz",
            Pack::Gzip => ".gz",
            Pack::Zstd => ".zst",
        }
    }

    /// Compresses.
    pub fn pack(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Pack::None => bytes.to_vec(),
            Pack::Xz => {
                let mut out = liblzma::write::XzEncoder::new(Vec::new(), 1);
                out.write_all(bytes).expect("memory");
                out.finish().expect("memory")
            }
            Pack::Gzip => {
                let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                out.write_all(bytes).expect("memory");
                out.finish().expect("memory")
            }
            Pack::Zstd => zstd::bulk::compress(bytes, 1).expect("memory"),
        }
    }
}

/// An `ar` archive of these members.
pub fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        out.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, "100644", bytes.len()).bytes());
        out.extend_from_slice(bytes);
        if bytes.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}

/// A tar archive, member by member.
pub struct Tar(tar::Builder<Vec<u8>>);

impl Default for Tar {
    fn default() -> Self {
        Tar(tar::Builder::new(Vec::new()))
    }
}

impl Tar {
    /// A header with nothing in it but its kind, mode and a time.
    pub fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(u64::from(DATE) - 1000);
        header.set_size(size);
        header.set_username("root").expect("a name");
        header.set_groupname("root").expect("a name");
        header
    }

    /// Adds a member under any name, however wrong.
    pub fn raw(&mut self, mut header: tar::Header, name: &[u8], bytes: &[u8]) -> &mut Self {
        let field = &mut header.as_old_mut().name;
        assert!(name.len() <= field.len(), "a longer name needs a header of its own");
        field.fill(0);
        field[..name.len()].copy_from_slice(name);
        header.set_cksum();
        self.0.append(&header, bytes).expect("memory");
        self
    }

    /// Adds PAX records for the next member.
    pub fn pax(&mut self, records: &[(&str, &[u8])]) -> &mut Self {
        self.0.append_pax_extensions(records.iter().copied()).expect("memory");
        self
    }

    /// A folder.
    pub fn directory(&mut self, path: &str, mode: u32) -> &mut Self {
        let mut header = Self::header(tar::EntryType::Directory, mode, 0);
        self.0.append_data(&mut header, format!(".{path}/"), &[][..]).expect("a path");
        self
    }

    /// A file.
    pub fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> &mut Self {
        let mut header = Self::header(tar::EntryType::Regular, mode, bytes.len() as u64);
        self.0.append_data(&mut header, format!(".{path}"), bytes).expect("a path");
        self
    }

    /// A symbolic link.
    pub fn symlink(&mut self, path: &str, target: &str) -> &mut Self {
        let mut header = Self::header(tar::EntryType::Symlink, 0o777, 0);
        self.0.append_link(&mut header, format!(".{path}"), target).expect("a path");
        self
    }

    /// Another name of a file.
    pub fn hard_link(&mut self, path: &str, target: &str) -> &mut Self {
        let mut header = Self::header(tar::EntryType::Link, 0o644, 0);
        self.0.append_link(&mut header, format!(".{path}"), format!(".{target}")).expect("a path");
        self
    }

    /// The archive.
    pub fn finish(&mut self) -> Vec<u8> {
        let builder = std::mem::take(self).0;
        builder.into_inner().expect("memory")
    }
}

/// A binary package in the making.
pub struct Deb {
    name: String,
    version: String,
    arch: String,
    fields: Vec<(String, String)>,
    control: BTreeMap<String, String>,
    data: Tar,
    pack: Pack,
}

impl Deb {
    /// A package of `amd64` that holds its folder `/` alone.
    pub fn new(name: &str, version: &str) -> Self {
        let mut data = Tar::default();
        let mut header = Tar::header(tar::EntryType::Directory, 0o755, 0);
        data.0.append_data(&mut header, "./", &[][..]).expect("a path");
        Deb {
            name: name.to_owned(),
            version: version.to_owned(),
            arch: "amd64".to_owned(),
            fields: Vec::new(),
            control: BTreeMap::new(),
            data,
            pack: Pack::Xz,
        }
    }

    /// Sets its architecture: `all`, `arm64`.
    pub fn arch(mut self, arch: &str) -> Self {
        self.arch = arch.to_owned();
        self
    }

    /// Adds a control field: `Depends`, `Provides`.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a control file: `postinst`, `conffiles`, `triggers`.
    pub fn control(mut self, name: &str, text: &str) -> Self {
        self.control.insert(name.to_owned(), text.to_owned());
        self
    }

    /// Sets how its members are compressed.
    pub fn pack(mut self, pack: Pack) -> Self {
        self.pack = pack;
        self
    }

    /// Adds a folder; missing parents are not made.
    pub fn directory(mut self, path: &str, mode: u32) -> Self {
        self.data.directory(path, mode);
        self
    }

    /// Adds a file.
    pub fn file(mut self, path: &str, mode: u32, bytes: impl AsRef<[u8]>) -> Self {
        self.data.file(path, mode, bytes.as_ref());
        self
    }

    /// Adds a symbolic link.
    pub fn symlink(mut self, path: &str, target: &str) -> Self {
        self.data.symlink(path, target);
        self
    }

    /// Adds another name of a file.
    pub fn hard_link(mut self, path: &str, target: &str) -> Self {
        self.data.hard_link(path, target);
        self
    }

    /// Changes the payload at will.
    pub fn data(mut self, change: impl FnOnce(&mut Tar)) -> Self {
        change(&mut self.data);
        self
    }

    fn paragraph(&self) -> String {
        let mut text = format!("Package: {}\nVersion: {}\nArchitecture: {}\n", self.name, self.version, self.arch);
        for (name, value) in &self.fields {
            text += &format!("{name}: {value}\n");
        }
        text + "Maintainer: Nobody <nobody@example.test>\nDescription: a package made by a test\n"
    }

    /// The `.deb`.
    pub fn build(&mut self) -> Vec<u8> {
        let mut control = Tar::default();
        control.file("/control", 0o644, self.paragraph().as_bytes());
        for (name, text) in &self.control {
            let mode = if ["preinst", "postinst", "prerm", "postrm", "config"].contains(&name.as_str()) {
                0o755
            } else {
                0o644
            };
            control.file(&format!("/{name}"), mode, text.as_bytes());
        }
        let (control, data) = (self.pack.pack(&control.finish()), self.pack.pack(&self.data.finish()));
        let ending = self.pack.ending();
        ar(&[
            ("debian-binary", b"2.0\n"),
            (&format!("control.tar{ending}"), &control),
            (&format!("data.tar{ending}"), &data),
        ])
    }
}

/// A key that signs release files.
pub struct Key(pub SignedSecretKey);

impl Key {
    /// A signing key; the same number gives the same key.
    pub fn new(number: u64) -> Self {
        Self::made(number, false)
    }

    /// One that signs by a subkey.
    pub fn with_subkey(number: u64) -> Self {
        Self::made(number, true)
    }

    fn made(number: u64, sub: bool) -> Self {
        let mut builder = SecretKeyParamsBuilder::default();
        let made = Timestamp::from_secs(DATE - 86400);
        builder
            .key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .can_sign(!sub)
            .created_at(made)
            .primary_user_id("Test Archive <archive@example.test>".to_owned());
        if sub {
            let mut params = SubkeyParamsBuilder::default();
            params.key_type(KeyType::Ed25519Legacy).can_sign(true).created_at(made);
            builder.subkey(params.build().expect("parameters"));
        }
        let params = builder.build().expect("parameters");
        Key(params.generate(StdRng::seed_from_u64(number)).expect("a key"))
    }

    /// The certificate, binary.
    pub fn certificate(&self) -> Vec<u8> {
        self.0.to_public_key().to_bytes().expect("memory")
    }

    /// The text, clearsigned at [`DATE`].
    pub fn sign(&self, text: &str) -> String {
        let signed = CleartextSignedMessage::new_many(text, |text| {
            let subkey = self.0.secret_subkeys.first();
            let algorithm = subkey.map_or(self.0.primary_key.algorithm(), |sub| sub.key.algorithm());
            let mut config = SignatureConfig::v4(SignatureType::Text, algorithm, HashAlgorithm::Sha256);
            let fingerprint = subkey.map_or(self.0.primary_key.fingerprint(), |sub| sub.key.fingerprint());
            config.hashed_subpackets = vec![
                Subpacket::regular(SubpacketData::IssuerFingerprint(fingerprint))?,
                Subpacket::regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(DATE)))?,
            ];
            let signature = match subkey {
                Some(sub) => config.sign(&sub.key, &Password::empty(), text.as_bytes())?,
                None => config.sign(&self.0.primary_key, &Password::empty(), text.as_bytes())?,
            };
            Ok(vec![signature])
        });
        signed.expect("a signature").to_armored_string(ArmorOptions::default()).expect("memory")
    }
}

/// A suite of an archive in the making.
#[derive(Default)]
pub struct Suite {
    packages: BTreeMap<String, Vec<String>>,
    sources: Vec<String>,
    /// Further lines of the release file: `Valid-Until: ...`.
    pub lines: Vec<String>,
    /// The date of the release file; [`DATE_TEXT`] where none.
    pub date: Option<String>,
}

/// An archive in a folder.
pub struct Archive {
    folder: tempfile::TempDir,
    /// Who signs.
    pub key: Key,
    /// Suites by name.
    pub suites: BTreeMap<String, Suite>,
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(sha2::Sha256::digest(bytes))
}

impl Default for Archive {
    fn default() -> Self {
        Archive { folder: tempfile::tempdir().expect("a folder"), key: Key::new(1), suites: BTreeMap::new() }
    }
}

impl Archive {
    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its address, as a mirror that needs no server.
    pub fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// The keyring that it is verified by, as a file.
    pub fn keyring(&self) -> PathBuf {
        let path = self.path().join("archive.gpg");
        std::fs::write(&path, self.key.certificate()).expect("a file");
        path
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }

    /// Adds a binary package to a suite; [`Archive::publish`] makes it known.
    pub fn add(&mut self, suite: &str, deb: &mut Deb) -> PathBuf {
        let bytes = deb.build();
        let file = format!("{}_{}_{}.deb", deb.name, deb.version.replace(':', "."), deb.arch);
        let path = format!("pool/main/{}/{}/{file}", &deb.name[..1], deb.name);
        self.write(&path, &bytes);
        let paragraph =
            format!("{}Filename: {path}\nSize: {}\nSHA256: {}\n", deb.paragraph(), bytes.len(), sha256(&bytes));
        let suite = self.suites.entry(suite.to_owned()).or_default();
        suite.packages.entry(deb.arch.clone()).or_default().push(paragraph);
        self.path().join(path)
    }

    /// Adds a source package to a suite: file names and contents.
    pub fn add_source(&mut self, suite: &str, name: &str, version: &str, files: &[(&str, &[u8])]) {
        let folder = format!("pool/main/{}/{name}", &name[..1]);
        let mut paragraph = format!("Package: {name}\nVersion: {version}\nDirectory: {folder}\nChecksums-Sha256:\n");
        for (file, bytes) in files {
            self.write(&format!("{folder}/{file}"), bytes);
            paragraph += &format!(" {} {} {file}\n", sha256(bytes), bytes.len());
        }
        self.suites.entry(suite.to_owned()).or_default().sources.push(paragraph);
    }

    /// Writes indexes and release files of every suite, for these architectures.
    pub fn publish(&self, archs: &[&str]) {
        for (name, suite) in &self.suites {
            let mut files = Vec::new();
            for arch in archs {
                let of = |arch: &str| suite.packages.get(arch).cloned().unwrap_or_default();
                let stanzas = [of(arch), of("all")].concat();
                files.push((format!("main/binary-{arch}/Packages"), stanzas.join("\n")));
            }
            files.push(("main/source/Sources".to_owned(), suite.sources.join("\n")));
            let mut sums = String::new();
            for (path, text) in files {
                let packed = Pack::Xz.pack(text.as_bytes());
                sums += &format!(" {} {} {path}\n", sha256(text.as_bytes()), text.len());
                sums += &format!(" {} {} {path}.xz\n", sha256(&packed), packed.len());
                let folder = path.rsplit_once('/').expect("a folder").0;
                self.write(&format!("dists/{name}/{path}.xz"), &packed);
                self.write(&format!("dists/{name}/{folder}/by-hash/SHA256/{}", sha256(&packed)), &packed);
            }
            let date = suite.date.as_deref().unwrap_or(DATE_TEXT);
            let lines: String = suite.lines.iter().map(|line| format!("{line}\n")).collect();
            let text = format!(
                "Origin: Test\nLabel: Test\nSuite: {name}\nCodename: {name}\nDate: {date}\nAcquire-By-Hash: yes\n\
                 Architectures: all {}\nNo-Support-for-Architecture-all: Packages\nComponents: main\n{lines}SHA256:\n{sums}",
                archs.join(" ")
            );
            self.write(&format!("dists/{name}/InRelease"), self.key.sign(&text).as_bytes());
        }
    }
}
