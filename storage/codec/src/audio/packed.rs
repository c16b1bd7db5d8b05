//! How packed audio stands, and what its first bytes promise of that: whether a decoder will take them
//! at all, and how long the file has to be at least. Nothing is decoded; the bounds hold for digital silence too.

use serde::{Deserialize, Serialize};

use super::{Format, array};

/// How a packed file stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Packed {
    /// Nothing is said of it.
    #[default]
    Unknown,
    /// It begins like its format, and goes on like none that a decoder takes.
    Broken,
    /// What it promises does not fit into fewer bytes.
    AtLeast(u64),
    /// It promises so many samples in each channel, and its frames end earlier.
    Short {
        /// As its header has it.
        promised: u64,
        /// As its last frame has it.
        there: u64,
    },
    /// It does not say that it ends where it ends.
    Open,
}

impl Packed {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }

    /// Together with what following the file to offset `at` has shown.
    #[must_use]
    pub(super) fn and(self, shown: Self, at: u64) -> Self {
        match (self, shown) {
            (Self::AtLeast(one), Self::AtLeast(other)) => Self::AtLeast(one.max(other)),
            // Nothing else is shown before its end.
            (Self::AtLeast(least), _) if least > at => self,
            (Self::Broken, _) | (_, Self::Unknown) => self,
            _ => shown,
        }
    }
}

/// Of a file of this format with these first bytes, as many of [`SNIFF_LEN`](super::SNIFF_LEN) as it
/// has.
#[must_use]
pub fn packed(format: Format, head: &[u8]) -> Packed {
    let promised = match format {
        Format::Flac if head.starts_with(b"fLaC") => flac(head),
        Format::Flac | Format::Ogg | Format::Opus => ogg(head),
        Format::WavPack => wavpack(head),
        Format::Ape => monkeys(head),
        Format::Dsd if head.starts_with(b"DSD ") => dsf(head),
        Format::Dsd => dsdiff(head),
        _ => return Packed::Unknown,
    };
    promised.map_or(Packed::Broken, Packed::AtLeast)
}

fn be16(head: &[u8], at: usize) -> Option<u64> {
    array(head, at).map(u16::from_be_bytes).map(u64::from)
}

fn le32(head: &[u8], at: usize) -> Option<u64> {
    array(head, at).map(u32::from_le_bytes).map(u64::from)
}

/// The stream info, which always comes first: 34 bytes.
fn flac(head: &[u8]) -> Option<u64> {
    const INFO: u64 = 4 + 4 + 34;
    /// A frame that holds one value for each channel.
    const LEAST_FRAME: u64 = 10;
    let [kind, length @ ..] = array::<4>(head, 4)?;
    let (least, most) = (be16(head, 8)?, be16(head, 10)?);
    let frame = u64::from(u32::from_be_bytes(array(head, 11)?) & 0xFF_FFFF);
    let rate = u32::from_be_bytes(array(head, 18)?) >> 12;
    let samples = u64::from_be_bytes(array(head, 18)?) & 0xF_FFFF_FFFF;
    let is_info = kind & 0x7F == 0 && length == [0, 0, 34];
    if !is_info || rate == 0 || least < 16 || most < least {
        return None;
    }
    // The last frame may be shorter than any other.
    let frames = samples.div_ceil(most).saturating_sub(1);
    Some(INFO + frames * frame.max(LEAST_FRAME))
}

/// The first page begins a stream of the only version there is.
fn ogg(head: &[u8]) -> Option<u64> {
    let [version, flags] = array(head, 4)?;
    (version == 0 && flags < 8).then_some(27)
}

/// The head of a block: 32 bytes. The rules are those by which its own library finds one.
fn wavpack(head: &[u8]) -> Option<u64> {
    const HEAD: u64 = 32;
    const UNKNOWN: u64 = 0xFFFF_FFFF;
    let size = le32(head, 4)?;
    let version = u16::from_le_bytes(array(head, 8)?);
    let (all, here) = (le32(head, 12)?, le32(head, 20)?);
    let fits = (24..1 << 20).contains(&size) && size % 2 == 0 && here < 0x3_0000;
    if !fits || !(0x402..=0x410).contains(&version) {
        return None;
    }
    let blocks = if all == UNKNOWN {
        1
    } else {
        all.checked_div(here).unwrap_or(1).max(1)
    };
    Some(8 + size + (blocks - 1) * HEAD)
}

