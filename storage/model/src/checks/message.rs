//! The sentences of the findings: which file, what is wrong, what to do. Read by tired musicians.

use std::fmt;

use super::family::extension;
use stemvault_codec::audio::{Coding, Data, Format, SampleFormat, Tag};

/// Significant bits of a sample, and whether they are a floating-point number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Depth {
    pub(super) bits: u16,
    pub(super) float: bool,
}

impl Depth {
    pub(super) fn of(samples: &SampleFormat) -> Option<Self> {
        let bits = samples.bits;
        (bits > 0).then_some(Self {
            bits,
            float: samples.coding == Coding::Float,
        })
    }
}

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bit{}",
            self.bits,
            if self.float { " float" } else { "" }
        )
    }
}

/// What most of the session is in, as far as one can tell: what to ask for.
pub(super) struct Wanted {
    pub(super) rate: Option<u32>,
    pub(super) depth: Option<Depth>,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never fewer than 24 bits: even in a session of 16 an export anew can only gain from them.
        let depth = self.depth.filter(|depth| depth.bits >= 24);
        write!(
            f,
            "WAV, {}, ",
            depth.unwrap_or(Depth {
                bits: 24,
                float: false
            })
        )?;
        match self.rate {
            Some(rate) => f.write_str(&kilohertz(rate)),
            None => f.write_str("at the session's sample rate"),
        }
    }
}

/// The whole message: the files and their trouble.
#[must_use]
pub fn about(paths: &[&str], trouble: &str) -> String {
    const NAMED: usize = 3;
    let names = paths[..paths.len().min(NAMED)].join(", ");
    match paths.len().saturating_sub(NAMED) {
        0 => format!("{names}: {trouble}"),
        1 => format!("{names} and 1 more file: {trouble}"),
        more => format!("{names} and {more} more files: {trouble}"),
    }
}

pub(super) fn empty() -> String {
    "the file is empty (0 bytes). Export it again and send it anew, or leave it out.".into()
}

pub(super) fn nothing() -> String {
    "the file is empty (0 bytes). It is no audio by its name, so this may be as it should be."
        .into()
}

pub(super) fn no_samples(wanted: &Wanted) -> String {
    format!(
        "a header and no audio behind it. Check that the track was not muted or outside the export \
         range, and export it again as {wanted}."
    )
}

pub(super) fn blank(wanted: &Wanted) -> String {
    format!(
        "nothing but zeros where the audio header should be, as after a copy that did not finish or \
         a file that is still in the cloud. Open it to see if it plays; otherwise export it again as \
         {wanted}."
    )
}

pub(super) fn unrecognised(path: &str, wanted: &Wanted) -> String {
    format!(
        "named .{}, but no audio program will be able to open it. Export it again as {wanted}.",
        extension(path).unwrap_or_default()
    )
}

pub(super) fn mismatch(path: &str, format: Format, wanted: &Wanted) -> String {
    let named = extension(path).unwrap_or_default();
    let title = format.title();
    if format.is_lossy() {
        return format!(
            "named .{named}, but it is {title}; the new name did not convert it. Export it again \
             from the session as {wanted}."
        );
    }
    if format.is_audio() {
        return format!(
            "named .{named}, but it is {title}. Give it the right extension, or export it again as \
             {wanted}."
        );
    }
    format!(
        "named .{named}, but it is {title}, no audio. Find the right file, or export it again as {wanted}."
    )
}

pub(super) fn lossy(format: Format, wanted: &Wanted) -> String {
    let title = format.title();
    let usually = if format == Format::Mp4 {
        "nearly always "
    } else {
        ""
    };
    format!(
        "{title}, {usually}compressed with loss: what is gone from the sound cannot be mixed back in. \
         Export it again from the session as {wanted}. If there is nothing better, say so in the notes."
    )
}

pub(super) fn lossy_inside(format: Format, samples: &SampleFormat, wanted: &Wanted) -> String {
    format!(
        "{}, but the sound in it is compressed with loss ({}). Export it again from the session as \
         uncompressed {wanted}.",
        format.title(),
        tag(samples.tag)
    )
}

pub(super) fn no_header(wanted: &Wanted) -> String {
    format!(
        "its header is damaged or breaks off before the audio begins. Export it again as {wanted}."
    )
}

pub(super) fn unknown_coding(samples: &SampleFormat, wanted: &Wanted) -> String {
    format!(
        "its samples are in an encoding that hardly any program reads ({}). Export it again as \
         {wanted}.",
        tag(samples.tag)
    )
}

pub(super) fn incoherent(samples: &SampleFormat, wanted: &Wanted) -> String {
    format!(
        "its header contradicts itself ({} channels, {} bit, {} bytes per frame, {} Hz). Export it \
         again as {wanted}.",
        samples.channels, samples.bits, samples.block_align, samples.sample_rate
    )
}

pub(super) fn other_rate(rate: u32, most: u32, wanted: &Wanted) -> String {
    format!(
        "{} in a session that is mostly {}: it would play at the wrong speed and pitch. Export it \
         again from the session as {wanted}.",
        kilohertz(rate),
        kilohertz(most)
    )
}

