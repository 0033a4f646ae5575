//! `[boot]`: kinds of firmware, and what a BIOS demands of other parts.

use super::Resolver;
use crate::arch::Arch;
use crate::profile::place::At;
use crate::profile::{Boot, Firmware, Layout, raw};

impl Resolver<'_> {
    /// `[boot]`; `slots` and `words` are where the number of slots and the command line were written.
    pub(super) fn boot(
        &mut self,
        raw: raw::Opt<raw::Boot>,
        layout: &Layout,
        slots: raw::Opt<u8>,
        words: &raw::List<String>,
    ) -> Boot {
        let Some(list) = raw.and_then(|raw| raw.value.firmware) else { return Boot::default() };
        let place = list.place;
        let mut firmware: Vec<Firmware> = Vec::new();
        for one in list.value {
            if firmware.contains(&one.value) {
                self.wrong(one.place, format!("the firmware `{}` is there twice", one.value.name()), "each once");
                continue;
            }
            firmware.push(one.value);
            if one.value == Firmware::Bios {
                self.bios(&one, layout, slots.as_ref(), words);
            }
        }
        if !firmware.contains(&Firmware::Uefi) {
            self.wrong(place, "the firmware `uefi` is missing", "`uefi`, alone or with `bios`");
        }
        firmware.sort_by_key(|one| one.name() == Firmware::Bios.name());
        Boot { firmware }
    }

    fn bios(&mut self, one: &At<Firmware>, layout: &Layout, slots: Option<&At<u8>>, words: &raw::List<String>) {
        if self.arch != Arch::Amd64 {
            self.wrong(one.place, format!("no machine of {} has a BIOS", self.arch), "`uefi` alone");
        }
        if layout.slots == 2 {
            let place = slots.map_or(one.place, |slots| slots.place);
            self.wrong(place, "a BIOS cannot choose between two slots", "`layout.slots = 1`, or no `bios`");
        }
        for word in words.iter().flat_map(|words| &words.value) {
            if word.value.contains(['"', '\'', '\\']) {
                let message =
                    format!("GRUB, which a BIOS needs, would change the word `{}`", word.value.escape_debug());
                self.wrong(word.place, message, "a word without quotes and backslashes, or no `bios`");
            }
        }
    }
}
