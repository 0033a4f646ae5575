//! What Google Cloud imports: a gzip'd tar archive that holds exactly `disk.raw`, whole GiB, sparse in GNU's old way.

use super::archive::{RECORD, archive, sparse};
use super::{Compressed, Emit, Format};
use crate::disk::{Disk, Sink};
use crate::error::{Context, Result};
use crate::profile::{Compression, Gce};
use crate::size::Size;

/// Bytes by which holes are found. The file depends on it.
const CHUNK: u64 = 64 << 10;

impl Format for Gce {
    fn name(&self) -> &'static str {
        "gce"
    }

    fn extension(&self) -> &'static str {
        "tar.gz"
    }

    fn emit(&self, disk: &Disk, how: &Emit<'_>, sink: &mut dyn Sink) -> Result<()> {
        let disk = disk.rounded(Size::GIB);
        let chunks = disk.chunks(CHUNK, how.jobs).context(|| "looking for zeros".into())?;
        let runs = chunks.chunk_by(|one, other| one + 1 == *other);
        let runs: Vec<_> = runs.map(|run| (run[0] * CHUNK, run.len() as u64 * CHUNK)).collect();
        let mut extents = Vec::new();
        let mut stored = 0;
        for (at, length) in &runs {
            extents.extend(disk.slice(*at, *length, stored));
            stored += length;
        }
        let header = sparse("disk.raw", disk.len(), &runs, how.epoch)?;
        let archive = archive([(header, Disk::new(stored, extents)?)], RECORD)?;
        let mut compressed = Compressed::new(Compression::Gz, how.jobs, sink)?;
        archive.emit(how.jobs, &mut compressed)?;
        compressed.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::disk::{Disk, is_zero};
    use crate::output::tests::{emitted, read_back, sample};
    use crate::profile::Gce;

    #[test]
    fn what_is_written_is_read_again_with_any_number_of_holes() {
        let mut bytes = sample();
        // Every other chunk: more runs than one header holds.
        for chunk in (0..bytes.len() / 65_536).step_by(2) {
            bytes[chunk * 65_536 + 7] = 1;
        }
        let disk = Disk::of(Arc::new(bytes.clone())).unwrap();
        let back = read_back(emitted(&Gce {}, &disk), "gce");
        assert_eq!(back.len(), 1 << 30);
        assert!(back[..bytes.len()] == bytes);
        assert!(is_zero(&back[bytes.len()..]));
    }
}
