//! Threads that each do one piece of a long work, and give the results back in the order of the pieces.
//!
//! What comes out does not depend on how many threads there are; only a bounded number of pieces is in
//! flight, so memory does not grow with the work.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::error::{Error, Result};

/// Pieces of type `T` in, results of type `R` out.
pub struct Queue<T, R> {
    /// None once the queue ends.
    pieces: Option<Sender<(u64, T)>>,
    /// None: the thread that had the piece died.
    results: Receiver<(u64, Option<R>)>,
    /// Results that came before their turn.
    early: BTreeMap<u64, R>,
    pushed: u64,
    popped: u64,
    window: u64,
    threads: Vec<JoinHandle<()>>,
}

impl<T: Send + 'static, R: Send + 'static> Queue<T, R> {
    /// A queue of `threads` threads; each makes its tools once and then works on pieces with them.
    pub fn new<S>(
        threads: usize,
        tools: impl Fn() -> S + Send + Sync + 'static,
        work: impl Fn(&mut S, T) -> R + Send + Sync + 'static,
    ) -> Self {
        let threads = threads.clamp(1, 64);
        let (pieces, queue) = channel::<(u64, T)>();
        let (done, results) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let shared = Arc::new((tools, work));
        let spawn = |_| {
            let (queue, done, shared) = (queue.clone(), done.clone(), shared.clone());
            std::thread::spawn(move || {
                let mut tools = shared.0();
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((number, piece)) = next else { return };
                    // Sent when dropped: after the work, or while a panic unwinds.
                    let mut answer = Answer { done: &done, number, result: None };
                    answer.result = Some(shared.1(&mut tools, piece));
                }
            })
        };
        let threads: Vec<_> = (0..threads).map(spawn).collect();
        let window = 2 * threads.len() as u64;
        Queue { pieces: Some(pieces), results, early: BTreeMap::new(), pushed: 0, popped: 0, window, threads }
    }

    /// Takes a piece in; where enough are in flight, waits for the oldest and gives its result.
    pub fn push(&mut self, piece: T) -> Result<Option<R>> {
        let sent = self.pieces.as_ref().is_some_and(|pieces| pieces.send((self.pushed, piece)).is_ok());
        if !sent {
            return Err(died());
        }
        self.pushed += 1;
        if self.pushed - self.popped > self.window { self.pop() } else { Ok(None) }
    }

    /// The result whose turn it is; none where every piece's was given.
    pub fn pop(&mut self) -> Result<Option<R>> {
        if self.popped == self.pushed {
            return Ok(None);
        }
        loop {
            if let Some(result) = self.early.remove(&self.popped) {
                self.popped += 1;
                return Ok(Some(result));
            }
            let (number, result) = self.results.recv().map_err(|_| died())?;
            self.early.insert(number, result.ok_or_else(died)?);
        }
    }
}

/// The result of a piece on its way back, whatever becomes of the thread.
struct Answer<'d, R> {
    done: &'d Sender<(u64, Option<R>)>,
    number: u64,
    result: Option<R>,
}

impl<R> Drop for Answer<'_, R> {
    fn drop(&mut self) {
        // Whoever waited may be gone: then nobody misses it.
        drop(self.done.send((self.number, self.result.take())));
    }
}

impl<T, R> Drop for Queue<T, R> {
    fn drop(&mut self) {
        drop(self.pieces.take());
        for thread in self.threads.drain(..) {
            // A panic showed where the result was waited for.
            drop(thread.join());
        }
    }
}

fn died() -> Error {
    Error::bug("a thread ended before its work")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whoever_is_first() {
        let mut queue = Queue::new(
            4,
            || 0u32,
            |count, piece: u64| {
                *count += 1;
                std::thread::sleep(std::time::Duration::from_micros(997 * (7 - piece % 8)));
                piece * 2
            },
        );
        let mut out = Vec::new();
        for piece in 0..100 {
            out.extend(queue.push(piece).unwrap());
        }
        while let Some(result) = queue.pop().unwrap() {
            out.push(result);
        }
        assert_eq!(out, (0..100).map(|piece| piece * 2).collect::<Vec<u64>>());
    }

    #[test]
    fn a_thread_that_dies_is_an_error_not_a_hang() {
        let mut queue = Queue::new(2, || (), |(), piece: u8| if piece == 1 { panic!("on purpose") } else { piece });
        queue.push(1).unwrap();
        assert!(queue.pop().is_err());
    }
}
