//! `[cluster]`, `[network]`, `[journal]`, `[var]`, `[writable]`.

use std::collections::BTreeMap;

use super::{Resolver, name};
use crate::path::RootPath;
use crate::profile::place::{At, Place};
use crate::profile::{Cluster, Encryption, Network, Var, Writable, raw};
use crate::size::Size;

/// Paths that may be written whatever the profile says.
const ALREADY: [&str; 7] = ["/var", "/run", "/tmp", "/dev", "/proc", "/sys", "/etc/machine-id"];
/// Paths of which nothing may be written: what makes the node what it is.
const SEALED: [&str; 9] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/boot", "/efi", "/etc/systemd", "/etc/containerd"];
/// See [`writable_defaults`].
const DEFAULT: [(&str, Writable); 3] = [
    ("/etc/cni", Writable::Volatile),
    ("/etc/kubernetes", Writable::Persistent),
    ("/etc/resolv.conf", Writable::Volatile),
];

/// What may be written beside /var, /run and /tmp, unless the profile says otherwise.
pub fn writable_defaults() -> BTreeMap<RootPath, Writable> {
    DEFAULT.into_iter().filter_map(|(path, kind)| Some((RootPath::new(path).ok()?, kind))).collect()
}

/// `[cluster]`
pub(super) fn cluster(raw: Option<At<raw::Cluster>>) -> Cluster {
    match raw.map(|raw| raw.value) {
        Some(raw::Cluster::Standalone {}) => Cluster::Standalone,
        Some(raw::Cluster::Join {}) | None => Cluster::Join,
    }
}

impl Resolver<'_> {
    /// `[network]`
    pub(super) fn network(&mut self, raw: Option<At<raw::Network>>) -> Network {
        let raw = raw.map(|raw| raw.value).unwrap_or_default();
        if let Some(hostname) = raw.hostname.as_ref().filter(|text| !name::host(text)) {
            let message = format!("`{}` cannot be a host name", hostname.value);
            self.wrong(hostname.place, message, "letters, digits, `-` and `.`, 64 characters at most");
        }
        for server in raw.ntp.iter().flat_map(|list| &list.value) {
            if !name::host(server) && server.parse::<std::net::IpAddr>().is_err() {
                let message = format!("`{}` cannot be a time server", server.value);
                self.wrong(server.place, message, "a host name or an address");
            }
        }
        Network {
            hostname: raw.hostname.map(|name| name.value),
            dhcp: raw.dhcp.is_none_or(|dhcp| dhcp.value),
            ntp: self.unique(raw.ntp, "time server"),
        }
    }

    /// `[journal]`
    pub(super) fn journal(&mut self, raw: Option<At<raw::Journal>>) -> Size {
        let size = raw.and_then(|raw| raw.value.size);
        self.size(size, 64 * Size::MIB, "journal", 8 * Size::MIB)
    }

    /// `[var]`
    pub(super) fn var(&mut self, raw: Option<At<raw::Var>>) -> Var {
        let raw = raw.map(|raw| raw.value).unwrap_or_default();
        let encryption = match raw.encryption.map(|encryption| encryption.value) {
            Some(raw::Encryption::None {}) | None => Encryption::None,
        };
        Var { size: self.size(raw.size, Size::GIB, "/var", 256 * Size::MIB), encryption }
    }

    /// `[writable]`, over the defaults.
    pub(super) fn writable(
        &mut self,
        raw: raw::Map<raw::Parsed<RootPath>, raw::Writable>,
    ) -> BTreeMap<RootPath, Writable> {
        let named = raw.map(|map| map.value).unwrap_or_default();
        let mut writable: BTreeMap<RootPath, (Writable, Option<Place>)> = BTreeMap::new();
        writable.extend(writable_defaults().into_iter().map(|(path, kind)| (path, (kind, None))));
        for (path, kind) in named {
            let kind = match kind.value {
                raw::Writable::Persistent => Writable::Persistent,
                raw::Writable::Volatile => Writable::Volatile,
                raw::Writable::Sealed => {
                    if writable.remove(&path.value.0).is_none() {
                        let message = format!("`{}` is sealed anyway", path.value.0);
                        self.wrong(path.place, message, "a path that is writable by default");
                    }
                    continue;
                }
            };
            self.may_be_writable(&path);
            writable.insert(path.value.0, (kind, Some(path.place)));
        }
        self.disjoint(&writable);
        writable.into_iter().map(|(path, (kind, _))| (path, kind)).collect()
    }

    fn may_be_writable(&mut self, at: &At<raw::Parsed<RootPath>>) {
        let path = &at.value.0;
        let within = |of: &str| RootPath::new(of).is_ok_and(|of| path.starts_with(&of));
        let holds = |of: &str| RootPath::new(of).is_ok_and(|of| of.starts_with(path));
        if !name::mounted(&path.to_string()) {
            let expected = "letters, digits, `/`, `.`, `-`, `_`, `@` and `+`: the path becomes an option of a mount";
            self.wrong(at.place, format!("`{path}` cannot be writable, by its name"), expected);
        } else if let Some(already) = ALREADY.iter().find(|already| within(already)) {
            self.wrong(at.place, format!("`{already}` can be written anyway"), "a path of the sealed root");
        } else if let Some(sealed) = SEALED.iter().find(|sealed| within(sealed) || holds(sealed)) {
            let message = format!("`{path}` cannot be writable, since `{sealed}` is sealed");
            self.wrong(at.place, message, "a path that holds nothing which makes the node what it is");
        }
    }

    fn disjoint(&mut self, writable: &BTreeMap<RootPath, (Writable, Option<Place>)>) {
        for (path, (_, place)) in writable {
            for (other, (_, theirs)) in writable.iter().filter(|(other, _)| *other != path) {
                // Told once, at what the profile wrote.
                if path.starts_with(other)
                    && let Some(place) = place.or(*theirs)
                {
                    self.wrong(
                        place,
                        format!("`{path}` lies below `{other}`"),
                        "writable paths of which none holds another",
                    );
                }
            }
        }
    }
}
