//! Where the node fetches its next release from: the transfers of systemd-sysupdate (sysupdate.d(5)).
//!
//! Only for profiles with an output `update`, whose files have the names that these patterns match. The
//! UKI comes last, so that nothing boots what is not there yet, and with three tries: a release that does
//! not come up gives way to the one before.

use super::put::Put;
use crate::error::{Error, Result};
use crate::profile::{Format, Update};
use crate::system::Inputs;
use crate::tree::Tree;

/// The program; of systemd-container in Debian.
const SYSUPDATE: &str = "/usr/lib/systemd/systemd-sysupdate";

/// Lays the transfers into the tree.
pub(super) fn step(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<()> {
    let mut updates = inputs.profile.outputs.iter().filter_map(|output| match &output.format {
        Format::Update(update) => Some(update),
        _ => None,
    });
    let Some(update) = updates.next_back() else { return Ok(()) };
    let mut put = Put::new(tree, inputs, "update");
    if !put.has(SYSUPDATE) {
        return Err(Error::user(format!("an output `update`, and the tree has no `{SYSUPDATE}`"))
            .hint("expected `systemd-container` in `userland.packages`"));
    }
    for (name, text) in transfers(&inputs.profile.image.id, update) {
        put.text(&format!("/usr/lib/sysupdate.d/{name}"), 0o644, text)?;
    }
    Ok(())
}

/// The transfers by file name, in the order in which they are carried out.
fn transfers(id: &str, update: &Update) -> [(&'static str, String); 3] {
    let head = |pattern: &str| {
        let (url, verify) = (&update.url, if update.verify { "yes" } else { "no" });
        format!(
            "[Transfer]\nVerify={verify}\nProtectVersion=%A\n\n\
             [Source]\nType=url-file\nPath={url}\nMatchPattern={id}_@v{pattern}\n\n\
             [Target]\nInstancesMax=2\n"
        )
    };
    let partition = |pattern: &str, kind: &str| {
        format!(
            "{}Type=partition\nPath=auto\nMatchPattern={id}_@v\nMatchPartitionType={kind}\n\
             PartitionNoAuto=yes\nReadOnly=yes\n",
            head(pattern)
        )
    };
    let uki = format!(
        "{}Type=regular-file\nPath=/EFI/Linux\nPathRelativeTo=boot\n\
         MatchPattern={id}_@v+@l-@d.efi {id}_@v+@l.efi {id}_@v.efi\nMode=0444\nTriesLeft=3\nTriesDone=0\n",
        head(".efi")
    );
    [
        ("10-verity.transfer", partition("_@u.verity", "root-verity")),
        ("20-root.transfer", partition("_@u.root", "root")),
        ("30-uki.transfer", uki),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_the_bundle() {
        let update = Update { url: "https://example.org/node/".to_owned(), verify: true };
        let [verity, root, uki] = transfers("node", &update);
        assert!(verity.1.contains("MatchPattern=node_@v_@u.verity\n") && verity.1.contains("Verify=yes\n"));
        assert!(
            root.1.contains("MatchPattern=node_@v_@u.root\n") && root.1.contains("Path=https://example.org/node/\n")
        );
        assert!(uki.1.contains("MatchPattern=node_@v.efi\n") && uki.1.contains("TriesLeft=3\n"));
        assert!(verity.0 < root.0 && root.0 < uki.0);
    }
}
