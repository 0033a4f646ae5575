//! The walls round a program that we did not write: files by Landlock, the rest by seccomp.
//!
//! - Files: it reads and executes what lies under `read`, reads and writes what lies under
//!   `write`, and `/dev/null`; every other open, creation, rename and removal is refused.
//! - Network: it gets no socket of any family, so neither a host nor a daemon's socket file.
//! - What Landlock lets pass is refused too: modes, owners, times and attributes of any file,
//!   truncation by path, other processes, io_uring (which goes round the filter).
//!
//! Both walls belong to a thread and to what it starts, for ever; so the program is started
//! by a thread that ends at once, and ours stays as free as it was.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, sock_filter};

use crate::error::{Context, Error, Result};
use crate::process::Running;

/// Which folders the program may use.
#[derive(Debug, Clone, Default)]
pub struct Walls {
    /// Read and execute.
    pub read: Vec<PathBuf>,
    /// Read, write, make, rename and remove; not execute.
    pub write: Vec<PathBuf>,
}

/// Starts `command` behind `walls`; where the kernel cannot put them up, nothing is started.
pub fn spawn(mut command: Command, walls: Walls) -> Result<Running> {
    let start = move || {
        restrict_files(&walls).map_err(refused)?;
        restrict_calls().map_err(refused)?;
        Running::spawn(&mut command).context(|| format!("starting `{}`", command.get_program().to_string_lossy()))
    };
    let thread = std::thread::Builder::new().name("confined".into()).spawn(start);
    let thread = thread.context(|| "starting a thread".into())?;
    thread.join().map_err(|_| Error::bug("the thread that starts a confined program died"))?
}

fn refused(cause: String) -> Error {
    Error::system(format!("the kernel cannot confine the compiler: {cause}"))
        .hint("use a kernel with Landlock (5.13 or later, `lsm=` must name landlock) and seccomp")
        .hint("`--unconfined` runs the compiler with all that you may do: only for sources that you trust")
}

/// Landlock (Documentation/userspace-api/landlock.rst): the first version is demanded, later ones are taken along.
fn restrict_files(walls: &Walls) -> Result<(), String> {
    // V8 knows the rights that a build could misuse; what is newer asks for nothing here.
    let newest = ABI::V8;
    let say = |error: landlock::RulesetError| error.to_string();
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .map_err(say)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(newest))
        .map_err(say)?
        .handle_access(AccessNet::from_all(newest))
        .map_err(say)?
        .scope(Scope::from_all(newest))
        .map_err(say)?
        .create()
        .map_err(say)?;
    let read = AccessFs::from_read(newest);
    let mut rules: Vec<(PathBuf, BitFlags<AccessFs>)> = Vec::new();
    rules.extend(walls.read.iter().map(|path| (path.clone(), read)));
    rules.extend(walls.write.iter().map(|path| (path.clone(), AccessFs::from_all(newest) & !AccessFs::Execute)));
    rules.push(("/dev/null".into(), AccessFs::ReadFile | AccessFs::WriteFile));
    for (path, access) in rules {
        let handle = PathFd::new(&path).map_err(|error| error.to_string())?;
        ruleset = ruleset.add_rule(PathBeneath::new(handle, access)).map_err(say)?;
    }
    let status = ruleset.restrict_self().map_err(say)?;
    match (status.ruleset, status.no_new_privs) {
        (RulesetStatus::NotEnforced, _) | (_, false) => Err("it has no Landlock, or it is turned off".into()),
        _ => Ok(()),
    }
}

