//! The hash tree before its judge, veritysetup.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Output};

use imagebuild::bytes::Whole;
use imagebuild::guid::Guid;
use imagebuild::verity::{self, Fault, Parameters};

fn veritysetup(arguments: &[&str], paths: &[&Path]) -> Output {
    let mut command = Command::new("veritysetup");
    command.args(arguments).args(paths);
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; see tests/run"))
}

#[test]
fn byte_for_byte_what_veritysetup_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (data, ours, theirs) = (folder.path().join("data"), folder.path().join("ours"), folder.path().join("theirs"));
    let parameters = Parameters::of_seed(&Guid::seed("judge"));
    // One block has no tree, 128 fill one hash block, 129 need two levels, 16385 three.
    for blocks in [1usize, 2, 128, 129, 4000, 16_384, 16_385] {
        let bytes: Vec<u8> = (0..blocks * 4096).map(|at| (at % 251 + at / 4096 * 7) as u8).collect();
        fs::write(&data, &bytes).unwrap();
        let mut out = File::create(&ours).unwrap();
        let sealed = verity::format(&Whole::open(&data).unwrap(), &parameters, 3, &mut out).unwrap();
        out.flush().unwrap();
        drop(fs::remove_file(&theirs));
        let salt = format!("--salt={}", hex::encode(parameters.salt));
        let uuid = format!("--uuid={}", parameters.uuid);
        let output = veritysetup(&["format", &salt, &uuid], &[&data, &theirs]);
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
        assert!(told.contains(&sealed.root_hash.to_string()), "{blocks}: {told}");
        assert!(fs::read(&ours).unwrap() == fs::read(&theirs).unwrap(), "{blocks} blocks");
        let root_hash = sealed.root_hash.to_string();
        let verify = || {
            let output = veritysetup(&["verify"], &[&data, &ours, Path::new(&root_hash)]);
            output.status.success()
        };
        let open = |path: &Path| Whole::open(path).unwrap();
        assert!(verify());
        assert_eq!(verity::verify(&open(&data), &open(&ours), &sealed.root_hash, 2).unwrap(), None);
        let last = blocks as u64 - 1;
        let flipped = [bytes[last as usize * 4096] ^ 0x10];
        File::options().write(true).open(&data).unwrap().write_all_at(&flipped, last * 4096).unwrap();
        assert!(!verify());
        let fault = verity::verify(&open(&data), &open(&ours), &sealed.root_hash, 2).unwrap();
        assert_eq!(fault, Some(Fault::Data(last)));
    }
}
