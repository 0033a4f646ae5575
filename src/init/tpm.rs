//! Measures a word into a PCR, in every bank that the TPM has.
//!
//! `TPM2_PCR_Event` lets the TPM hash the word for each of its banks, which gives what
//! systemd-pcrextend gives bank by bank. The answer holds the digests, which go into the
//! log that systemd keeps of measurements made after the firmware.

use core::fmt;

use super::text::Hex;

/// Bytes of the largest answer that a TPM gives.
pub const LARGEST: usize = 4096;

/// Bytes that a command of ours may have.
const COMMAND: usize = 128;

/// Tries of a command that the TPM was too busy for.
const TRIES: u32 = 10;

/// TPM_RC_YIELDED, TPM_RC_TESTING, TPM_RC_RETRY: the same command will do later.
const LATER: [u32; 3] = [0x908, 0x90a, 0x922];

/// A TPM as this module sees it.
pub trait Chip {
    /// Sends a command and returns how many bytes of `answer` were filled.
    fn transact(&mut self, command: &[u8], answer: &mut [u8]) -> Option<usize>;
    /// Waits a little.
    fn wait(&mut self);
}

/// Why a measurement failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The device could not be written or read.
    Device,
    /// The word is too long.
    Word,
    /// The answer is not one to this command.
    Answer,
    /// The TPM refused, with this response code.
    Refused(u32),
}

/// Measures `word` into `pcr`; `answer` is a buffer.
pub fn measure<'a>(
    chip: &mut dyn Chip,
    pcr: u8,
    word: &[u8],
    answer: &'a mut [u8; LARGEST],
) -> Result<Digests<'a>, Error> {
    let mut buffer = [0u8; COMMAND];
    let command = event(pcr, word, &mut buffer).ok_or(Error::Word)?;
    for _ in 0..TRIES {
        let len = chip.transact(command, answer).ok_or(Error::Device)?;
        let header = answer.get(..len).and_then(|bytes| bytes.first_chunk::<10>()).ok_or(Error::Answer)?;
        let code = u32::from_be_bytes([header[6], header[7], header[8], header[9]]);
        if LATER.contains(&code) {
            chip.wait();
            continue;
        }
        if code != 0 {
            return Err(Error::Refused(code));
        }
        let answer: &'a [u8] = answer;
        return Digests::of(answer.get(..len).unwrap_or(&[])).ok_or(Error::Answer);
    }
    Err(Error::Refused(LATER[2]))
}

/// The bytes of `TPM2_PCR_Event(pcr, word)` with an empty password (TPM 2.0 part 3, 22.3).
fn event<'a>(pcr: u8, word: &[u8], buffer: &'a mut [u8; COMMAND]) -> Option<&'a [u8]> {
    let len = 29usize.checked_add(word.len())?;
    let command = buffer.get_mut(..len)?;
    command.get_mut(..2)?.copy_from_slice(&0x8002u16.to_be_bytes()); // TPM_ST_SESSIONS
    command.get_mut(2..6)?.copy_from_slice(&u32::try_from(len).ok()?.to_be_bytes());
    command.get_mut(6..10)?.copy_from_slice(&0x0000_013cu32.to_be_bytes()); // TPM_CC_PCR_Event
    command.get_mut(10..14)?.copy_from_slice(&u32::from(pcr).to_be_bytes());
    command.get_mut(14..18)?.copy_from_slice(&9u32.to_be_bytes());
    command.get_mut(18..22)?.copy_from_slice(&0x4000_0009u32.to_be_bytes()); // TPM_RS_PW
    command.get_mut(27..29)?.copy_from_slice(&u16::try_from(word.len()).ok()?.to_be_bytes());
    command.get_mut(29..)?.copy_from_slice(word);
    Some(command)
}

/// The digests that a measurement extended, one for each bank.
#[derive(Clone, Copy, Debug)]
pub struct Digests<'a>(&'a [u8]);

impl<'a> Digests<'a> {
    /// The digests in the answer to `TPM2_PCR_Event`, all of known algorithms.
    fn of(answer: &'a [u8]) -> Option<Self> {
        // Tag, size, code, size of the parameters, count: then algorithm and digest, each.
        let count = u32::from_be_bytes(answer.get(14..)?.first_chunk().copied()?);
        let list = answer.get(18..)?;
        let mut rest = list;
        for _ in 0..count {
            let (_, _, after) = split(rest)?;
            rest = after;
        }
        let used = list.len().checked_sub(rest.len())?;
        list.get(..used).filter(|list| !list.is_empty()).map(Digests)
    }

    /// Algorithm and digest of each bank.
    pub fn each(&self, mut visit: impl FnMut(&'static str, &[u8])) {
        let mut rest = self.0;
        while let Some((name, digest, after)) = split(rest) {
            visit(name, digest);
            rest = after;
        }
    }
}

/// Algorithm, digest, and what follows (TPM 2.0 part 2, TPMT_HA).
fn split(list: &[u8]) -> Option<(&'static str, &[u8], &[u8])> {
    let (algorithm, rest) = list.split_first_chunk::<2>()?;
    let (name, len) = match u16::from_be_bytes(*algorithm) {
        0x0004 => ("sha1", 20),
        0x000b => ("sha256", 32),
        0x000c => ("sha384", 48),
        0x000d => ("sha512", 64),
        0x0012 => ("sm3_256", 32),
        0x0027 => ("sha3_256", 32),
        0x0028 => ("sha3_384", 48),
        0x0029 => ("sha3_512", 64),
        _ => return None,
    };
    let (digest, rest) = rest.split_at_checked(len)?;
    Some((name, digest, rest))
}

/// A record of `/run/log/systemd/tpm2-measure.log`: one object of a JSON text sequence
/// (RFC 7464), as systemd-pcrextend writes it and systemd-pcrlock reads it.
pub struct Record<'a> {
    /// The PCR.
    pub pcr: u8,
    /// What was measured.
    pub word: &'a str,
    /// What it was extended by.
    pub digests: Digests<'a>,
    /// The id of this boot, 32 hexadecimal digits.
    pub boot: &'a str,
    /// Microseconds since boot.
    pub time: u64,
}

impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\u{1e}{{\"pcr\":{},\"digests\":[", self.pcr)?;
        let mut result = Ok(());
        let mut comma = "";
        self.digests.each(|name, digest| {
            let digest = Hex(digest);
            result = result.and(write!(f, "{comma}{{\"hashAlg\":\"{name}\",\"digest\":\"{digest}\"}}"));
            comma = ",";
        });
        result?;
        writeln!(
            f,
            "],\"content_type\":\"systemd\",\"content\":{{\"string\":\"{}\",\"bootId\":\"{}\",\"timestamp\":{},\
             \"eventType\":\"phase\"}}}}",
            self.word, self.boot, self.time
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake {
        answers: Vec<Vec<u8>>,
        seen: Vec<Vec<u8>>,
        waits: u32,
    }

    impl Chip for Fake {
        fn transact(&mut self, command: &[u8], answer: &mut [u8]) -> Option<usize> {
            self.seen.push(command.to_vec());
            let next = if self.answers.len() > 1 { self.answers.remove(0) } else { self.answers.first()?.clone() };
            answer[..next.len()].copy_from_slice(&next);
            Some(next.len())
        }
        fn wait(&mut self) {
            self.waits += 1;
        }
    }

    fn answer(code: u32, count: u32, digests: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x80, 0x02];
        bytes.extend((18 + digests.len() as u32).to_be_bytes());
        bytes.extend(code.to_be_bytes());
        bytes.extend((4 + digests.len() as u32).to_be_bytes());
        bytes.extend(count.to_be_bytes());
        bytes.extend(digests);
        bytes
    }

    fn run(answers: Vec<Vec<u8>>) -> (Result<String, Error>, Fake) {
        let mut fake = Fake { answers, seen: vec![], waits: 0 };
        let mut buffer = [0; LARGEST];
        let result = measure(&mut fake, 11, b"ready", &mut buffer)
            .map(|digests| Record { pcr: 11, word: "ready", digests, boot: "b", time: 5 }.to_string());
        (result, fake)
    }

    #[test]
    fn sends_the_event_and_logs_every_bank() {
        let digests = [&[0, 0x04][..], &[1; 20], &[0, 0x0b], &[2; 32], &[0x40, 0, 0, 1, 0]].concat();
        let (result, fake) = run(vec![answer(0, 2, &digests)]);
        let (one, two) = ("01".repeat(20), "02".repeat(32));
        assert_eq!(
            result.unwrap(),
            format!(
                "\u{1e}{{\"pcr\":11,\"digests\":[{{\"hashAlg\":\"sha1\",\"digest\":\"{one}\"}},\
                 {{\"hashAlg\":\"sha256\",\"digest\":\"{two}\"}}],\"content_type\":\"systemd\",\
                 \"content\":{{\"string\":\"ready\",\"bootId\":\"b\",\"timestamp\":5,\"eventType\":\"phase\"}}}}\n"
            )
        );
        let expected = [
            &[0x80, 0x02, 0, 0, 0, 34, 0, 0, 1, 0x3c, 0, 0, 0, 11][..],
            &[0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0, 0, 5],
            b"ready",
        ];
        assert_eq!(fake.seen, [expected.concat()]);
    }

    #[test]
    fn tries_again_when_busy_but_not_for_ever() {
        let good = answer(0, 1, &[&[0, 0x0b][..], &[2; 32]].concat());
        let (result, fake) = run(vec![answer(0x922, 0, &[]), answer(0x90a, 0, &[]), good]);
        assert!(result.is_ok());
        assert_eq!(fake.waits, 2);
        assert_eq!(run(vec![answer(0x922, 0, &[])]).0, Err(Error::Refused(0x922)));
    }

    #[test]
    fn refuses_answers_made_to_harm() {
        assert_eq!(run(vec![answer(0x101, 0, &[])]).0, Err(Error::Refused(0x101)));
        assert_eq!(run(vec![]).0, Err(Error::Device));
        assert_eq!(run(vec![vec![0x80]]).0, Err(Error::Answer));
        assert_eq!(run(vec![answer(0, 0, &[])]).0, Err(Error::Answer));
        assert_eq!(run(vec![answer(0, u32::MAX, &[0, 4])]).0, Err(Error::Answer));
        assert_eq!(run(vec![answer(0, 1, &[&[0, 0x0b][..], &[2; 31]].concat())]).0, Err(Error::Answer));
        assert_eq!(run(vec![answer(0, 1, &[0x7f, 0xff, 0, 0])]).0, Err(Error::Answer));
        let mut buffer = [0; COMMAND];
        assert!(event(11, &[0; COMMAND], &mut buffer).is_none());
    }

    proptest::proptest! {
        #[test]
        fn survives_any_answer(mut answer in proptest::collection::vec(proptest::num::u8::ANY, 0..200), good: bool) {
            if let (true, Some(code)) = (good, answer.get_mut(6..10)) {
                code.fill(0);
            }
            let _ = run(vec![answer]);
        }
    }
}
