//! The whole profile as one table.

use toml::{Table, Value};

use super::{Shower, table, tables, tag, text, texts};
use crate::profile::resolve::writable_defaults;
use crate::profile::{
    Apt, Cluster, Encryption, Keyring, Pack, Posture, Profile, Source, Unit, UnitState, User, Userland, Waiver,
    Writable,
};

impl Shower {
    pub(super) fn profile(&self, profile: &Profile) -> Table {
        let section = |table: Table| Some(Value::Table(table));
        let image = &profile.image;
        let mut out = table([
            ("schema", Some(1.into())),
            (
                "image",
                section(table([
                    ("id", text(&image.id)),
                    ("version", text(&image.version)),
                    ("arch", text(image.arch)),
                ])),
            ),
            (
                "source",
                section(profile.sources.iter().map(|(name, source)| (name.clone(), self.source(source))).collect()),
            ),
            ("kernel", section(self.kernel(profile))),
            ("boot", section(table([("firmware", Value::try_from(&profile.boot.firmware).ok())]))),
            ("userland", section(self.userland(&profile.userland))),
            ("containerd", section(self.component(&profile.containerd))),
            ("runc", profile.runc.as_ref().map(|program| Value::Table(self.program(program)))),
            ("cni", profile.cni.as_ref().map(|program| Value::Table(self.program(program)))),
            ("kubelet", section(self.component(&profile.kubelet))),
            (
                "cluster",
                tag(match profile.cluster {
                    Cluster::Join => "join",
                    Cluster::Standalone => "standalone",
                }),
            ),
            (
                "program",
                section(
                    profile
                        .programs
                        .iter()
                        .map(|(name, program)| (name.clone(), self.program(program).into()))
                        .collect(),
                ),
            ),
            ("preload", tables(&profile.preload, |preload| self.preload(preload))),
            ("pod", tables(&profile.pods, |pod| self.pod(pod))),
            ("user", tables(&profile.users, user)),
            ("unit", tables(&profile.units, unit)),
            (
                "network",
                section(table([
                    ("hostname", profile.network.hostname.as_ref().and_then(text)),
                    ("dhcp", Some(profile.network.dhcp.into())),
                    ("ntp", texts(&profile.network.ntp)),
                ])),
            ),
            ("journal", section(table([("size", text(profile.journal))]))),
            (
                "var",
                section(table([
                    ("size", text(profile.var.size)),
                    (
                        "encryption",
                        tag(match profile.var.encryption {
                            Encryption::None => "none",
                        }),
                    ),
                ])),
            ),
            ("writable", section(writable(profile))),
            (
                "layout",
                section(table([
                    ("slot", text(profile.layout.slot)),
                    ("slots", Some(i64::from(profile.layout.slots).into())),
                    ("esp", text(profile.layout.esp)),
                ])),
            ),
            ("pack", section(pack(&profile.pack))),
            ("output", tables(&profile.outputs, plain)),
            (
                "cloud",
                section(profile.clouds.iter().map(|(name, cloud)| (name.clone(), plain(cloud).into())).collect())
                    .filter(|_| !profile.clouds.is_empty()),
            ),
            ("posture", section(posture(&profile.posture))),
            ("waive", section(profile.waivers.iter().map(|(id, waiver)| (id.clone(), waive(waiver))).collect())),
        ]);
        self.edits(&profile.edits, &mut out);
        out.entry("remove").or_insert_with(|| Value::Array(Vec::new()));
        out
    }

    fn source(&self, source: &Source) -> Value {
        let Source::Apt(Apt { suites, components, keyring, mirror }) = source;
        let apt = table([
            ("suites", texts(suites)),
            ("components", texts(components)),
            (
                "keyring",
                match keyring {
                    Keyring::Debian => text("debian"),
                    Keyring::File(path) => self.path(path),
                },
            ),
            ("mirror", mirror.as_ref().and_then(text)),
        ]);
        Value::Table(table([("apt", Some(Value::Table(apt)))]))
    }

    fn kernel(&self, profile: &Profile) -> Table {
        let kernel = &profile.kernel;
        let sysctl = kernel.sysctl.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
        table([
            ("apt", Some(self.package(&kernel.package))),
            ("cmdline", texts(&kernel.cmdline)),
            ("modules", texts(&kernel.modules)),
            ("sysctl", Some(Value::Table(sysctl))),
            ("exclude", texts(&kernel.exclude)),
        ])
    }

    fn userland(&self, userland: &Userland) -> Table {
        let without = userland.without.iter().map(|(name, reason)| (name.clone(), reason.clone().into())).collect();
        table([
            ("from", self.from.as_ref().and_then(text)),
            ("packages", self.packages(&userland.packages)),
            ("exclude", Some(userland.exclude.iter().map(|glob| glob.to_string()).collect::<Vec<_>>().into())),
            ("without", Some(Value::Table(without))),
            (
                "script",
                tables(&userland.scripts, |script| {
                    table([
                        ("package", text(&script.package)),
                        ("script", text(&script.script)),
                        ("sha256", text(script.sha256)),
                        ("reason", text(&script.reason)),
                    ])
                }),
            ),
        ])
    }
}

fn user(user: &User) -> Table {
    table([
        ("name", text(&user.name)),
        ("uid", Some(i64::from(user.uid).into())),
        ("gid", Some(i64::from(user.gid).into())),
        ("home", text(&user.home)),
        ("shell", text(&user.shell)),
        ("groups", texts(&user.groups)),
    ])
}

fn unit(unit: &Unit) -> Table {
    let dropins = unit.dropins.iter().map(|(file, text)| (file.clone(), text.clone().into())).collect();
    table([
        ("name", text(&unit.name)),
        ("text", unit.text.as_ref().and_then(text)),
        ("dropins", Some(Value::Table(dropins))),
        (
            "state",
            text(match unit.state {
                UnitState::Default => "default",
                UnitState::Enabled => "enabled",
                UnitState::Disabled => "disabled",
                UnitState::Masked => "masked",
            }),
        ),
    ])
}

/// Defaults that the profile took away are said to be sealed.
fn writable(profile: &Profile) -> Table {
    let gone = writable_defaults().into_iter().filter(|(path, _)| !profile.writable.contains_key(path));
    let gone = gone.map(|(path, _)| (path.to_string(), "sealed".into()));
    let there = profile.writable.iter().map(|(path, kind)| {
        let kind = match kind {
            Writable::Persistent => "persistent",
            Writable::Volatile => "volatile",
        };
        (path.to_string(), kind.into())
    });
    there.chain(gone).collect()
}

fn pack(pack: &Pack) -> Table {
    table([
        ("codec", Value::try_from(pack.codec).ok()),
        ("level", Some(i64::from(pack.level).into())),
        ("block", text(pack.block)),
    ])
}

/// An output or a row: plain structs of text, numbers and tables, for which there is always a table.
fn plain(part: &impl serde::Serialize) -> Table {
    Table::try_from(part).unwrap_or_default()
}

fn posture(posture: &Posture) -> Table {
    let rules = posture.rules.iter().map(|set| Value::from(set.name())).collect();
    let mut out = table([("rules", Some(Value::Array(rules)))]);
    if !posture.also.is_empty() {
        out.extend(table([("also", texts(&posture.also))]));
    }
    if !posture.capabilities.is_empty() {
        let paths: Vec<String> = posture.capabilities.iter().map(ToString::to_string).collect();
        out.extend(table([("capabilities", texts(&paths))]));
    }
    out
}

fn waive(waiver: &Waiver) -> Value {
    Value::Table(table([("reason", text(&waiver.reason)), ("until", waiver.until.as_ref().and_then(text))]))
}
