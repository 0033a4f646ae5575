//! imagebuild: declarative, reproducible OS images for Kubernetes nodes.
//!
//! ```text
//! profile.toml -load-> Profile -resolve-> Lock -fetch-> Store -assemble-> Tree
//!              -pack-> Root -boot-> Boot -place-> Disk -write-> Artifact
//! ```
//!
//! Each arrow is one function from values to a value. Modules are listed in rank order:
//! a module names only modules above it.

pub mod error;
pub mod size;
pub mod digest;
pub mod guid;
pub mod epoch;
pub mod arch;
pub mod path;
pub mod bytes;
pub mod work;
pub mod report;
pub mod process;
pub mod temp;
pub mod tree;
pub mod container;
pub mod store;
pub mod profile;
pub mod lock;
pub mod record;
pub mod source;
pub mod system;
pub mod node;
pub mod squashfs;
pub mod verity;
pub mod root;
pub mod init;
pub mod disk;
pub mod boot;
pub mod assemble;
pub mod installer;
pub mod target;
pub mod output;
pub mod artifact;
pub mod manifest;
pub mod vm;
pub mod audit;
pub mod lint;
pub mod cli;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

pub use error::{Error, Result};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arch::Arch;
use digest::Digest;
use error::Context as _;
use lock::Lock;
use manifest::Manifest;
use profile::{LoadOptions, Profile};
use source::{Context, Update};

/// What a build is asked for.
#[derive(Clone, Default)]
pub struct Request {
    /// The profile's file.
    pub profile: PathBuf,
    /// Where artifacts and manifest go.
    pub output: PathBuf,
    /// The target, in place of the profile's.
    pub arch: Option<Arch>,
    /// The lock must not change.
    pub locked: bool,
    /// Pack at [`FAST_LEVEL`].
    pub fast: bool,
    /// Compile without walls.
    pub unconfined: bool,
    /// Sign the provenance.
    pub sign: Option<Arc<audit::provenance::Private>>,
    /// Who builds, as the provenance says it: a URI.
    pub builder: Option<String>,
    /// It is built to be looked at: the next build is not held against it.
    pub aside: bool,
}

/// The level of zstd under `--fast`.
pub const FAST_LEVEL: i32 = 3;

/// Builds every output of a profile; beside them lie the manifest and
/// what others may want to know.
pub fn build(request: &Request, cx: &Context) -> Result<Manifest> {
    build_explained(request, cx).map(|(manifest, _)| manifest)
}

/// The same, and why each part of it was made anew.
pub fn build_explained(request: &Request, cx: &Context) -> Result<(Manifest, audit::explain::Explanation)> {
    // What is told is of this build alone.
    let cx = &cx.with_store(cx.store.clone().afresh());
    let Begun { profile, origins, lock, moved, assembled } = begin(request, cx)?;
    target::check_drivers(&profile, &assembled.parts.modules)?;
    let posture = posture(&profile, &lock, &assembled, cx)?;
    let root = seal(&profile, &lock, &assembled, request.fast, cx)?;
    let boot = boot(&profile, &lock, &assembled, &root, cx)?;
    let disks = place(&profile, &lock, &assembled, &root, &boot, cx)?;
    check(&profile, &disks, cx)?;
    let artifacts = write(&profile, &lock, &boot, &disks, &request.output, cx)?;
    let layout = &disks.layout;
    let made = manifest::Made {
        profile: &profile,
        lock: &lock,
        assembled: &assembled,
        root: &root,
        boot: &boot,
        layout,
        posture: (&posture).into(),
    };
    let manifest = Manifest::new(&made, request.fast, artifacts, cx.report.warnings())?;
    let own = manifest.write(&request.output.join(manifest::NAME))?;
    account(request, (&manifest, own), &lock, &assembled.record, &audit::sbom::of_build(&root, &boot, cx)?)?;
    let (origins, moved, locals) = (&origins, moved.as_slice(), &assembled.locals);
    let built =
        audit::explain::Built { profile: &profile, origins, lock: &lock, moved, locals, manifest: &manifest, own };
    let explanation = audit::explain::explain(&built, &cx.store, !request.aside)?;
    Ok((manifest, explanation))
}

/// A build up to its tree.
struct Begun {
    profile: Profile,
    origins: profile::Origins,
    lock: Lock,
    /// Why the lock was made or mended.
    moved: Vec<String>,
    assembled: assemble::Assembled,
}

