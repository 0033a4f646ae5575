//! What every source needs to know of the run.

use std::collections::BTreeMap;

use crate::report::Report;
use crate::store::Store;

/// The run's store, voice and means.
pub struct Context<'a> {
    /// Where bytes are kept.
    pub store: Store,
    /// Where progress and warnings go.
    pub report: &'a Report,
    /// The network is not touched.
    pub offline: bool,
    /// Threads.
    pub jobs: usize,
    /// Places of archives by the source's name; win over profile and host.
    pub mirrors: BTreeMap<String, String>,
}

impl Context<'_> {
    /// The same run on another view of the store.
    #[must_use]
    pub fn with_store(&self, store: Store) -> Self {
        Context { store, mirrors: self.mirrors.clone(), ..*self }
    }
}
