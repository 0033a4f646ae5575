//! Processes that we start: each leads a group of its own, which ends with us.
//!
//! A group is killed when its [`Running`] is dropped, when its leader is waited for, and on
//! Ctrl-C, SIGTERM and SIGHUP; nothing that a program started outlives it.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::Mutex;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// Leaders whose groups a signal must end, since it runs no destructors.
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// A program under way.
#[derive(Debug)]
pub struct Running {
    child: Child,
    // None once it was waited for: its number may be another's then.
    leader: Option<Pid>,
}

impl Running {
    /// Starts `command` in a group of its own.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        // Held over the start, so that no signal can come between start and entry.
        let mut running = RUNNING.lock().map_err(|_| io::Error::other("a thread died while it started a program"))?;
        let child = command.process_group(0).spawn()?;
        let leader = Pid::from_child(&child);
        running.insert(leader.as_raw_nonzero().get());
        Ok(Running { child, leader: Some(leader) })
    }

    /// What it reads as standard input, where that is a pipe; once.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// What it writes to standard output, where that is a pipe; once.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// What it writes to standard error, where that is a pipe; once.
    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Whether it has ended; it is not yet waited for.
    pub fn ended(&self) -> io::Result<bool> {
        let Some(leader) = self.leader else { return Ok(true) };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        Ok(waitid(WaitId::Pid(leader), options)?.is_some())
    }

    /// Waits for its end, and ends what it left behind.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        if let Some(leader) = self.leader {
            // The leader stays a zombie, so that the number is its own until the group is gone.
            while let Err(error) = waitid(WaitId::Pid(leader), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                if error != rustix::io::Errno::INTR {
                    return Err(error.into());
                }
            }
            self.end();
        }
        self.child.wait()
    }

    /// Kills the whole group and waits for the leader.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.end();
        self.child.wait()
    }

    fn end(&mut self) {
        let Some(leader) = self.leader.take() else { return };
        if let Ok(mut running) = RUNNING.lock() {
            running.remove(&leader.as_raw_nonzero().get());
        }
        // A group that is gone already is what was wanted.
        let _ = kill_process_group(leader, Signal::KILL);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.kill());
    }
}

/// Ends every group; from then on none can be started: for a process that is about to exit.
pub(crate) fn kill_all() {
    let Ok(running) = RUNNING.lock() else { return };
    for leader in running.iter().filter_map(|leader| Pid::from_raw(*leader)) {
        let _ = kill_process_group(leader, Signal::KILL);
    }
    std::mem::forget(running);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::process::Stdio;

    #[test]
    fn what_a_program_started_ends_with_it() {
        let mut command = Command::new("sh");
        // The inner program holds the pipe open: the read ends only when it is killed.
        command.args(["-c", "sleep 1000 & echo started"]).stdout(Stdio::piped());
        let mut running = Running::spawn(&mut command).unwrap();
        let mut out = running.stdout().unwrap();
        assert!(running.wait().unwrap().success());
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        assert_eq!(text, "started\n");
        assert!(running.ended().unwrap());
    }

    #[test]
    fn dropping_kills() {
        let mut command = Command::new("sleep");
        let mut running = Running::spawn(command.arg("1000").stdout(Stdio::piped())).unwrap();
        assert!(!running.ended().unwrap());
        let mut out = running.stdout().unwrap();
        drop(running);
        assert_eq!(out.read(&mut [0]).unwrap(), 0);
    }
}