fn begin(request: &Request, cx: &Context) -> Result<Begun> {
    let (profile, origins) = load(request, cx)?;
    let (lock, moved) = resolve(&profile, request.locked, cx)?;
    let fetched = source::fetch(&lock, &profile, profile.image.arch, Arch::host(), cx)?;
    let assembled = assemble::assemble(&profile, &lock, &fetched, !request.unconfined, cx)?;
    Ok(Begun { profile, origins, lock, moved, assembled })
}

/// How the node of a profile stands to the rules that it asks for, or to others, before anything is packed.
pub fn held(
    request: &Request,
    rules: Option<&[profile::posture::Set]>,
    cx: &Context,
) -> Result<audit::posture::Report> {
    let Begun { profile, lock, assembled, .. } = begin(request, cx)?;
    stand(&profile, &lock, &assembled, rules, cx)
}

fn stand(
    profile: &Profile,
    lock: &Lock,
    assembled: &assemble::Assembled,
    rules: Option<&[profile::posture::Set]>,
    cx: &Context,
) -> Result<audit::posture::Report> {
    use audit::posture::{Asked, View, check};
    let stage = cx.report.stage("posture", None);
    // The root hash comes later; no rule asks for its value.
    let line = boot::command_line(profile.image.arch, &profile.kernel.cmdline, &Digest::of(b""))?;
    let addons = target::addons(profile);
    let asked = Asked::of(profile, lock.epoch).with_sets(rules);
    let report = check(&View::of_build(&assembled.tree, line, addons), &asked)?;
    stage.done(0, false);
    Ok(report)
}

/// Stops where a rule is broken.
fn posture(
    profile: &Profile,
    lock: &Lock,
    assembled: &assemble::Assembled,
    cx: &Context,
) -> Result<audit::posture::Report> {
    let report = stand(profile, lock, assembled, None, cx)?;
    for id in &report.idle {
        cx.report.warn(format!("the waiver `{id}` gives up nothing: its rule is kept, or not asked for"));
    }
    for outcome in &report.outcomes {
        if let audit::posture::State::Broken(_) = outcome.state
            && let Some(waiver) = profile.waivers.get(&outcome.rule.id)
        {
            let until = waiver.until.as_deref().unwrap_or_default();
            cx.report.warn(format!("the waiver `{}` ended on {until}", outcome.rule.id));
        }
    }
    report.error().map_or(Ok(report), Err)
}

/// What others may want to know of a build, beside the artifacts: bills of materials, provenance, digests of it all.
fn account(
    request: &Request,
    (manifest, own): (&Manifest, Digest),
    lock: &Lock,
    record: &record::Record,
    bills: &[(audit::sbom::Format, Vec<u8>)],
) -> Result<()> {
    use audit::provenance::detached::{self, Detached};
    use audit::provenance::{self, Envelope};
    let folder = &request.output;
    let mut beside = vec![(manifest::NAME.to_owned(), own)];
    let put = |name: &str, bytes: &[u8]| {
        temp::write_file(&folder.join(name), bytes)?;
        Ok::<_, Error>((name.to_owned(), Digest::of(bytes)))
    };
    for (format, bytes) in bills {
        beside.push(put(format.file(), bytes)?);
    }
    let builder = request.builder.as_deref().unwrap_or(provenance::BUILDER);
    let made = provenance::Made { manifest, lock, record, beside: &beside, builder };
    let statement = provenance::statement(&made)?;
    beside.push(put(provenance::NAME, statement.as_bytes())?);
    match &request.sign {
        Some(key) => {
            let envelope = Envelope::sign(statement.as_bytes(), provenance::IN_TOTO, key)?;
            let text = serde_json::to_string(&envelope).map_err(|error| Error::bug(error.to_string()))? + "\n";
            beside.push(put(provenance::SIGNED, text.as_bytes())?);
        }
        // One of an earlier build would be of other files.
        None => temp::remove(&folder.join(provenance::SIGNED))?,
    }
    let sums = manifest.write_sums(folder, &beside)?;
    let comment = format!("{}_{}, root hash {}", manifest.image.id, manifest.image.version, manifest.root.root_hash);
    let detached = request.sign.as_ref().and_then(|key| Detached::sign(sums.as_bytes(), &comment, key));
    for (ending, text) in [
        (detached::SIGNATURE, detached.as_ref().map(|detached| &detached.signature)),
        (detached::PUBLIC, detached.as_ref().map(|detached| &detached.public)),
    ] {
        let path = folder.join(format!("{}.{ending}", manifest::SUMS));
        match text {
            Some(text) => temp::write_file(&path, text.as_bytes())?,
            // One of an earlier build would be of other files.
            None => temp::remove(&path)?,
        }
    }
    Ok(())
}

