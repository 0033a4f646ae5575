//! The one moment that an image knows: seconds since 1970, fixed when locking.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Seconds since 1970-01-01T00:00:00Z; every time stamp of an image is this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Epoch(pub u32);

impl Epoch {
    /// `SOURCE_DATE_EPOCH`, where it is set. Read when locking and nowhere else.
    pub fn from_environment() -> Result<Option<Self>> {
        match std::env::var("SOURCE_DATE_EPOCH") {
            Err(_) => Ok(None),
            Ok(text) => text.parse().map(|seconds| Some(Epoch(seconds))).map_err(|_| {
                Error::user(format!("SOURCE_DATE_EPOCH is `{text}`"))
                    .hint("expected seconds since 1970 as digits, below 2^32")
            }),
        }
    }
}