/// Since version 3.98 the lengths of all parts stand in front.
fn monkeys(head: &[u8]) -> Option<u64> {
    const DESCRIPTOR: u64 = 52;
    let version = u16::from_le_bytes(array(head, 4)?);
    match version {
        3980..=4999 => {
            let descriptor = le32(head, 8).filter(|length| *length >= DESCRIPTOR)?;
            let frames = le32(head, 24)? | le32(head, 28)? << 32;
            let rest = [12, 16, 20, 32].map(|at| le32(head, at));
            let rest = rest.into_iter().sum::<Option<u64>>()?;
            Some(frames.saturating_add(descriptor + rest))
        }
        3000..3980 => Some(32),
        _ => None,
    }
}

fn dsf(head: &[u8]) -> Option<u64> {
    let chunk = u64::from_le_bytes(array(head, 4)?);
    let whole = u64::from_le_bytes(array(head, 12)?);
    (chunk == 28).then_some(told(whole))
}

fn dsdiff(head: &[u8]) -> Option<u64> {
    let length = u64::from_be_bytes(array(head, 4)?);
    (array(head, 12)? == *b"DSD ").then_some(told(length).saturating_add(12))
}

/// A length, unless it is one of those that mean "until the end".
fn told(length: u64) -> u64 {
    if length >= 1 << 60 { 0 } else { length }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flac_of(samples: u64, frame: u32) -> Vec<u8> {
        let mut head = b"fLaC\x80\0\0\x22".to_vec();
        head.extend([0x10, 0, 0x10, 0]);
        head.extend(&frame.to_be_bytes()[1..]);
        head.extend([0; 3]);
        head.extend((48_000u64 << 44 | 23 << 36 | samples).to_be_bytes());
        head.extend([0; 16]);
        head
    }

    #[test]
    fn a_flac_says_how_long_it_is_at_least() {
        let of = |head: &[u8]| packed(Format::Flac, head);
        assert_eq!(of(&flac_of(0, 0)), Packed::AtLeast(42), "not known");
        assert_eq!(of(&flac_of(4096, 14)), Packed::AtLeast(42), "one frame");
        let long = 600 * 48_000u64;
        let frames = long.div_ceil(4096) - 1;
        assert_eq!(of(&flac_of(long, 14)), Packed::AtLeast(42 + frames * 14));
        assert_eq!(of(&flac_of(long, 0)), Packed::AtLeast(42 + frames * 10));
        assert_eq!(
            of(b"fLaC and then something else, forty bytes of it"),
            Packed::Broken
        );
        assert_eq!(of(&flac_of(long, 0)[..25]), Packed::Broken);
        assert_eq!(of(b"OggS\0\x02\0\0\0\0\0\0\0\0"), Packed::AtLeast(27));
        assert_eq!(packed(Format::Ogg, b"OggS and noise"), Packed::Broken);
        assert_eq!(packed(Format::Mp3, b"ID3"), Packed::Unknown);
    }

    #[test]
    fn so_do_wavpack_monkeys_and_dsd() {
        let mut block = b"wvpk".to_vec();
        for field in [1000u32, 0x0000_0410, 480_000, 0, 48_000, 0, 0] {
            block.extend(field.to_le_bytes());
        }
        assert_eq!(
            packed(Format::WavPack, &block),
            Packed::AtLeast(1008 + 9 * 32)
        );
        block[9] = 9;
        assert_eq!(packed(Format::WavPack, &block), Packed::Broken);

        let mut ape = b"MAC \x96\x0f\0\0".to_vec();
        for field in [52u32, 24, 40, 44, 90_000, 0, 0] {
            ape.extend(field.to_le_bytes());
        }
        assert_eq!(packed(Format::Ape, &ape), Packed::AtLeast(90_160));
        assert_eq!(
            packed(Format::Ape, b"MAC Quadra 950 and other words of noise!"),
            Packed::Broken
        );

        let mut dsf = b"DSD \x1c\0\0\0\0\0\0\0".to_vec();
        dsf.extend(5000u64.to_le_bytes());
        assert_eq!(packed(Format::Dsd, &dsf), Packed::AtLeast(5000));
        assert_eq!(
            packed(Format::Dsd, b"FRM8\0\0\0\0\0\0\x10\0DSD "),
            Packed::AtLeast(4108)
        );
        assert_eq!(
            packed(Format::Dsd, b"FRM8\0\0\0\0\0\0\x10\0PCM "),
            Packed::Broken
        );
    }
}