/// A build up to what boots, without an output.
pub fn sealed(request: &Request, cx: &Context) -> Result<(root::Root, boot::Boot)> {
    let Begun { profile, lock, assembled, .. } = begin(request, cx)?;
    let root = seal(&profile, &lock, &assembled, request.fast, cx)?;
    let boot = boot(&profile, &lock, &assembled, &root, cx)?;
    Ok((root, boot))
}

fn load(request: &Request, cx: &Context) -> Result<(Profile, profile::Origins)> {
    let stage = cx.report.stage("load", None);
    let loaded = profile::load(&request.profile, &LoadOptions { arch: request.arch })?;
    stage.done(0, false);
    Ok(loaded)
}

/// The lock beside the profile, made or moved on where it does not fit, unless it is `locked`; and why it was.
fn resolve(profile: &Profile, locked: bool, cx: &Context) -> Result<(Lock, Vec<String>)> {
    let path = Lock::path_for(&profile.path);
    let previous = Lock::read(&path)?;
    if locked {
        let missing = || Error::new(error::Kind::Lock, format!("there is no lock `{}`", path.display()));
        let lock = previous.ok_or_else(|| missing().hint("make it: imagebuild lock PROFILE"))?;
        lock.check(profile, Arch::host())?;
        return Ok((lock, Vec::new()));
    }
    let why = match &previous {
        Some(lock) => lock.misfits(profile, Arch::host())?,
        None => vec!["there was no lock".to_owned()],
    };
    let lock = source::resolve(profile, previous.as_ref(), &Update::Nothing, cx)?;
    if previous.as_ref() != Some(&lock) {
        lock.write(&path)?;
    }
    Ok((lock, why))
}

/// The level that a profile is packed at; only zstd has a fast one.
fn level(profile: &Profile, fast: bool) -> i32 {
    match (fast, profile.pack.codec) {
        (true, profile::Codec::Zstd) => FAST_LEVEL,
        _ => profile.pack.level,
    }
}

/// How a profile's root is packed.
fn packing(profile: &Profile, lock: &Lock, fast: bool, jobs: usize) -> Result<squashfs::Options> {
    let level = level(profile, fast);
    let block_size = u32::try_from(profile.pack.block.bytes()).map_err(|_| Error::bug("a block of 4 GiB"))?;
    Ok(squashfs::Options { codec: profile.pack.codec, level, block_size, epoch: lock.epoch.0, jobs })
}

fn seal(
    profile: &Profile,
    lock: &Lock,
    assembled: &assemble::Assembled,
    fast: bool,
    cx: &Context,
) -> Result<root::Root> {
    let options = packing(profile, lock, fast, cx.jobs)?;
    let seed = guid::Guid::seed(&profile.image.id);
    Ok(root::pack(&assembled.tree, &cx.store, &options, &seed, cx.report)?.0)
}

fn boot(
    profile: &Profile,
    lock: &Lock,
    assembled: &assemble::Assembled,
    root: &root::Root,
    cx: &Context,
) -> Result<boot::Boot> {
    let stage = cx.report.stage("boot", None);
    let target = boot::Target {
        image: &profile.image,
        words: &profile.kernel.cmdline,
        drivers: &target::disk_drivers(profile),
        root: &root.root_hash,
        init: init::binary(profile.image.arch),
        bios: profile.boot.bios(),
        epoch: lock.epoch,
    };
    let boot = boot::assemble(&assembled.parts, &target, &cx.store)?;
    stage.done(boot.uki.len(), false);
    Ok(boot)
}

/// The disk of every output.
fn place(
    profile: &Profile,
    lock: &Lock,
    assembled: &assemble::Assembled,
    root: &root::Root,
    boot: &boot::Boot,
    cx: &Context,
) -> Result<target::Disks> {
    let stage = cx.report.stage("place", None);
    let pack = |tree: &tree::Tree| {
        let seed = guid::Guid::seed(&profile.image.id).derive("installer");
        let options = installer::packing(lock.epoch, cx.jobs);
        // In a journal of its own, since it is another root.
        let store = cx.store.clone().afresh();
        let packed = root::pack(tree, &store, &options, &seed, &report::Report::silent())?.0;
        for mut entry in store.journal().entries() {
            entry.recipe.of = "installer".to_owned();
            cx.store.journal().note(entry);
        }
        Ok(packed)
    };
    let disks = target::place(profile, root, boot, &assembled.parts, lock.epoch, &pack)?;
    if let Some(warning) = &disks.warning {
        cx.report.warn(warning);
    }
    stage.done(disks.of.iter().map(|placed| placed.disk.occupied()).max().unwrap_or(0), false);
    Ok(disks)
}