/// What is refused with EPERM, whatever its arguments.
fn forbidden() -> Vec<i64> {
    let mut calls = vec![
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_connect,
        libc::SYS_io_uring_setup,
        libc::SYS_truncate,
        libc::SYS_fchmod,
        libc::SYS_fchmodat,
        // fchmodat2, which the libc crate does not name on every architecture.
        452,
        libc::SYS_fchown,
        libc::SYS_fchownat,
        libc::SYS_utimensat,
        libc::SYS_setxattr,
        libc::SYS_lsetxattr,
        libc::SYS_fsetxattr,
        libc::SYS_removexattr,
        libc::SYS_lremovexattr,
        libc::SYS_fremovexattr,
        // setxattrat, removexattrat
        463,
        466,
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_pidfd_send_signal,
        libc::SYS_pidfd_getfd,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_setns,
        libc::SYS_unshare,
        libc::SYS_mount,
        libc::SYS_move_mount,
        libc::SYS_open_tree,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_keyctl,
        libc::SYS_shmget,
        libc::SYS_msgget,
        libc::SYS_mq_open,
        libc::SYS_open_by_handle_at,
    ];
    #[cfg(target_arch = "x86_64")]
    calls.extend([
        libc::SYS_chmod,
        libc::SYS_chown,
        libc::SYS_lchown,
        libc::SYS_utime,
        libc::SYS_utimes,
        libc::SYS_futimesat,
    ]);
    calls
}

fn restrict_calls() -> Result<(), String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let rules: BTreeMap<i64, Vec<_>> = forbidden().into_iter().map(|call| (call, Vec::new())).collect();
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).map_err(|error| error.to_string())?;
    let filter: BpfProgram = filter.try_into().map_err(|error: seccompiler::BackendError| error.to_string())?;
    let program: BpfProgram = second_table().into_iter().chain(filter).collect();
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())
}

/// Refuses the x32 table of x86-64 whole: its numbers have bit 30 set and would pass the filter by.
fn second_table() -> Vec<sock_filter> {
    // classic BPF: load the word at `k`; skip `jt` or `jf` by whether it is >= k; return k.
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let enosys = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
    match cfg!(target_arch = "x86_64") {
        true => vec![instruction(0x20, 0, 0, 0), instruction(0x35, 0, 1, 0x4000_0000), instruction(0x06, 0, 0, enosys)],
        false => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::path::Path;
    use std::process::Stdio;

    /// What `script` prints behind the walls; it may write to `work` and execute the host's programs.
    fn run(work: &Path, script: &str) -> String {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.current_dir(work);
        let read = ["/bin", "/usr", "/lib", "/lib64", "/etc/ld.so.cache"].map(PathBuf::from);
        let read = read.into_iter().filter(|path| path.exists()).collect();
        let mut running = spawn(command, Walls { read, write: vec![work.to_owned()] }).unwrap();
        let mut text = String::new();
        running.stdout().unwrap().read_to_string(&mut text).unwrap();
        running.wait().unwrap();
        text
    }

    #[test]
    fn files_outside_are_out_of_reach() {
        let work = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let secret = other.path().join("secret");
        std::fs::write(&secret, "x").unwrap();
        let name = secret.display();
        assert_eq!(run(work.path(), "echo a > in && cat in"), "a\n");
        assert_eq!(run(work.path(), &format!("cat {name} || echo no")), "no\n");
        assert_eq!(run(work.path(), &format!("echo b > {name} || echo no")), "no\n");
        assert_eq!(run(work.path(), &format!("truncate -s 0 {name} || echo no")), "no\n");
        assert_eq!(run(work.path(), &format!("rm -f {name} || echo no")), "no\n");
        assert_eq!(run(work.path(), &format!("chmod 777 {name} || echo no")), "no\n");
        assert_eq!(run(work.path(), &format!("touch {name} || echo no")), "no\n");
        assert_eq!(run(work.path(), "cp /bin/true t; ./t || echo no"), "no\n");
        assert_eq!(std::fs::read(&secret).unwrap(), b"x");
    }

    #[test]
    fn there_is_no_network_and_no_daemon() {
        let work = tempfile::tempdir().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}' && echo connected || echo no");
        assert_eq!(run(work.path(), &script), "no\n");
    }

    #[test]
    fn our_own_thread_stays_free() {
        let work = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        run(work.path(), "true");
        std::fs::write(other.path().join("x"), "x").unwrap();
        std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    }
}
