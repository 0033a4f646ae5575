//! The files: texts for people, indices for kmod.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::graph::{Module, Modules};
use super::index::Index;
use crate::error::Result;

/// Every table by its file name.
pub fn all(modules: &Modules) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let list = &modules.list;
    let mut deps = String::new();
    let mut deps_index = Index::default();
    let mut aliases = String::from("# Aliases extracted from modules themselves.\n");
    let mut aliases_index = Index::default();
    let mut softdeps = String::from("# Soft dependencies extracted from modules themselves.\n");
    let mut weakdeps = String::from("# Weak dependencies extracted from modules themselves.\n");
    let mut owners: BTreeMap<&str, (usize, &Module)> = BTreeMap::new();
    for (index, module) in list.iter().enumerate() {
        let name = &module.name;
        let needs: String =
            module.needs.iter().filter_map(|need| list.get(*need)).map(|need| format!(" {}", need.path)).collect();
        let line = format!("{}:{needs}", module.path);
        deps_index.insert(name, &line, index as u32)?;
        deps.push_str(&line);
        deps.push('\n');
        for alias in &module.aliases {
            // Writing to a string cannot fail.
            let _ = writeln!(aliases, "alias {alias} {name}");
            if let Some(alias) = normal(alias) {
                aliases_index.insert(&alias, name, index as u32)?;
            }
        }
        for text in &module.softdeps {
            let _ = writeln!(softdeps, "softdep {name} {text}");
        }
        for text in &module.weakdeps {
            let _ = writeln!(weakdeps, "weakdep {name} {text}");
        }
        owners.extend(module.exports.iter().map(|symbol| (symbol.as_str(), (index, module))));
    }
    let mut symbols = String::from("# Aliases for symbols, used by symbol_request().\n");
    let mut symbols_index = Index::default();
    for (symbol, (index, module)) in owners {
        let _ = writeln!(symbols, "alias symbol:{symbol} {}", module.name);
        symbols_index.insert(&format!("symbol:{symbol}"), &module.name, index as u32)?;
    }
    let mut builtin_index = Index::default();
    for name in &modules.builtin_list {
        builtin_index.insert(name, "", 0)?;
    }
    let mut builtin_aliases = Index::default();
    for (name, alias) in &modules.builtin_aliases {
        if let Some(alias) = normal(alias) {
            builtin_aliases.insert(&alias, name, 0)?;
        }
    }
    Ok(vec![
        ("modules.dep", deps.into_bytes()),
        ("modules.dep.bin", deps_index.bytes()?),
        ("modules.alias", aliases.into_bytes()),
        ("modules.alias.bin", aliases_index.bytes()?),
        ("modules.softdep", softdeps.into_bytes()),
        ("modules.weakdep", weakdeps.into_bytes()),
        ("modules.symbols", symbols.into_bytes()),
        ("modules.symbols.bin", symbols_index.bytes()?),
        ("modules.builtin.bin", builtin_index.bytes()?),
        ("modules.builtin.alias.bin", builtin_aliases.bytes()?),
        ("modules.devname", devnames(list).into_bytes()),
    ])
}

/// An alias as lookups spell it: `_` for `-` outside of brackets; none where brackets do not match.
fn normal(alias: &str) -> Option<String> {
    let mut out = String::with_capacity(alias.len());
    let mut inside = false;
    for c in alias.chars() {
        match c {
            ']' if !inside => return None,
            ']' => inside = false,
            '[' => inside = true,
            _ => {}
        }
        out.push(if c == '-' && !inside { '_' } else { c });
    }
    (!inside).then_some(out)
}

/// Device nodes whose opening loads a module: `name node c10:237`.
fn devnames(list: &[Module]) -> String {
    let mut out = String::new();
    for module in list {
        let mut node = None;
        let mut number = None;
        for alias in &module.aliases {
            if let Some(name) = alias.strip_prefix("devname:") {
                node = Some(name);
            } else if let Some(found) = device(alias) {
                number = Some(found);
            }
            if let (Some(node), Some((kind, major, minor))) = (node, number) {
                if out.is_empty() {
                    out.push_str("# Device nodes to trigger on-demand module loading.\n");
                }
                let _ = writeln!(out, "{} {node} {kind}{major}:{minor}", module.name);
                break;
            }
        }
    }
    out
}

/// `char-major-10-237` as `('c', 10, 237)`; a star for the minor number names no node.
fn device(alias: &str) -> Option<(char, u32, u32)> {
    let (kind, rest) = match alias.strip_prefix("char-major-") {
        Some(rest) => ('c', rest),
        None => ('b', alias.strip_prefix("block-major-")?),
    };
    let (major, minor) = rest.split_once('-')?;
    Some((kind, major.parse().ok()?, minor.parse().ok()?))
}