/// What an output is held against.
fn asked<'a>(profile: &'a Profile, output: &profile::Output) -> lint::Asked<'a> {
    // An update brings one UKI more.
    lint::Asked { cloud: profile.cloud(output), room: u64::from(profile.layout.slots) - 1 }
}

fn judged(found: lint::Report) -> Result<()> {
    lint::error(&found).map_or(Ok(()), Err)
}

/// Holds every disk against the rules before anything of it is written.
fn check(profile: &Profile, disks: &target::Disks, cx: &Context) -> Result<()> {
    let stage = cx.report.stage("check", None);
    let mut seen: Vec<(&Arc<target::Placed>, Option<&str>)> = Vec::new();
    for (output, placed) in profile.outputs.iter().zip(&disks.of) {
        let cloud = output.cloud.as_deref();
        if seen.iter().any(|(other, also)| Arc::ptr_eq(other, placed) && *also == cloud) {
            continue;
        }
        seen.push((placed, cloud));
        let doing = || format!("checking the output `{}`", output.label());
        let found = lint::unwritten(&placed.disk, &asked(profile, output)).context(doing)?;
        found.unchecked.iter().for_each(|what| cx.report.warn(format!("not looked at: {what}")));
        judged(found).context(doing)?;
    }
    stage.done(0, false);
    Ok(())
}

/// Every output, all at once: what each of them reads is in memory after the first.
fn write(
    profile: &Profile,
    lock: &Lock,
    boot: &boot::Boot,
    disks: &target::Disks,
    folder: &Path,
    cx: &Context,
) -> Result<Vec<manifest::Artifact>> {
    std::fs::create_dir_all(folder).context(|| format!("making `{}`", folder.display()))?;
    let stage = cx.report.stage("write", Some(disks.of.iter().map(|placed| placed.disk.len()).sum()));
    let name = profile.image.name();
    let seed = guid::Guid::seed(&profile.image.id);
    let how = output::Emit { jobs: cx.jobs, seed, epoch: lock.epoch, name: &name, spool: folder };
    let write = |output: &profile::Output, placed: &target::Placed| {
        let maker = output::of(&output.format);
        let path = folder.join(format!("{name}{}", output::suffix(output, &maker)));
        let target::Placed { layout, pieces, disk, words, cd, installer } = placed;
        let made = output::Made {
            image: &profile.image,
            boot,
            words,
            layout,
            pieces,
            disk,
            cd: cd.as_ref(),
            installer: installer.as_ref(),
        };
        let (artifacts, size) = match &maker {
            output::Maker::File(format) => {
                let writing = artifact::Writing { format: &**format, compress: output.compress, how };
                let check = |file: &Path| match output.compress {
                    None => judged(lint::file(&bytes::Whole::shared(file)?, folder, &asked(profile, output))?),
                    // What is in it was looked at before.
                    Some(_) => Ok(()),
                };
                (vec![artifact::write_checked(&writing, disk, &path, Some(&stage), &check)?], disk.len())
            }
            output::Maker::Medium(medium) => {
                let writing = artifact::Writing { format: &profile::Raw {}, compress: output.compress, how };
                let medium = medium.disk(&made, &how)?;
                (vec![artifact::write(&writing, &medium, &path, Some(&stage))?], medium.len())
            }
            output::Maker::Folder(bundle) => {
                (artifact::write_bundle(&**bundle, &made, &how, &path, Some(&stage))?, disk.len())
            }
        };
        let entry = |artifact: artifact::Artifact| manifest::Artifact {
            // All of them lie below the folder.
            path: artifact.path.strip_prefix(folder).unwrap_or(&artifact.path).to_string_lossy().into_owned(),
            format: maker.name().to_owned(),
            cloud: output.cloud.clone(),
            cmdline: placed.words.clone(),
            disk: size,
            size: artifact.size,
            sha256: artifact.sha256,
        };
        Ok(artifacts.into_iter().map(entry).collect::<Vec<_>>())
    };
    let write = &write;
    let artifacts: Result<Vec<_>> = std::thread::scope(|scope| {
        let pairs = profile.outputs.iter().zip(&disks.of);
        let threads: Vec<_> = pairs.map(|(output, placed)| scope.spawn(move || write(output, placed))).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|result| result.unwrap_or_else(|_| Err(Error::bug("a thread that wrote an output died")))).collect()
    });
    let artifacts: Vec<_> = artifacts?.into_iter().flatten().collect();
    stage.done(artifacts.iter().map(|artifact| artifact.size).sum(), false);
    Ok(artifacts)
}
