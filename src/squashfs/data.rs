//! The data area: blocks and fragments, compressed by many threads, written in one order.
//!
//! One thread decides (order, duplicates, which tail goes into which fragment block) and
//! writes; the others do whatever costs time. What is decided depends on the tree alone, so
//! the bytes are the same for any number of threads.

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::codec::Method;
use super::inode::PLAIN;
use super::originals::Originals;
use super::placement::Placement;
use super::plan::{File, Plan};
use super::work::{Answer, Block, Done, Job, Packed, Piece, Question, Worker};
use crate::digest::Digest;
use crate::error::{Context, Error, Result};
use crate::store::Packs;

/// Memory for blocks on their way and for compressors.
const BUDGET: u64 = 160 << 20;
/// Files that one look takes.
const LOOK_FILES: usize = 128;
/// Bytes that one look brings into memory.
const LOOK_BYTES: u64 = 1 << 20;
/// One file in so many ends a fragment block that is half full: behind a file whose size
/// changed, blocks soon are what they were. Part of the bytes of an image.
const SEAM: u32 = 512;

/// Lays the data of all files out at `start` of the image, writing it to `out`.
pub fn write(
    plan: &Plan,
    (method, jobs): (Method, usize),
    (start, out): (u64, &mut dyn Write),
    cache: Option<&Packs>,
    progress: &dyn Fn(u64),
) -> Result<Placement> {
    let one = method.codec.memory(method.block) + 6 * u64::from(method.block);
    let threads = jobs.clamp(1, (BUDGET / one).max(1) as usize);
    let (job_sender, job_receiver) = channel();
    let (done_sender, done_receiver) = channel();
    let job_receiver = Mutex::new(job_receiver);
    let rivals = plan.files.iter().filter(|file| file.rival && !file.content.is_empty()).count();
    let workers = (0..threads).map(|_| Worker::new(method, cache)).collect::<Result<Vec<_>>>()?;
    std::thread::scope(|scope| {
        for worker in workers {
            let (jobs, done) = (&job_receiver, done_sender.clone());
            scope.spawn(move || worker.run(jobs, &done));
        }
        drop(done_sender);
        let mut flow = Flow {
            plan,
            block: u64::from(method.block),
            threads,
            jobs: job_sender,
            out,
            progress,
            asked: 0,
            looks: VecDeque::new(),
            first_look: 0,
            next: 0,
            handing: None,
            originals: Originals::new(rivals),
            heads: HashMap::new(),
            open: Default::default(),
            fragments: 0,
            waiting: VecDeque::new(),
            written: 0,
            run_start: 0,
            sizes: Vec::new(),
            placement: Placement::new(start),
        };
        // The flow ends with this block, its sender with it, so that the workers end too.
        flow.run(&done_receiver).map(|()| flow.placement)
    })
}

/// What the deciding thread knows.
struct Flow<'t, 'f> {
    plan: &'f Plan<'t>,
    block: u64,
    threads: usize,
    jobs: Sender<Job<'t>>,
    out: &'f mut dyn Write,
    progress: &'f dyn Fn(u64),

    /// The first file that no look covers yet.
    asked: usize,
    looks: VecDeque<Look>,
    /// The number of the first of `looks`.
    first_look: usize,

    /// The next file to be placed.
    next: usize,
    /// The file whose blocks are being handed out, and the next block.
    handing: Option<Handing>,
    originals: Originals,
    /// Runs of blocks that further files may have, by their digest.
    heads: HashMap<Digest, u32>,
    /// The open fragment blocks, and the number of those that were ever begun.
    open: [Fragment<'t>; 2],
    fragments: u32,

    /// Blocks that were handed out and are not written, in order.
    waiting: VecDeque<(Target, Option<Packed>)>,
    /// The number of the first of `waiting`.
    written: u64,
    /// Where the run that is being written begins, and the sizes of its blocks so far.
    run_start: u64,
    sizes: Vec<u32>,
    placement: Placement,
}

/// Some files in a row that are looked at together.
struct Look {
    /// One behind the last file.
    end: usize,
    /// None while it is under way.
    answers: Option<VecDeque<Answer>>,
}

/// A fragment block that takes tails. There is one for whole files and one for the tails of
/// large ones, which have little in common.
#[derive(Default)]
struct Fragment<'t> {
    number: u32,
    tails: Vec<Piece<'t>>,
    filled: u64,
}

