//! Tools that the steps stand in for.

/// Tools that the steps stand in for: tests whether they are there succeed.
pub const STAND_INS: [&str; 10] = [
    "deb-systemd-helper",
    "deb-systemd-invoke",
    "systemd-sysusers",
    "systemd-tmpfiles",
    "update-alternatives",
    "update-rc.d",
    "invoke-rc.d",
    "py3compile",
    "update-xmlcatalog",
    "ldconfig",
];
