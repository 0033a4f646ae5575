//! What differs between two recipes of one value.

use std::collections::BTreeMap;

use super::Cause;
use crate::store::Recipe;

/// Every ingredient that is other, new or gone, in the order of `after`; `line` says where a profile sets one.
pub fn between(before: &Recipe, after: &Recipe, line: &dyn Fn(&str) -> Option<String>) -> Vec<Cause> {
    let mut out = Vec::new();
    if before.version != after.version {
        let version = |recipe: &Recipe| Some(recipe.version.to_string());
        let what = "version of the code".to_owned();
        out.push(Cause { what, before: version(before), after: version(after), at: None });
    }
    let was: BTreeMap<&str, &str> = before.parts.iter().map(|part| (part.name.as_str(), part.value.as_str())).collect();
    let is: BTreeMap<&str, &str> = after.parts.iter().map(|part| (part.name.as_str(), part.value.as_str())).collect();
    for part in &after.parts {
        let old = was.get(part.name.as_str());
        if old == Some(&part.value.as_str()) {
            continue;
        }
        let (old, new) = shortened(old.copied(), Some(&part.value));
        out.push(Cause { what: part.name.clone(), before: old, after: new, at: line(&part.name) });
    }
    for part in before.parts.iter().filter(|part| !is.contains_key(part.name.as_str())) {
        let (old, _) = shortened(Some(&part.value), None);
        out.push(Cause { what: part.name.clone(), before: old, after: None, at: None });
    }
    out
}

/// `1 (sha256:..)` and `2 (sha256:..)` differ by their versions already.
fn shortened(before: Option<&str>, after: Option<&str>) -> (Option<String>, Option<String>) {
    let head = |text: &str| text.split(" (sha256:").next().unwrap_or(text).to_owned();
    match (before, after) {
        (Some(before), Some(after)) if head(before) == head(after) => (Some(before.to_owned()), Some(after.to_owned())),
        (before, after) => (before.map(head), after.map(head)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Part;

    #[test]
    fn what_is_other_new_and_gone_is_told() {
        let recipe = |version: u32, parts: &[(&str, &str)]| {
            let parts = parts.iter().map(|(name, value)| Part::new(*name, *value)).collect();
            Recipe { version, ..Recipe::new("k", "x", parts) }
        };
        let one = recipe(1, &[("a", "1 (sha256:00)"), ("b", "1 (sha256:00)"), ("c", "1"), ("d", "1")]);
        let two = recipe(2, &[("a", "2 (sha256:11)"), ("b", "1 (sha256:11)"), ("c", "1"), ("e", "1")]);
        let line = |name: &str| (name == "e").then(|| "node.toml:3".to_owned());
        let told: Vec<String> = between(&one, &two, &line)
            .into_iter()
            .map(|cause| format!("{} {:?} {:?} {:?}", cause.what, cause.before, cause.after, cause.at))
            .collect();
        assert_eq!(
            told,
            [
                r#"version of the code Some("1") Some("2") None"#,
                r#"a Some("1") Some("2") None"#,
                r#"b Some("1 (sha256:00)") Some("1 (sha256:11)") None"#,
                r#"e None Some("1") Some("node.toml:3")"#,
                r#"d Some("1") None None"#,
            ]
        );
        assert_eq!(between(&one, &one, &line), []);
    }
}