struct Handing {
    file: usize,
    digest: Option<Digest>,
    bytes: Option<Vec<u8>>,
    /// The run that its blocks are, and the first of them that is not handed out.
    run: u32,
    next: u64,
}

#[derive(Clone, Copy)]
enum Target {
    Data { run: u32, last: bool, length: u64 },
    Fragment { number: u32, length: u64 },
}

impl<'t> Flow<'t, '_> {
    fn run(&mut self, done: &Receiver<Done>) -> Result<()> {
        loop {
            self.look()?;
            self.place()?;
            self.flush()?;
            let placing = self.next < self.plan.files.len() || self.handing.is_some() || self.open_fragment().is_some();
            if !placing && self.waiting.is_empty() {
                return Ok(());
            }
            let blocked =
                self.waiting.front().is_some() || self.looks.front().is_some_and(|look| look.answers.is_none());
            if !blocked {
                continue;
            }
            match done.recv().map_err(|_| Error::bug("the threads that compress are gone"))? {
                Done::Looked(number, answers) => {
                    let answers = answers?.into();
                    let look = number.checked_sub(self.first_look).and_then(|at| self.looks.get_mut(at));
                    look.ok_or_else(|| Error::bug("an answer to no question"))?.answers = Some(answers);
                }
                Done::Packed(number, packed) => {
                    let at = number.checked_sub(self.written).map(|at| at as usize);
                    let slot = at.and_then(|at| self.waiting.get_mut(at));
                    slot.ok_or_else(|| Error::bug("a block that nobody asked for"))?.1 = Some(packed?);
                }
            }
        }
    }

    /// Asks for digests of the files ahead whose content may be a duplicate.
    fn look(&mut self) -> Result<()> {
        while self.looks.len() <= self.threads && self.asked < self.plan.files.len() {
            let mut questions = Vec::new();
            let (begin, mut bytes) = (self.asked, 0);
            while let Some(file) = self.plan.files.get(self.asked) {
                let length = file.content.len();
                if self.asked - begin >= LOOK_FILES || (bytes > 0 && bytes + length > LOOK_BYTES) {
                    break;
                }
                let whole = file.rival && file.content.digest().is_none() && length > 0;
                if whole || file.twin {
                    let keep = length < self.block;
                    let head = if file.twin { length - length % self.block } else { 0 };
                    questions.push(Question { file: self.asked, content: file.content, whole, head, keep });
                    bytes += length;
                }
                self.asked += 1;
            }
            let answers = questions.is_empty().then(VecDeque::new);
            if answers.is_none() {
                self.send(Job::Look(self.first_look + self.looks.len(), questions))?;
            }
            self.looks.push_back(Look { end: self.asked, answers });
        }
        Ok(())
    }

    /// Hands out blocks while there is room for more and while it is known what comes next.
    fn place(&mut self) -> Result<()> {
        let window = self.threads * 3;
        while self.waiting.len() < window {
            if let Some(handing) = self.handing.take() {
                self.hand_out(handing)?;
            } else if self.next < self.plan.files.len() {
                while self.looks.front().is_some_and(|look| look.end <= self.next) {
                    self.looks.pop_front();
                    self.first_look += 1;
                }
                let Some(look) = self.looks.front_mut() else { return Ok(()) };
                let Some(answers) = &mut look.answers else { return Ok(()) };
                let file = self.next;
                let answer =
                    if answers.front().is_some_and(|answer| answer.file == file) { answers.pop_front() } else { None };
                self.next += 1;
                self.begin(file, answer)?;
            } else if let Some(class) = self.open_fragment() {
                self.close_fragment(class)?;
            } else {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Begins with a file: a duplicate is done at once.
    fn begin(&mut self, file: usize, answer: Option<Answer>) -> Result<()> {
        let File { content, rival, .. } = self.plan.files[file];
        let Answer { digest, head, bytes, .. } =
            answer.unwrap_or(Answer { file, digest: None, head: None, bytes: None });
        let digest = digest.or_else(|| content.digest());
        if let Some(digest) = digest.filter(|_| rival && !content.is_empty()) {
            let original = self.originals.first(digest, file as u32);
            if original as usize != file {
                self.placement.push_duplicate(original);
                (self.progress)(content.len());
                return Ok(());
            }
        }
        let blocks = content.len() / self.block;
        let (mut run, mut next) = (0, 0);
        if blocks == 0 {
            self.placement.push_small();
        } else {
            // The digest of whole blocks stands for their number too.
            let known = head.and_then(|head| self.heads.get(&head).copied());
            if known.is_some() {
                next = blocks;
                (self.progress)(blocks * self.block);
            }
            run = known.unwrap_or_else(|| self.placement.new_run());
            if let Some(head) = head {
                self.heads.insert(head, run);
            }
            self.placement.push_large(run);
        }
        self.handing = Some(Handing { file, digest, bytes, run, next });
        Ok(())
    }

    /// Hands out the next block of a file, or its tail.
    fn hand_out(&mut self, mut handing: Handing) -> Result<()> {
        let file = &self.plan.files[handing.file];
        let (blocks, tail) = (file.content.len() / self.block, file.content.len() % self.block);
        let piece = |offset, length: u64, bytes| Piece {
            content: file.content,
            digest: handing.digest,
            offset,
            length: length as u32,
            bytes,
        };
        if handing.next < blocks {
            let offset = handing.next * self.block;
            let last = handing.next + 1 == blocks;
            let target = Target::Data { run: handing.run, last, length: self.block };
            if file.content.is_hole(offset, self.block) {
                self.waiting.push_back((target, Some(Packed::Hole)));
            } else {
                let block = Block { pieces: vec![piece(offset, self.block, None)], may_be_hole: true };
                self.hand_over(target, block)?;
            }
            handing.next += 1;
            self.handing = Some(handing);
        } else if tail > 0 {
            let class = usize::from(blocks > 0);
            if self.open[class].filled + tail > self.block {
                self.close_fragment(class)?;
            }
            let tail_piece = piece(blocks * self.block, tail, handing.bytes.take());
            let open = &mut self.open[class];
            if open.tails.is_empty() {
                open.number = self.fragments;
                let more = self.fragments.checked_add(1);
                self.fragments = more.ok_or_else(|| Error::user("more than 2^32 fragment blocks"))?;
            }
            self.placement.set_tail(handing.file, open.number, open.filled as u32);
            open.tails.push(tail_piece);
            open.filled += tail;
            let seam = file.path.is_multiple_of(SEAM) && open.filled >= self.block / 2;
            if seam {
                self.close_fragment(class)?;
            }
        }
        Ok(())
    }

    /// A fragment block that holds something and is not closed.
    fn open_fragment(&self) -> Option<usize> {
        self.open.iter().position(|open| !open.tails.is_empty())
    }

    fn close_fragment(&mut self, class: usize) -> Result<()> {
        let Fragment { number, tails, filled } = std::mem::take(&mut self.open[class]);
        if tails.is_empty() {
            return Ok(());
        }
        self.hand_over(Target::Fragment { number, length: filled }, Block { pieces: tails, may_be_hole: false })
    }

    fn hand_over(&mut self, target: Target, block: Block<'t>) -> Result<()> {
        let number = self.written + self.waiting.len() as u64;
        self.waiting.push_back((target, None));
        self.send(Job::Pack(number, block))
    }

    fn send(&self, job: Job<'t>) -> Result<()> {
        self.jobs.send(job).map_err(|_| Error::bug("the threads that compress are gone"))
    }

    /// Writes the blocks that are ready, in order.
    fn flush(&mut self) -> Result<()> {
        while let Some((target, Some(packed))) = self.waiting.pop_front_if(|(_, packed)| packed.is_some()) {
            self.written += 1;
            let (bytes, size): (&[u8], u32) = match &packed {
                Packed::Hole => (&[], 0),
                Packed::Small(bytes) => (bytes, bytes.len() as u32),
                Packed::Plain(bytes) => (bytes, bytes.len() as u32 | PLAIN),
            };
            let place = self.placement.end;
            self.out.write_all(bytes).context(|| "writing the image".into())?;
            self.placement.end += bytes.len() as u64;
            match target {
                Target::Fragment { number, length } => {
                    self.placement.set_fragment(number, place, size);
                    (self.progress)(length);
                }
                Target::Data { run, last, length } => {
                    if self.sizes.is_empty() {
                        self.run_start = place;
                    }
                    self.sizes.push(size);
                    if last {
                        self.placement.set_run(run, self.run_start, std::mem::take(&mut self.sizes));
                    }
                    (self.progress)(length);
                }
            }
        }
        Ok(())
    }
}
