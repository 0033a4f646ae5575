//! A disk as a qcow2 file.

use std::io::Write;

use flate2::{Compress, Compression, FlushCompress, Status};

use super::{CLUSTER_BITS, COMPRESSED, COMPRESSION_TYPE, COPIED, HEADER_3, MAGIC, MAX_LEVEL_1, SECTOR, WINDOW_BITS};
use crate::disk::{Disk, Extent, Sink};
use crate::error::{Context, Error, Result};
use crate::output::noise::is_noise;
use crate::output::spool::Kept;
use crate::output::{Emit, Format};
use crate::profile::{ClusterCodec, Qcow2};
use crate::tree::Opened;
use crate::work::Queue;

/// As QEMU's own default.
const DEFLATE_LEVEL: u32 = 6;
/// As QEMU's own default.
const ZSTD_LEVEL: i32 = 3;
/// References that a count of 16 bits can hold.
const MAX_REFERENCES: u32 = u16::MAX as u32;
/// Bytes of a cluster up to which one that is not zeros has few of them.
const DENSE: u64 = 64 << 10;

/// Where a cluster's bytes lie in the file, once its plan is made.
#[derive(Clone, Copy)]
enum Place {
    /// The nth of the plain clusters.
    Plain(u64),
    /// From this byte of all compressed ones, so many bytes.
    Compressed(u64, u64),
}

/// All that decides the file's tables.
struct Plan {
    /// Guest clusters that are not zero, sorted, and where their bytes are.
    clusters: Vec<(u64, Place)>,
    /// How many of them are plain.
    plain: u64,
    /// Bytes of all compressed ones.
    compressed: u64,
    level_1: u64,
    /// Guest clusters of one table of level 2.
    per_level_2: u64,
    tables: u64,
    refcount_table: u64,
    refcount_blocks: u64,
    /// Clusters of the file.
    total: u64,
}

impl Format for Qcow2 {
    fn name(&self) -> &'static str {
        "qcow2"
    }

    fn emit(&self, disk: &Disk, how: &Emit<'_>, sink: &mut dyn Sink) -> Result<()> {
        let sound = self.cluster.bytes().is_power_of_two() && CLUSTER_BITS.contains(&self.bits());
        if !sound || !(2..=3).contains(&self.version) {
            return Err(Error::bug(format!("no such qcow2: {self:?}")));
        }
        let cluster = self.cluster();
        let chunks = disk.chunks(cluster, how.jobs).context(|| "looking for zeros".into())?;
        let (clusters, spool) = match self.codec {
            ClusterCodec::None => {
                (chunks.iter().enumerate().map(|(at, n)| (*n, Place::Plain(at as u64))).collect(), None)
            }
            _ => {
                let mut spool = Kept::new(how.spool);
                (self.compress(disk, &chunks, how.jobs, &mut spool)?, Some(spool))
            }
        };
        let plan = self.plan(disk, clusters)?;
        self.tables(disk, &plan, sink)?;
        if cluster <= DENSE {
            sink.reserve(plan.plain * cluster);
        }
        self.plain(disk, &plan)?.emit(how.jobs, sink)?;
        if let Some(spool) = spool {
            spool.copy(sink)?;
            sink.skip(plan.compressed.next_multiple_of(cluster) - plan.compressed)?;
        }
        Ok(())
    }
}

impl Qcow2 {
    fn cluster(&self) -> u64 {
        self.cluster.bytes()
    }

    fn bits(&self) -> u32 {
        self.cluster.bytes().trailing_zeros()
    }

    /// Compresses the chunks into `spool`; noise, and what does not become smaller, stays plain.
    fn compress(&self, disk: &Disk, chunks: &[u64], jobs: usize, spool: &mut Kept<'_>) -> Result<Vec<(u64, Place)>> {
        let (cluster, codec, shared) = (self.cluster(), self.codec, disk.clone());
        let work = move |tools: &mut Tools, number: u64| -> Result<Option<Vec<u8>>> {
            tools.buffer.resize(cluster as usize, 0);
            shared.read_at(&mut tools.opened, number * cluster, &mut tools.buffer)?;
            if is_noise(&tools.buffer) {
                return Ok(None);
            }
            let mut out = Vec::new();
            let smaller = match codec {
                ClusterCodec::Zstd => zstd(tools, &mut out)?,
                _ => deflate(tools, &mut out)?,
            };
            Ok(smaller.then_some(out))
        };
        let mut queue = Queue::new(jobs, Tools::default, work);
        let mut clusters = Vec::with_capacity(chunks.len());
        let (mut plain, mut at) = (0, 0);
        // Counts of compressed clusters in the host cluster where the last one began.
        let (mut host, mut count) = (0, 0);
        let mut put = |number: u64, bytes: Option<Vec<u8>>| {
            let Some(bytes) = bytes else {
                clusters.push((number, Place::Plain(plain)));
                plain += 1;
                return Ok::<_, Error>(());
            };
            if at / cluster != host {
                (host, count) = (at / cluster, 1);
            }
            // The one that ends here, this one and others must not be more than a count can hold.
            if count >= MAX_REFERENCES - 1 {
                let next: u64 = (host + 1) * cluster;
                spool.write_all(&vec![0; (next - at) as usize])?;
                at = next;
                (host, count) = (next / cluster, 0);
            }
            count += 1;
            clusters.push((number, Place::Compressed(at, bytes.len() as u64)));
            spool.write_all(&bytes)?;
            at += bytes.len() as u64;
            Ok(())
        };
        let mut waiting = chunks.iter();
        for number in chunks {
            if let Some(bytes) = queue.push(*number)? {
                put(*waiting.next().unwrap_or(number), bytes?)?;
            }
        }
        while let Some(bytes) = queue.pop()? {
            let number = waiting.next().ok_or_else(|| Error::bug("more clusters came back than went out"))?;
            put(*number, bytes?)?;
        }
        Ok(clusters)
    }

