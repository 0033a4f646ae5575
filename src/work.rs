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

/// The results of pieces in their order, made by at most so many threads, which may borrow; each makes its tools once.
/// Of errors that of the earliest piece comes back.
pub fn share<T: Send, S, R: Send>(
    pieces: Vec<T>,
    threads: usize,
    tools: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let threads = threads.clamp(1, 64).min(pieces.len());
    let count = pieces.len();
    let pieces = Mutex::new(pieces.into_iter().enumerate());
    let one = || {
        let (mut tools, mut done) = (tools(), Vec::new());
        loop {
            let next = pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((number, piece)) = next else { return done };
            let result = work(&mut tools, piece);
            let failed = result.is_err();
            done.push((number, result));
            if failed {
                // Pieces are handed out in order: what is earlier was begun, and nothing later is worth beginning.
                pieces.lock().unwrap_or_else(PoisonError::into_inner).by_ref().for_each(drop);
            }
        }
    };
    let done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(one)).collect();
        let mut done = one();
        for thread in others {
            done.extend(thread.join().map_err(|_| died())?);
        }
        Ok::<_, Error>(done)
    })?;
    let mut done = done;
    done.sort_by_key(|(number, _)| *number);
    let results = done.into_iter().map(|(_, result)| result).collect::<Result<Vec<R>>>()?;
    if results.len() == count { Ok(results) } else { Err(died()) }
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
    fn shared_work_comes_back_in_order_and_the_earliest_error_counts() {
        for threads in [1, 4] {
            let numbers: Vec<u32> = (0..500).collect();
            let made = share(numbers.clone(), threads, || (), |(), number| Ok(number * 3)).unwrap();
            assert_eq!(made, (0..500).map(|number| number * 3).collect::<Vec<_>>());
            assert!(share(Vec::<u32>::new(), threads, || (), |(), number| Ok(number)).unwrap().is_empty());
            let failed = share(
                numbers,
                threads,
                || (),
                |(), number| match number {
                    7 | 8 | 300 => Err(Error::user(number.to_string())),
                    number => Ok(number),
                },
            );
            assert_eq!(failed.unwrap_err().message(), "7");
        }
    }

    #[test]
    fn a_thread_that_dies_is_an_error_not_a_hang() {
        let mut queue = Queue::new(2, || (), |(), piece: u8| if piece == 1 { panic!("on purpose") } else { piece });
        queue.push(1).unwrap();
        assert!(queue.pop().is_err());
    }
}