pub(super) fn other_depth(depth: Depth, most: Depth, wanted: &Wanted) -> String {
    if depth > most {
        return format!(
            "{depth} in a session that is mostly {most}. Nothing is lost in it; check that the others \
             were not exported with fewer bits than they were recorded with."
        );
    }
    format!(
        "{depth} in a session that is mostly {most}. If it was recorded like that, leave it and say so \
         in the notes; otherwise export it again as {wanted}."
    )
}

/// `end` is where the data should end, `length` how long the file is.
pub(super) fn cut_short(samples: &SampleFormat, data: &Data, end: u64, length: u64) -> String {
    let (promised, there) = (end - data.offset, length.saturating_sub(data.offset));
    broken_off(&amount(samples, promised), &amount(samples, there))
}

pub(super) fn unfinished(wanted: &Wanted) -> String {
    format!(
        "the recording was never closed: its header says that there is no audio, and many programs \
         will show it as empty. If that is so, open it where it was recorded and export it as {wanted}."
    )
}

pub(super) fn until_the_end() -> String {
    "its header does not say how much audio there is; programs play it to the end of the file. Check \
     that it plays to the end of the music."
        .into()
}

/// `right` is how many bytes a frame has.
pub(super) fn wrong_frame(samples: &SampleFormat, right: u64) -> String {
    format!(
        "its header says {} bytes per frame where {} channels of {} bits have {right}. Programs play it \
         all the same; check that it sounds right.",
        samples.block_align, samples.channels, samples.bits
    )
}

pub(super) fn broken(format: Format, wanted: &Wanted) -> String {
    format!(
        "it begins like {}, but no decoder will take it. Export it again as {wanted}.",
        format.title()
    )
}

/// `least` is how many bytes it must have, `length` how many it has.
pub(super) fn stump(least: u64, length: u64) -> String {
    format!(
        "the file breaks off: what its header promises takes {least} bytes or more, {length} are there. \
         The export or a copy was interrupted; export or copy it again and check that it plays to the end."
    )
}

/// Samples in each channel, of which there are so many a second.
pub(super) fn ends_early(rate: Option<u32>, promised: u64, there: u64) -> String {
    let time = |samples| {
        minutes(samples, rate.unwrap_or(0).into()).unwrap_or_else(|| format!("{samples} samples"))
    };
    broken_off(&time(promised), &time(there))
}

pub(super) fn no_last_page() -> String {
    "nothing in it says that it ends where it ends: it may have been cut off. Check that it plays to \
     the end of the music."
        .into()
}

fn broken_off(promised: &str, there: &str) -> String {
    format!(
        "the file breaks off: its header promises {promised}, {there} are there. The export or a copy was \
         interrupted; export or copy it again and check that it plays to the end."
    )
}

pub(super) fn half(path: &str, wanted: &Wanted) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    format!(
        "a Sound Designer II file is two files, and this one is without ._{name}, which says its rate \
         and width: nothing opens it. Export it as {wanted}, or send both halves (a zip made on the Mac \
         has them)."
    )
}

pub(super) fn wrapped(format: Format) -> String {
    format!(
        "larger than {} can be (4 GB): programs will play the beginning only. Export it as RF64 or \
         W64, or in parts.",
        format.title()
    )
}

/// Of several files whose names are one name to some computers; `first` is one of them.
pub(super) fn one_name(first: &str) -> String {
    format!(
        "to a Mac or to Windows this is the same name as {first:?} is: only one of them would be left there. \
         Rename all but one."
    )
}

/// Minutes and seconds where the frame has a size, bytes otherwise.
fn amount(samples: &SampleFormat, bytes: u64) -> String {
    let a_second = u64::from(samples.block_align) * u64::from(samples.sample_rate);
    let plain = matches!(samples.coding, Coding::Pcm | Coding::Float);
    let time = minutes(bytes, a_second).filter(|_| plain);
    time.unwrap_or_else(|| format!("{bytes} bytes"))
}

fn minutes(amount: u64, a_second: u64) -> Option<String> {
    const HOURS: u64 = 100;
    let tenths = amount.saturating_mul(10).checked_div(a_second)?;
    let (seconds, tenth) = (tenths / 10, tenths % 10);
    Some(if tenths / 36_000 >= HOURS {
        format!("more than {HOURS} hours")
    } else {
        format!("{}:{:02}.{tenth} minutes", seconds / 60, seconds % 60)
    })
}

fn kilohertz(rate: u32) -> String {
    let (whole, rest) = (rate / 1000, rate % 1000);
    if rest == 0 {
        return format!("{whole} kHz");
    }
    format!("{whole}.{} kHz", format!("{rest:03}").trim_end_matches('0'))
}

/// The encoding as people who know it would call it.
fn tag(tag: Tag) -> String {
    match tag {
        Tag::Wave(0x0002 | 0x0010 | 0x0011) => "ADPCM".into(),
        Tag::Wave(0x0006) => "A-law".into(),
        Tag::Wave(0x0007) => "µ-law".into(),
        Tag::Wave(0x0050 | 0x0055) => "MP3".into(),
        Tag::Wave(0x00FF | 0x1600 | 0x1610) => "AAC".into(),
        Tag::Wave(other) => format!("format tag 0x{other:04X}"),
        Tag::Guid(guid) => format!("sub-format {}", uuid::Uuid::from_bytes_le(guid)),
        Tag::FourCc(code) => format!("type {:?}", String::from_utf8_lossy(&code)),
    }
}
