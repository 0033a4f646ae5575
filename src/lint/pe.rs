//! EFI programs that are made of a stub and sections: UKIs and addons.

use super::finding::{Finding, Rule};
use crate::boot::uki::Pe;

/// Rules of this subject.
pub const RULES: [&Rule; 4] = [&WHOLE, &ALIGNED, &APART, &PARTS];

static WHOLE: Rule = Rule {
    id: "pe-whole",
    required: "a PE32+ program whose headers and sections lie within the file",
    why: "PE/COFF specification; UEFI 2.10, 2.1.1: firmware loads no other, and a file that was cut off hangs it",
    mend: "make the UKI anew, and copy it whole",
};
static ALIGNED: Rule = Rule {
    id: "pe-aligned",
    required: "sections at multiples of the program's alignments, in memory 4096 bytes at least",
    why: "PE/COFF specification; firmware with memory protection restarts for ever over a section that shares a page",
    mend: "add sections with ukify or imagebuild; objcopy needs --change-section-vma at whole pages",
};
static APART: Rule = Rule {
    id: "pe-apart",
    required: "sections that overlap neither in memory nor in the file, and an image that covers all of them",
    why: "PE/COFF specification: the later section is loaded over the earlier one, the usual fault of objcopy with fixed addresses and a grown initrd",
    mend: "add sections with ukify or imagebuild, which lay each behind the last",
};
static PARTS: Rule = Rule {
    id: "uki-parts",
    required: "the sections .linux, .initrd, .cmdline and .uname in a UKI",
    why: "UAPI group, unified kernel image: without them the stub starts nothing, or takes the command line from elsewhere",
    mend: "make the UKI anew with all of them",
};

/// Checks the file at `path`; gives it where it is a program at all.
pub fn check<'a>(path: &str, bytes: &'a [u8], out: &mut Vec<Finding>) -> Option<Pe<'a>> {
    let path = path.escape_debug();
    let pe = match Pe::parse(bytes) {
        Ok(pe) => pe,
        Err(error) => {
            out.push(WHOLE.broken(format!("`{path}`: {}", error.message())));
            return None;
        }
    };
    let Ok((memory_align, file_align, end)) = pe.shape() else {
        out.push(WHOLE.broken(format!("`{path}`: its headers are too short")));
        return None;
    };
    if memory_align < 4096 || !memory_align.is_power_of_two() || !file_align.is_power_of_two() {
        out.push(ALIGNED.broken(format!("`{path}`: alignments of {memory_align} and {file_align} bytes")));
        return Some(pe);
    }
    for section in pe.sections() {
        let in_file = section.raw > 0 && !section.offset.is_multiple_of(file_align);
        if in_file || !section.address.is_multiple_of(memory_align) {
            let (name, address, offset) = (&section.name, section.address, section.offset);
            out.push(ALIGNED.broken(format!("`{path}`: `{name}` at {address:#x} in memory, {offset:#x} in the file")));
        }
    }
    let extents = |in_memory: bool| {
        let mut all: Vec<(u64, u64, &str)> = (pe.sections().iter())
            .map(|section| match in_memory {
                true => (section.address, section.memory, section.name.as_str()),
                false => (section.offset, section.raw, section.name.as_str()),
            })
            .filter(|(_, length, _)| *length > 0)
            .map(|(at, length, name)| (u64::from(at), u64::from(at) + u64::from(length), name))
            .collect();
        all.sort_unstable();
        all
    };
    for (in_memory, place) in [(true, "memory"), (false, "the file")] {
        let extents = extents(in_memory);
        for pair in extents.windows(2).filter(|pair| pair[1].0 < pair[0].1) {
            out.push(APART.broken(format!("`{path}`: `{}` and `{}` overlap in {place}", pair[0].2, pair[1].2)));
        }
        if in_memory && let Some(last) = extents.last().filter(|last| last.1 > u64::from(end)) {
            out.push(APART.broken(format!("`{path}`: `{}` ends at {:#x}, the image at {end:#x}", last.2, last.1)));
        }
    }
    Some(pe)
}

/// Checks that a UKI has what it is to be made of.
pub fn parts(path: &str, pe: &Pe<'_>, out: &mut Vec<Finding>) {
    let missing: Vec<&str> =
        [".linux", ".initrd", ".cmdline", ".uname"].into_iter().filter(|name| pe.named(name).is_none()).collect();
    if !missing.is_empty() {
        out.push(PARTS.broken(format!("`{}` has no {}", path.escape_debug(), missing.join(", "))));
    }
}
