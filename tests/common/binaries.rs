//! The smallest kernel modules and EFI stubs that tools of others accept, made by the tests themselves.
#![allow(dead_code)] // each test binary uses its own part

/// Symbols that a module exports, symbols that it needs, lines of its `.modinfo`: a relocatable ELF file.
pub fn module(exports: &[&str], imports: &[&str], info: &[&str]) -> Vec<u8> {
    let join = |list: &[&str]| list.iter().flat_map(|text| text.bytes().chain([0])).collect::<Vec<u8>>();
    let mut strings = vec![0u8];
    let mut symbols = vec![0u8; 24];
    let mut symbol = |name: String, section: u16| {
        symbols.extend((strings.len() as u32).to_le_bytes());
        // Global, no type; default visibility.
        symbols.extend([0x10, 0]);
        symbols.extend(section.to_le_bytes());
        symbols.extend([0; 16]);
        strings.extend(name.bytes().chain([0]));
    };
    for name in exports {
        symbol(format!("__crc_{name}"), 0xfff1);
        symbol((*name).to_owned(), 1);
    }
    for name in imports {
        symbol((*name).to_owned(), 0);
    }
    // Name, type, link, info, entry size, bytes.
    // Name, kind, link, info, size of an entry, bytes.
    type Section = (&'static str, u32, u32, u32, u64, Vec<u8>);
    let sections: [Section; 6] = [
        ("", 0, 0, 0, 0, Vec::new()),
        (".modinfo", 1, 0, 0, 0, join(info)),
        ("__ksymtab_strings", 1, 0, 0, 0, join(exports)),
        (".symtab", 2, 4, 1, 24, symbols),
        (".strtab", 3, 0, 0, 0, strings),
        (".shstrtab", 3, 0, 0, 0, b"\0.modinfo\0__ksymtab_strings\0.symtab\0.strtab\0.shstrtab\0".to_vec()),
    ];
    let names = sections[5].5.clone();
    let mut out = vec![0; 64];
    let mut headers = Vec::new();
    for (name, kind, link, info, entry, bytes) in &sections {
        out.resize(out.len().next_multiple_of(8), 0);
        let wanted = [b"\0", name.as_bytes(), b"\0"].concat();
        let at = if name.is_empty() { 0 } else { names.windows(wanted.len()).position(|w| w == wanted).unwrap() + 1 };
        headers.extend((at as u32).to_le_bytes());
        headers.extend(kind.to_le_bytes());
        headers.extend([0; 16]);
        headers.extend((out.len() as u64).to_le_bytes());
        headers.extend((bytes.len() as u64).to_le_bytes());
        headers.extend(link.to_le_bytes());
        headers.extend(info.to_le_bytes());
        headers.extend(8u64.to_le_bytes());
        headers.extend(entry.to_le_bytes());
        out.extend(bytes);
    }
    out.resize(out.len().next_multiple_of(8), 0);
    let table = out.len() as u64;
    out.extend(headers);
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    put(16, &[1, 0, 62, 0, 1, 0, 0, 0]);
    put(40, &table.to_le_bytes());
    put(52, &[64, 0]);
    put(58, &[64, 0, 6, 0, 5, 0]);
    out
}

/// A PE file with one section of code and room for more.
pub fn stub() -> Vec<u8> {
    let mut out = vec![0; 0x600];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"MZ");
    put(0x3c, &0x40u32.to_le_bytes());
    put(0x40, b"PE\0\0\x64\x86\x01\0");
    put(0x54, &[0xf0, 0, 0x2e, 0x02]);
    let optional = 0x58;
    put(optional, &[0x0b, 2]);
    for (at, value) in [(4, 0x200u32), (16, 0x1000), (20, 0x1000), (32, 0x1000), (36, 0x200), (56, 0x2000), (60, 0x400)]
    {
        put(optional + at, &value.to_le_bytes());
    }
    put(optional + 68, &10u16.to_le_bytes());
    put(optional + 108, &16u32.to_le_bytes());
    let table = optional + 0xf0;
    put(table, b".text");
    for (at, value) in [(8, 0x10u32), (12, 0x1000), (16, 0x200), (20, 0x400), (36, 0x6000_0020)] {
        put(table + at, &value.to_le_bytes());
    }
    put(0x400, &[0xc3]);
    out
}

/// A program as Go links it, as far as its account of itself goes: compiler and lines of modules.
pub fn go_program(version: &str, modules: &str) -> Vec<u8> {
    let mut info = b"\xff Go buildinf:\x08\x02".to_vec();
    info.resize(32, 0);
    let list = [&[0x30; 16][..], modules.as_bytes(), &[0xf9; 16]].concat();
    for text in [version.as_bytes(), &list] {
        let mut length = text.len();
        while length >= 0x80 {
            info.push(length as u8 | 0x80);
            length >>= 7;
        }
        info.push(length as u8);
        info.extend(text);
    }
    // One segment that may be written and not be run.
    let mut out = vec![0; 64 + 56];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    put(16, &[2, 0, 62, 0]);
    put(32, &64u64.to_le_bytes());
    put(54, &56u16.to_le_bytes());
    put(56, &1u16.to_le_bytes());
    put(64, &[1, 0, 0, 0, 6, 0, 0, 0]);
    put(72, &120u64.to_le_bytes());
    put(96, &(info.len() as u64).to_le_bytes());
    out.extend(info);
    // No real one is this small.
    out.resize(100_000, 0);
    out
}
