//! OVA: a machine and its disk in one file, as VMware imports it (DMTF DSP0243, Open Virtualization Format 1.1).
//!
//! ```text
//! tar: NAME.ovf (the machine) | NAME.mf (digests) | NAME.vmdk (streamOptimized)
//! ```
//!
//! The order is that of the specification: who reads a stream knows the machine first, and then each file that
//! it refers to.

mod describe;

use super::archive::{Head, RECORD, archive};
use super::spool::spool;
use super::{Emit, Format};
use crate::digest::Digest;
use crate::disk::{Disk, Sink};
use crate::error::Result;
use crate::profile::{Ova, Vmdk};
use crate::tree::Content;

impl Format for Ova {
    fn name(&self) -> &'static str {
        "ova"
    }

    fn emit(&self, disk: &Disk, how: &Emit<'_>, sink: &mut dyn Sink) -> Result<()> {
        let spooled = spool(&Vmdk::default(), disk, how)?;
        let file = format!("{}.vmdk", how.name);
        let machine = describe::Machine {
            name: how.name,
            hardware: self,
            file: &file,
            stored: spooled.size,
            disk: disk.rounded(super::vmdk::GRAIN).len(),
        };
        let described = machine.ovf();
        let name = format!("{}.ovf", how.name);
        // No space before the name: readers of old want it so.
        let digests =
            format!("SHA256({name})= {}\nSHA256({file})= {}\n", Digest::of(described.as_bytes()), spooled.sha256);
        let members = [
            (name, Content::bytes(described.into_bytes())),
            (format!("{}.mf", how.name), Content::bytes(digests.into_bytes())),
            (file.clone(), spooled.content()),
        ];
        let member = |(name, content): (String, Content)| {
            Ok((Head::file(&name, content.len(), how.epoch).bytes()?, Disk::whole(content)))
        };
        let members = members.into_iter().map(member).collect::<Result<Vec<_>>>()?;
        archive(members, RECORD)?.emit(how.jobs, sink)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;

    use crate::digest::Digest;
    use crate::disk::Disk;
    use crate::output::tests::{emitted, hostile, read_back, sample};
    use crate::profile::{Ova, Product};

    #[test]
    fn the_members_are_in_order_and_the_manifest_is_true() {
        let mut bytes = sample();
        let disk = Disk::of(Arc::new(bytes.clone())).unwrap();
        let product = Product { name: "Node <1>".into(), vendor: None, version: Some("1&2".into()), url: None };
        let file = emitted(&Ova { product: Some(product), ..Ova::default() }, &disk);
        let mut members = Vec::new();
        for member in tar::Archive::new(&file[..]).entries().unwrap() {
            let mut member = member.unwrap();
            assert_eq!((member.header().uid().unwrap(), member.header().mtime().unwrap()), (0, 1 << 30));
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes).unwrap();
            members.push((member.path().unwrap().to_str().unwrap().to_owned(), bytes));
        }
        let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x_1.ovf", "x_1.mf", "x_1.vmdk"]);
        let line = |at: usize| format!("SHA256({})= {}\n", members[at].0, Digest::of(&members[at].1));
        assert_eq!(String::from_utf8(members[1].1.clone()).unwrap(), line(0) + &line(2));
        let ovf = String::from_utf8(members[0].1.clone()).unwrap();
        assert!(ovf.contains(&format!("ovf:size=\"{}\"", members[2].1.len())), "{ovf}");
        assert!(
            ovf.contains("<Product>Node &lt;1&gt;</Product>") && ovf.contains("<Version>1&amp;2</Version>"),
            "{ovf}"
        );
        bytes.resize(bytes.len().next_multiple_of(64 << 10), 0);
        assert!(read_back(file.clone(), "ova") == bytes);
        hostile(&file, 0..512);
        hostile(&file, 512 * 20..512 * 20 + 512);
    }
}
