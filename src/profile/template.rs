//! Templates: bases of profiles that are built into the binary.

/// A template: its name and its TOML.
pub type Template = (&'static str, &'static str);

/// Every template, sorted by name.
pub const ALL: &[Template] = &[
    ("debug", include_str!("../../templates/debug.toml")),
    ("hardened", include_str!("../../templates/hardened.toml")),
    ("node", include_str!("../../templates/node.toml")),
];

/// The text of a template.
pub fn get(name: &str) -> Option<&'static str> {
    ALL.iter().find(|template| template.0 == name).map(|template| template.1)
}

/// The names of all templates.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|template| template.0)
}

/// What `new` writes: the example, under another id.
pub const START: &str = include_str!("../../examples/hello-pod.toml");
