//! The newest release file of each archive that this store has seen: an older one is refused.
//!
//! ```text
//! STORE/seen/ab12…    named by origin, code name and suite of a verified release; holds its date in seconds
//! ```

use std::io::Write;

use super::release::Release;
use crate::digest::Hasher;
use crate::error::{Context, Error, Result};
use crate::store::Store;
use crate::temp::Temp;

/// Refuses a release that is older than `locked` (seconds since 1970; what the lock says) or than the newest
/// one that was seen; notes it otherwise.
pub fn no_older(store: &Store, release: &Release, suite: &str, locked: u64) -> Result<()> {
    let mut hasher = Hasher::default();
    for part in [&release.origin, &release.codename, suite] {
        hasher.field(part.as_bytes());
    }
    let folder = store.path().join("seen");
    let path = folder.join(hasher.finish().to_string());
    // A broken note is no note.
    let noted = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    let newest = locked.max(noted);
    if release.date < newest {
        let show = |seconds: u64| {
            let moment = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
            moment.map_or_else(|| seconds.to_string(), |moment| moment.to_string())
        };
        let message = format!("its date {} is older than {}, which was seen before", show(release.date), show(newest));
        return Err(Error::source(message)
            .hint("the mirror is behind, or somebody hides updates: use another mirror")
            .hint(format!("if it was meant, remove `{}` and the lock", path.display())));
    }
    if release.date > noted {
        let doing = || format!("noting a release file in `{}`", folder.display());
        std::fs::create_dir_all(&folder).context(doing)?;
        let mut file = Temp::new_in(&folder)?;
        writeln!(file, "{}", release.date).context(doing)?;
        file.persist(&path, 0o644)?;
    }
    Ok(())
}
