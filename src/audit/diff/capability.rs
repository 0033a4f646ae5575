//! File capabilities as people write them (capabilities(7), `struct vfs_cap_data` of linux/capability.h).

/// Names by bit.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// The value of `security.capability`: `cap_net_raw=ep`; hexadecimal where it is none.
pub fn text(value: &[u8]) -> String {
    let word = |at: usize| Some(u32::from_le_bytes(value.get(at..at + 4)?.try_into().ok()?));
    let Some(magic) = word(0).filter(|magic| matches!(magic >> 24, 2 | 3) && value.len() >= 20) else {
        return format!("capabilities {}", hex::encode(value));
    };
    let both = |low: usize| u64::from(word(low).unwrap_or(0)) | u64::from(word(low + 8).unwrap_or(0)) << 32;
    let (permitted, inheritable) = (both(4), both(8));
    let names = |bits: u64| {
        let name = |bit: usize| NAMES.get(bit).map_or_else(|| format!("cap_{bit}"), |name| format!("cap_{name}"));
        (0..64).filter(|bit| bits >> bit & 1 == 1).map(name).collect::<Vec<_>>().join(",")
    };
    let effective = if magic & 1 == 1 { "e" } else { "" };
    let mut out = Vec::new();
    if permitted != 0 {
        out.push(format!("{}={effective}p", names(permitted)));
    }
    if inheritable != 0 {
        out.push(format!("{}={effective}i", names(inheritable)));
    }
    if out.is_empty() { "no capabilities".to_owned() } else { out.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn capabilities_have_their_names() {
        // What `setcap cap_net_raw=ep` writes.
        let value = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(text(&value), "cap_net_raw=ep");
        assert_eq!(text(b"x"), "capabilities 78");
    }
}
