//! What is wrong with one audio file, by itself: what its header promises, beside what is there.
//!
//! Lengths and bytes per frame are hints, as they are to every player; channels, rate and bits are not.

use super::{Judged, Rule};
use crate::checks::facts::{FileFacts, Known};
use crate::checks::family::Family;
use crate::checks::message::{self, Wanted};
use stemvault_codec::audio::{Coding, Container, Data, Format, Packed, SampleFormat};

/// What is wrong with one audio file that is not empty.
pub(super) fn troubles(file: &Judged<'_>, wanted: &Wanted) -> Vec<(Rule, String)> {
    let Judged { path, facts, known } = *file;
    let Some(format) = facts.format else {
        if known < Known::Header {
            return Vec::new();
        }
        let why = if facts.blank {
            message::blank(wanted)
        } else {
            message::unrecognised(path, wanted)
        };
        return vec![(Rule::UnreadableAudio, why)];
    };
    let mut troubles = Vec::new();
    if Family::of(path).is_some_and(|named| !named.holds(format)) {
        troubles.push((Rule::NameMismatch, message::mismatch(path, format, wanted)));
    }
    if format.is_lossy() {
        troubles.push((Rule::LossyFormat, message::lossy(format, wanted)));
    }
    match facts.packed {
        Packed::Broken => {
            troubles.push((Rule::UnreadableAudio, message::broken(format, wanted)));
        }
        Packed::AtLeast(least) if least > facts.length => {
            troubles.push((Rule::Truncated, message::stump(least, facts.length)));
        }
        Packed::Short { promised, there } => {
            let rate = facts.samples.map(|samples| samples.sample_rate);
            let said = message::ends_early(rate, promised, there);
            troubles.push((Rule::Truncated, said));
        }
        Packed::Open => troubles.push((Rule::OddHeader, message::no_last_page())),
        _ => {}
    }
    if let Format::Samples(container) = format
        && known == Known::Header
    {
        troubles.extend(sample_troubles(facts, container, wanted));
    }
    troubles
}

fn sample_troubles(
    facts: &FileFacts,
    container: Container,
    wanted: &Wanted,
) -> Option<(Rule, String)> {
    let format = Format::Samples(container);
    let (Some(samples), Some(data)) = (&facts.samples, &facts.data) else {
        return Some((Rule::UnreadableAudio, message::no_header(wanted)));
    };
    if samples.coding == Coding::Lossy {
        return Some((
            Rule::LossyFormat,
            message::lossy_inside(format, samples, wanted),
        ));
    }
    if samples.coding == Coding::Unknown {
        return Some((
            Rule::UnreadableAudio,
            message::unknown_coding(samples, wanted),
        ));
    }
    // A CAF whose packets have no length is read by nothing.
    let is_packetless = container == Container::Caf && samples.block_align == 0;
    let is_plain = matches!(samples.coding, Coding::Pcm | Coding::Float);
    if !samples.is_playable() || is_plain && is_packetless {
        return Some((Rule::UnreadableAudio, message::incoherent(samples, wanted)));
    }
    let lost = lengths(facts, samples, data, container, wanted);
    lost.or_else(|| {
        let right = u64::from(samples.channels) * u64::from(samples.bits.div_ceil(8));
        let odd = !samples.is_coherent();
        odd.then(|| (Rule::OddHeader, message::wrong_frame(samples, right)))
    })
}

/// Whether the lengths that a header tells are those of the file.
fn lengths(
    facts: &FileFacts,
    samples: &SampleFormat,
    data: &Data,
    container: Container,
    wanted: &Wanted,
) -> Option<(Rule, String)> {
    /// More than any program writes behind samples of which there are none.
    const TAIL: u64 = 4096;
    let odd = || Some((Rule::OddHeader, message::until_the_end()));
    let behind = facts.length.saturating_sub(data.offset);
    match data.end() {
        // One byte of grace: some programs count a pad byte that they then do not write.
        Some(end) if end > facts.length.saturating_add(1) => {
            // The size of the whole is right, so nothing is missing; that of the samples is not.
            let is_whole = facts
                .declared_end
                .is_some_and(|end| end.abs_diff(facts.length) <= 1);
            if behind > 0 && (is_whole || data.length.is_some_and(means_until_the_end)) {
                return odd();
            }
            let said = message::cut_short(samples, data, end, facts.length);
            Some((Rule::Truncated, said))
        }
        // The size went once round its 32 bits.
        Some(end) if facts.length - end.min(facts.length) >= 1 << 32 => {
            let narrow = matches!(
                container,
                Container::Wav | Container::Aiff | Container::Aifc
            );
            narrow.then(|| {
                (
                    Rule::Truncated,
                    message::wrapped(Format::Samples(container)),
                )
            })
        }
        Some(end) if end < facts.length && data.length.is_some_and(means_until_the_end) => odd(),
        Some(_) => None,
        None if behind == 0 => Some((Rule::EmptyFile, message::no_samples(wanted))),
        // "No samples" by the header: true if its sizes agree, a recorder's last word if they do not.
        None if data.length == Some(0) => match facts.declared_end {
            Some(end) if end > data.offset && behind <= TAIL => {
                Some((Rule::EmptyFile, message::no_samples(wanted)))
            }
            // Nothing plays an RF64 to its end.
            _ if container == Container::Rf64 => {
                Some((Rule::Truncated, message::unfinished(wanted)))
            }
            _ => Some((Rule::OddHeader, message::unfinished(wanted))),
        },
        None => None,
    }
}

/// Lengths that programs write which cannot go back to their header: all ones, the largest number
/// with a sign, and both less what stands around the samples. 0 and -1 have been seen to before.
fn means_until_the_end(length: u64) -> bool {
    const AROUND: u64 = 0x1000;
    let near = |most: u64| (most - AROUND..=most + AROUND).contains(&length);
    // SoX writes 7f000000 into an AIFF.
    near(0x7F00_0000) || near(0x7FFF_FFFF) || near(0xFFFF_FFFF) || length >= 1 << 60
}
