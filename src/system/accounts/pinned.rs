//! The ids of accounts that packages want without saying which.
//!
//! A change of a number here changes who owns what on the `/var` of machines in the field: numbers are
//! added, never changed. They lie in the range of system accounts (100 to 999), from its end down.

use crate::error::{Error, Result};

/// Users that have a group of the same name and number.
const USERS: [(&str, u32); 16] = [
    ("systemd-network", 998),
    ("systemd-resolve", 997),
    ("systemd-timesync", 996),
    ("systemd-coredump", 995),
    ("systemd-oom", 994),
    ("messagebus", 993),
    ("polkitd", 992),
    ("sshd", 991),
    ("_chrony", 990),
    ("statd", 989),
    ("_rpc", 988),
    ("tss", 987),
    ("tcpdump", 986),
    ("dhcpcd", 985),
    ("systemd-journal-remote", 984),
    ("systemd-journal-upload", 983),
];

/// Groups without a user.
const GROUPS: [(&str, u32); 12] = [
    ("systemd-journal", 999),
    ("input", 970),
    ("sgx", 969),
    ("clock", 968),
    ("kvm", 967),
    ("render", 966),
    ("crontab", 965),
    ("_ssh", 964),
    ("netdev", 963),
    ("systemd-journal-gateway", 962),
    ("docker", 961),
    ("wheel", 960),
];

/// The id of a user.
pub fn user(name: &str) -> Result<u32> {
    find(&USERS, name).ok_or_else(|| missing("user", name))
}

/// The id of a group.
pub fn group(name: &str) -> Result<u32> {
    find(&GROUPS, name).or_else(|| find(&USERS, name)).ok_or_else(|| missing("group", name))
}

fn find(table: &[(&str, u32)], name: &str) -> Option<u32> {
    table.iter().find(|(have, _)| *have == name).map(|(_, id)| *id)
}

fn missing(what: &str, name: &str) -> Error {
    Error::user(format!("the {what} `{name}` may have any id, and none is pinned for it"))
        .hint(format!("declare it in the profile: [[user]] name = \"{name}\", with a uid and gid of your choice"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_id_is_given_twice() {
        let ids: BTreeSet<u32> = USERS.iter().chain(&GROUPS).map(|(_, id)| *id).collect();
        assert_eq!(ids.len(), USERS.len() + GROUPS.len());
        assert!(ids.iter().all(|id| (100..1000).contains(id)));
    }
}