    fn plan(&self, disk: &Disk, clusters: Vec<(u64, Place)>) -> Result<Plan> {
        let cluster = self.cluster();
        let per_level_2 = cluster / 8;
        let level_1 = disk.len().div_ceil(cluster).div_ceil(per_level_2);
        if level_1 * 8 > MAX_LEVEL_1 {
            return Err(Error::user(format!("a disk of {} bytes in clusters of {cluster} bytes", disk.len()))
                .hint("a qcow2 holds a larger disk only with larger clusters"));
        }
        let mut tables = 0;
        let mut last = None;
        let (mut plain, mut compressed) = (0, 0);
        for (number, place) in &clusters {
            let table = number / per_level_2;
            tables += u64::from(last != Some(table));
            last = Some(table);
            match place {
                Place::Plain(_) => plain += 1,
                Place::Compressed(at, length) => compressed = at + length,
            }
        }
        let fixed = 1 + (level_1 * 8).div_ceil(cluster) + tables + plain + compressed.div_ceil(cluster);
        // The counts count themselves.
        let (mut refcount_blocks, mut refcount_table) = (0, 0);
        loop {
            let total = fixed + refcount_blocks + refcount_table;
            let blocks = total.div_ceil(cluster / 2);
            let table = (blocks * 8).div_ceil(cluster);
            if (blocks, table) == (refcount_blocks, refcount_table) {
                let total = fixed + blocks + table;
                return Ok(Plan {
                    clusters,
                    plain,
                    compressed,
                    level_1,
                    per_level_2,
                    tables,
                    refcount_table,
                    refcount_blocks,
                    total,
                });
            }
            (refcount_blocks, refcount_table) = (blocks, table);
        }
    }

    /// Everything in front of the data.
    fn tables(&self, disk: &Disk, plan: &Plan, sink: &mut dyn Sink) -> Result<()> {
        let cluster = self.cluster();
        let blocks_at = 1 + plan.refcount_table;
        let level_1_at = blocks_at + plan.refcount_blocks;
        let level_2_at = level_1_at + (plan.level_1 * 8).div_ceil(cluster);
        let plain_at = level_2_at + plan.tables;
        let compressed_at = plain_at + plan.plain;

        pad(sink, &self.header(disk, plan, level_1_at), cluster)?;
        let entries = (0..plan.refcount_blocks).map(|block| (blocks_at + block) * cluster);
        pad(sink, &words(entries), cluster)?;
        // One reference each, but where compressed clusters share one.
        let mut counts = vec![1u16; plan.total as usize];
        counts[compressed_at as usize..].fill(0);
        for (_, place) in &plan.clusters {
            if let Place::Compressed(at, length) = place {
                for host in at / cluster..=(at + length - 1) / cluster {
                    let count = &mut counts[(compressed_at + host) as usize];
                    *count =
                        count.checked_add(1).ok_or_else(|| Error::bug("a cluster with more than 65535 references"))?;
                }
            }
        }
        let mut bytes = Vec::with_capacity(counts.len() * 2);
        counts.iter().for_each(|count| bytes.extend(count.to_be_bytes()));
        pad(sink, &bytes, cluster)?;

        let mut level_1 = vec![0u64; plan.level_1 as usize];
        let mut next = level_2_at;
        for (number, _) in &plan.clusters {
            let entry = &mut level_1[(number / plan.per_level_2) as usize];
            if *entry == 0 {
                *entry = (next * cluster) | COPIED;
                next += 1;
            }
        }
        pad(sink, &words(level_1), cluster)?;

        for table in plan.clusters.chunk_by(|one, other| one.0 / plan.per_level_2 == other.0 / plan.per_level_2) {
            let mut level_2 = vec![0u64; plan.per_level_2 as usize];
            for (number, place) in table {
                level_2[(number % plan.per_level_2) as usize] = match place {
                    Place::Plain(at) => ((plain_at + at) * cluster) | COPIED,
                    Place::Compressed(at, length) => self.compressed(compressed_at * cluster + at, *length),
                };
            }
            sink.write_all(&words(level_2))?;
        }
        Ok(())
    }

    /// An entry of level 2: where it begins, and how many further sectors it reaches into.
    fn compressed(&self, at: u64, length: u64) -> u64 {
        let shift = 62 - (self.bits() - 8);
        let further = (at + length - 1) / SECTOR - at / SECTOR;
        COMPRESSED | (further << shift) | at
    }

    fn header(&self, disk: &Disk, plan: &Plan, level_1_at: u64) -> Vec<u8> {
        let cluster = self.cluster();
        let mut out = MAGIC.to_vec();
        let long = |value: u64| [(value >> 32) as u32, value as u32];
        let [size_high, size_low] = long(disk.len().next_multiple_of(SECTOR));
        let [level_1_high, level_1_low] = long(level_1_at * cluster);
        let [table_high, table_low] = long(cluster);
        // No backing file, no encryption, no snapshots.
        words_32(
            &mut out,
            &[
                self.version,
                0,
                0,
                0,
                self.bits(),
                size_high,
                size_low,
                0,
                plan.level_1 as u32,
                level_1_high,
                level_1_low,
                table_high,
                table_low,
                plan.refcount_table as u32,
                0,
                0,
                0,
            ],
        );
        if self.version == 3 {
            let zstd = self.codec == ClusterCodec::Zstd;
            let incompatible = if zstd { COMPRESSION_TYPE as u32 } else { 0 };
            // Incompatible, compatible and autoclear features; counts of 2^4 bits; the type of compression.
            words_32(&mut out, &[0, incompatible, 0, 0, 0, 0, 4, HEADER_3 as u32, u32::from(zstd) << 24, 0]);
        }
        // The end of the header's extensions.
        out.extend([0; 8]);
        out
    }

    /// All plain clusters, back to back.
    fn plain(&self, disk: &Disk, plan: &Plan) -> Result<Disk> {
        let cluster = self.cluster();
        let plain = |(number, place): &(u64, Place)| match place {
            Place::Plain(at) => Some((*number, *at)),
            Place::Compressed(..) => None,
        };
        let plain: Vec<_> = plan.clusters.iter().filter_map(plain).collect();
        let mut extents: Vec<Extent> = Vec::new();
        for run in plain.chunk_by(|one, other| one.0 + 1 == other.0) {
            let (number, at) = run[0];
            extents.extend(disk.slice(number * cluster, run.len() as u64 * cluster, at * cluster));
        }
        Disk::new(plan.plain * cluster, extents)
    }
}

/// What a thread that compresses keeps.
#[derive(Default)]
struct Tools {
    opened: Opened,
    buffer: Vec<u8>,
    zstd: Option<zstd::bulk::Compressor<'static>>,
    deflate: Option<Compress>,
}

fn zstd(tools: &mut Tools, out: &mut Vec<u8>) -> Result<bool> {
    let doing = || "compressing a cluster".to_owned();
    let compressor = match &mut tools.zstd {
        Some(compressor) => compressor,
        none => none.insert(zstd::bulk::Compressor::new(ZSTD_LEVEL).context(doing)?),
    };
    out.resize(zstd::zstd_safe::compress_bound(tools.buffer.len()), 0);
    let length = compressor.compress_to_buffer(&tools.buffer, &mut out[..]).context(doing)?;
    out.truncate(length);
    Ok(length < tools.buffer.len())
}

fn deflate(tools: &mut Tools, out: &mut Vec<u8>) -> Result<bool> {
    let compressor = tools
        .deflate
        .get_or_insert_with(|| Compress::new_with_window_bits(Compression::new(DEFLATE_LEVEL), false, WINDOW_BITS));
    compressor.reset();
    // Room for whatever comes out: an encoder that runs out of it keeps bytes back.
    out.resize(tools.buffer.len() + tools.buffer.len() / 64 + 1024, 0);
    let status = compressor
        .compress(&tools.buffer, out, FlushCompress::Finish)
        .map_err(|error| Error::system(format!("deflate cannot compress: {error}")))?;
    let length = compressor.total_out() as usize;
    out.truncate(length);
    Ok(status == Status::StreamEnd && length < tools.buffer.len())
}

fn words(words: impl IntoIterator<Item = u64>) -> Vec<u8> {
    words.into_iter().flat_map(u64::to_be_bytes).collect()
}

fn words_32(out: &mut Vec<u8>, words: &[u32]) {
    words.iter().for_each(|word| out.extend(word.to_be_bytes()));
}

/// Writes `bytes`, then zeros up to the end of the cluster.
fn pad(sink: &mut dyn Sink, bytes: &[u8], cluster: u64) -> Result<()> {
    sink.write_all(bytes)?;
    let length = bytes.len() as u64;
    Ok(sink.skip(length.next_multiple_of(cluster) - length)?)
}
